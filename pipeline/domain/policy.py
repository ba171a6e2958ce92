"""What is pushed to Norce, as configuration. Nothing here can move money: there is no such call to configure.

The document is JSON::

    {
      "default": {
        "connect": {"infos": {"payment_state": "PaymentState", "paid_amount": "Paid{currency}"}},
        "checkout": {"attributes": ["status", "paid", "version"]}
      },
      "applications": {
        "1:2": {"connect": {"enabled": false}},
        "1:3": {"connect": {"order_status": {"delivered": "Delivered"}}}
      }
    }

Whatever is left out has its default. An application that names one target keeps the document's default for the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from pipeline.domain.errors import InvalidPolicy
from pipeline.domain.limits import MAX_INFO_CODE
from pipeline.domain.projection import ATTRIBUTES, CURRENCY, CheckoutFact, ConnectFact, info_writer
from pipeline.domain.records import AttributeValue, CheckoutContent, ConnectContent, Info, OrderStatus, OrderView
from pipeline.events import NorceOrderStatus

InfoCode = Annotated[str, StringConstraints(pattern=r"^[^{}]+$|^[^{}]*\{currency\}[^{}]*$", max_length=MAX_INFO_CODE)]


def _equal(one: OrderView, other: OrderView, fields: tuple[str, ...]) -> bool:
    return [getattr(one, field) for field in fields] == [getattr(other, field) for field in fields]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ConnectPolicy(_Part):
    """What SendOrderStatus says about an order."""

    enabled: bool = True
    infos: dict[ConnectFact, InfoCode] = Field(
        default={
            ConnectFact.PAYMENT_STATE: "PaymentState",
            ConnectFact.PAID_AMOUNT: "PaidAmount",
            ConnectFact.PAYMENT_CODES: "PaymentCodes",
            ConnectFact.SUBSCRIPTION_FAILURES: "SubscriptionFailures",
        },
        description="Which facts go out as Infos and under which code; the codes must be set up in Norce",
    )
    order_status: Literal["keep"] | dict[OrderStatus, NorceOrderStatus] = Field(
        default="keep",
        description='OrderStatus to set for each status here; "keep", and a status not named, change nothing in Norce',
    )

    @model_validator(mode="after")
    def _codes_differ(self) -> Self:
        twice = sorted(code for code, uses in Counter(self.infos.values()).items() if uses > 1)
        if twice:
            raise ValueError(f"one code stands for several facts: {', '.join(twice)}")
        misused = sorted({fact for fact, code in self.infos.items() if CURRENCY in code} - {ConnectFact.PAID_AMOUNT})
        if misused:
            raise ValueError(f"only {ConnectFact.PAID_AMOUNT} has a currency, not {', '.join(misused)}")
        return self

    @cached_property
    def _writers(self) -> tuple[tuple[str, Callable[[Any], list[Info]]], ...]:
        return tuple(info_writer(fact, code) for fact, code in self.infos.items())

    @cached_property
    def _fields(self) -> tuple[str, ...]:
        status = () if self.order_status == "keep" else ("status",)
        return tuple(dict.fromkeys([*(field for field, _ in self._writers), *status]))

    def says_the_same(self, one: OrderView, other: OrderView) -> bool:
        """Whether all that the content is made from is equal. Contents can be equal where this is not."""
        return _equal(one, other, self._fields)

    def content(self, view: OrderView) -> ConnectContent | None:
        """What Connect is to know of an order, ``None`` if there is nothing to say."""
        if not self.enabled:
            return None
        infos = tuple([info for field, write in self._writers for info in write(getattr(view, field))])
        order_status = None if self.order_status == "keep" else self.order_status.get(view.status)
        return ConnectContent(infos=infos, order_status=order_status) if infos or order_status else None


class CheckoutPolicy(_Part):
    """Which attributes a Checkout order gets."""

    enabled: bool = True
    attributes: tuple[CheckoutFact, ...] = Field(
        default=(
            CheckoutFact.STATUS,
            CheckoutFact.ORDER_NO,
            CheckoutFact.PAYMENT_STATE,
            CheckoutFact.PAID,
            CheckoutFact.SUBSCRIPTION_FAILURES,
            CheckoutFact.VERSION,
        ),
        description="Names of the attributes, all written under one key",
    )

    @cached_property
    def _writers(self) -> tuple[tuple[str, str, Callable[[Any], AttributeValue | None]], ...]:
        return tuple((fact.value, *ATTRIBUTES[fact]) for fact in self.attributes if fact in ATTRIBUTES)

    @cached_property
    def _fields(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(field for _, field, _ in self._writers))

    def says_the_same(self, one: OrderView, other: OrderView) -> bool:
        """Whether all that the content is made from is equal. Contents can be equal where this is not."""
        return _equal(one, other, self._fields)

    @cached_property
    def names_version(self) -> bool:
        """Whether the version of the order goes along."""
        return CheckoutFact.VERSION in self.attributes

    def content(self, view: OrderView) -> CheckoutContent | None:
        """What Checkout is to know of an order apart from its version, ``None`` if there is nothing to say."""
        if not self.enabled:
            return None
        values = [(name, value_of(getattr(view, field))) for name, field, value_of in self._writers]
        attributes = {name: value for name, value in values if value is not None}
        return CheckoutContent(attributes=attributes) if attributes else None


class PushPolicy(_Part):
    """What is pushed of the orders of one application."""

    connect: ConnectPolicy = ConnectPolicy()
    checkout: CheckoutPolicy = CheckoutPolicy()


class ApplicationPolicy(_Part):
    """How one application differs from the default; a target left out is as in the default."""

    connect: ConnectPolicy | None = None
    checkout: CheckoutPolicy | None = None


Application = Annotated[str, StringConstraints(pattern=r"^(0|-?[1-9][0-9]*):(0|-?[1-9][0-9]*)$")]


class PushPolicies(_Part):
    """The default, and what single applications do differently."""

    default: PushPolicy = PushPolicy()
    applications: dict[Application, ApplicationPolicy] = Field(
        default={}, description='"ClientId:ApplicationId" to what differs there'
    )

    @classmethod
    def parse(cls, document: str | bytes) -> Self:
        """Read the JSON document.

        Raises:
            InvalidPolicy: naming everything that is wrong with it.
        """
        try:
            return cls.model_validate_json(document)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False, include_context=False)
            raise InvalidPolicy([(".".join(map(str, item["loc"])), item["msg"]) for item in problems]) from None

    def of(self, client_id: int, application_id: int) -> PushPolicy:
        """The policy for the orders of one application."""
        return self._whole.get(f"{client_id}:{application_id}", self.default)

    @cached_property
    def _whole(self) -> dict[str, PushPolicy]:
        return {
            name: PushPolicy(
                connect=own.connect or self.default.connect, checkout=own.checkout or self.default.checkout
            )
            for name, own in self.applications.items()
        }


DEFAULT_POLICIES = PushPolicies()
