"""What Connect Order Service 4.0 takes. Norce's names are the aliases."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_pascal

from connectors.norce import Unaddressable
from pipeline.events import NorceOrderStatus

INT32_MAX = 2**31 - 1
_PLAIN_DECIMAL = re.compile(r"0|[1-9][0-9]{0,9}")

Int32 = Annotated[int, Field(ge=-(2**31), le=INT32_MAX)]


class _ConnectModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_pascal, populate_by_name=True)


class OrderInfo(_ConnectModel):
    """One info field of an order: ``code`` must be set up in Norce, ``value`` is free text."""

    code: str = Field(min_length=1)
    value: str


class SendOrderStatusRequest(_ConnectModel):
    """The body of SendOrderStatus.

    Norce docs: the order is found by ``client_order_ref`` or ``erp_order_no``; both are to be sent when both are known.
    """

    client_order_ref: Int32 | None = None
    erp_order_no: str | None = None
    order_status: NorceOrderStatus | None = None
    account_id: Int32 | None = None
    infos: tuple[OrderInfo, ...] = ()

    def body(self) -> dict[str, Any]:
        """As JSON, without what is not set."""
        body = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        if not self.infos:
            del body["Infos"]
        return body


def order_number(client_order_ref: str) -> int | None:
    """The reference as the int32 that Connect takes; events carry it as text.

    Only a plain decimal counts: digits, no sign, no space, no leading zero. Any other text belongs to an order from
    elsewhere, and ``007`` must not become order 7. None then, and when it does not fit.
    """
    if not _PLAIN_DECIMAL.fullmatch(client_order_ref):
        return None
    number = int(client_order_ref)
    return number if number <= INT32_MAX else None


def address(client_order_ref: str, erp_order_no: str | None) -> dict[str, Any]:
    """The fields that say which order is meant.

    Raises:
        Unaddressable: neither can be used.
    """
    number = order_number(client_order_ref)
    if number is None and not erp_order_no:
        raise Unaddressable(
            "ClientOrderRef is not an int32, which Connect needs, and the order has no ERP order number"
        )
    return {"client_order_ref": number, "erp_order_no": erp_order_no or None}
