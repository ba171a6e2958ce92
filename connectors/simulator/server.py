"""The sockets: all services on one port, with the faults that only a socket can have."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from aiohttp import web

from connectors.simulator.clock import Clock
from connectors.simulator.contract import Incoming, Operation
from connectors.simulator.faults import Fault, Faults
from connectors.simulator.journal import Journal
from connectors.simulator.services import Answer, Service

MAX_BODY_BYTES = 1_048_576
"""Largest request body; beyond it 413."""

_KEPT_HEADERS = ("applicationid", "x-merchant", "x-channel", "x-adapterid")  # none of them is a secret
_LOOK_EVERY = 0.05  # seconds between two looks whether a caller that gets no answer has hung up
_TRICKLED = 60  # bytes that a trickled answer has at least

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Turns requests into calls of services, and their answers into responses."""

    def __init__(self, services: Iterable[Service], clock: Clock, journal: Journal, faults: Faults) -> None:
        self._services = tuple(services)
        self._clock = clock
        self._journal = journal
        self._faults = faults
        self._stopped = asyncio.Event()

    def app(self) -> web.Application:
        """The application with every operation of every contract, and a 404 for all else below their prefixes."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        for service in self._services:
            for operation in service.contract.operations.values():
                app.router.add_route(operation.method, operation.path, self._handler(service, operation))
            app.router.add_route("*", service.contract.prefix + "/{rest:.*}", self._handler(service, None))
        return app

    def stop(self) -> None:
        """Let go of callers that would wait for ever."""
        self._stopped.set()

    def _handler(self, service: Service, operation: Operation | None) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            incoming = await _read(request)
            name = operation.id if operation else f"{request.method} {request.path}"
            order = service.order_of(operation, incoming) if operation else None
            call = self._journal.begin(
                service.name, name, order, _kept(incoming), service.shown_body(incoming), lambda: _has_hung_up(request)
            )
            answer: Answer | None = None
            try:
                fault = self._faults.choose(service, name, order)
                call.fault = fault.kind if fault else None
                await self._clock.sleep(self._faults.latency(service))
                if fault is None or fault.takes_effect:
                    answer = service.answer(operation, incoming, call)
                else:
                    answer = fault.answer
                return await self._send(request, fault, answer)
            finally:
                shown = service.shown_answer(answer) if answer else ""
                self._journal.end(call, answer.status if answer else None, shown)

        return handle

    async def _send(self, request: web.Request, fault: Fault | None, answer: Answer | None) -> web.StreamResponse:
        if answer is not None and (fault is None or fault.kind == "answer"):
            return _response(answer)
        if answer is not None and fault is not None and fault.kind == "trickle":
            return await self._trickle(request, answer)
        if answer is not None and fault is not None and fault.kind == "cut":
            await _half(request, answer)
        if fault is not None and fault.kind == "hang":
            await self._until_hung_up(request)
        if request.transport is not None:
            request.transport.abort()  # the caller sees a reset, not the end of an answer
        return web.Response()

    async def _until_hung_up(self, request: web.Request) -> None:
        while not (self._stopped.is_set() or _has_hung_up(request)):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), _LOOK_EVERY)

    async def _trickle(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        body = answer.body.ljust(_TRICKLED)
        response = web.StreamResponse(status=answer.status, headers=dict(answer.headers))
        response.content_type = "application/json"
        response.content_length = len(body)
        await response.prepare(request)
        for place in range(len(body)):
            if self._stopped.is_set() or _has_hung_up(request):
                break
            with suppress(ConnectionError):  # hung up since the look
                await response.write(body[place : place + 1])
            await self._clock.sleep(1.0)
        return response


async def _read(request: web.Request) -> Incoming:
    return Incoming(
        path=request.match_info,
        query=tuple(request.query.items()),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=await request.read(),
        address=request.remote or "",
    )


def _kept(incoming: Incoming) -> dict[str, str]:
    return {name: incoming.headers[name] for name in _KEPT_HEADERS if name in incoming.headers}


def _response(answer: Answer) -> web.Response:
    content_type = "application/json" if answer.body else None
    headers = dict(answer.headers)
    return web.Response(status=answer.status, body=answer.body, headers=headers, content_type=content_type)


async def _half(request: web.Request, answer: Answer) -> None:
    body = answer.body.ljust(2)
    response = web.StreamResponse(status=answer.status, headers=dict(answer.headers))
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])


def _has_hung_up(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()
