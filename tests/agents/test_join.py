"""What follows from the records of one partition: tables, enriched orders, updates, dead letters."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pipeline import topics
from pipeline.agents.app import TABLES, by_partition
from pipeline.agents.join import Join
from pipeline.domain import DEFAULT_POLICIES, InvoiceKey, Key, OrderKey, SubscriptionKey
from pipeline.domain.limits import MAX_RECEIPTS
from pipeline.engine import SliceApp, SliceLedger, SliceTable, Step
from pipeline.engine.slices import TopicPartition
from pipeline.events import EVENT_TYPES

ORDER = {"ClientId": 1, "ApplicationId": 2, "ClientOrderRef": "77"}
CONFIRMED = {**ORDER, "OrderId": 5, "OrderNo": "SO77", "Source": "WEB"}
PAID = {**ORDER, "ErpOrderNo": "SO77", "PaymentCode": "1", "Amount": 10.5, "CurrencyCode": "SEK"}
Tables = dict[type[Key], SliceTable]


@pytest.fixture
def tables(tmp_path: Path) -> Iterator[Tables]:
    app = SliceApp("g", bootstrap_servers="127.0.0.1:1", data_dir=str(tmp_path), partitions=1)
    app.finalize()
    app._create_directories()
    made = {
        kind: cast(SliceTable, app.Table(name, key_type=bytes, value_type=bytes, partitions=1))
        for kind, name in TABLES.items()
    }
    yield made
    for table in made.values():
        table.slices.close_partition(0)


@pytest.fixture
def join(tables: Tables) -> Join:
    return Join(tables, DEFAULT_POLICIES)


def record(event_type: str, body: Any, event_id: str = "e1", second: int = 0, **changes: Any) -> SimpleNamespace:
    """A record as the connector writes it."""
    spec = EVENT_TYPES[event_type]
    value = json.dumps(body).encode()
    key = spec.partition_key(spec.model.model_validate_json(value)).encode()
    made = SimpleNamespace(
        topic=spec.topic,
        partition=0,
        offset=0,
        timestamp=0,
        key=key,
        value=value,
        headers=[
            ("ce_id", event_id.encode()),
            ("ce_type", f"io.norce.{event_type}".encode()),
            ("ce_time", f"2026-01-01T00:00:{second:02}.000000Z".encode()),
        ],
    )
    return SimpleNamespace(**{**vars(made), **changes})


def apply(tables: Tables, step: Step) -> None:
    """Write what the step changes, as the app does."""
    for table, changes in step.changes.items():
        assert table in tables.values()
        table.apply(0, changes, 0)


def sent(step: Step, topic: str) -> list[dict[str, Any]]:
    return [json.loads(outgoing.value or b"") for outgoing in step.outputs.get(topic, [])]


def test_many_events_of_an_order_are_one_write_one_record_and_one_update_each(join: Join, tables: Tables) -> None:
    events = [record("OrderReceivedEvent", {**ORDER, "Source": "WEB", "Email": "a@example.com"}, "e1")]
    events += [record("OrderConfirmedEvent", CONFIRMED, "e2"), record("OrderPaymentReceivedEvent", PAID, "e3")]
    step = join.step(0, events)
    assert {table: len(changes) for table, changes in step.changes.items()} == {tables[OrderKey]: 1}
    (order,) = sent(step, topics.ORDERS_ENRICHED)
    assert (order["status"], order["paid"], order["version"]) == ("confirmed", {"SEK": "10.50"}, 3)
    assert sorted(update["target"] for update in sent(step, topics.UPDATES)) == ["checkout", "connect"]


def test_personal_data_reaches_neither_tables_nor_records(join: Join) -> None:
    body = {**ORDER, "Source": "WEB", "Email": "planted@example.com", "FirstName": "Planted", "CellPhone": "planted"}
    step = join.step(0, [record("OrderReceivedEvent", body)])
    everything = [o.value for outputs in step.outputs.values() for o in outputs]
    everything += [value for changes in step.changes.values() for value in changes.values()]
    assert len(everything) == 3
    assert all(b"lanted" not in (value or b"") for value in everything)


def test_a_repeat_is_stored_and_nothing_is_sent(join: Join, tables: Tables) -> None:
    apply(tables, join.step(0, [record("OrderConfirmedEvent", CONFIRMED, "e1")]))
    step = join.step(0, [record("OrderConfirmedEvent", CONFIRMED, "e2", second=9)])
    assert step.outputs == {}
    assert list(step.changes) == [tables[OrderKey]]


def test_a_record_that_is_read_again_after_a_crash_changes_nothing_at_all(join: Join, tables: Tables) -> None:
    apply(tables, join.step(0, [record("OrderConfirmedEvent", CONFIRMED, "e1")]))
    step = join.step(0, [record("OrderConfirmedEvent", CONFIRMED, "e1")])
    assert (step.outputs, step.changes) == ({}, {})


def test_a_subscription_failure_joins_its_basket_or_stands_alone(join: Join, tables: Tables) -> None:
    alone = {"ClientId": 1, "ApplicationId": 2, "SubscriptionId": 9, "ErrorMessage": "declined"}
    step = join.step(
        0,
        [
            record("SubscriptionFailedEvent", {**alone, "BasketId": 77}, "e1"),
            record("SubscriptionFailedEvent", alone, "e2"),
        ],
    )
    assert {table: set(changes) for table, changes in step.changes.items()} == {
        tables[OrderKey]: {b"1:2:77"},
        tables[SubscriptionKey]: {b"1:2:subscription=9"},
    }
    (order,) = sent(step, topics.ORDERS_ENRICHED)
    assert order["subscription_failures"][0]["error_message"] == "declined"


def test_an_invoice_capture_is_kept_in_its_own_table(join: Join, tables: Tables) -> None:
    body = {"ClientId": 1, "ApplicationId": 2, "CapturedInvoiceId": 3, "State": "Error"}
    step = join.step(0, [record("InvoiceCaptureCompletedEvent", body)])
    assert {table: set(changes) for table, changes in step.changes.items()} == {tables[InvoiceKey]: {b"1:3"}}
    assert step.outputs == {}


def test_a_type_that_no_state_is_kept_of_is_passed_over(join: Join) -> None:
    step = join.step(0, [record("ExternalOrderReceivedEvent", {"ClientId": 1})])
    assert (step.outputs, step.changes) == ({}, {})


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"headers": []}, "UnreadableEnvelope"),
        (
            {"headers": [("ce_type", b"other"), ("ce_id", b"1"), ("ce_time", b"2026-01-01T00:00:00Z")]},
            "UnreadableEnvelope",
        ),
        (
            {"headers": [("ce_type", b"io.norce.OrderConfirmedEvent"), ("ce_id", b"1"), ("ce_time", b"now")]},
            "UnreadableEnvelope",
        ),
        ({"key": b"nonsense"}, "MalformedKey"),
        ({"key": b"\xff"}, "UnicodeDecodeError"),
        ({"key": b"1:2:78"}, "MisplacedEvent"),
        ({"value": b'{"ClientId": 1}'}, "UnreadableEvent"),
        ({"value": b"\xff"}, "UnreadableEvent"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_record_that_cannot_be_joined_becomes_a_dead_letter_and_its_neighbours_are_joined(
    join: Join, changes: dict[str, Any], error: str
) -> None:
    step = join.step(
        0,
        [
            record("OrderConfirmedEvent", CONFIRMED, "bad", offset=41, **changes),
            record("OrderPaymentReceivedEvent", PAID, "good"),
        ],
    )
    (letter,) = sent(step, topics.DEAD_LETTERS)
    assert (letter["error"], letter["stage"], letter["source"]["offset"]) == (error, "join", 41)
    (order,) = sent(step, topics.ORDERS_ENRICHED)
    assert (order["status"], order["paid"]) == ("unknown", {"SEK": "10.50"})


def test_an_event_beyond_a_limit_dies_alone_and_the_order_stays(join: Join, tables: Tables) -> None:
    repeats = [record("OrderConfirmedEvent", CONFIRMED, f"e{n}") for n in range(MAX_RECEIPTS)]
    apply(tables, join.step(0, repeats))
    step = join.step(
        0, [record("OrderConfirmedEvent", CONFIRMED, "one-too-many"), record("OrderPaymentReceivedEvent", PAID, "p")]
    )
    (letter,) = sent(step, topics.DEAD_LETTERS)
    assert letter["error"] == "StateLimitExceeded"
    (order,) = sent(step, topics.ORDERS_ENRICHED)
    assert (order["status"], order["paid"]) == ("confirmed", {"SEK": "10.50"})


def test_records_are_grouped_by_partition_number_over_all_topics() -> None:
    ledger = SliceLedger()
    slices = [
        ledger.open(
            TopicPartition(topic, partition), [SimpleNamespace(offset=n, name=f"{topic}{partition}{n}") for n in (0, 1)]
        )
        for topic in ("a", "b")
        for partition in (0, 1)
    ]
    grouped = by_partition(slices)
    assert {number: [r.name for r in records] for number, records in grouped.items()} == {
        0: ["a00", "a01", "b00", "b01"],
        1: ["a10", "a11", "b10", "b11"],
    }
