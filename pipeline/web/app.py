"""The console's application: the page, the query API, the overview, and what operators do."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import httpx
import prometheus_client
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel

from pipeline import metrics_catalogue
from pipeline.audit.snapshot import Groups
from pipeline.query.api import router as query_router
from pipeline.query.documents import Problem
from pipeline.query.things import Things
from pipeline.query.workers import Workers, resolved
from pipeline.settings import ConsoleSettings, KafkaSettings
from pipeline.web import metrics
from pipeline.web.accounts import Accounts, Caller
from pipeline.web.errors import add_handlers
from pipeline.web.operations import router as operations_router
from pipeline.web.overview import Overview
from pipeline.web.quarantine import router as quarantine_router
from pipeline.web.signing_in import caller, reader

STATIC = Path(__file__).parent / "static"
BASE = "/api/v1"

HEADERS: Mapping[str, str] = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
"""On every answer. What the page shows is of the moment, and nobody else's to keep."""


class Me(BaseModel):
    """Who asks, and what that account may do."""

    name: str | None
    roles: list[str]
    reading_needs_account: bool
    accounts: bool


def make_app(
    kafka: KafkaSettings,
    settings: ConsoleSettings,
    groups: Groups,
    accounts: Accounts,
    beside: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
) -> FastAPI:
    """The application. It asks nobody anything before the first request. ``beside`` is entered while it answers."""
    workers = Workers(settings.workers, settings.timeout)
    client = httpx.AsyncClient()
    overview = Overview({**settings.processes, "worker": settings.workers}, resolved, client)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with workers, client, beside():
            yield

    app = FastAPI(
        title="norce-pipeline query API",
        version=version("norce-pipeline"),
        description="The state that the pipeline keeps of orders, products, customers and all else, as of now.",
        openapi_url=f"{BASE}/openapi.json",
        docs_url=None,  # it would load its page from another host
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.accounts = accounts
    app.state.told = metrics_catalogue.registry("console")
    app.state.reading_needs_account = settings.reading_needs_account
    add_handlers(app)
    app.middleware("http")(_answered)

    for path in ("/livez", "/readyz"):
        app.add_api_route(path, _alive, include_in_schema=False)
    app.add_api_route("/metrics", _metrics, include_in_schema=False)

    api = APIRouter(prefix=BASE)

    unauthorized: dict[int | str, dict[str, Any]] = {401: {"model": Problem, "description": "The token is nobody's"}}

    @api.get("/me", summary="Who asks", tags=["console"], responses=unauthorized)
    async def me(found: Annotated[Caller, Depends(caller)]) -> Me:
        """The account of the request's token."""
        return Me(
            name=found.name,
            roles=sorted(found.roles),
            reading_needs_account=settings.reading_needs_account,
            accounts=len(accounts) > 0,
        )

    reading = [Depends(reader)]

    @api.get(
        "/overview",
        summary="The pipeline at this moment",
        tags=["console"],
        dependencies=reading,
        responses=unauthorized,
    )
    async def look() -> dict[str, Any]:
        """The stages from webhook to Norce, from the metrics of their processes; at most a second old."""
        return await overview.look()

    api.include_router(operations_router(kafka, settings, groups.worker), dependencies=reading)
    api.include_router(quarantine_router(kafka), dependencies=reading)
    api.include_router(query_router(Things(workers), kafka, groups), dependencies=reading)
    app.include_router(api)
    _document(app, reading_needs_account=settings.reading_needs_account)
    app.mount("/", StaticFiles(directory=STATIC, html=True), name="page")
    return app


def _document(app: FastAPI, *, reading_needs_account: bool) -> None:
    """Say what needs an account; FastAPI takes it to be needed wherever it is looked at."""
    document = app.openapi()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            acts = method != "get" or path.endswith(("/person", "/body"))
            if "security" in operation and not acts and not reading_needs_account:
                operation["security"].insert(0, {})


async def _answered(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    started = time.perf_counter()
    response = await answer(request)
    route = getattr(request.scope.get("route"), "path", "page")
    metrics.REQUESTS.labels(route, request.method, response.status_code).inc()
    metrics.SECONDS.labels(route).observe(time.perf_counter() - started)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


async def _alive() -> dict[str, str]:
    return {"status": "ok"}


async def _metrics(request: Request) -> Response:
    return Response(
        prometheus_client.generate_latest(request.app.state.told), media_type=prometheus_client.CONTENT_TYPE_LATEST
    )
