"""Reading one order's status from Commerce Query.

Norce docs: Query is an OData service and takes the header ``ApplicationId``. The address and the form of this look-up,
``GET /Orders/Orders?$filter=ClientOrderRef eq '...'``, are assumed.
"""

from __future__ import annotations

from functools import partial

from pydantic import BaseModel, ConfigDict, Field

from connectors.norce import Answer, NorceApi, NotYet, OrderNotFound, Patience, Request, status_numbered
from pipeline.events import NorceOrderStatus

APPLICATION_HEADER = "ApplicationId"


class _Order(BaseModel):
    """What is read of an order; the rest, personal data among it, is passed over."""

    model_config = ConfigDict(extra="ignore")

    status_id: int = Field(alias="StatusId")
    client_order_ref: str | int = Field(alias="ClientOrderRef")


class _Page(BaseModel):
    model_config = ConfigDict(extra="ignore")

    value: list[_Order]


class OrderReader:
    """Looks orders up in Query."""

    def __init__(self, base_url: str, api: NorceApi) -> None:
        self._url = f"{base_url}/Orders/Orders"
        self._api = api

    async def status(
        self, client_order_ref: str, application_id: int, *, patience: Patience | None = None
    ) -> NorceOrderStatus:
        """The status an order has now.

        An order that Query does not know yet is looked for until the deadline: the event may be ahead of Query.

        Raises:
            OrderNotFound: Query did not know the order until the deadline.
            UnknownOrderStatus: its status number is not documented.
            NorceError: the call failed, see ``NorceApi.call``.
        """
        quoted = client_order_ref.replace("'", "''")
        request = Request(
            operation="FindOrder",
            method="GET",
            url=self._url,
            headers={APPLICATION_HEADER: str(application_id)},
            query={"$filter": f"ClientOrderRef eq '{quoted}'", "$top": "1"},
        )
        number = await self._api.call(request, partial(_status_id, client_order_ref), patience=patience)
        return status_numbered(number)

    async def close(self) -> None:
        await self._api.close()


def _status_id(client_order_ref: str, answer: Answer) -> int:
    orders = _Page.model_validate(answer.json()).value
    if not orders:
        raise NotYet(OrderNotFound("Query does not know the order"))
    # The form of the filter is assumed. If Query passed it over, this would be some other order's status.
    if str(orders[0].client_order_ref) != client_order_ref:
        raise ValueError("Query answered with another order")
    return orders[0].status_id
