"""Who may do what on Kafka: the topics that each process reads and writes, and its consumer group.

A process has a Kafka user of its own, so that a sink cannot write events and the connector cannot read them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline import topics
from pipeline.agents.app import AGENTS
from pipeline.drift import DRIFT_TABLES
from pipeline.drift.topics import DRIFT
from pipeline.events import TOPICS as EVENT_TOPICS
from pipeline.events.registry import ORDER_TOPIC, PAYMENT_TOPIC, SUBSCRIPTION_TOPIC
from pipeline.privacy.identifiers import PERSONAL_TOPICS
from pipeline.privacy.topics import FORGET, KEY_CHECKS, ORDERS_BUYERS, PRIVACY_TOPICS, TABLE_TOPICS
from pipeline.settings import (
    CheckoutSettings,
    ConnectSettings,
    DriftSettings,
    LookupSettings,
    PrivacySettings,
    WorkerSettings,
)
from pipeline.settings_report import all_topics, value

PREFIX = "norce"
"""What the names of all topics and consumer groups begin with."""


@dataclass(frozen=True, slots=True)
class Access:
    """What one user needs. Every user may see that topics exist: each process checks them before it starts."""

    user: str
    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    group: str | None = None
    creates: bool = False
    """Topics of the prefix."""
    watches: bool = False
    """How far behind groups of the prefix are."""


def accesses() -> list[Access]:
    """The users of the processes, of ``topics create``, of the autoscaler, and of people who operate the pipeline."""
    return [
        Access("webhook", writes=frozenset((*EVENT_TOPICS, topics.QUARANTINE))),
        _stateful(
            "worker",
            value(WorkerSettings, "group"),
            topics.WORKER_TABLES,
            reads=[*(name for read in AGENTS.values() for name in read), topics.COMMANDS],
            writes=[
                *topics.ENRICHED.values(),
                topics.ALERTS,
                topics.SUBSCRIPTION_FAILURES,
                topics.UPDATES,
                topics.DEAD_LETTERS,
                topics.RESOLUTIONS,
                topics.LEDGER,
            ],
        ),
        _sink("sink-connect", value(ConnectSettings, "group")),
        _sink("sink-checkout", value(CheckoutSettings, "group")),
        _stateful(
            "drift",
            value(DriftSettings, "group"),
            DRIFT_TABLES,
            reads=[*EVENT_TOPICS, topics.QUARANTINE, DRIFT],
            writes=[DRIFT],
        ),
        _stateful(
            "privacy",
            value(PrivacySettings, "group"),
            (),
            reads=[*PERSONAL_TOPICS, FORGET, KEY_CHECKS, *TABLE_TOPICS.values()],
            writes=[ORDERS_BUYERS, FORGET, KEY_CHECKS, *TABLE_TOPICS.values()],
        ),
        _stateful(
            "lookup",
            value(LookupSettings, "group"),
            topics.LOOKUP_TABLES,
            reads=[topics.ENRICHED[name] for name in ("orders", "products", "invoices")],
            writes=[*topics.LOOKUPS.values(), topics.DEAD_LETTERS],
        ),
        Access(
            "reconcile",
            reads=frozenset((topics.ORDERS_ENRICHED,)),
            writes=frozenset((ORDER_TOPIC, PAYMENT_TOPIC, SUBSCRIPTION_TOPIC, topics.RECONCILIATION)),
            watches=True,
        ),
        Access("topics", creates=True),
        Access(
            "quarantine",
            reads=frozenset((topics.QUARANTINE, topics.QUARANTINE_RETRIES)),
            writes=frozenset((*EVENT_TOPICS, topics.QUARANTINE_RETRIES)),
        ),
        Access("keda", watches=True),
        # For people: "audit", "dead-letters", "replay". What is encrypted for each person is not theirs to read.
        Access(
            "operator",
            reads=frozenset(spec.name for spec in all_topics() if spec not in PRIVACY_TOPICS),
            writes=frozenset((topics.COMMANDS,)),
            watches=True,
        ),
    ]


def _sink(user: str, group: str) -> Access:
    return _stateful(
        user, group, topics.SINK_TABLES, reads=[topics.UPDATES], writes=[topics.DEAD_LETTERS, topics.LEDGER]
    )


def _stateful(user: str, group: str, tables: Iterable[str], *, reads: Iterable[str], writes: Iterable[str]) -> Access:
    changelogs = [topics.changelog(group, table) for table in tables]
    return Access(user, frozenset((*reads, *changelogs)), frozenset((*writes, *changelogs)), group)
