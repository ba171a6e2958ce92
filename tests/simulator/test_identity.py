"""Identity: OAuth2 errors by their names, tokens that end, and Norce's limit on asking."""

import httpx
import pytest

from connectors.simulator import Simulator, VirtualClock
from tests.simulator.support import Client, references, services, settings


async def test_a_token_opens_connect_and_query() -> None:
    async with services() as (norce, client):
        reference = references(norce)[0]
        assert (await client.send_status(reference)).status_code == 200
        assert (await client.query(client.order(reference).application_id)).status_code == 200


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "wrong"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"scope": "production"}, 400, "invalid_scope"),
        ({"scope": ""}, 400, "invalid_request"),
        ({"client_secret": ""}, 400, "invalid_request"),
    ],
)
async def test_a_wrong_token_request_gets_oauth2s_name_for_it(changes: dict[str, str], status: int, error: str) -> None:
    async with services() as (_, client):
        answer = await client.ask_for_token(**changes)
        assert (answer.status_code, answer.json()["error"]) == (status, error)


async def test_several_environments_may_be_asked_for_at_once() -> None:
    async with services() as (_, client):
        assert (await client.ask_for_token(scope="playground stage prod")).status_code == 200


async def test_json_is_no_form() -> None:
    async with services() as (norce, client):
        answer = await client.http.post(norce.urls["token_url"], json={"grant_type": "client_credentials"})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_the_twenty_first_request_waits_twenty_seconds() -> None:
    clock = VirtualClock()
    async with Simulator(settings(), clock=clock) as norce, httpx.AsyncClient() as http:
        client = Client(norce, http)
        assert [(await client.ask_for_token()).status_code for _ in range(20)] == [200] * 20

        refused = await client.ask_for_token()
        assert refused.status_code == 429
        assert refused.headers["Retry-After"] == "20"

        clock.advance(19)
        assert (await client.ask_for_token()).status_code == 429
        clock.advance(1)
        assert (await client.ask_for_token()).status_code == 200
        assert (await client.ask_for_token()).status_code == 429


async def test_three_tokens_a_minute_come_back_up_to_the_burst() -> None:
    clock = VirtualClock()
    tight = settings(token_burst=4, token_requests_per_minute=3)
    async with Simulator(tight, clock=clock) as norce, httpx.AsyncClient() as http:
        client = Client(norce, http)

        async def granted() -> int:
            return sum([(await client.ask_for_token()).status_code == 200 for _ in range(6)])

        assert await granted() == 4
        clock.advance(60)
        assert await granted() == 3
        clock.advance(3600)
        assert await granted() == 4


async def test_wrong_credentials_use_up_the_allowance_too() -> None:
    async with services(token_burst=2) as (_, client):
        for _ in range(2):
            assert (await client.ask_for_token(client_secret="wrong")).status_code == 401
        assert (await client.ask_for_token()).status_code == 429


async def test_a_token_ends_after_its_lifetime() -> None:
    clock = VirtualClock()
    async with Simulator(settings(token_lifetime=3600), clock=clock) as norce, httpx.AsyncClient() as http:
        client, reference = Client(norce, http), references(norce)[0]
        assert (await client.ask_for_token()).json()["expires_in"] == 3600
        assert (await client.send_status(reference)).status_code == 200
        clock.advance(3599)
        assert (await client.send_status(reference)).status_code == 200
        clock.advance(1)
        assert (await client.send_status(reference)).status_code == 401


async def test_tokens_can_be_forgotten_and_given_anew() -> None:
    async with services() as (norce, client):
        reference = references(norce)[0]
        await client.bearer()
        await client.turn(forget_tokens=True)
        assert (await client.send_status(reference)).status_code == 401
        assert (await client.ask_for_token()).status_code == 200


async def test_identity_can_be_down() -> None:
    async with services() as (_, client):
        await client.turn(identity_down=True)
        assert (await client.ask_for_token()).status_code == 503
        await client.turn(identity_down=False)
        assert (await client.ask_for_token()).status_code == 200


async def test_no_secret_and_no_token_is_kept() -> None:
    async with services(client_secret="do not keep me") as (_, client):
        token = (await client.ask_for_token(client_secret="do not keep me")).json()["access_token"]
        await client.ask_for_token(client_secret="do not keep me either", client_id="")
        kept = str(await client.ask("calls"))
        assert "do not keep me" not in kept
        assert token not in kept
        assert "grant_type=client_credentials" in kept
