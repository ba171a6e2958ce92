"""What happens to a key one of whose events cannot be folded: it is parked, waits in order, is released or dropped."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import topics
from pipeline.agents import commands as carrying_out
from pipeline.agents import folding
from pipeline.agents.commands import Commands
from pipeline.agents.join import Join
from pipeline.agents.limits import Limits, TooManyDeadLetters, TooManyWaiting, Window
from pipeline.commands import Command, Drop, Release, Resend, encode_command
from pipeline.dead_letters.parked import ParkedKey
from pipeline.domain import DEFAULT_ALERTS, DEFAULT_POLICIES, CorruptState, OrderKey
from pipeline.domain import advance as domain_advance
from pipeline.domain.limits import MAX_RECEIPTS
from pipeline.engine import SliceTable, Step
from tests.agents.support import CONFIRMED, NOW, ORDER, PAID, Tables, apply, changed, record, sent

KEY = OrderKey(1, 2, "77")
EMAIL = "planted@example.com"
_numbers = itertools.count(100)
Poison = Callable[..., None]


class DefectOfOurs(Exception):
    """What a reducer raises that has a defect; its message repeats what the event says of a person."""


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> Poison:
    """Events with these ids make the reducer raise."""
    sane, bad = domain_advance, set[str]()

    def advance(key: Any, stored: Any, arrivals: Any, **options: Any) -> Any:
        for arrival in arrivals:
            if arrival.event_id in bad:
                raise DefectOfOurs(EMAIL)
        return sane(key, stored, arrivals, **options)

    monkeypatch.setattr(folding, "advance", advance)

    def choose(*ids: str) -> None:
        bad.clear()
        bad.update(ids)

    return choose


def paid(event_id: str, code: str = "1", **changes: Any) -> Any:
    return record("OrderPaymentReceivedEvent", {**PAID, "PaymentCode": code}, event_id, **changes)


def confirmed(event_id: str, **changes: Any) -> Any:
    return record("OrderConfirmedEvent", CONFIRMED, event_id, **changes)


def numbered(*records: Any) -> list[Any]:
    """Records with the offsets that a topic would give them."""
    for each in records:
        each.offset = next(_numbers)
    return list(records)


def step(join: Join, tables: Tables, *records: Any) -> Step:
    made = join.step(0, records)
    apply(tables, made)
    return made


def head(join: Join) -> ParkedKey | None:
    return join.parking.head(0, "order", KEY.text)


def behind(join: Join) -> list[int]:
    """Offsets of what is parked of the order, the poison event first."""
    found = head(join)
    return [] if found is None else [event.offset for event in join.parking.events(0, found, found.next)]


def rows(tables: Tables, first: bytes) -> list[bytes]:
    return [name for name, _ in tables[topics.PARKED_TABLE].items_of(0) if name.startswith(first)]


def command(join: Join, tables: Tables, given_command: Command) -> list[Step]:
    """Carry a command out, writing each step down."""
    value = encode_command(given_command)
    steps: list[Step] = []
    more = True
    while more:
        assert len(steps) < 50, "the command never ends"
        made, answer = Commands(join).step(0, record("OrderConfirmedEvent", CONFIRMED, value=value))
        more = answer is None
        for each in [made] if answer is None else [made, answer]:
            apply(tables, each)
            steps.append(each)
    assert steps[-1].changes == {}, "the answer is sent when everything else is written"
    return steps


def release(join: Join, number: str = "c") -> Release:
    found = head(join)
    assert found is not None
    return Release(id=number, by="somebody", letter=found.letter, kind="order", key=KEY.text)


def drop(join: Join, number: str = "c", **options: Any) -> Drop:
    found = head(join)
    assert found is not None
    return Drop(id=number, by="somebody", reason="why", letter=found.letter, kind="order", key=KEY.text, **options)


def resolutions(*steps: Step) -> list[dict[str, Any]]:
    return [resolution for each in steps for resolution in sent(each, topics.RESOLUTIONS)]


def order_of(tables: Tables) -> bytes | None:
    return tables["orders"].read(0, [b"1:2:77"]).get(b"1:2:77")


# -- parking ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"key": b"1:2:78"}, "MisplacedEvent"),
        ({"value": b'{"ClientId": 1}'}, "UnreadableEvent"),
        ({"value": b"\xff"}, "UnreadableEvent"),
        ({"value": None}, "UnreadableEvent"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_event_that_cannot_be_folded_parks_its_key_and_other_keys_flow(
    join: Join, tables: Tables, changes: dict[str, Any], error: str
) -> None:
    other = {**PAID, "ClientOrderRef": "5"}
    good, bad, later = numbered(paid("good"), confirmed("bad", **changes), confirmed("later"))
    later.key = bad.key
    made = step(join, tables, good, bad, later, record("OrderPaymentReceivedEvent", other, "other"))
    (letter,) = sent(made, topics.DEAD_LETTERS)
    assert (letter["error"], letter["stage"], letter["kind"]) == (error, "join", "order")
    assert letter["source"]["offset"] == bad.offset
    found = join.parking.head(0, "order", bad.key.decode())
    assert found is not None
    assert (found.letter, found.waiting) == (letter["id"], 1)
    assert {order["client_order_ref"] for order in sent(made, topics.ORDERS_ENRICHED)} == {"77", "5"}


def test_the_events_before_the_poison_one_are_folded_and_those_after_it_wait_in_order(
    join: Join, tables: Tables, poison: Poison
) -> None:
    poison("p3")
    events = numbered(*[paid(f"p{n}", str(n)) for n in range(6)])
    made = step(join, tables, *events)
    (order,) = sent(made, topics.ORDERS_ENRICHED)
    assert [payment["payment_code"] for payment in order["payments"]] == ["0", "1", "2"]
    assert behind(join) == [event.offset for event in events[3:]]
    later = numbered(paid("p6", "6"), confirmed("p7"))
    made = step(join, tables, *later)
    assert changed(made) == {"parked": {b"horder|1:2:77", *rows(tables, b"w")[3:]}}
    assert set(made.outputs) == {topics.LEDGER}
    assert behind(join) == [event.offset for event in (*events[3:], *later)]


def test_a_defect_of_a_reducer_is_told_with_its_trace_and_without_what_the_event_says(
    join: Join, tables: Tables, poison: Poison
) -> None:
    poison("bad")
    made = step(join, tables, confirmed("bad"))
    (letter,) = sent(made, topics.DEAD_LETTERS)
    assert letter["error"] == "DefectOfOurs"
    assert any("test_parking.py" in line and "in advance" in line for line in letter["trace"])
    kept = head(join)
    assert kept is not None
    told = orjson.dumps([letter["reason"], letter["trace"], kept.reason, kept.trace])
    assert b"planted" not in told


@pytest.mark.parametrize("part", ["derive", "review_change", "copies"])
def test_a_defect_in_what_follows_from_an_event_parks_its_key_as_well_and_leaves_nothing_half_done(
    join: Join, tables: Tables, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    def defect(*_: Any, **__: Any) -> None:
        raise DefectOfOurs

    monkeypatch.setattr(folding, part, defect)
    failed = {"ClientId": 1, "ApplicationId": 2, "SubscriptionId": 9, "BasketId": 77}
    made = step(join, tables, record("SubscriptionFailedEvent", failed, "f"))
    assert set(changed(made)) == {"parked"}
    assert set(made.outputs) == {topics.DEAD_LETTERS, topics.LEDGER}
    assert made.elsewhere == {}


def test_an_unreadable_state_is_not_the_events_fault_and_stops_the_worker(join: Join, tables: Tables) -> None:
    tables["orders"].apply(0, {b"1:2:77": b"{}"}, 0)
    with pytest.raises(CorruptState):
        join.step(0, [confirmed("e")])


def test_an_event_beyond_a_limit_parks_its_key_and_the_order_stays(join: Join, tables: Tables) -> None:
    apply(tables, join.step(0, [confirmed(f"e{n}") for n in range(MAX_RECEIPTS)]))
    before = order_of(tables)
    made = step(join, tables, *numbered(confirmed("one-too-many"), paid("p")))
    (letter,) = sent(made, topics.DEAD_LETTERS)
    assert letter["error"] == "StateLimitExceeded"
    assert order_of(tables) == before
    assert len(behind(join)) == 2


def test_keys_of_two_kinds_with_one_text_are_parked_apart(join: Join, tables: Tables, poison: Poison) -> None:
    poison("job")
    job, product = {"ClientId": 1, "JobId": 5, "StatusId": 2}, {"ClientId": 1, "PartNo": "5", "PriceSaleValue": 1}
    made = step(
        join,
        tables,
        record("JobCompletedEvent", job, "job"),
        record("SkuPriceChangedNotification", {**product, "PricelistId": 1}, "price"),
    )
    assert changed(made) == {"products": {b"1:5"}, "parked": {b"hjob|1:5", *rows(tables, b"w"), *rows(tables, b"l")}}


def test_what_is_read_again_after_a_crash_waits_once(join: Join, tables: Tables, poison: Poison) -> None:
    poison("p1")
    events = numbered(*[paid(f"p{n}", str(n)) for n in range(4)])
    step(join, tables, *events)
    before = list(tables[topics.PARKED_TABLE].items_of(0))
    made = step(join, tables, *events)
    assert (set(made.outputs), made.changes) == ({topics.LEDGER}, {})
    assert list(tables[topics.PARKED_TABLE].items_of(0)) == before


def test_a_letter_that_is_written_again_has_the_same_id(join: Join, poison: Poison) -> None:
    poison("bad")
    events = numbered(confirmed("bad"))
    first, second = (sent(join.step(0, events), topics.DEAD_LETTERS)[0]["id"] for _ in range(2))
    assert first == second


@pytest.mark.parametrize("crashed_after", range(6))
def test_a_crash_between_two_writes_of_parking_loses_nothing_and_keeps_the_order(
    join: Join, tables: Tables, poison: Poison, crashed_after: int
) -> None:
    """Each row of each table is a changelog record; a restored table can hold any first part of them."""
    poison("p2")
    events = numbered(*[paid(f"p{n}", str(n)) for n in range(5)])
    made = join.step(0, events)
    partly(made, crashed_after)
    step(join, tables, *events)
    assert behind(join) == [event.offset for event in events[2:]]
    poison()
    command(join, tables, release(join))
    assert codes(tables) == ["0", "1", "2", "3", "4"]


def partly(made: Step, writes: int) -> None:
    """Write the first rows of a step, in its order."""
    written = [(table, row) for table, changes in made.changes.items() for row in changes.items()]
    for number, (table, (name, value)) in enumerate(written[:writes]):
        table.apply(0, {name: value}, number)


def codes(tables: Tables) -> list[str]:
    """Codes of the payments that the order's state holds."""
    stored = order_of(tables)
    assert stored is not None
    return sorted(fact[0][1] for fact in orjson.loads(stored)["facts"])


# -- releasing -------------------------------------------------------------------------------------------------------


def test_release_folds_in_order_and_gives_what_the_events_would_have_given(
    join: Join, tables: Tables, poison: Poison
) -> None:
    poison("p0")
    step(join, tables, *numbered(paid("p0"), confirmed("c"), paid("p1", "2")))
    assert order_of(tables) is None
    poison()
    asked = release(join)
    made, answer = command(join, tables, asked)
    (order,) = sent(made, topics.ORDERS_ENRICHED)
    assert (order["status"], order["paid"]) == ("confirmed", {"SEK": "21.00"})
    assert sorted(update["target"] for update in sent(made, topics.UPDATES)) == ["checkout", "connect"]
    (done,) = resolutions(made)
    assert (done["letter"], done["how"], done["final"]) == (asked.letter, "released", False)
    (done_with,) = resolutions(answer)
    assert (done_with["how"], done_with["events"], done_with["final"]) == ("released", [], True)
    assert [event["event_id"] for event in done["events"]] == ["p0", "c", "p1"]
    assert {event["outcome"] for event in done["events"]} == {"applied"}
    assert rows(tables, b"h") == rows(tables, b"w") == []
    assert changed(step(join, tables, *numbered(paid("p9", "9")))) == {
        "orders": {b"1:2:77"},
        "parked": set(rows(tables, b"l")),
    }


def test_an_event_that_still_fails_keeps_all_parked(join: Join, tables: Tables, poison: Poison) -> None:
    poison("p0")
    events = numbered(paid("p0"), confirmed("c"))
    step(join, tables, *events)
    made, answer = command(join, tables, release(join))
    assert behind(join) == [event.offset for event in events]
    kept = head(join)
    assert kept is not None
    assert kept.tries == 2
    (done,) = resolutions(made, answer)
    assert (done["how"], done["events"], done["then"]) == ("still_failing", [], kept.letter)
    assert sent(made, topics.DEAD_LETTERS)[0]["id"] == kept.letter


def test_another_event_that_fails_is_the_poison_from_then_on_and_the_rest_waits(
    join: Join, tables: Tables, poison: Poison
) -> None:
    poison("p0")
    events = numbered(*[paid(f"p{n}", str(n)) for n in range(5)])
    step(join, tables, *events)
    poison("p3")
    asked = release(join)
    made, answer = command(join, tables, asked)
    assert codes(tables) == ["0", "1", "2"]
    assert behind(join) == [event.offset for event in events[3:]]
    kept = head(join)
    assert kept is not None
    done, final = resolutions(made, answer)
    assert (done["how"], len(done["events"]), done["then"]) == ("released", 3, kept.letter)
    assert (final["how"], final["then"], final["final"]) == ("released", kept.letter, True)
    assert kept.letter != asked.letter


def test_a_release_of_many_events_gives_way_between_steps_and_takes_in_what_comes_meanwhile(
    join: Join, tables: Tables, poison: Poison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying_out, "EVENTS_PER_STEP", 4)
    poison("p0")
    step(join, tables, *numbered(*[paid(f"p{n}", str(n)) for n in range(10)]))
    poison()
    value = encode_command(release(join))
    asked = record("OrderConfirmedEvent", CONFIRMED, value=value)
    made, answer = Commands(join).step(0, asked)
    apply(tables, made)
    assert (answer, codes(tables)) == (None, ["0", "1", "2", "3"])
    step(join, tables, *numbered(paid("p10", "a")))
    assert codes(tables) == ["0", "1", "2", "3"], "what comes meanwhile waits its turn"
    while answer is None:
        made, answer = Commands(join).step(0, asked)
        apply(tables, made)
    assert codes(tables) == [*"0123456789", "a"]
    assert rows(tables, b"h") == rows(tables, b"w") == []


@pytest.mark.parametrize("writes", range(12))
def test_a_crash_between_two_writes_of_a_release_loses_nothing(
    join: Join, tables: Tables, poison: Poison, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    """The command is read again, by whoever owns the partition then."""
    monkeypatch.setattr(carrying_out, "EVENTS_PER_STEP", 3)
    poison("p0")
    step(join, tables, *numbered(*[paid(f"p{n}", str(n)) for n in range(6)]))
    poison()
    asked = release(join)
    left = writes
    while left > 0:
        made, answer = Commands(join).step(0, record("OrderConfirmedEvent", CONFIRMED, value=encode_command(asked)))
        size = sum(len(changes) for changes in made.changes.values())
        partly(made, left)
        left -= size
        if answer is not None:
            break
    command(join, tables, asked)
    assert codes(tables) == ["0", "1", "2", "3", "4", "5"]
    assert rows(tables, b"h") == []


def test_a_command_that_is_read_twice_does_nothing_the_second_time(join: Join, tables: Tables, poison: Poison) -> None:
    poison("p0", "p2")
    events = numbered(*[paid(f"p{n}", str(n)) for n in range(4)])
    step(join, tables, *events)
    asked = drop(join)
    command(join, tables, asked)
    assert behind(join) == [event.offset for event in events[2:]]
    again = command(join, tables, asked)
    assert behind(join) == [event.offset for event in events[2:]], "the next poison event is not meant"
    assert [done["how"] for done in resolutions(*again)] == ["nothing"]


# -- dropping --------------------------------------------------------------------------------------------------------


def test_drop_gives_up_the_poison_event_alone_and_releases_the_rest(join: Join, tables: Tables, poison: Poison) -> None:
    poison("p0")
    step(join, tables, *numbered(*[paid(f"p{n}", str(n)) for n in range(3)]))
    steps = command(join, tables, drop(join))
    assert codes(tables) == ["1", "2"]
    first, middle, last = resolutions(*steps)
    assert [(event["event_id"], event["outcome"]) for event in first["events"]] == [("p0", "dropped")]
    assert [event["outcome"] for event in middle["events"]] == ["applied", "applied"]
    assert {(done["how"], done["by"], done["reason"]) for done in (first, middle, last)} == {
        ("dropped", "somebody", "why")
    }
    assert [first["final"], middle["final"], last["final"]] == [False, False, True]
    assert rows(tables, b"h") == []


def test_drop_all_names_everything_it_gives_up_and_keeps_what_comes_after_the_command(
    join: Join, tables: Tables, poison: Poison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying_out, "EVENTS_PER_STEP", 2)
    poison("p0")
    step(join, tables, *numbered(*[paid(f"p{n}", str(n)) for n in range(5)]))
    asked = drop(join, all=True)
    made, answer = Commands(join).step(0, record("OrderConfirmedEvent", CONFIRMED, value=encode_command(asked)))
    apply(tables, made)
    assert answer is None
    step(join, tables, *numbered(paid("late", "9")))
    steps = [made, *command(join, tables, asked)]
    ends = [(event["event_id"], event["outcome"]) for done in resolutions(*steps) for event in done["events"]]
    assert ends == [*[(f"p{n}", "dropped") for n in range(5)], ("late", "applied")]
    assert codes(tables) == ["9"]


def test_a_letter_that_parks_nothing_is_settled_by_drop(join: Join, tables: Tables) -> None:
    made, answer = command(join, tables, Drop(id="c", by="somebody", letter="l", kind=None, key="k"))
    (done,) = resolutions(made, answer)
    assert (done["letter"], done["how"], done["kind"]) == ("l", "dropped", None)
    assert made.changes == {}


# -- updates that Norce refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["connect", "checkout"])
def test_a_refused_update_is_released_as_the_newest_state_of_its_order(join: Join, tables: Tables, target: str) -> None:
    step(join, tables, *numbered(confirmed("e1"), paid("e2")))
    step(join, tables, *numbered(paid("e3", "3")))
    made, answer = command(join, tables, Resend(id="c", by="somebody", letter="l", key=KEY.text, target=target))
    (update,) = sent(made, topics.UPDATES)
    assert (update["target"], update["version"]) == (target, 3)
    assert [done["how"] for done in resolutions(made, answer)] == ["released"]


@pytest.mark.parametrize("key", ["1:2:nothing", "nonsense"])
def test_nothing_is_sent_of_an_order_that_is_not_known(join: Join, tables: Tables, key: str) -> None:
    made, answer = command(join, tables, Resend(id="c", by="somebody", letter="l", key=key, target="connect"))
    assert [done["how"] for done in resolutions(made, answer)] == ["nothing"]
    assert topics.UPDATES not in made.outputs


def test_an_unreadable_command_is_a_dead_letter(join: Join) -> None:
    made, answer = Commands(join).step(0, record("OrderConfirmedEvent", CONFIRMED, value=b'{"command":"of tomorrow"}'))
    (letter,) = sent(made, topics.DEAD_LETTERS)
    assert (letter["stage"], letter["error"]) == ("commands", "UnreadableCommand")
    assert answer is not None, "nothing more follows"


# -- limits ----------------------------------------------------------------------------------------------------------


def limited(tables: Tables, **options: Any) -> Join:
    return Join(tables, DEFAULT_POLICIES, DEFAULT_ALERTS, clock=lambda: NOW, writer="g", limits=Limits(**options))


def bad_orders(count: int, start: int = 0) -> list[Any]:
    """Events of as many orders, none of which can be folded."""
    bodies = [{**CONFIRMED, "ClientOrderRef": str(number)} for number in range(start, start + count)]
    return numbered(*[record("OrderConfirmedEvent", body, f"e{n}", value=b"{}") for n, body in enumerate(bodies)])


def test_too_many_failures_in_a_row_stop_the_worker_before_anything_of_the_step_is_written(tables: Tables) -> None:
    join = limited(tables, run=3)
    step(join, tables, *bad_orders(2))
    with pytest.raises(TooManyDeadLetters, match="NORCE_WORKER_DEAD_LETTER_RUN"):
        join.step(0, bad_orders(1, start=2))
    assert len(rows(tables, b"h")) == 2


def test_a_restart_with_the_same_limit_stops_at_the_same_event_and_with_a_larger_one_goes_on(tables: Tables) -> None:
    step(limited(tables, run=3), tables, *bad_orders(2))
    for _ in range(3):
        with pytest.raises(TooManyDeadLetters):
            limited(tables, run=3).step(0, bad_orders(1, start=2))
    step(limited(tables, run=10), tables, *bad_orders(5, start=2))
    assert len(rows(tables, b"h")) == 7


def test_unreadable_records_and_poison_events_both_count_and_what_waits_does_not(tables: Tables) -> None:
    join = limited(tables, run=3)
    (bad,) = bad_orders(1)
    step(
        join,
        tables,
        bad,
        *numbered(*[record("OrderConfirmedEvent", {**CONFIRMED, "ClientOrderRef": "0"}, f"w{n}") for n in range(9)]),
    )
    step(join, tables, *numbered(confirmed("x", headers=[])))
    with pytest.raises(TooManyDeadLetters):
        join.step(0, numbered(confirmed("y", key=b"nonsense")))


def test_one_that_can_be_joined_ends_the_run_and_a_share_of_failures_is_counted_too(tables: Tables) -> None:
    join = limited(tables, run=2, ratio=0.3, window=10)
    for number in range(2):
        step(join, tables, *bad_orders(1, start=number), *numbered(confirmed(f"good{number}")))
    with pytest.raises(TooManyDeadLetters, match="NORCE_WORKER_DEAD_LETTER_RATIO"):
        join.step(0, bad_orders(1, start=2))
    step(join, tables, *numbered(*[confirmed(f"more{n}") for n in range(10)]))
    assert rows(tables, b"l") == [], "nothing is kept once the failures are out of the window"
    step(join, tables, *bad_orders(1, start=2))


def test_what_flows_on_one_topic_does_not_hide_that_another_is_emptied(tables: Tables) -> None:
    join = limited(tables, run=3)
    with pytest.raises(TooManyDeadLetters):
        join.step(0, [each for bad in bad_orders(3) for each in (bad, *numbered(paid(f"p{bad.offset}")))])


def test_too_many_that_wait_stop_the_worker_and_none_of_them_is_lost(tables: Tables) -> None:
    join = limited(tables, waiting=3)
    step(join, tables, *numbered(confirmed("bad", value=b"{}"), *[confirmed(f"w{n}") for n in range(3)]))
    with pytest.raises(TooManyWaiting, match="NORCE_WORKER_PARKED_LIMIT"):
        join.step(0, numbered(confirmed("one more")))
    assert len(behind(join)) == 4


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 12), st.integers(1, 6), st.integers(1, 20))
def test_the_limit_is_that_of_the_last_events_however_they_are_cut_into_steps(
    failed: list[bool], run: int, most: int, window: int
) -> None:
    limits = Limits(ratio=min(most / window, 1), window=window, run=run)

    def trips(events: list[bool]) -> bool:
        last = events[-window:]
        in_a_row = len(events) - max((n + 1 for n, one in enumerate(events) if not one), default=0)
        return bool(events) and events[-1] and (in_a_row >= run or sum(last) >= min(most, window))

    expected = next((n for n in range(1, len(failed) + 1) if trips(failed[:n])), None)
    found, kept = None, None
    for number, one in enumerate(failed, 1):
        try:
            kept = (Window() if kept is None else Window.decode(kept.encode())).after([one], limits, "t", 0)
        except TooManyDeadLetters:
            found = number
            break
    assert found == expected


# -- cost ------------------------------------------------------------------------------------------------------------


def test_while_nothing_is_parked_the_table_is_read_once_a_step_and_never_written(
    join: Join, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []
    sane = SliceTable.read

    def counted(self: SliceTable, partition: int, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        reads.append(self.name)
        return sane(self, partition, keys)

    monkeypatch.setattr(SliceTable, "read", counted)
    events = [
        record("OrderPaymentReceivedEvent", {**PAID, **ORDER, "ClientOrderRef": str(n)}, f"p{n}") for n in range(50)
    ]
    made = step(join, tables, *numbered(*events, confirmed("c")))
    assert reads.count("parked") == 1
    assert set(changed(made)) == {"orders"}
