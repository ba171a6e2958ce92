"""Every record that the code can make is one that the published contract describes, key and headers included."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.norce import NorceError, Rejected, Unfitting
from connectors.norce.errors import Attempt
from connectors.query import Span
from connectors.webhook.event_types import Requested
from connectors.webhook.records import Record, RecordFactory
from pipeline import topics
from pipeline.commands import REPLAY_HEADER
from pipeline.contracts.headers import json_headers
from pipeline.contracts.keys import EVENT_KEYS
from pipeline.dead_letters.records import JSON_HEADERS, dead_letter
from pipeline.dead_letters.resolutions import EventEnd, How, Resolution, encode_resolution
from pipeline.domain import (
    DEFAULT_ALERTS,
    DEFAULT_POLICIES,
    KINDS,
    Arrival,
    Key,
    OrderView,
    Recorded,
    advance,
    derive,
    encode_alert,
    encode_update,
    review_change,
)
from pipeline.domain.lookups import LOOKUPS, decode_answer
from pipeline.drift.topics import DRIFT
from pipeline.drift.watch import Watch
from pipeline.drift.windows import WindowRule
from pipeline.events import EVENT_TYPES, EventSpec, Reason, UnusableBody, parse
from pipeline.events.envelope import read_envelope
from pipeline.lookup.records import looked_up
from pipeline.privacy.keeper import Keeper
from pipeline.privacy.topics import ORDERS_BUYERS
from pipeline.quarantine.retries import Outcome, Published, Refusal, Retry, encode_retry
from pipeline.reconciliation.compare import Difference, Kind, Missing
from pipeline.reconciliation.publish import record_of
from pipeline.reconciliation.records import Sweep
from tests.contracts.support import Written, kind_of
from tests.domain.events import HOUR, KEY, event_sequences, payment, received, status
from tests.domain.groups import group_sequences
from tests.domain.test_lookups import heard_and_told
from tests.drift.bodies import CONFIRMED, drifted, record
from tests.events.schema import definitions, event_types, valid_body
from tests.privacy.support import EMAIL, PHONE, counted, event, reader, ring, wrapping

JSON = tuple(JSON_HEADERS)


def made(topic: str, key: bytes, value: bytes) -> Written:
    return Written(topic, key, value, JSON)


# -- the worker ------------------------------------------------------------------------------------------------------


def follows(key: Key, events: list[Arrival]) -> list[str]:
    """The kinds of everything that follows from events of one thing."""
    done = advance(key, None, events)
    if done.after is None or done.record is None:
        return []
    name = key.text.encode()
    now = max(event.received_at for event in events) + 30 * HOUR
    alerts = review_change(key, done, Recorded(), DEFAULT_ALERTS, now).alerts
    updates = derive(None, done.after, DEFAULT_POLICIES) if isinstance(done.after, OrderView) else []
    return [
        kind_of(made(topics.ENRICHED[KINDS[type(key)].table], name, done.record)),
        *(kind_of(made(topics.ALERTS, alert.id.encode(), encode_alert(alert))) for alert in alerts),
        *(kind_of(made(topics.UPDATES, name, encode_update(update))) for update in updates),
    ]


@given(event_sequences())
def test_whatever_happens_to_an_order_its_records_keep_the_contract(events: list[Arrival]) -> None:
    assert follows(KEY, events)[0] == "EnrichedOrder"


@given(group_sequences())
def test_whatever_happens_in_any_other_group_its_records_keep_the_contract(said: tuple[Key, list[Arrival]]) -> None:
    key, events = said
    assert set(follows(key, events)) <= {KINDS[type(key)].record.__name__, "Alert"}


def test_an_order_in_trouble_makes_every_kind_of_record_of_orders() -> None:
    events = [received(), payment(), payment(PaymentCode="P2"), status("Cancelled")]
    assert {"EnrichedOrder", "Alert", "ConnectUpdate", "CheckoutUpdate"} == set(follows(KEY, events))


@given(heard_and_told())
def test_whatever_is_looked_up_keeps_the_contract_and_so_do_its_records(heard: tuple[Key, list[Arrival]]) -> None:
    key, arrivals = heard
    follows(key, arrivals)
    for arrival in arrivals:
        if arrival.event_type in LOOKUPS:
            said = decode_answer(arrival.event_type, key, cast(bytes, arrival.body))
            kind = {"OrderLookedUp": "order", "ProductLookedUp": "product", "InvoiceLookedUp": "invoice"}
            record = looked_up(kind[arrival.event_type], key.text, said, arrival.received_at)
            assert record.value is not None
            topic = topics.LOOKUPS[kind[arrival.event_type]]
            assert kind_of(Written(topic, record.key, record.value, tuple(record.headers))) == arrival.event_type
            assert read_envelope(record.headers).event_type == arrival.event_type


# -- the connector ---------------------------------------------------------------------------------------------------

FACTORY = RecordFactory("https://norce.example.com/webhooks")


def written(record: Record) -> Written:
    return Written(record.topic, record.key, record.value, tuple(record.headers))


@pytest.mark.parametrize("name", event_types())
def test_every_body_that_norces_own_schema_allows_keeps_the_contract(name: str) -> None:
    spec, schema = EVENT_TYPES[name], definitions()[name]

    @given(valid_body(schema))
    def check(fields: dict[str, Any]) -> None:
        body = json.dumps(fields).encode()
        try:
            event = parse(spec, body)
        except UnusableBody:
            return  # quarantined for what a schema cannot say, such as numbers that are too large
        assert kind_of(written(FACTORY.event(spec, event, body))) == name

    check()


@given(st.binary(max_size=40), st.sampled_from(list(Reason)), st.text(max_size=5))
def test_whatever_is_quarantined_keeps_the_contract(body: bytes, reason: Reason, where: str) -> None:
    error = UnusableBody(reason, "not usable", where.encode("utf-8", "replace").decode())
    assert kind_of(written(FACTORY.quarantined(Requested(("Nonsense",)), error, body))) == "UnusableBody"


@pytest.mark.parametrize("spec", EVENT_TYPES.values(), ids=list(EVENT_TYPES))
def test_a_key_is_made_of_the_fields_that_its_layout_names(spec: EventSpec) -> None:
    values: dict[str, Any] = {str(field.alias): n for n, field in enumerate(spec.model.model_fields.values(), 10)}
    values |= {"ClientOrderRef": "a:b", "PartNo": "p:1"}
    present = {str(field.alias): name for name, field in spec.model.model_fields.items()}
    event = spec.model.model_construct(**{present[alias]: value for alias, value in values.items() if alias in present})
    (layout, *_) = EVENT_KEYS[spec.key.__name__]
    assert spec.partition_key(event) == re.sub(r"[A-Z][A-Za-z]*", lambda field: str(values[field.group()]), layout)


# -- dead letters ----------------------------------------------------------------------------------------------------

SOURCE = SimpleNamespace(
    topic=topics.UPDATES, partition=1, offset=2, timestamp=3, headers=[("h", b"\xff")], key=b"1:2:77", value=b"\xff"
)
ATTEMPT = Attempt("SendOrderStatus", "POST", "https://norce.example.com", {"a": 1}, 400, "no", "refused")


@pytest.mark.parametrize(
    "details",
    [
        {"error": "UnusableArrival", "stage": "join"},
        {"stage": "connect", **Rejected("refused", attempt=ATTEMPT).describe()},
        {"stage": "checkout", **Rejected("refused").describe()},
        {"stage": "lookup", **Unfitting("does not fit", attempt=ATTEMPT).describe()},
        {"error": "E", "stage": "join", "kind": "order", "event_type": CONFIRMED.name, "trace": ["a:1 in b: c"]},
    ],
    ids=["join", "refused", "refused before a call", "does not fit", "parked"],
)
def test_a_dead_letter_keeps_the_contract(details: dict[str, Any]) -> None:
    details.pop("reason", None)
    letter = dead_letter(SOURCE, "why", **details)
    assert letter.value is not None
    assert kind_of(Written(topics.DEAD_LETTERS, letter.key, letter.value, tuple(letter.headers))) == "DeadLetter"


def test_what_became_of_a_dead_letter_keeps_the_contract() -> None:
    end = EventEnd(topic="t", partition=0, offset=1, event_type=CONFIRMED.name, event_id="e", outcome="applied")
    for how, events, then in ((How.RELEASED, [end], None), (How.STILL_FAILING, [], "l"), (How.DROPPED, [end], "m")):
        resolution = Resolution(
            letter="l",
            how=how,
            command="c",
            by="somebody",
            reason="",
            kind="order" if events else None,
            events=events,
            then=then,
            final=not then,
            resolved_at=1,
        )
        assert kind_of(made(topics.RESOLUTIONS, b"1:2:77", encode_resolution(resolution))) == "Resolution"


def test_what_a_replay_did_and_the_updates_that_it_forces_keep_the_contract() -> None:
    failed = EventEnd(topic="t", partition=0, offset=1, event_type=CONFIRMED.name, event_id="e", outcome="failed")
    resolution = Resolution(
        letter=None,
        how=How.REPLAYED,
        command="c",
        by="somebody",
        reason="",
        kind="order",
        events=[failed],
        then=None,
        final=True,
        updates=["u"],
        resolved_at=1,
    )
    assert kind_of(made(topics.RESOLUTIONS, b"1:2:77", encode_resolution(resolution))) == "Resolution"
    (view,) = [advance(KEY, None, [status("Confirmed")]).after]
    assert isinstance(view, OrderView)
    for update in derive(None, view, DEFAULT_POLICIES):
        headers = (*JSON, (REPLAY_HEADER, b"c"))
        assert kind_of(Written(topics.UPDATES, KEY.text.encode(), encode_update(update), headers)) == "CheckoutUpdate"


def test_what_became_of_a_body_in_quarantine_keeps_the_contract() -> None:
    event = Published(topic=CONFIRMED.topic, partition=0, offset=1)
    refusal = Refusal(reason="wrong_fields", detail="Source: missing", where="Source")
    for outcome, where, why in (("retrying", None, None), ("retried", event, None), ("still_refused", None, refusal)):
        retry = Retry(
            command="c",
            by="somebody",
            partition=0,
            offset=2,
            event_id="e",
            received_at=1,
            event_type=CONFIRMED.name,
            outcome=Outcome(outcome),
            event=where,
            refusal=why,
            at=2,
        )
        assert kind_of(made(topics.QUARANTINE_RETRIES, b"norce.quarantine/0/2", encode_retry(retry))) == "Retry"


def test_every_error_of_the_norce_clients_says_what_a_dead_letter_needs() -> None:
    assert {"error", "outcome", "reason", "attempt"} <= set(NorceError("x").describe())


# -- reconciliation --------------------------------------------------------------------------------------------------


def test_the_record_of_a_sweep_and_the_events_it_publishes_keep_the_contract() -> None:
    sweep = Sweep(Span(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)), ["1:2"])
    fields = {"ClientId": 1, "ApplicationId": 2, "ClientOrderRef": "77", "Source": "WEB"}
    missing = Missing("OrderReceivedEvent", "1:2:77", fields)
    sweep.miss([missing])
    sweep.differ([Difference(Kind.ORDER, "1:2:78", None, "received", None)])
    report = msgspec.json.encode(sweep.record("QueryUnusable: away"))
    assert kind_of(made(topics.RECONCILIATION, sweep.id.encode(), report)) == "Reconciliation"
    assert kind_of(written(record_of(missing, "/norce/reconciliation"))) == "OrderReceivedEvent"


# -- drift and buyers ------------------------------------------------------------------------------------------------


@given(st.lists(drifted, min_size=1, max_size=4))
def test_every_drift_report_keeps_the_contract(bodies: list[bytes]) -> None:
    seen = Watch(WindowRule(before=4, run=2)).step(
        [record(CONFIRMED, body, offset) for offset, body in enumerate(bodies)], lambda keys: {}
    )
    for report in seen.reports.values():
        assert kind_of(made(DRIFT, report.key.encode(), report.encode())) == "DriftReport"


def test_the_record_of_buyers_keeps_the_contract() -> None:
    keeper = Keeper(ring(1, 2), wrapping(1), counted())
    work = keeper.step([event(Email=EMAIL, CellPhone=PHONE)], reader({}), reader({}))
    (found,) = work.buyers.items()
    assert kind_of(made(ORDERS_BUYERS, *found)) == "Buyers"


def test_the_headers_of_our_records_are_those_of_the_contract() -> None:
    assert list(json_headers()["properties"]) == [name for name, _ in JSON_HEADERS]
