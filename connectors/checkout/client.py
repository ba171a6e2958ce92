"""The client of the Checkout Order API v1.

Norce docs: every call carries a static bearer token, ``x-merchant`` and ``x-channel``. Attributes are merged by key
(assumed), so writing the same key twice is safe.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Self
from urllib.parse import quote

import structlog

from connectors.checkout.orders import DONE, CheckoutOrder, Page, choose, read_page
from connectors.norce import (
    Answer,
    Clock,
    Limits,
    NoChannel,
    NorceApi,
    NorceMetrics,
    Patience,
    Request,
    StaticTokens,
    SystemClock,
)
from connectors.norce.backoff import Uniform
from pipeline.settings import CheckoutChannel, CheckoutSettings

PAGE_SIZE = 100
"""Orders asked for at once."""

PAGES_MAX = 20
"""Most pages read for one basket, which usually has one order."""

FALLBACK = "*"
"""The key of the channel for all applications that have none of their own."""

log = structlog.get_logger(__name__)


class CheckoutClient:
    """Sends updates to Checkout. Make one per process, inside its event loop, and close it at the end."""

    def __init__(
        self,
        settings: CheckoutSettings,
        *,
        clock: Clock | None = None,
        uniform: Uniform = random.uniform,
        metrics: NorceMetrics | None = None,
    ) -> None:
        clock = clock or SystemClock()
        secondary = settings.secondary_token
        tokens = StaticTokens(
            settings.token.get_secret_value().strip(),
            secondary.get_secret_value().strip() if secondary else None,
            clock,
        )
        self._settings = settings
        self._url = f"{settings.base_url}/checkout/orders"
        self._api = NorceApi("checkout", Limits.of(settings), tokens, clock=clock, uniform=uniform, metrics=metrics)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._api.close()

    @property
    def breaker_open(self) -> bool:
        """Whether Checkout is being left alone because it fails everyone."""
        return self._api.breaker_open

    async def wait_until_closed(self) -> None:
        """Return when Checkout takes calls from everyone again."""
        await self._api.wait_until_closed()

    def channel_for(self, client_id: int, application_id: int) -> CheckoutChannel:
        """The merchant and channel of an application's Checkout orders; events name neither.

        Raises:
            NoChannel: none is configured for it, and no fallback.
        """
        channels = self._settings.channels
        channel = channels.get(f"{client_id}:{application_id}") or channels.get(FALLBACK)
        if channel is None:
            variable = self._settings.variable("channels")
            raise NoChannel(f"{variable} names no channel for client {client_id}, application {application_id}")
        return channel

    async def find_order(
        self, channel: CheckoutChannel, cart_reference: str, *, patience: Patience | None = None
    ) -> CheckoutOrder | None:
        """The Checkout order made from a basket, or None, which is normal: not every order came through Checkout.

        Args:
            cart_reference: the Commerce basket id, which is an event's ClientOrderRef.

        Raises:
            NorceError: the call failed, see ``NorceApi.call``.
        """
        orders: list[CheckoutOrder] = []
        offset = 0
        for _ in range(PAGES_MAX):
            page = await self._page(channel, cart_reference, offset, patience)
            orders += page.orders
            offset += page.size
            if _is_last(page, offset):
                break
        else:
            log.warning("checkout_orders_cut_off", pages=PAGES_MAX, total=page.total)
        return choose(orders, cart_reference)

    async def bought(
        self, channel: CheckoutChannel, start: datetime, end: datetime
    ) -> AsyncIterator[Sequence[CheckoutOrder]]:
        """Pages of the orders of a channel that their buyers completed, made in a span of time; both with an offset.

        Norce docs: the list takes dates; that they are those of making is assumed.

        Raises:
            NorceError: the call failed, see ``NorceApi.call``.
        """
        query = {"date_from": _written(start), "date_to": _written(end), "order_by": "created", "limit": str(PAGE_SIZE)}
        offset = 0
        while True:
            page = await self._list(channel, {**query, "offset": str(offset)})
            yield [order for order in page.orders if order.status in DONE]
            offset += page.size
            if _is_last(page, offset):
                return

    async def patch_attributes(
        self,
        channel: CheckoutChannel,
        order_id: str,
        attributes: Mapping[str, Any],
        *,
        patience: Patience | None = None,
    ) -> None:
        """Set our attribute of a Checkout order to ``attributes``; other attributes stay as they are.

        Raises:
            NorceError: the call failed, see ``NorceApi.call``; ``Rejected`` with status 404 if the order is gone.
        """
        request = Request(
            operation="PatchAttributes",
            method="PATCH",
            url=f"{self._url}/{quote(order_id, safe='')}/attributes",
            headers=self._headers(channel),
            body={self._settings.attribute: dict(attributes)},
        )
        await self._api.call(request, _no_answer, patience=patience)

    async def _page(
        self, channel: CheckoutChannel, cart_reference: str, offset: int, patience: Patience | None
    ) -> Page:
        query = {"cart_reference": cart_reference, "limit": str(PAGE_SIZE), "offset": str(offset)}
        return await self._list(channel, query, patience)

    async def _list(self, channel: CheckoutChannel, query: Mapping[str, str], patience: Patience | None = None) -> Page:
        request = Request(
            operation="FindOrders", method="GET", url=self._url, headers=self._headers(channel), query=query
        )
        return await self._api.call(request, _read, patience=patience, accept=(404,))

    def _headers(self, channel: CheckoutChannel) -> dict[str, str]:
        headers = {"x-merchant": channel.merchant, "x-channel": channel.channel}
        if self._settings.adapter_id is not None:
            headers["x-adapterid"] = self._settings.adapter_id
        return headers


def _is_last(page: Page, offset: int) -> bool:
    """Whether nothing follows a page that ends at ``offset``. A page may be shorter than was asked for."""
    if page.size == 0:
        return True
    return page.size < PAGE_SIZE if page.total is None else offset >= page.total


def _written(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


def _read(answer: Answer) -> Page:
    return Page((), 0, 0) if answer.status == 404 else read_page(answer.json())


def _no_answer(answer: Answer) -> None:
    """The body is empty."""
