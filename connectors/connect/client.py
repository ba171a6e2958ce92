"""The client of Connect Order Service 4.0.

Connect documents no idempotency key; SendOrderStatus with the same values is taken to be safe to repeat (assumed).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Self

from connectors.connect.models import OrderInfo, SendOrderStatusRequest, address
from connectors.norce import (
    Answer,
    ClientCredentials,
    Clock,
    Limits,
    NorceApi,
    NorceMetrics,
    NotConfigured,
    Patience,
    Request,
    SystemClock,
    Transport,
    status_named,
)
from connectors.norce.backoff import Uniform
from connectors.norce.identity import REQUEST_TIMEOUT
from connectors.norce.metrics import default_metrics
from connectors.query import OrderReader
from pipeline.settings import ConnectSettings


class ConnectClient:
    """Sends updates to Connect. Make one per process, inside its event loop, and close it at the end.

    Query is read with the same token and has its own rate limit and circuit breaker.
    """

    def __init__(
        self,
        settings: ConnectSettings,
        *,
        clock: Clock | None = None,
        uniform: Uniform = random.uniform,
        metrics: NorceMetrics | None = None,
    ) -> None:
        clock = clock or SystemClock()
        metrics = metrics or default_metrics()
        self._settings = settings
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
            start_jitter=settings.token_start_jitter,
        )
        self._api = NorceApi(
            "connect", Limits.of(settings), self._credentials, clock=clock, uniform=uniform, metrics=metrics
        )
        self._reader: OrderReader | None = None
        if settings.query_url is not None:
            limits = Limits.of(settings, rate=settings.query_rate)
            query = NorceApi("query", limits, self._credentials, clock=clock, uniform=uniform, metrics=metrics)
            self._reader = OrderReader(settings.query_url, query)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End what is under way and close all connections."""
        await self._api.close()
        if self._reader is not None:
            await self._reader.close()
        await self._credentials.close()

    @property
    def breaker_open(self) -> bool:
        """Whether Connect is being left alone because it fails everyone."""
        return self._api.breaker_open

    async def wait_until_closed(self) -> None:
        """Return when Connect takes calls from everyone again."""
        await self._api.wait_until_closed()

    def require_reader(self) -> OrderReader:
        """The reader of order statuses; to be called at the start by whoever will send ``order_status=None``.

        Raises:
            NotConfigured: no Query URL is set.
        """
        if self._reader is None:
            variable = self._settings.variable("query_url")
            raise NotConfigured(f"{variable} is not set: an order's status cannot be kept without reading it")
        return self._reader

    async def send_order_status(
        self,
        client_order_ref: str,
        erp_order_no: str | None,
        infos: Sequence[OrderInfo | Mapping[str, str]],
        order_status: str | None,
        *,
        application_id: int,
        patience: Patience | None = None,
    ) -> None:
        """Set info fields of an order, and its status.

        Connect requires a status. With None the order keeps the one it has: it is read from Query right before every
        attempt, and sent back. Norce offers nothing to make the two one step, so a status set by somebody else in
        between (milliseconds, or up to the rate limit's queue) is overwritten with the one before it.

        Args:
            client_order_ref: sent when it is a plain int32, see ``order_number``.
            erp_order_no: the ERP's order number, when known.
            infos: ``{"code": ..., "value": ...}`` each.
            order_status: a name as Connect spells it, or None.
            application_id: of the order; sent to Query, and to Connect if a header is configured for it.
            patience: of the update, see ``persist``.

        Raises:
            Unaddressable, UnknownOrderStatus, NotConfigured: before any call.
            OrderNotFound, UnknownOrderStatus: from Query.
            NorceError: the call failed, see ``NorceApi.call``.
        """
        message = SendOrderStatusRequest(
            **address(client_order_ref, erp_order_no),
            order_status=None if order_status is None else status_named(order_status),
            account_id=self._settings.account_id,
            infos=tuple(OrderInfo.model_validate(info) for info in infos),
        )
        reader = self.require_reader() if order_status is None else None

        async def with_present_status(request: Request) -> Request:
            if reader is None:
                return request
            status = await reader.status(client_order_ref, application_id, patience=patience)
            return replace(request, body=message.model_copy(update={"order_status": status}).body())

        header = self._settings.application_header
        request = Request(
            operation="SendOrderStatus",
            method="POST",
            url=f"{self._settings.base_url}/Order/SendOrderStatus",
            headers={header: str(application_id)} if header else {},
            body=message.body(),
        )
        await self._api.call(request, _no_answer, patience=patience, refresh=with_present_status)


def _no_answer(answer: Answer) -> None:
    """Norce docs: nothing is published about the body; the status code alone counts."""
