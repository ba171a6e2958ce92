"""The kinds of field that event bodies are made of."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

ZERO = Decimal(0)


def exact_decimal(number: int | float) -> Decimal:
    """The shortest decimal that reads back as ``number``, so 0.1 is 0.1, 1.10 is 1.1 and 100.0 is 100."""
    if not number:
        return ZERO  # also for -0.0: one text for one amount
    text = repr(number).removesuffix(".0")
    if "e" in text:
        text = f"{Decimal(text):f}"
    return Decimal(text)


def json_number(value: Decimal) -> int | float:
    """The JSON number that ``exact_decimal`` reads back as ``value``, for values that came from one."""
    return int(value) if value == value.to_integral_value() else float(value)


class ExactNumber:
    """Marks a ``Decimal`` that is a JSON number on the wire.

    pydantic's own ``Decimal`` also takes JSON strings, in strict mode too; this one takes finite numbers only. Norce
    documents these fields as doubles, so a number is read as a double, or as a 64-bit integer, and turned into its
    shortest decimal text. ``parse`` refuses the rare literal that neither can hold.
    """

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        number = core_schema.union_schema(
            [
                core_schema.int_schema(strict=True, ge=-(2**63), le=2**63 - 1),
                core_schema.float_schema(strict=True, allow_inf_nan=False),
            ],
            custom_error_type="number",
            custom_error_message="Input should be a finite number",
        )
        return core_schema.json_or_python_schema(
            json_schema=core_schema.no_info_after_validator_function(exact_decimal, number),
            python_schema=core_schema.decimal_schema(strict=True, allow_inf_nan=False),
            serialization=core_schema.plain_serializer_function_ser_schema(json_number, when_used="json"),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "number"}


PersonalKind = Literal["email", "phone", "name"]


@dataclass(frozen=True, slots=True)
class PersonalData:
    """Marks a field as personal data of one kind. The registry collects these marks; nothing else lists them."""

    kind: PersonalKind


Int32 = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]
Int64 = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
KeyText = Annotated[str, Field(min_length=1)]
"""Text that is part of a partition key. Norce documents no lower limit; an empty one identifies nothing (assumed)."""
Number = Annotated[Decimal, ExactNumber]
"""A price, amount or quantity, exact and finite. Prices and amounts are in the major currency unit."""


class FreeTextMark:
    """Marks free text that Norce or a payment provider writes: it may hold personal data of any kind.

    Event topics have it as it came; everything derived has it masked.
    """


# Not in the repr: an event that ends up in a log line or a traceback must not take its buyer along.
Email = Annotated[str | None, PersonalData("email"), Field(repr=False)]
Phone = Annotated[str | None, PersonalData("phone"), Field(repr=False)]
PersonName = Annotated[str | None, PersonalData("name"), Field(repr=False)]
FreeText = Annotated[str | None, FreeTextMark(), Field(repr=False)]
