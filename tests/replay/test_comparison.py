"""What would be sent now, held against what was sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given

from pipeline.dead_letters.parked import Waiting
from pipeline.domain import (
    DEFAULT_POLICIES,
    Arrival,
    CheckoutUpdate,
    OrderView,
    PushPolicies,
    Update,
    derive,
    encode,
    enriched,
)
from pipeline.replay.comparison import Change, Compared, Difference, Known, Status, Told, compare
from pipeline.replay.giving import COMMAND_BYTES, COMMAND_EVENTS, Wish, commands, sent_to
from pipeline.sinks.memory import Sent
from tests.domain.events import KEY, event_sequences, payment, received, state_of, status, view_of

TARGETS = ("connect", "checkout")


def waiting(event: Arrival, offset: int = 0) -> Waiting:
    assert isinstance(event.body, bytes)
    headers = {"ce_id": event.event_id, "ce_type": f"io.norce.{event.event_type}", "ce_time": "2026-01-01T00:00:00Z"}
    return Waiting("t", 0, offset, 0, KEY.text.encode(), event.body, [(n, v.encode()) for n, v in headers.items()])


def updates(view: OrderView, policies: PushPolicies = DEFAULT_POLICIES) -> dict[str, Update]:
    return {str(update.__struct_config__.tag): update for update in derive(None, view, policies)}


def told(view: OrderView, policies: PushPolicies = DEFAULT_POLICIES, *, kept: bool = True) -> dict[str, Told]:
    """As if all of an order had been sent."""
    made = updates(view, policies)
    return {target: Told(Sent.of(update), update if kept else None) for target, update in made.items()}


def known(events: Sequence[Arrival], **more: Any) -> Known:
    view = view_of(*events)
    return Known(**{"key": KEY, "partition": 0, "state": encode(state_of(events)), "record": enriched(view), **more})


def look(known: Known, policies: PushPolicies = DEFAULT_POLICIES) -> Compared:
    return compare(known, policies, TARGETS)


def statuses(compared: Compared) -> Mapping[str, Status]:
    return {target: found.status for target, found in compared.targets.items()}


def policy(**default: Any) -> PushPolicies:
    return PushPolicies.parse(orjson.dumps({"default": default}))


@given(event_sequences())
def test_an_order_that_was_told_as_it_is_shows_no_difference(events: list[Arrival]) -> None:
    for kept in (True, False):
        found = look(known(events, told=told(view_of(*events), kept=kept)))
        assert set(statuses(found).values()) <= {Status.SAME}
        assert not found.differs
        assert list(commands(found, Wish())) == []


@given(event_sequences())
def test_force_sends_all_that_is_said_of_an_order(events: list[Arrival]) -> None:
    view = view_of(*events)
    found = look(known(events, told=told(view)))
    assert set(sent_to(found, force=True)) == set(updates(view))


def test_a_changed_policy_shows_exactly_the_fields_that_it_changes() -> None:
    events = [status("Confirmed"), payment()]
    now = policy(connect={"infos": {"paid_amount": "Paid", "payment_state": "PaymentState"}})
    found = look(known(events, told=told(view_of(*events))), now)
    assert statuses(found) == {"connect": Status.DIFFERENT, "checkout": Status.SAME}
    assert found.targets["connect"].changes == (
        Change("info Paid", None, "249.50 SEK"),
        Change("info PaidAmount", "249.50 SEK", None),
        Change("info PaymentCodes", "P1", None),
    )
    (given,) = commands(found, Wish())
    assert (given.command.targets, given.command.events, given.command.record) == (["connect"], [], False)


@pytest.mark.parametrize("kept", [True, False])
def test_a_version_alone_is_no_difference(kept: bool) -> None:
    before, after = [status("Confirmed")], [status("Confirmed"), status("Confirmed", at=1)]
    found = look(known(after, told=told(view_of(*before), kept=kept)))
    assert view_of(*after).version > view_of(*before).version
    assert statuses(found) == {"checkout": Status.SAME}


def test_what_is_said_no_more_and_what_was_never_said_are_told_apart() -> None:
    events = [status("Confirmed"), payment()]
    found = look(known(events, told=told(view_of(*events))), policy(checkout={"enabled": False}))
    assert statuses(found) == {"connect": Status.SAME, "checkout": Status.NOT_SENT}
    assert all(change.now is None for change in found.targets["checkout"].changes)
    assert list(commands(found, Wish(force=True))) != []
    assert sent_to(found, force=True) == ("connect",)
    assert statuses(look(known(events))) == {"connect": Status.NEVER, "checkout": Status.NEVER}
    off = policy(checkout={"enabled": False}, connect={"enabled": False})
    assert statuses(look(known(events), off)) == {}


def test_an_update_that_a_sink_has_yet_to_come_to_is_not_sent_twice() -> None:
    events = [status("Confirmed"), payment()]
    waits = frozenset(update.id for update in updates(view_of(*events)).values())
    before = told(view_of(events[0]))
    found = look(known(events, told={target: Told(before.get(target, Told()).sent, None, waits) for target in TARGETS}))
    assert set(statuses(found).values()) == {Status.ON_ITS_WAY}
    assert list(commands(found, Wish(force=True))) == []


def test_a_state_that_is_behind_what_was_sent_is_named_and_not_sent() -> None:
    events = [status("Confirmed"), payment(), payment(PaymentCode="P2")]
    found = look(known(events[:2], told=told(view_of(*events))))
    assert statuses(found) == {"connect": Status.NEWER, "checkout": Status.NEWER}
    assert list(commands(found, Wish())) == []


def test_what_was_sent_and_is_forgotten_differs_without_saying_what_it_was() -> None:
    events = [status("Confirmed"), payment()]
    found = look(known(events, told=told(view_of(events[0]), kept=False)))
    assert found.targets["checkout"].status is Status.DIFFERENT
    assert not found.targets["checkout"].kept


@given(event_sequences())
def test_missing_events_are_folded_and_what_follows_is_as_if_they_had_never_been_missing(events: list[Arrival]) -> None:
    events = [msgspec.structs.replace(event, received_at=1_767_225_600_000_000) for event in events]
    half = len(events) // 2
    some, rest = events[:half], events[half:]
    state = encode(state_of(some)) if some else None
    found = look(Known(KEY, 0, state, None, missing=[waiting(event) for event in rest]))
    if state_of(events) == (state_of(some) if some else None):
        assert found.events == ()
    else:
        assert len(found.events) == len(rest)
    assert set(found.targets) == set(updates(view_of(*events)))


def test_an_event_that_cannot_be_folded_is_named_and_the_others_are_given() -> None:
    good, bad = waiting(payment(at=0)), waiting(status("Confirmed"))
    bad = msgspec.structs.replace(bad, value=b"{}")
    huge = msgspec.structs.replace(good, value=b" " * 700_000)
    found = look(Known(KEY, 0, missing=[bad, good, huge]))
    assert found.events == (good,)
    assert {event.value: why for event, why in found.failing}.keys() == {bad.value, huge.value}


def test_a_parked_key_is_only_named() -> None:
    found = look(known([received()], letter="l", missing=[waiting(payment())]))
    assert (found.letter, found.events, found.targets) == ("l", (), {})
    assert list(commands(found, Wish(force=True))) == []


def test_an_enriched_record_that_is_not_what_the_state_comes_to_is_published_again() -> None:
    events = [status("Confirmed")]
    wrong = enriched(msgspec.structs.replace(view_of(*events), order_no="wrong"))
    found = look(known(events, told=told(view_of(*events)), record=wrong))
    assert found.record == ("order_no",)
    (given,) = commands(found, Wish())
    assert (given.command.record, given.command.targets) == (True, [])
    later = enriched(msgspec.structs.replace(view_of(*events), order_no="later", version=9))
    assert look(known(events, told=told(view_of(*events)), record=later)).record == ()


def test_many_events_go_in_several_commands_of_which_the_last_tells_norce() -> None:
    events = tuple([waiting(payment(PaymentCode=str(n)), n) for n in range(COMMAND_EVENTS + 1)])
    big = tuple([msgspec.structs.replace(event, value=b" " * (COMMAND_BYTES // 2 + 1)) for event in events[:3]])
    for given_events, count in ((events, 2), (big, 3)):
        compared = Compared(KEY, 0, events=given_events, targets={"connect": Difference(Status.NEVER)})
        found = [given.command for given in commands(compared, Wish("why"))]
        assert [event for command in found for event in command.events] == list(given_events)
        assert len(found) == count
        assert [bool(command.targets) for command in found] == [*[False] * (count - 1), True]
        assert len({command.id for command in found}) == count


def test_the_order_number_is_a_difference_only_where_connect_needs_it() -> None:
    events = [status("Confirmed"), payment()]
    view = view_of(*events)
    before = updates(msgspec.structs.replace(view, order_no="before"))
    was = {target: Told(Sent.of(update), update) for target, update in before.items()}
    found = look(known(events, told=was))
    assert found.targets["connect"].status is Status.SAME, "its reference is a basket"
    assert [change.field for change in found.targets["checkout"].changes] == ["attribute order_no"]
    assert isinstance(before["checkout"], CheckoutUpdate)
