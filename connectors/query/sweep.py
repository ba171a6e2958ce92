"""Reading what changed in Commerce Query, page by page: orders, and failed runs of recurring orders.

Norce docs: Query is an OData 4 service under a rate limit; an order has ``Id``, ``ClientId``, ``ApplicationId``,
``QuotationId`` (the basket), ``TypeId``, ``OrderNo``, ``StatusId`` and ``Source``, rows have ``Created`` and a nullable
``Updated``, a package of a delivery note has ``StatusId``. Assumed, and settings where a wrong guess would stop a
sweep: ``ClientOrderRef`` (without it the basket is the reference), what payments and packages are expanded as,
``DropPointCode``, and the address and fields of failed runs. The reference shows names as ``orderNo``, its examples as
``OrderNo``: both are read.

Pages go by ``Id`` and not by position: orders that change while a sweep reads move no other order past it.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import AliasChoices, AliasGenerator, BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel, to_pascal

from connectors.norce import (
    Answer,
    ClientCredentials,
    Clock,
    Limits,
    NorceApi,
    NorceMetrics,
    Patience,
    Rejected,
    Request,
    SystemClock,
    Transport,
    persist,
)
from connectors.norce.backoff import Uniform
from connectors.norce.identity import REQUEST_TIMEOUT
from connectors.norce.metrics import default_metrics
from connectors.query.reader import APPLICATION_HEADER
from pipeline.events.fields import Number
from pipeline.settings import ReconcileSettings

READY_FOR_PICKUP = 11
"""Norce docs: ``StatusId`` of a package that can be collected."""

SALES = frozenset({1, 3, 5})
"""Norce docs: ``TypeId`` of customer orders, recurring orders and external orders. Purchase orders (2) and templates
of recurring orders (4) have no events."""

Text = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int) else value)]


class Row(BaseModel):
    """What is read of a row; the rest, personal data among it, is passed over."""

    model_config = ConfigDict(  # type: ignore[pydantic-alias]  # rows are read from answers, never built by keyword
        extra="ignore",
        frozen=True,
        alias_generator=AliasGenerator(validation_alias=lambda name: AliasChoices(to_pascal(name), to_camel(name))),
    )


class PaymentRow(Row):
    """A payment of an order. The amount is in the major unit."""

    payment_code: Text
    payment_method_code: str | None = None
    payment_ref: str | None = None
    amount: Number | None = None
    currency_code: str | None = None


class PackageRow(Row):
    status_id: int


class DeliveryNoteRow(Row):
    packages: tuple[PackageRow, ...] = ()


class NumberedRow(Row):
    """What every page is read by."""

    id: int
    client_id: int
    application_id: int


class OrderRow(NumberedRow):
    """An order as Query lists it. ``status_id`` is not restricted to the documented numbers."""

    client_order_ref: Text | None = None
    quotation_id: int | None = None
    order_no: str
    status_id: int
    type_id: int | None = None
    source: str | None = None
    drop_point_code: str | None = None
    payments: tuple[PaymentRow, ...] | None = None
    """None where they were not asked for."""
    delivery_notes: tuple[DeliveryNoteRow, ...] = ()

    @property
    def reference(self) -> str | None:
        """The ClientOrderRef of its events."""
        if self.client_order_ref:
            return self.client_order_ref
        return None if self.quotation_id is None else str(self.quotation_id)

    @property
    def is_sale(self) -> bool:
        """Whether it is an order that events are about."""
        return self.type_id is None or self.type_id in SALES

    @property
    def ready_for_pickup(self) -> bool:
        """Whether a package of it can be collected."""
        return any(package.status_id == READY_FOR_PICKUP for note in self.delivery_notes for package in note.packages)


class FailedRunRow(NumberedRow):
    """A run of a recurring order that failed."""

    recurring_order_id: int | None = None
    subscription_id: int | None = None
    quotation_id: int | None = None
    error_message: str | None = None


R = TypeVar("R", bound=NumberedRow)


class Page(BaseModel, Generic[R]):
    """A list as OData wraps it."""

    model_config = ConfigDict(extra="ignore")

    value: tuple[R, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """Rows changed from ``start`` on and before ``end``; both have an offset."""

    start: datetime
    end: datetime


class QuerySweeper:
    """Lists what changed. Make one per sweep, inside its event loop, and close it at the end."""

    def __init__(
        self,
        settings: ReconcileSettings,
        *,
        clock: Clock | None = None,
        uniform: Uniform = random.uniform,
        metrics: NorceMetrics | None = None,
    ) -> None:
        clock = clock or SystemClock()
        metrics = metrics or default_metrics()
        self._settings = settings
        self._clock = clock
        self._credentials = ClientCredentials(
            settings.token_url,
            settings.client_id,
            settings.client_secret.get_secret_value().strip(),
            settings.scope,
            transport=Transport(settings.connect_timeout),
            clock=clock,
            uniform=uniform,
            metrics=metrics,
            timeout=min(REQUEST_TIMEOUT, settings.attempt_timeout),
        )
        self._api = NorceApi(
            "query", Limits.of(settings), self._credentials, clock=clock, uniform=uniform, metrics=metrics
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._api.close()
        await self._credentials.close()

    async def orders(self, client_id: int, application_id: int, span: Span) -> AsyncIterator[Sequence[OrderRow]]:
        """Pages of the orders of an application that were last changed in a span of time, by ``Id``.

        Raises:
            NorceError: Query did not answer, or not in this form, for the outage limit of the settings.
        """
        start, end = _time(span.start), _time(span.end)
        changed = f"(Updated ge {start} and Updated lt {end})"
        new = f"(Updated eq null and Created ge {start} and Created lt {end})"
        query = {"$filter": f"({changed} or {new})"}
        if self._settings.expand:
            query["$expand"] = self._settings.expand
        async for page in self._pages("Orders/Orders", client_id, application_id, query, OrderRow):
            yield page

    async def failed_runs(
        self, client_id: int, application_id: int, span: Span
    ) -> AsyncIterator[Sequence[FailedRunRow]]:
        """Pages of the runs that failed in a span of time; none if the settings do not say where they are listed.

        Raises: as ``orders``.
        """
        path = self._settings.failed_runs_path
        if path is None:
            return
        condition = f"ErrorMessage ne null and Updated ge {_time(span.start)} and Updated lt {_time(span.end)}"
        async for page in self._pages(path, client_id, application_id, {"$filter": condition}, FailedRunRow):
            yield page

    async def knows(self, application_id: int, client_order_ref: str) -> bool:
        """Whether Query has an order by this reference, whenever it was changed.

        Raises: as ``orders``.
        """
        quoted = client_order_ref.replace("'", "''")
        query = {"$filter": f"ClientOrderRef eq '{quoted}'", "$top": "1"}
        request = self._request("Orders/Orders", "LookForOrder", application_id, query)
        known: bool = await self._persist(lambda patience: self._api.call(request, _any, patience=patience))
        return known

    async def _pages(
        self, path: str, client_id: int, application_id: int, query: Mapping[str, str], row: type[R]
    ) -> AsyncIterator[tuple[R, ...]]:
        top, last = self._settings.page_size, -1
        while True:
            condition = f"ApplicationId eq {application_id} and Id gt {last} and {query['$filter']}"
            asked = {**query, "$filter": condition, "$orderby": "Id", "$top": str(top)}
            request = self._request(path, f"List {path}", application_id, asked)
            read: Callable[[Answer], tuple[tuple[R, ...], bool]] = partial(
                _page, row, client_id, application_id, last, top
            )
            call = partial(self._api.call, request, read)
            rows, more = await self._persist(lambda patience, call=call: call(patience=patience))  # type: ignore[misc]
            if rows:
                yield rows
                last = rows[-1].id
            if not more:
                return

    def _request(self, path: str, operation: str, application_id: int, query: Mapping[str, str]) -> Request:
        return Request(
            operation=operation,
            method="GET",
            url=f"{self._settings.query_url}/{path}",
            headers={APPLICATION_HEADER: str(application_id)},
            query=query,
        )

    async def _persist(self, operation: Callable[[Patience], Any]) -> Any:
        settings = self._settings
        return await persist(operation, settings.deadline, outage_limit=settings.outage_limit, clock=self._clock)


def _page(
    row: type[R], client_id: int, application_id: int, last: int, top: int, answer: Answer
) -> tuple[tuple[R, ...], bool]:
    """The rows, and whether more may follow. The forms of filter and order are assumed, so both are checked."""
    content = answer.json()  # what is no JSON is a gateway's page and may pass
    try:
        rows: tuple[R, ...] = Page[row].model_validate_json(answer.body).value  # type: ignore[valid-type]  # as asked
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, problem["loc"]))
        raise Rejected(f"Query's answer does not fit: {place}: {problem['msg']}") from None
    for each in rows:
        if (each.client_id, each.application_id) != (client_id, application_id):
            raise Rejected("Query lists other applications than the filter names")
        if each.id <= last:
            raise Rejected("Query passes over the filter or the order by Id")
        last = each.id
    return rows, bool(rows) and (len(rows) >= top or "@odata.nextLink" in content)


def _any(answer: Answer) -> bool:
    return bool(answer.json()["value"])


def _time(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")
