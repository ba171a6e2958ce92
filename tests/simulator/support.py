"""Both sides of the simulator, over real sockets: a webhook that it posts to, and a client that calls its services."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from aiohttp import web

from connectors.simulator import Clock, Simulator, VirtualClock
from pipeline.settings import SimulatorSettings

SECRET = "the webhook's secret"


@dataclass
class Post:
    """One request that the webhook got."""

    at: float
    """By the clock that was given to the webhook."""
    event_type: str
    body: bytes
    headers: dict[str, str]


Answering = Callable[[Post], Awaitable[web.Response]]


async def taken(post: Post) -> web.Response:
    return web.Response()


def answering(*statuses: int) -> Answering:
    """Answers with these statuses in turn, then with the last one."""
    left = list(statuses)

    async def answer(post: Post) -> web.Response:
        return web.Response(status=left.pop(0) if len(left) > 1 else left[0])

    return answer


@dataclass
class Webhook:
    """What posts came in, and how many at once."""

    url: str
    posts: list[Post] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0


@asynccontextmanager
async def webhook(answer: Answering = taken, clock: Clock | None = None) -> AsyncIterator[Webhook]:
    """A webhook on a port of its own."""

    async def handle(request: web.Request) -> web.Response:
        hook.in_flight += 1
        hook.most_in_flight = max(hook.most_in_flight, hook.in_flight)
        try:
            at = clock.now() if clock else 0.0
            post = Post(at, request.match_info["event_type"], await request.read(), dict(request.headers))
            hook.posts.append(post)
            return await answer(post)
        finally:
            hook.in_flight -= 1

    app = web.Application()
    app.router.add_post("/hook/{event_type}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        hook = Webhook(f"http://127.0.0.1:{runner.addresses[0][1]}/hook")
        yield hook
    finally:
        await runner.cleanup()


def settings(**changes: Any) -> SimulatorSettings:
    """Settings for a test: any free port, few orders."""
    return SimulatorSettings.model_validate({"port": 0, "orders": 5, "webhook_secret": SECRET, **changes})


@asynccontextmanager
async def virtual(hook_answer: Answering = taken, **changes: Any) -> AsyncIterator[tuple[Simulator, Webhook]]:
    """A simulator in virtual time and the webhook it posts to."""
    clock = VirtualClock()
    async with (
        webhook(hook_answer, clock) as hook,
        Simulator(settings(webhook_url=hook.url, **changes), clock=clock) as norce,
    ):
        yield norce, hook


@asynccontextmanager
async def services(**changes: Any) -> AsyncIterator[tuple[Simulator, "Client"]]:
    """A simulator that posts nothing, and a client with a token."""
    async with Simulator(settings(**changes)) as norce, httpx.AsyncClient(timeout=5.0) as http:
        yield norce, Client(norce, http)


class Client:
    """Calls the services as a pipeline would."""

    def __init__(self, norce: Simulator, http: httpx.AsyncClient) -> None:
        self.norce = norce
        self.http = http
        self._token: str | None = None

    async def ask_for_token(self, **changes: str) -> httpx.Response:
        """One token request; a field set to "" is left out."""
        form = {"grant_type": "client_credentials", "client_id": "simulator", "client_secret": "simulator"}
        form = {**form, "scope": "playground", **changes}
        fields = {name: value for name, value in form.items() if value}
        return await self.http.post(self.norce.urls["token_url"], data=fields)

    async def bearer(self) -> dict[str, str]:
        if self._token is None:
            self._token = (await self.ask_for_token()).json()["access_token"]
        return {"Authorization": f"Bearer {self._token}"}

    async def connect(self, operation: str, body: Any, **headers: str) -> httpx.Response:
        url = f"{self.norce.urls['connect_url']}/Order/{operation}"
        return await self.http.post(url, json=body, headers={**await self.bearer(), **headers})

    async def send_status(self, reference: str, status: str = "Confirmed", **fields: Any) -> httpx.Response:
        return await self.connect(
            "SendOrderStatus", {"ClientOrderRef": int(reference), "OrderStatus": status, **fields}
        )

    async def query(self, application: int, path: str = "Orders/Orders", **options: Any) -> httpx.Response:
        headers = {**await self.bearer(), "ApplicationId": str(application)}
        parameters = {f"${name}": value for name, value in options.items()}
        return await self.http.get(f"{self.norce.urls['query_url']}/{path}", params=parameters, headers=headers)

    async def checkout(
        self, method: str, path: str, reference: str, *, token: str = "simulator-primary", **options: Any
    ) -> httpx.Response:
        """A Checkout call with the merchant and channel of the order with this reference."""
        order = self.order(reference)
        headers = {
            "Authorization": f"Bearer {token}",
            "x-merchant": f"merchant-{order.client_id}",
            "x-channel": f"channel-{order.application_id}",
        }
        url = f"{self.norce.urls['checkout_url']}/checkout/orders{path}"
        return await self.http.request(method, url, headers=headers, **options)

    async def checkout_id(self, reference: str) -> str:
        """The id of the newest Checkout order of a basket."""
        found = await self.checkout("GET", "", reference, params={"cart_reference": reference})
        return str(found.json()["data"][-1]["id"])

    def order(self, reference: str) -> Any:
        order = self.norce.commerce.find(reference)
        assert order is not None
        return order

    async def turn(self, **changes: Any) -> httpx.Response:
        return await self.http.post(f"{self.norce.url}/simulator/knobs", json=changes)

    async def ask(self, path: str, **parameters: Any) -> Any:
        """What the simulator tells about itself."""
        answer = await self.http.get(f"{self.norce.url}/simulator/{path}", params=parameters)
        return answer.raise_for_status().json()


def references(norce: Simulator) -> list[str]:
    """The references of the orders made in Norce, oldest first."""
    return [order.client_order_ref for order in norce.scenario.orders() if not order.external]


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for a condition, a bounded time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for knows no event
            await asyncio.sleep(0.005)
