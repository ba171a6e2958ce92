"""Each role of an account opens what is its own and nothing of another role's; it is judged before Kafka is asked."""

from __future__ import annotations

import asyncio
import hashlib

import httpx
import pytest
from fastapi import FastAPI

from pipeline.audit.snapshot import Groups
from pipeline.settings import ConsoleSettings, KafkaSettings
from pipeline.web.accounts import Account, Accounts, Role
from pipeline.web.app import make_app

REASON = {"reason": "mended"}
OF_ANOTHER_ROLE = [
    (Role.OPERATOR, "GET", "/quarantine/0:0/body", None),
    (Role.OPERATOR, "GET", "/orders/1:1:1/person", None),
    (Role.PRIVACY, "POST", "/quarantine/retry", {"ids": ["0:0"], **REASON}),
    (Role.PRIVACY, "POST", "/dead-letters/some/release", REASON),
    (Role.PRIVACY, "POST", "/dead-letters/some/drop", {"everything": True, **REASON}),
]


@pytest.mark.parametrize(("role", "method", "path", "body"), OF_ANOTHER_ROLE)
def test_a_role_does_not_open_what_is_another_ones(
    role: Role, method: str, path: str, body: dict[str, object] | None
) -> None:
    accounts = Accounts({"anna": Account(hashlib.sha256(b"token").hexdigest(), frozenset({role}))})
    kafka = KafkaSettings(KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:9")
    settings = ConsoleSettings(workers=["http://127.0.0.1:9"])
    app = make_app(kafka, settings, Groups("worker", "connect", "checkout"), accounts)
    answer = asyncio.run(asked(app, method, path, body))
    assert (answer.status_code, answer.json()["error"]) == (403, "RoleMissing")


async def asked(app: FastAPI, method: str, path: str, body: dict[str, object] | None) -> httpx.Response:
    """The answer to whoever has the token."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console/api/v1") as client:
        return await client.request(method, path, json=body, headers={"Authorization": "Bearer token"})
