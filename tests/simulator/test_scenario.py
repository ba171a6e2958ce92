"""The scenario: reproducible, fit for the catalogue, and ending as its own script says."""

import itertools
import json
import subprocess
import sys
from collections import defaultdict
from decimal import Decimal
from hashlib import sha256

import pytest

from connectors.simulator import Scenario, Simulator
from connectors.simulator.flaws import FLAWS
from connectors.simulator.scenario import HELD_BACK_BEHIND, reordered
from connectors.simulator.script import ScriptedEvent, Step
from pipeline.events import EVENT_TYPES, UnusableBody, find, parse
from tests.simulator.support import settings
from tests.support.processes import ROOT

DIGEST = """
from hashlib import sha256
from connectors.simulator import Scenario
hash = sha256()
for event in Scenario(7, 60, bad=0.2).events():
    hash.update(event.event_type.encode() + event.body)
print(hash.hexdigest())
"""


def test_one_seed_gives_the_same_bytes_in_another_process() -> None:
    here = sha256()
    for event in Scenario(7, 60, bad=0.2).events():
        here.update(event.event_type.encode() + event.body)

    command = (sys.executable, "-c", DIGEST)
    environment = {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "99"}
    there = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)

    assert there.stdout.strip() == here.hexdigest()


def test_another_seed_gives_other_orders() -> None:
    first = {order.client_order_ref for order in Scenario(1, 100).orders()}
    second = {order.client_order_ref for order in Scenario(2, 100).orders()}
    assert not first & second


def test_every_good_body_is_an_event_of_the_catalogue() -> None:
    for event in Scenario(3, 300).events():
        spec = EVENT_TYPES[event.event_type]
        parse(spec, event.body)


def test_every_event_type_of_the_catalogue_occurs_in_two_hundred_orders() -> None:
    assert {event.event_type for event in Scenario(1, 200).events()} == set(EVENT_TYPES)


def test_every_flawed_body_is_refused_by_the_catalogue() -> None:
    flawed = [event for event in Scenario(1, 300, bad=0.3).events() if event.flaw is not None]
    assert {event.flaw for event in flawed} == set(FLAWS)
    for event in flawed:
        spec = find(event.event_type)
        if event.flaw == "unknown_type":
            assert spec is None
        else:
            assert spec is not None
            with pytest.raises(UnusableBody):
                parse(spec, event.body)


def test_flawed_events_come_on_top_of_the_same_good_ones() -> None:
    def good(events: list[ScriptedEvent]) -> list[tuple[str, bytes]]:
        return [(event.event_type, event.body) for event in events if event.flaw is None]

    assert good(list(Scenario(5, 50, bad=0.5).events())) == good(list(Scenario(5, 50).events()))


@pytest.mark.parametrize("bad", [0.0, 0.3])
def test_the_size_is_the_number_of_events(bad: float) -> None:
    scenario = Scenario(4, 150, bad)
    assert scenario.size() == sum(1 for _ in scenario.events())


def test_orders_live_at_the_same_time() -> None:
    references = [event.reference for event in Scenario(1, 100).events() if event.reference]
    interleaved = sum(first != second for first, second in itertools.pairwise(references))
    assert interleaved > len(references) / 2


def test_an_order_that_is_partly_delivered_twice_says_so_with_the_same_bytes() -> None:
    scenario = Scenario(1, 200)
    twice = {order.client_order_ref for order in scenario.orders() if order.steps.count(Step.PARTLY_DELIVERED) == 2}
    bodies: dict[str, list[bytes]] = defaultdict(list)
    for event in scenario.events():
        if event.event_type == "OrderPartlyDeliveredEvent" and event.reference in twice:
            bodies[event.reference].append(event.body)
    assert twice
    assert all(len(same) == 2 and same[0] == same[1] for same in bodies.values())


def test_numbers_have_the_size_that_norce_gives_them() -> None:
    for seed in (0, 1, 199, 200, -1):
        for order in (*Scenario(seed, 20).orders(),):
            assert order.external or 0 < int(order.client_order_ref) < 2**31
            assert 2**31 < order.order_id < 2**63
            assert all(0 < int(payment.code) < 2**31 for payment in order.payments)


def test_amounts_arrive_as_they_were_meant() -> None:
    meant = {payment.code: payment.amount for order in Scenario(1, 300).orders() for payment in order.payments}
    for event in Scenario(1, 300).events():
        if event.event_type == "OrderPaymentReceivedEvent":
            body = json.loads(event.body, parse_float=Decimal)
            assert body["Amount"] is None or body["Amount"] == meant[body["PaymentCode"]]


def test_personal_data_is_nobodys() -> None:
    for event in Scenario(1, 300).events():
        body = json.loads(event.body)
        assert body.get("Email", "@example.com").endswith("@example.com")
        assert body.get("FirstName", "Test") == "Test"
        assert body.get("LastName", "Buyer ").startswith("Buyer ")
        assert (body.get("CellPhone") or "+467017406").startswith("+467017406")


async def test_what_norce_holds_in_the_end_is_what_the_expectation_says() -> None:
    async with Simulator(settings(orders=300)) as norce:
        expected = norce.scenario.expectation().orders
        status_names = {
            "Created": {"received"},
            "Confirmed": {"confirmed", "ready_for_pickup"},
            "PartlyDelivered": {"partly_delivered"},
            "Delivered": {"delivered"},
            "Invoiced": {"delivered"},
            "Cancelled": {"cancelled"},
        }
        held = list(norce.commerce.orders())
        assert len(held) == len(expected) == 300
        for order in held:
            end = expected[f"{order.client_id}:{order.application_id}:{order.client_order_ref}"]
            paid: dict[str, Decimal] = defaultdict(Decimal)
            for payment in order.payments.values():
                assert payment.amount is not None
                assert payment.currency is not None
                paid[payment.currency] += payment.amount
            assert end.status in status_names[order.status]
            assert end.order_no == order.order_no
            assert end.payments == len(order.payments)
            assert dict(end.paid) == dict(paid)


def test_the_expectation_counts_what_is_posted() -> None:
    scenario = Scenario(1, 200, bad=0.1)
    expected = scenario.expectation()
    assert sum(expected.events.values()) + sum(expected.flawed.values()) == scenario.size()
    assert sum(expected.statuses.values()) == 200
    assert set(expected.statuses) == {
        "received",
        "confirmed",
        "partly_delivered",
        "ready_for_pickup",
        "delivered",
        "cancelled",
    }
    assert any(order.subscription_failures == 2 for order in expected.orders.values())
    assert any(order.external for order in expected.orders.values())
    assert any(order.payments == 2 for order in expected.orders.values())


def test_a_reordered_event_is_behind_later_ones_and_none_is_missing() -> None:
    in_order = list(Scenario(1, 100).events())
    posted = [event.number for event in reordered(iter(in_order), 1, lambda: 0.2)]
    assert sorted(posted) == [event.number for event in in_order]
    late = [number for place, number in enumerate(posted) if number < max(posted[: place + 1])]
    assert len(in_order) * 0.1 < len(late) < len(in_order) * 0.3
    places = {number: place for place, number in enumerate(posted)}
    assert all(places[number] - number <= HELD_BACK_BEHIND for number in places)


def test_without_reordering_events_keep_their_order() -> None:
    in_order = list(Scenario(1, 20).events())
    assert list(reordered(iter(in_order), 1, lambda: 0.0)) == in_order


def test_more_orders_than_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="10000000"):
        Scenario(1, 10_000_001)
