"""The one table that says which records are on which topic. The contracts are made from it.

A topic is in the contracts because it is in a topic catalogue; this table says what its records are. A topic without
an entry is an error of the programmer, which the tests show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline import topics
from pipeline.calls import UpdateCalls
from pipeline.contracts import headers
from pipeline.contracts.alerts import alert_kinds
from pipeline.contracts.keys import EVENT_KEYS, SUBSCRIPTION_KEYS, key_schema
from pipeline.contracts.records import (
    Buyers,
    DeadLetter,
    DriftReport,
    ForgetRequest,
    KeyCheck,
    PrivateRecord,
    PublishedMark,
    WrappedKey,
)
from pipeline.contracts.schemas import Schema, copy_schema, event_schema, struct_schema
from pipeline.dead_letters.resolutions import Resolution
from pipeline.domain import (
    Alert,
    CheckoutUpdate,
    ConnectUpdate,
    InvoiceLookedUp,
    OrderLookedUp,
    ProductLookedUp,
)
from pipeline.domain.kinds import KINDS
from pipeline.drift.topics import DRIFT, DRIFT_TABLES, DRIFT_TOPICS
from pipeline.events import EVENT_TYPES, Deduplication, EventSpec
from pipeline.ledger import LedgerEntry
from pipeline.privacy.topics import (
    FORGET,
    KEY_CHECKS,
    ORDERS_BUYERS,
    ORDERS_PRIVATE,
    PERSON_KEYS,
    PRIVACY_TOPICS,
)
from pipeline.quarantine.retries import Retry
from pipeline.reconciliation.records import Reconciliation
from pipeline.settings import (
    CheckoutSettings,
    ConnectSettings,
    DriftSettings,
    LookupSettings,
    ProcessSettings,
    WorkerSettings,
)
from pipeline.topics import Cleanup, TopicSpec


def default_group(settings: type[ProcessSettings]) -> str:
    """The consumer group of a process where nothing else is set."""
    return str(settings.model_fields["group"].default)


CHANGELOGS: tuple[TopicSpec, ...] = topics.changelogs(
    (default_group(WorkerSettings), topics.WORKER_TABLES),
    (default_group(ConnectSettings), topics.SINK_TABLES),
    (default_group(CheckoutSettings), topics.SINK_TABLES),
    (default_group(DriftSettings), DRIFT_TABLES),
    (default_group(LookupSettings), topics.LOOKUP_TABLES),
)
"""The changelogs under the default names of the consumer groups."""

UNPROMISED: tuple[TopicSpec, ...] = (*CHANGELOGS, *topics.INTERNAL)
"""Topics between the pipeline's own processes: the layout of their records is private."""

CATALOGUE: tuple[TopicSpec, ...] = (*topics.PUBLIC, *DRIFT_TOPICS, *PRIVACY_TOPICS, *UNPROMISED)
"""Every topic."""

ANSWERS: Mapping[str, type] = {"order": OrderLookedUp, "product": ProductLookedUp, "invoice": InvoiceLookedUp}
"""The records of the look-up topics, which have the headers of events."""

RECORDS: Mapping[str, tuple[type, ...]] = {
    **{topics.ENRICHED[kind.table]: (kind.record,) for kind in KINDS.values()},
    topics.ALERTS: (Alert,),
    **{topics.LOOKUPS[kind]: (record,) for kind, record in ANSWERS.items()},
    topics.UPDATES: (ConnectUpdate, CheckoutUpdate),
    topics.QUARANTINE_RETRIES: (Retry,),
    topics.CALLS: (UpdateCalls,),
    topics.DEAD_LETTERS: (DeadLetter,),
    topics.RESOLUTIONS: (Resolution,),
    topics.LEDGER: (LedgerEntry,),
    DRIFT: (DriftReport,),
    topics.RECONCILIATION: (Reconciliation,),
    ORDERS_BUYERS: (Buyers,),
    ORDERS_PRIVATE: (PrivateRecord, PublishedMark),
    PERSON_KEYS: (WrappedKey,),
    KEY_CHECKS: (KeyCheck,),
    FORGET: (ForgetRequest,),
}
"""The records of each topic whose values the pipeline makes itself."""

COPIES: Mapping[str, Mapping[str, str]] = {
    topics.SUBSCRIPTION_FAILURES: {"SubscriptionFailedEvent": "CopiedSubscriptionFailedEvent"},
}
"""Topics with copies of events, without personal data: event type to the name of its copy."""

FRAMED: tuple[str, ...] = (*topics.ENRICHED.values(), topics.ALERTS, topics.UPDATES)
"""Topics whose values are framed if a registry is configured: what the worker makes.

Events and quarantine hold the bytes that Norce sent, and dead letters are for people: they stay as they are.
"""

WITHOUT_HEADERS = frozenset({ORDERS_PRIVATE, PERSON_KEYS, FORGET})

KEYS: Mapping[str, str] = {
    topics.ENRICHED["subscriptions"]: " or ".join(SUBSCRIPTION_KEYS),
    topics.SUBSCRIPTION_FAILURES: " or ".join(SUBSCRIPTION_KEYS),
}
"""Layouts of keys where the topic's own words name none."""


class UnboundTopic(Exception):
    """A topic is in no table that says what its records are."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"pipeline/contracts/bindings.py does not say what the records of topic {name} are")


@dataclass(frozen=True, slots=True)
class Message:
    """One kind of record on one topic. ``value`` is ``None`` where it can be any bytes."""

    name: str
    summary: str
    key: Schema | None
    headers: Schema
    value: Schema | None
    description: str = ""
    """More than the summary says, in Markdown."""


def messages(topic: TopicSpec) -> tuple[Message, ...]:
    """The kinds of record that a topic has.

    Raises:
        UnboundTopic
    """
    if topic in UNPROMISED:
        return ()
    if topic.name in RECORDS:
        return tuple(_record(topic, record) for record in RECORDS[topic.name])
    if topic.name == topics.QUARANTINE:
        return (Message("UnusableBody", topic.purpose, None, headers.quarantine_headers(), None),)
    if topic.name in COPIES:
        return tuple(_copy(topic, EVENT_TYPES[event], name) for event, name in COPIES[topic.name].items())
    events = tuple(_event(spec) for spec in EVENT_TYPES.values() if spec.topic == topic.name)
    if not events:
        raise UnboundTopic(topic.name)
    return events


def retention_ms(topic: TopicSpec) -> int | None:
    """Milliseconds that records are kept for; ``None`` where the newest of each key stays for good."""
    if topic.cleanup is Cleanup.COMPACT or topic.retention is None:
        return None
    return int(topic.retention.total_seconds() * 1000)


_MORE: Mapping[type, Callable[[], str]] = {Alert: alert_kinds}


def _record(topic: TopicSpec, record: type[Any]) -> Message:
    schema = struct_schema(record)
    description = _MORE[record]() if record in _MORE else ""
    if record in ANSWERS.values():
        found = headers.answer_headers(record.__name__)
    elif topic.name == topics.UPDATES:
        found = headers.update_headers()
    elif topic.name in WITHOUT_HEADERS:
        found = headers.no_headers()
    else:
        found = headers.json_headers(framed=topic.name in FRAMED)
    return Message(record.__name__, schema["description"], _key(topic), found, schema, description)


def _key(topic: TopicSpec) -> Schema | None:
    return key_schema(KEYS.get(topic.name, topic.key))


_REPEATS: Mapping[Deduplication, str] = {
    Deduplication.ONCE: "It happens once per identity: a second one is a repeat.",
    Deduplication.IDENTITY: "It may be stated again: the newest of an identity stands.",
    Deduplication.REPEATABLE: "The same body may come twice and mean two things.",
}


def _event(spec: EventSpec) -> Message:
    key = key_schema(" or ".join(EVENT_KEYS[spec.key.__name__]))
    summary = f"Norce's {spec.name}, byte for byte. {_identity(spec)}"
    return Message(spec.name, summary, key, headers.event_headers(spec.name), event_schema(spec))


def _copy(topic: TopicSpec, spec: EventSpec, name: str) -> Message:
    summary = f"Norce's {spec.name} under another key, without personal data. {_identity(spec)}"
    return Message(name, summary, _key(topic), headers.event_headers(spec.name), copy_schema(spec, name))


def _identity(spec: EventSpec) -> str:
    repeats = _REPEATS[spec.deduplication]
    if not spec.identity:
        return repeats
    aliases = [str(spec.model.model_fields[name].alias) for name in spec.identity]
    return f"{repeats} Identity: {', '.join(aliases)}."
