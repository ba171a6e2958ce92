"""No credential is ever in an error, a log line or a repr, whatever the other end does with it."""

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from connectors.checkout import CheckoutClient
from connectors.connect import ConnectClient
from connectors.norce import NorceError
from tests.clients.peer import Hang, Peer, Received, Reply, Reset
from tests.clients.support import CHANNEL, PatientClock, at_most, checkout_settings, connect_settings, metrics

SECRETS = ["planted&secret 1", "planted-jwt-2", "planted-primary-3", "planted-secondary-4"]


def echo(status: int, received: Received) -> Reply:
    return Reply(status, received.raw * 3, {"retry-after": "1"})


BEHAVIOURS: dict[str, Callable[[Received], Any]] = {
    "fine": lambda _: Reply(body={"value": [{"ClientOrderRef": "17", "StatusId": 2}], "data": [{"id": "a"}]}),
    **{f"echo with {status}": partial(echo, status) for status in (200, 302, 400, 401, 429, 500)},
    "hang": lambda _: Hang(),
    "reset": lambda _: Reset(in_body=True),
}


@pytest.mark.parametrize("behaviour", BEHAVIOURS.values(), ids=BEHAVIOURS)
@pytest.mark.parametrize("where", ["identity", "api"])
async def test_no_secret_gets_out(
    peer: Peer,
    clock: PatientClock,
    behaviour: Callable[[Received], Any],
    where: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def answer(received: Received) -> Any:
        identity = received.path.endswith("/token")
        if identity and where != "identity":
            return Reply(body={"access_token": SECRETS[1], "expires_in": 3600})
        return behaviour(received)

    caplog.set_level(logging.DEBUG)
    peer.handler = answer
    changes = {"attempt_timeout": 0.05, "deadline": 5.0, "breaker_failures": 3}
    said: list[str] = []

    async def hear(call: Awaitable[object]) -> None:
        try:
            await call
        except NorceError as error:
            said.extend([repr(error), str(error), str(error.describe()), str(error.__dict__), repr(error.__cause__)])

    connect = connect_settings(peer.url, client_secret=SECRETS[0], **changes)
    async with ConnectClient(connect, clock=clock, uniform=at_most, metrics=metrics()) as client:
        await hear(client.send_order_status("17", None, [], None, application_id=1))
        await hear(client.send_order_status("17", None, [], "Confirmed", application_id=1))
        said.append(repr(vars(client)))
    checkout = checkout_settings(peer.url, token=SECRETS[2], secondary_token=SECRETS[3], **changes)
    async with CheckoutClient(checkout, clock=clock, uniform=at_most, metrics=metrics()) as checkout_client:
        await hear(checkout_client.find_order(CHANNEL, "17"))
        await hear(checkout_client.patch_attributes(CHANNEL, "a", {"version": 1}))
    output = capfd.readouterr()
    everything = "\n".join([*said, caplog.text, output.out, output.err])
    assert not [secret for secret in SECRETS if secret in everything or secret.replace(" ", "+") in everything]
    assert "planted" not in everything


def test_one_module_alone_knows_the_http_library() -> None:
    connectors = Path(__file__).resolve().parents[2] / "connectors"
    rooms = [connectors / room for room in ("norce", "connect", "checkout", "query")]
    knowing = [path.name for room in rooms for path in room.glob("*.py") if "import aiohttp" in path.read_text()]
    assert knowing == ["transport.py"]
