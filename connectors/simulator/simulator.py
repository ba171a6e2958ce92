"""The simulator as a whole: Norce's services on one port, and its events on their way to the pipeline."""

import asyncio
import errno
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import count
from types import TracebackType
from typing import Any, Self

import orjson
import structlog
from aiohttp import web

from connectors.simulator.admin import routes
from connectors.simulator.checkout_orders import CheckoutOrders
from connectors.simulator.clock import Clock, SystemClock
from connectors.simulator.commerce import Commerce, Order
from connectors.simulator.deliveries import Deliveries
from connectors.simulator.faults import Faults
from connectors.simulator.journal import Journal
from connectors.simulator.knobs import Controls, Knobs
from connectors.simulator.poster import Poster
from connectors.simulator.scenario import Scenario, reordered
from connectors.simulator.script import ScriptedEvent
from connectors.simulator.server import Server
from connectors.simulator.services import Checkout, Connect, Identity, Query
from pipeline.cancelling import cancel
from pipeline.events.deliveries import ATTEMPT_TIMEOUT
from pipeline.settings import SimulatorSettings

log = structlog.get_logger()


class AddressInUse(Exception):
    """Another process listens where the simulator is to listen."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"{host}:{port} is in use; choose another NORCE_SIMULATOR_PORT")


class Simulator:
    """Norce in one process: ``async with Simulator(settings) as norce: ...``.

    With a ``webhook_url`` it posts the scenario there. Without one it posts nothing, and holds the scenario's orders
    as they are in the end. ``attempt_timeout`` is in real seconds.

    Raises (on entering):
        AddressInUse: another process listens on the port.
    """

    def __init__(
        self, settings: SimulatorSettings, *, clock: Clock | None = None, attempt_timeout: float = ATTEMPT_TIMEOUT
    ) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.scenario = Scenario(settings.seed, settings.orders, settings.bad)
        self.controls = Controls(Knobs.of(settings))
        self.journal = Journal(self.clock)
        self.deliveries = Deliveries(self.scenario.size())
        self.commerce = Commerce(self._echo)
        self.checkout_orders = CheckoutOrders(settings.seed)
        self.port = settings.port
        self._attempt_timeout = attempt_timeout
        self._poster = self._new_poster()
        self._posting: asyncio.Task[None] | None = None
        self._extra_numbers = count(-1, -1)
        self._server = self._new_server()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await self._listen(stack)
            if self._poster is None:
                for _ in self._created():
                    pass
            else:
                self._posting = asyncio.create_task(self._post_all(self._poster))
                stack.push_async_callback(cancel, self._posting)
            self._stack = stack.pop_all()
        log.info("simulator.started", url=self.url, orders=self.settings.orders, seed=self.settings.seed)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def url(self) -> str:
        """Where it listens: ``http://host:port``."""
        return f"http://{self.settings.host}:{self.port}"

    @property
    def urls(self) -> dict[str, str]:
        """What the pipeline's settings have to say: the base URL of each service, and of the token endpoint."""
        return {
            "token_url": f"{self.url}/identity/1.0/connect/token",
            "connect_url": f"{self.url}/commerce/connect/4.0",
            "query_url": f"{self.url}/commerce/query/3.0",
            "checkout_url": f"{self.url}/checkout/order/api/v1",
        }

    @property
    def is_finished(self) -> bool:
        """Whether every event is accepted, dead or dropped."""
        return self._poster is None or self._poster.is_done

    async def finished(self) -> None:
        """Wait until every event is accepted, dead or dropped. Raises what made the posting fail, if it did."""
        if self._poster is None or self._posting is None:
            return
        done = asyncio.ensure_future(self._poster.done())
        await asyncio.wait((done, self._posting), return_when=asyncio.FIRST_COMPLETED)
        done.cancel()
        if self._posting.done():
            self._posting.result()

    def post(self, event_type: str, body: bytes, reference: str | None = None) -> int:
        """Post a body that is in no script, as it is; ``reference`` only files it under an order. Returns its number.

        Raises:
            RuntimeError: there is no webhook to post to.
        """
        if self._poster is None:
            raise RuntimeError("no webhook_url is set")
        number = next(self._extra_numbers)
        self._poster.post(ScriptedEvent(number, event_type, body, reference))
        return number

    def state(self) -> dict[str, Any]:
        """How things stand, in numbers."""
        return {
            "seed": self.settings.seed,
            "finished": self.is_finished,
            "events": self.deliveries.as_json(),
            "orders": len(self.commerce),
            **self.journal.as_json(),
        }

    async def _listen(self, stack: AsyncExitStack) -> None:
        app = self._server.app()
        app.add_routes(routes(self))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        stack.callback(self._server.stop)
        try:
            await web.TCPSite(runner, self.settings.host, self.settings.port).start()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise AddressInUse(self.settings.host, self.settings.port) from None
            raise
        self.port = runner.addresses[0][1]

    def _new_poster(self) -> Poster | None:
        settings = self.settings
        if settings.webhook_url is None:
            return None
        secret = settings.webhook_secret
        return Poster(
            settings.webhook_url,
            {settings.webhook_secret_header: secret} if secret is not None else {},
            self.clock,
            self.controls,
            self.deliveries,
            seed=settings.seed,
            concurrency=settings.concurrency,
            time_scale=settings.time_scale,
            attempt_timeout=self._attempt_timeout,
        )

    def _new_server(self) -> Server:
        settings, journal = self.settings, self.journal
        identity = Identity(settings, self.clock, self.controls, journal)
        services = (
            identity,
            Connect(self.commerce, identity, journal),
            Query(self.commerce, identity, journal),
            Checkout(self.checkout_orders, self.commerce, settings.checkout_tokens, journal),
        )
        return Server(services, self.clock, journal, Faults(settings.seed, self.controls))

    async def _post_all(self, poster: Poster) -> None:
        await poster.run(reordered(self._created(), self.settings.seed, self._share_held_back))

    def _share_held_back(self) -> float:
        return self.controls.knobs.reordering

    def _created(self) -> Iterator[ScriptedEvent]:
        """The scenario's events; Norce's truth moves as each is created."""
        for event in self.scenario.events():
            self.deliveries.create(event)
            if event.order is not None:
                order = self.commerce.create(event.order)
                self.checkout_orders.create(event.order)
                self.commerce.change(order, event.change)
            yield event

    def _echo(self, event_type: str, order: Order) -> None:
        """The event that Norce fires when a call changes an order's status."""
        if self._poster is None:
            return
        fields = {
            "ClientId": order.client_id,
            "ApplicationId": order.application_id,
            "OrderId": order.order_id,
            "OrderNo": order.order_no,
            "ClientOrderRef": order.client_order_ref,
            "Source": order.source,
        }
        self.post(event_type, orjson.dumps(fields), order.client_order_ref)
