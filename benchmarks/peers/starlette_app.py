"""A receiver on plain Starlette: one route, the event validated by our models, the record sent and waited for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.peers import receiving
from pipeline.events import find


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    app.state.producer = receiving.producer()
    await app.state.producer.start()
    yield
    await app.state.producer.stop()


async def take(request: Request) -> Response:
    if not receiving.allowed(request.headers.get("x-norce-secret", "").encode()):
        return Response(status_code=401)
    spec = find(request.path_params["event_type"])
    if spec is None:
        return Response(status_code=404)
    body = await request.body()
    try:
        event = spec.model.model_validate_json(body)
    except ValidationError:
        return Response(status_code=422)
    key = spec.partition_key(event).encode()
    await request.app.state.producer.send_and_wait(spec.topic, body, key, headers=receiving.headers(spec.name, key))
    return Response()


async def ready(request: Request) -> Response:
    return Response()


app = Starlette(
    routes=[Route("/webhooks/norce/{event_type}", take, methods=["POST"]), Route("/readyz", ready)], lifespan=lifespan
)
