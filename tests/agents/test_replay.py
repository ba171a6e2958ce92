"""What the worker does when a key is to be taken through again."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from pipeline import topics
from pipeline.agents.commands import Commands
from pipeline.agents.join import Join
from pipeline.agents.parking import waiting
from pipeline.commands import REPLAY_HEADER, Replay, encode_command
from pipeline.domain import DEFAULT_ALERTS, PushPolicies
from pipeline.engine import Step
from tests.agents.support import CONFIRMED, NOW, PAID, Tables, apply, record, sent

KEY = "1:2:77"
BOTH = ["connect", "checkout"]


def paid(event_id: str, code: str = "1", **changes: Any) -> Any:
    return record("OrderPaymentReceivedEvent", {**PAID, "PaymentCode": code}, event_id, **changes)


def joined(join: Join, tables: Tables, *records: Any) -> Step:
    made = join.step(0, records)
    apply(tables, made)
    return made


def replay(join: Join, tables: Tables, *records: Any, **wanted: Any) -> tuple[Step, dict[str, Any]]:
    """Carry out a command; returns its step and its answer."""
    wanted = {"id": "c", "by": "somebody", "kind": "order", "key": KEY, **wanted}
    value = encode_command(Replay(events=[waiting(each) for each in records], **wanted))
    made, answer = Commands(join).step(0, record("OrderConfirmedEvent", CONFIRMED, value=value))
    assert answer is not None, "one step is all there is"
    apply(tables, made)
    (said,) = sent(answer, topics.RESOLUTIONS)
    return made, said


def ended(said: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["event_id"], each["outcome"]) for each in said["events"]]


def state(tables: Tables) -> bytes | None:
    return tables["orders"].read(0, [KEY.encode()]).get(KEY.encode())


def test_an_event_that_the_state_lacks_is_folded_and_ends_anew_in_the_ledger(join: Join, tables: Tables) -> None:
    joined(join, tables, paid("e1"))
    made, said = replay(join, tables, paid("e2", "2", offset=7))
    (order,) = sent(made, topics.ORDERS_ENRICHED)
    assert order["paid"] == {"SEK": "21.00"}
    (entry,) = sent(made, topics.LEDGER)
    assert (entry["topic"], entry["outcomes"]) == ("norce.events.payment", {"applied": [[7, 7]]})
    assert (said["how"], said["letter"], ended(said)) == ("replayed", None, [("e2", "applied")])


def test_an_event_that_the_state_holds_is_not_counted_twice_and_ends_as_it_did(join: Join, tables: Tables) -> None:
    joined(join, tables, paid("e1"), paid("e2"))
    before = state(tables)
    made, said = replay(join, tables, paid("e1"), paid("e2"))
    assert state(tables) == before
    assert set(made.outputs) == {topics.LEDGER}
    assert ended(said) == [("e1", "applied"), ("e2", "duplicate")]


def test_a_command_that_is_read_again_after_a_crash_folds_nothing_again_and_says_the_same(
    join: Join, tables: Tables
) -> None:
    wanted = {"targets": BOTH, "record": True}
    first, said = replay(join, tables, paid("e1"), **wanted)
    after = state(tables)
    again, repeated = replay(join, tables, paid("e1"), **wanted)
    assert state(tables) == after
    assert (ended(repeated), repeated["updates"]) == (ended(said), said["updates"])
    assert {update["id"] for update in sent(again, topics.UPDATES)} == {
        update["id"] for update in sent(first, topics.UPDATES)
    }


def test_the_newest_state_is_told_by_the_policy_of_now_to_the_targets_that_are_named(tables: Tables) -> None:
    def with_code(code: str) -> Join:
        document = orjson.dumps({"default": {"connect": {"infos": {"paid_amount": code}}}})
        return Join(tables, PushPolicies.parse(document), DEFAULT_ALERTS, clock=lambda: NOW, writer="g")

    joined(with_code("Old"), tables, paid("e1"))
    made, said = replay(with_code("New"), tables, targets=["connect"])
    (update,) = sent(made, topics.UPDATES)
    assert update["content"]["infos"] == [{"code": "New", "value": "10.50 SEK"}]
    assert said["updates"] == [update["id"]]
    assert topics.ORDERS_ENRICHED not in made.outputs, "it was not asked for"
    (sending,) = made.outputs[topics.UPDATES]
    assert REPLAY_HEADER not in dict(sending.headers)


def test_what_is_forced_says_by_which_command(join: Join, tables: Tables) -> None:
    joined(join, tables, paid("e1"))
    made, _ = replay(join, tables, targets=BOTH, force=True)
    assert [dict(each.headers)[REPLAY_HEADER] for each in made.outputs[topics.UPDATES]] == [b"c", b"c"]


def test_the_enriched_record_is_published_again_as_the_state_has_it(join: Join, tables: Tables) -> None:
    first = joined(join, tables, paid("e1"))
    made, _ = replay(join, tables, record=True)
    assert sent(made, topics.ORDERS_ENRICHED) == sent(first, topics.ORDERS_ENRICHED)


@pytest.mark.parametrize(
    "changes",
    [{"value": b"{"}, {"headers": []}, {"key": b"1:2:78", "value": orjson.dumps({**PAID, "ClientOrderRef": "78"})}],
    ids=["no JSON", "no envelope", "of another order"],
)
def test_an_event_that_cannot_be_folded_is_named_and_costs_the_others_nothing(
    join: Join, tables: Tables, changes: dict[str, Any]
) -> None:
    made, said = replay(join, tables, paid("e1"), paid("bad", "9", offset=5, **changes), paid("e2", "2", offset=6))
    (order,) = sent(made, topics.ORDERS_ENRICHED)
    assert order["paid"] == {"SEK": "21.00"}
    assert [outcome for _, outcome in ended(said)] == ["applied", "applied", "failed"]
    offsets = {offset for entry in sent(made, topics.LEDGER) for offset, _ in entry["outcomes"]["applied"]}
    assert 5 not in offsets, "the ledger says of it what it said before"
    assert join.parking.head(0, "order", KEY) is None, "nothing waits behind an old event"
    assert topics.DEAD_LETTERS not in made.outputs


def test_a_parked_key_is_left_alone(join: Join, tables: Tables) -> None:
    joined(join, tables, record("OrderConfirmedEvent", CONFIRMED, "poison", value=b"{}"))
    made, said = replay(join, tables, paid("e2"), targets=BOTH, record=True)
    head = join.parking.head(0, "order", KEY)
    assert head is not None
    assert (said["how"], said["then"]) == ("still_failing", head.letter)
    assert not made.outputs
    assert state(tables) is None


@pytest.mark.parametrize("changes", [{"kind": "nonsense"}, {"key": "nonsense"}, {}], ids=["kind", "key", "unknown"])
def test_nothing_is_done_for_what_is_not_there(join: Join, tables: Tables, changes: dict[str, str]) -> None:
    made, said = replay(join, tables, targets=BOTH, record=True, **changes)
    assert said["how"] == "nothing"
    assert not made.outputs
