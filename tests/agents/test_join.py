"""What follows from the records of one partition: tables, enriched records, updates, alerts, dead letters."""

from collections.abc import Callable, Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline import metrics, topics
from pipeline.agents.alerts import AlertBook
from pipeline.agents.app import alert_policy, by_partition
from pipeline.agents.join import MAX_EVENT_BYTES, Join
from pipeline.domain import DEFAULT_ALERTS, DEFAULT_POLICIES, KINDS, AlertKind, OrderKey
from pipeline.engine import SliceLedger, SliceTable, Step
from pipeline.engine.slices import TopicPartition
from pipeline.settings import SettingsError, WorkerSettings
from tests.agents.support import CONFIRMED, NOW, ORDER, PAID, Tables, apply, changed, record, sent


def test_many_events_of_an_order_are_one_write_one_record_and_one_update_each(join: Join, tables: Tables) -> None:
    events = [record("OrderReceivedEvent", {**ORDER, "Source": "WEB", "Email": "a@example.com"}, "e1")]
    events += [record("OrderConfirmedEvent", CONFIRMED, "e2"), record("OrderPaymentReceivedEvent", PAID, "e3")]
    step = join.step(0, events)
    assert changed(step) == {"orders": {b"1:2:77"}}
    (order,) = sent(step, topics.ORDERS_ENRICHED)
    assert (order["status"], order["paid"], order["version"]) == ("confirmed", {"SEK": "10.50"}, 3)
    assert sorted(update["target"] for update in sent(step, topics.UPDATES)) == ["checkout", "connect"]


def test_personal_data_reaches_neither_tables_nor_records(join: Join) -> None:
    body = {**ORDER, "Source": "WEB", "Email": "planted@example.com", "FirstName": "Planted", "CellPhone": "planted"}
    step = join.step(0, [record("OrderReceivedEvent", body)])
    everything = [o.value for outputs in step.outputs.values() for o in outputs]
    everything += [value for changes in step.changes.values() for value in changes.values()]
    # the order's state and record, an update, the ledger's record, and two entries that alerts will be due
    assert len(everything) == 6
    assert all(b"lanted" not in (value or b"") for value in everything)


def test_a_repeat_is_stored_and_nothing_is_sent(join: Join, tables: Tables) -> None:
    apply(tables, join.step(0, [record("OrderConfirmedEvent", CONFIRMED, "e1")]))
    step = join.step(0, [record("OrderConfirmedEvent", CONFIRMED, "e2", second=9)])
    assert list(step.outputs) == [topics.LEDGER]
    assert [table.name for table in step.changes] == ["orders"]


def test_a_record_that_is_read_again_after_a_crash_changes_nothing_at_all(join: Join, tables: Tables) -> None:
    apply(tables, join.step(0, [record("OrderConfirmedEvent", CONFIRMED, "e1")]))
    step = join.step(0, [record("OrderConfirmedEvent", CONFIRMED, "e1")])
    assert (list(step.outputs), step.changes) == ([topics.LEDGER], {})


def test_what_a_worker_that_died_may_have_told_of_is_told_again_with_the_highest_version(
    join: Join, tables: Tables
) -> None:
    """It may have told of a higher version from fewer events; the same facts in the end leave nothing of that."""
    repeat = record("OrderConfirmedEvent", CONFIRMED, "e2", second=9)
    apply(tables, join.step(0, [record("OrderConfirmedEvent", CONFIRMED, "e1")]))
    read_before = {repeat.topic: repeat.offset + 1}
    step = join.step(0, [repeat], read_before)
    assert [order["version"] for order in sent(step, topics.ORDERS_ENRICHED)] == [2]
    assert [update["version"] for update in sent(step, topics.UPDATES)] == [2]
    apply(tables, step)
    assert list(join.step(0, [repeat], read_before).outputs) == [topics.LEDGER], "the state has it: nothing is open"


def test_a_subscription_failure_joins_its_basket_or_stands_alone(join: Join, tables: Tables) -> None:
    alone = {"ClientId": 1, "ApplicationId": 2, "SubscriptionId": 9, "ErrorMessage": "declined"}
    step = join.step(
        0,
        [
            record("SubscriptionFailedEvent", {**alone, "BasketId": 77}, "e1"),
            record("SubscriptionFailedEvent", alone, "e2"),
        ],
    )
    assert changed(step) == {"orders": {b"1:2:77"}, "subscriptions": {b"1:2:subscription=9"}}
    (order,) = sent(step, topics.ORDERS_ENRICHED)
    assert order["subscription_failures"][0]["error_message"] == "declined"


def test_an_invoice_capture_is_kept_in_its_own_table(join: Join, tables: Tables) -> None:
    body = {"ClientId": 1, "ApplicationId": 2, "CapturedInvoiceId": 3, "State": "Error"}
    step = join.step(0, [record("InvoiceCaptureCompletedEvent", body)])
    assert changed(step) == {"invoices": {b"1:3"}}
    (invoice,) = sent(step, topics.ENRICHED["invoices"])
    assert (invoice["outcome"], invoice["order_key"]) == ("error", None)
    (alert,) = sent(step, topics.ALERTS)
    assert (alert["kind"], alert["subject_key"]) == ("capture_error", "1:3")


def test_a_type_that_no_state_is_kept_of_is_passed_over(join: Join) -> None:
    step = join.step(0, [record("ExternalOrderReceivedEvent", {"ClientId": 1})])
    assert (list(step.outputs), step.changes) == ([topics.LEDGER], {})


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
        ({"value": b"\xff" * (MAX_EVENT_BYTES + 1)}, "OversizeEvent"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_record_that_names_no_key_becomes_a_dead_letter_and_its_neighbours_are_joined(
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
    names = {number: [r.name for piece in pieces for r in piece.records] for number, pieces in grouped.items()}
    assert names == {
        0: ["a00", "a01", "b00", "b01"],
        1: ["a10", "a11", "b10", "b11"],
    }


def test_each_kind_of_thing_has_a_table_and_an_enriched_topic() -> None:
    assert set(topics.ENRICHED) == {kind.table for kind in KINDS.values()}
    assert set(topics.ENRICHED) | {topics.ALERTS_TABLE, topics.PARKED_TABLE} == set(topics.WORKER_TABLES)
    specs = {spec.name: spec for spec in topics.PUBLIC}
    for name in (*topics.ENRICHED.values(), topics.ALERTS):
        assert specs[name].cleanup is topics.Cleanup.COMPACT
    assert all(topics.ENRICHED[kind.table] == f"norce.{kind.table}.enriched" for kind in KINDS.values())


PRICE = {"ClientId": 1, "PartNo": "A", "PricelistId": 1, "PriceSaleValue": 50}
COST = {"ClientId": 1, "PartNo": "A", "SupplierId": 9, "PriceSaleValue": 60}
GROUPS: list[tuple[str, dict[str, Any], str, bytes]] = [
    ("SkuPriceChangedNotification", PRICE, "products", b"1:A"),
    ("SupplierSkuPriceChangedNotification", COST, "products", b"1:A"),
    (
        "CustomerChangedNotification",
        {"ClientId": 1, "CustomerId": 7, "EntityChanged": "t"},
        "customers",
        b"1:customer=7",
    ),
    ("CompanyChangedNotification", {"ClientId": 1, "CompanyId": 7, "EntityChanged": "t"}, "companies", b"1:company=7"),
    ("JobCompletedEvent", {"ClientId": 1, "JobId": 5, "StatusId": 2}, "jobs", b"1:5"),
]


@pytest.mark.parametrize(("event_type", "body", "table", "key"), GROUPS, ids=[g[0] for g in GROUPS])
def test_an_event_of_every_group_is_stored_and_published_under_its_key(
    join: Join, tables: Tables, event_type: str, body: dict[str, Any], table: str, key: bytes
) -> None:
    step = join.step(0, [record(event_type, body)])
    assert changed(step) == {table: {key}}
    (outgoing,) = step.outputs[topics.ENRICHED[table]]
    assert outgoing.key == key
    apply(tables, step)
    again = join.step(0, [record(event_type, body)])
    assert (list(again.outputs), again.changes) == ([topics.LEDGER], {})


def test_a_product_meets_its_suppliers_and_its_alert_opens_and_closes(join: Join, tables: Tables) -> None:
    step = join.step(
        0,
        [record("SkuPriceChangedNotification", PRICE, "e1"), record("SupplierSkuPriceChangedNotification", COST, "e2")],
    )
    (product,) = sent(step, topics.ENRICHED["products"])
    assert product["sale_prices"][0]["margin"] == "-10.00"
    (opened,) = sent(step, topics.ALERTS)
    assert (opened["kind"], opened["state"]) == ("below_cost", "open")
    apply(tables, step)
    step = join.step(0, [record("SkuPriceChangedNotification", {**PRICE, "PriceSaleValue": 70}, "e3", second=9)])
    (closed,) = sent(step, topics.ALERTS)
    assert (closed["id"], closed["state"], closed["closed_by"]["event_id"]) == (opened["id"], "closed", "e3")
    assert [outgoing.key.decode() for outgoing in step.outputs[topics.ALERTS]] == [opened["id"]]


def test_the_table_of_alerts_is_written_before_the_state(join: Join) -> None:
    step = join.step(0, [record("JobCompletedEvent", {"ClientId": 1, "JobId": n, "StatusId": 3}) for n in range(3)])
    assert [table.name for table in step.changes] == ["alerts", "jobs"]  # tables compare equal by their contents


def test_a_failed_renewal_with_a_basket_is_copied_to_its_subscription(join: Join, tables: Tables) -> None:
    named = {"SubscriptionId": 9, "RecurringOrderId": 4, "BasketId": 77}
    body = {"ClientId": 1, "ApplicationId": 2, **named, "Email": "planted@example.com"}
    step = join.step(0, [record("SubscriptionFailedEvent", body, "e1")])
    copy, other = step.elsewhere[topics.SUBSCRIPTION_FAILURES]
    assert (copy.key, other.key) == (b"1:2:subscription=9", b"1:2:recurring=4")
    assert b"planted" not in (copy.value or b"")
    arrived = SimpleNamespace(
        topic=topics.SUBSCRIPTION_FAILURES, partition=0, offset=0, key=copy.key, value=copy.value, headers=copy.headers
    )
    apply(tables, step)
    step = join.step(0, [arrived])
    assert changed(step) == {"subscriptions": {b"1:2:subscription=9"}}
    assert step.elsewhere == {}
    (subscription,) = sent(step, topics.ENRICHED["subscriptions"])
    assert subscription["order_keys"] == ["1:2:77"]
    assert subscription["timeline"][0]["event_id"] == "e1"


HOUR = 3600 * 1_000_000


def test_time_opens_and_closes_alerts_with_no_further_event(tables: Tables) -> None:
    clock = [NOW]
    join = Join(tables, DEFAULT_POLICIES, DEFAULT_ALERTS, clock=lambda: clock[0], writer="g")
    apply(tables, join.step(0, [record("OrderPaymentReceivedEvent", PAID, "p")]))
    assert (join.sweep(0).outputs, join.sweep(0).changes) == ({}, {})
    clock[0] += 24 * HOUR
    step = join.sweep(0)
    (opened,) = sent(step, topics.ALERTS)
    assert (opened["kind"], opened["opened_by"]) == ("paid_not_confirmed", ["p"])
    apply(tables, step)
    assert (join.sweep(0).outputs, join.sweep(0).changes) == ({}, {}), "it is said once"
    step = join.step(0, [record("OrderConfirmedEvent", CONFIRMED, "c", second=9)])
    (closed,) = sent(step, topics.ALERTS)
    assert (closed["id"], closed["closed_by"]["event_id"]) == (opened["id"], "c")


LATER = 24 * HOUR
"""How long a paid order may stay unconfirmed."""


def write_until_death(tables: Tables, step: Step, parts: int, told: list[dict[str, Any]]) -> bool:
    """Write as the app does, but die after some parts of it; says whether all of it was written."""

    def store(table: SliceTable, changes: Mapping[bytes, bytes | None]) -> None:
        table.apply(0, changes, 0)

    todo: list[Callable[[], None]] = [partial(store, *change) for change in step.beforehand.items()]
    todo.append(lambda: told.extend(sent(step, topics.ALERTS)))
    todo += [partial(store, *change) for change in step.changes.items()]
    for part in todo[:parts]:
        part()
    return parts >= len(todo)


@pytest.mark.parametrize("late", [False, True], ids=["opened-by-time", "opened-by-an-event-that-is-worked-on-late"])
@pytest.mark.parametrize("swept_first", [False, True], ids=["the-event-comes-next", "the-time-comes-next"])
def test_an_alert_that_a_worker_told_of_before_it_died_closes_whatever_comes_next(
    tables: Tables, late: bool, swept_first: bool
) -> None:
    """The order was confirmed in time, so whoever reads that first finds nothing wrong and no reason for an alert."""
    clock = [NOW]
    join = Join(tables, DEFAULT_POLICIES, DEFAULT_ALERTS, clock=lambda: clock[0], writer="g")
    for order in range(20):
        name = {"ClientOrderRef": str(order)}
        paid = record("OrderPaymentReceivedEvent", {**PAID, **name}, f"p{order}")
        confirmed = record("OrderConfirmedEvent", {**CONFIRMED, **name}, f"c{order}", second=9)
        clock[0] = NOW
        if not late:
            apply(tables, join.step(0, [paid]))
        clock[0] = NOW + LATER
        told: list[dict[str, Any]] = []
        all_written = write_until_death(tables, join.step(0, [paid]) if late else join.sweep(0), order, told)
        if swept_first:
            step = join.sweep(0)
            told += sent(step, topics.ALERTS)
            apply(tables, step)
        step = join.step(0, [paid, confirmed] if late and not all_written else [confirmed])
        told += sent(step, topics.ALERTS)
        apply(tables, step)
        assert list(dict.fromkeys(one["state"] for one in told)) in ([], ["open", "closed"])
        if all_written:
            assert [one["state"] for one in told] == ["open", "closed"], "who does not die says it once"
            return
    raise AssertionError("a worker never came to the end")


def test_a_sweep_looks_at_what_is_due_and_at_nothing_else(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [NOW]
    join = Join(tables, DEFAULT_POLICIES, DEFAULT_ALERTS, clock=lambda: clock[0], writer="g")
    payments = [{**PAID, "ClientOrderRef": str(n)} for n in range(40)]
    for n, body in enumerate(payments):
        apply(tables, join.step(0, [record("OrderPaymentReceivedEvent", body, f"p{n}", second=n)]))
    clock[0] += 24 * HOUR + 9_000_000
    step = join.sweep(0)
    assert len(sent(step, topics.ALERTS)) == 10
    monkeypatch.setattr("pipeline.agents.alerts.SWEPT_AT_ONCE", 4)
    clock[0] += HOUR
    apply(tables, step)
    found = []
    while step.changes:
        step = join.sweep(0)
        apply(tables, step)
        found.append(len(sent(step, topics.ALERTS)))
    assert found == [4] * 7 + [2, 0]


def test_the_index_names_nothing_whose_time_has_not_come(join: Join, tables: Tables) -> None:
    apply(tables, join.step(0, [record("OrderPaymentReceivedEvent", PAID, "p")]))
    book = AlertBook(tables[topics.ALERTS_TABLE])
    assert book.due(0, NOW + 24 * HOUR - 1) == {}
    assert book.due(0, NOW + 24 * HOUR) == {OrderKey(1, 2, "77"): NOW + 24 * HOUR}


def test_the_index_holds_each_thing_once_however_many_events_it_had(join: Join, tables: Tables) -> None:
    for n, name in enumerate(["OrderConfirmedEvent", "OrderPartlyDeliveredEvent", "OrderReadyForPickupEvent"]):
        apply(tables, join.step(0, [record(name, CONFIRMED, f"e{n}", second=n)]))
    names = [name for name, _ in tables[topics.ALERTS_TABLE].items_of(0)]
    assert [name[:1] for name in names] == [b"d", b"s"]


def test_a_thing_without_state_is_struck_from_the_index(join: Join, tables: Tables) -> None:
    tables[topics.ALERTS_TABLE].apply(0, {b"d%020d|order|1:2:77" % NOW: b""}, 0)
    step = join.sweep(0)
    assert step.outputs == {}
    apply(tables, step)
    assert list(tables[topics.ALERTS_TABLE].items_of(0)) == []


def test_settings_about_alerts_that_name_what_does_not_exist_are_named_themselves() -> None:
    settings = WorkerSettings(alert_after={"stuck": 5.0, "stuk": 1.0}, alert_expires={"paid_twice": -1.0})
    with pytest.raises(SettingsError) as refused:
        alert_policy(settings)
    assert [variable for variable, _ in refused.value.problems] == [
        "NORCE_WORKER_ALERT_AFTER",
        "NORCE_WORKER_ALERT_EXPIRES",
    ]
    fine = alert_policy(WorkerSettings(alert_after={"stuck": 5.0}, alert_subscription_failures=2))
    assert (fine.after[AlertKind.STUCK], fine.subscription_failures) == (5_000_000, 2)


# -- the ledger ------------------------------------------------------------------------------------------------------


def test_the_ledger_says_of_every_offset_how_it_ended_in_one_record_per_source_partition(join: Join) -> None:
    nonsense = record("OrderConfirmedEvent", CONFIRMED, "e9", offset=13, value=b"{}")
    step = join.step(
        0,
        [
            record("OrderReceivedEvent", {**ORDER, "Source": "WEB"}, "e1", offset=10),
            record("OrderConfirmedEvent", CONFIRMED, "e2", offset=11),
            record("OrderConfirmedEvent", CONFIRMED, "e3", second=9, offset=12),
            record("OrderPaymentReceivedEvent", PAID, "e5", offset=3),
            nonsense,
            record("OrderDeliveredEvent", CONFIRMED, "e4", offset=15),
            record("ExternalOrderReceivedEvent", {"ClientId": 1}, "e6", offset=16),
        ],
    )
    assert sent(step, topics.LEDGER) == [
        {
            "writer": "g",
            "topic": "norce.events.order",
            "partition": 0,
            "outcomes": {
                "applied": [[10, 11]],
                "duplicate": [[12, 12]],
                "poison": [[13, 13]],
                "parked": [[15, 15]],
                "ignored": [[16, 16]],
            },
        },
        {"writer": "g", "topic": "norce.events.payment", "partition": 0, "outcomes": {"applied": [[3, 3]]}},
    ]


def test_outcomes_are_counted_when_they_are_written_and_not_before(join: Join) -> None:
    def counted() -> float:
        return float(metrics.EVENTS.labels("OrderDeliveredEvent", "applied")._value.get())

    before = counted()
    step = join.step(0, [record("OrderDeliveredEvent", CONFIRMED)])
    assert counted() == before
    for call in step.afterwards:
        call()
    assert counted() == before + 1
