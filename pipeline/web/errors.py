"""What a request to the console can be refused for, and how everything that can go wrong is answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from pipeline.connecting import BrokerError
from pipeline.dead_letters.parked import UnreadableParking
from pipeline.domain import MalformedKey, UnreadableState
from pipeline.privacy.errors import Forgotten, NothingHeld, PrivacyError
from pipeline.quarantine.retrying import NotPublished
from pipeline.query.api import UnusableCursor
from pipeline.query.errors import NoSuchThing, NoWorker, PartitionMoving

RETRY_AFTER = "2"


class Refused(Exception):
    """Base of what is said to whoever may not do something, or asks for what is not there."""


class NotSignedIn(Refused):
    """The request needs an account, or names a token that is nobody's."""


class RoleMissing(Refused):
    """The account may not do that."""

    def __init__(self, role: str) -> None:
        super().__init__(f"that needs the role {role}")


class NoSuchLetter(Refused):
    """There is no such dead letter."""


class NoSuchBody(Refused):
    """There is no such body in quarantine: none ever was, or it is older than bodies are kept."""

    def __init__(self, places: Iterable[str]) -> None:
        super().__init__(f"not in quarantine: {', '.join(places)}")


class AlreadySettled(Refused):
    """Nothing is left to do about it."""


class NotSetUp(Refused):
    """The console lacks the settings for that."""


STATUS: Mapping[type[Exception], int] = {
    NotSignedIn: 401,
    RoleMissing: 403,
    NoSuchLetter: 404,
    NoSuchBody: 404,
    AlreadySettled: 409,
    NotSetUp: 409,
    NoSuchThing: 404,
    NothingHeld: 404,
    Forgotten: 404,
    PrivacyError: 409,
    MalformedKey: 422,
    UnusableCursor: 422,
    PartitionMoving: 503,
    NoWorker: 503,
    BrokerError: 503,
    NotPublished: 503,
    UnreadableState: 503,
    UnreadableParking: 503,
}


def add_handlers(app: FastAPI) -> None:
    """Answer every named error as ``{"error": name, "message": sentence}``."""
    for kind in STATUS:
        app.add_exception_handler(kind, _named)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


async def _named(request: Request, error: Exception) -> JSONResponse:
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    headers = {"retry-after": RETRY_AFTER} if status == 503 else {}
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    return problem(status, type(error).__name__, str(error), headers)


async def _invalid(request: Request, error: Any) -> JSONResponse:
    """Of a ``RequestValidationError``."""
    found = [f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors()]
    return problem(422, "InvalidRequest", "; ".join(found))


async def _http(request: Request, error: Any) -> JSONResponse:
    """Of an ``HTTPException``."""
    names = {400: "UnreadableBody", 404: "NotFound", 405: "MethodNotAllowed"}
    return problem(error.status_code, names.get(error.status_code, "Refused"), str(error.detail), error.headers)


def problem(status: int, name: str, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An answer that says what is wrong."""
    return JSONResponse({"error": name, "message": message}, status, dict(headers or {}))
