"""Listing what changed in Query: every order once, whatever changes meanwhile; an answer that does not fit is named."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.norce import Rejected, Unavailable
from connectors.query import QuerySweeper, Span
from connectors.simulator import Simulator
from connectors.simulator.script import Change
from pipeline.settings import ReconcileSettings
from tests.clients.peer import Peer, Received, Reply
from tests.clients.support import LIMITS, PatientClock, at_most, metrics
from tests.simulator import support

ALL = Span(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
ROW = {"Id": 7, "ClientId": 1, "ApplicationId": 2, "ClientOrderRef": "77", "OrderNo": "77", "StatusId": 0}


def settings(query_url: str, token_url: str, **changes: Any) -> ReconcileSettings:
    return ReconcileSettings.model_validate(
        {
            **LIMITS,
            "query_url": query_url,
            "token_url": token_url,
            "client_id": "simulator",
            "client_secret": "simulator",
            "scope": "playground",
            "applications": "1:2",
            "failed_runs_path": "Orders/RecurringOrderSchedules",
            **changes,
        }
    )


def of_simulator(norce: Simulator, **changes: Any) -> QuerySweeper:
    return QuerySweeper(settings(norce.urls["query_url"], norce.urls["token_url"], **changes), metrics=metrics())


def of_peer(peer: Peer, **changes: Any) -> QuerySweeper:
    group = settings(f"{peer.url}/query", f"{peer.url}/token", **changes)
    return QuerySweeper(group, clock=PatientClock(), uniform=at_most, metrics=metrics())


def listing(*pages: Mapping[str, Any]) -> Any:
    """A peer's behaviour: these pages in turn, then empty ones."""
    left = list(pages)

    def answer(received: Received) -> Reply:
        if received.path == "/token":
            return Reply(body={"access_token": "token", "expires_in": 3600, "token_type": "Bearer"})
        return Reply(body=left.pop(0) if left else {"value": []})

    return answer


async def listed(sweeper: QuerySweeper, span: Span = ALL) -> list[str | None]:
    return [order.reference async for page in sweeper.orders(1, 2, span) for order in page]


async def test_every_order_of_an_application_is_listed_once_while_others_change() -> None:
    async with support.services(orders=60) as (norce, _), of_simulator(norce, page_size=3) as sweeper:
        own = [order for order in norce.commerce.orders() if order.application_id == 1011]
        found: list[str | None] = []
        async for page in sweeper.orders(101, 1011, ALL):
            found += [order.reference for order in page]
            norce.commerce.change(own[0], Change(status="Confirmed"))
        assert found == [order.client_order_ref for order in own]
        assert len(own) > 4


async def test_only_what_was_changed_in_the_span_is_listed() -> None:
    async with support.services(orders=60) as (norce, _), of_simulator(norce) as sweeper:
        own = [order for order in norce.commerce.orders() if order.application_id == 1011]
        moment = datetime.now(UTC)
        norce.commerce.change(own[3], Change(status="Confirmed"))
        own[4].updated, own[4].created = None, datetime.now(UTC)
        since = Span(moment, ALL.end)
        assert [order.id async for page in sweeper.orders(101, 1011, since) for order in page] == [
            own[3].order_id,
            own[4].order_id,
        ]


async def test_failed_runs_are_listed_with_their_basket() -> None:
    async with support.services(orders=400) as (norce, _), of_simulator(norce, page_size=1) as sweeper:
        runs = [run async for page in sweeper.failed_runs(101, 1011, ALL) for run in page]
        own = [order for order in norce.commerce.orders() if order.application_id == 1011 and order.failed_runs]
        assert [(run.id, run.quotation_id) for run in runs] == [
            (number, int(order.client_order_ref)) for order in own for number in order.failed_runs
        ]
        assert len(runs) > 2


async def test_without_a_path_no_failed_run_is_asked_for(peer: Peer) -> None:
    async with of_peer(peer, failed_runs_path=None) as sweeper:
        assert [page async for page in sweeper.failed_runs(1, 2, ALL)] == []
    assert peer.received == []


async def test_a_server_that_pages_by_itself_is_followed(peer: Peer) -> None:
    peer.handler = listing(
        {"value": [ROW], "@odata.nextLink": "http://elsewhere"}, {"value": [{**ROW, "Id": 8, "ClientOrderRef": "78"}]}
    )
    async with of_peer(peer, page_size=100) as sweeper:
        assert await listed(sweeper) == ["77", "78"]
    assert "Id gt 7" in peer.received[-1].query["$filter"]


async def test_names_are_read_in_either_spelling_and_the_basket_stands_for_a_reference(peer: Peer) -> None:
    row = {"id": 7, "clientId": 1, "applicationId": 2, "quotationId": 77, "orderNo": "77", "statusId": 0}
    peer.handler = listing({"value": [row]})
    async with of_peer(peer) as sweeper:
        assert await listed(sweeper) == ["77"]


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([{**ROW, "ApplicationId": 3}], "other applications"),
        ([ROW, ROW], "passes over the filter"),
        ([{**ROW, "StatusId": "new"}], "value.0.StatusId"),
    ],
    ids=["another application", "the same order twice", "another type"],
)
async def test_an_answer_that_does_not_fit_is_named_at_once(
    peer: Peer, rows: list[dict[str, Any]], problem: str
) -> None:
    peer.handler = listing({"value": rows})
    async with of_peer(peer) as sweeper:
        with pytest.raises(Rejected, match=problem):
            await listed(sweeper)
    assert len(peer.received) == 2


async def test_an_outage_is_waited_out_and_a_long_one_ends_the_sweep(peer: Peer) -> None:
    peer.handler = listing({"value": [ROW]})
    await_token = Reply(body={"access_token": "token", "expires_in": 3600, "token_type": "Bearer"})
    peer.script(await_token, Reply(503), Reply(429, headers={"Retry-After": "7"}))
    async with of_peer(peer) as sweeper:
        assert await listed(sweeper) == ["77"]
    peer.handler = lambda received: await_token if received.path == "/token" else Reply(503)
    async with of_peer(peer, outage_limit=300) as sweeper:
        with pytest.raises(Unavailable):
            await listed(sweeper)
