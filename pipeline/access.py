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
from pipeline.lookup.app import READ as LOOKED_UP
from pipeline.privacy.identifiers import PERSONAL_TOPICS
from pipeline.privacy.topics import FORGET, KEY_CHECKS, ORDERS_BUYERS, TABLE_TOPICS
from pipeline.reconciliation.publish import TOPICS as RECONCILED_TOPICS
from pipeline.settings import (
    CheckoutSettings,
    ConnectSettings,
    DriftSettings,
    LookupSettings,
    PrivacySettings,
    WorkerSettings,
)
from pipeline.settings_report import value

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
    """Topics of the prefix, and sees how they are configured."""
    watches: bool = False
    """How far behind groups of the prefix are."""
    remakes: frozenset[str] = frozenset()
    """Topics that it deletes and makes again."""

    @property
    def topics(self) -> frozenset[str]:
        """The topics that it reads, writes or makes again."""
        return self.reads | self.writes | self.remakes


def accesses() -> list[Access]:
    """The users of the processes, of the commands that operators give, and of the autoscaler."""
    worker = value(WorkerSettings, "group")
    return [
        Access("webhook", writes=frozenset((*EVENT_TOPICS, topics.QUARANTINE))),
        _stateful(
            "worker",
            worker,
            topics.WORKER_TABLES,
            reads=[topics.COMMANDS, *(name for read in AGENTS.values() for name in read)],
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
            "lookup",
            value(LookupSettings, "group"),
            topics.LOOKUP_TABLES,
            reads=LOOKED_UP,
            writes=[*topics.LOOKUPS.values(), topics.DEAD_LETTERS],
        ),
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
        Access(
            "reconcile",
            reads=frozenset((topics.ORDERS_ENRICHED,)),
            writes=frozenset(RECONCILED_TOPICS),
            watches=True,
        ),
        Access("audit", reads=_audited(worker), watches=True),
        Access(
            "dead-letters",
            reads=frozenset((topics.DEAD_LETTERS, topics.RESOLUTIONS, topics.changelog(worker, topics.PARKED_TABLE))),
            writes=frozenset((topics.COMMANDS,)),
        ),
        Access(
            "replay",
            reads=_audited(worker) | {topics.RESOLUTIONS, topics.changelog(worker, topics.PARKED_TABLE)},
            writes=frozenset((topics.COMMANDS,)),
            watches=True,
        ),
        Access(
            "quarantine",
            reads=frozenset((topics.QUARANTINE, topics.QUARANTINE_RETRIES)),
            writes=frozenset((*EVENT_TOPICS, topics.QUARANTINE_RETRIES)),
        ),
        Access(
            "console",
            reads=frozenset(
                (
                    topics.ALERTS,
                    topics.UPDATES,
                    topics.CALLS,
                    topics.LEDGER,
                    topics.DEAD_LETTERS,
                    topics.RESOLUTIONS,
                    topics.QUARANTINE,
                    topics.QUARANTINE_RETRIES,
                    topics.RECONCILIATION,
                    DRIFT,
                    topics.changelog(worker, topics.PARKED_TABLE),
                    *TABLE_TOPICS.values(),
                )
            ),
            writes=frozenset((topics.COMMANDS, topics.QUARANTINE_RETRIES, *EVENT_TOPICS)),
        ),
        # Who forgets and reveals persons.
        Access(
            "persons", reads=frozenset((KEY_CHECKS, *TABLE_TOPICS.values())), writes=frozenset((FORGET,)), watches=True
        ),
        Access(
            "rebuild",
            reads=frozenset(name for read in AGENTS.values() for name in read),
            remakes=frozenset(topics.changelog(worker, table) for table in topics.WORKER_TABLES),
            group=worker,
        ),
        Access("topics", creates=True),
        Access("keda", watches=True),
    ]


def _sink(user: str, group: str) -> Access:
    return _stateful(
        user,
        group,
        topics.SINK_TABLES,
        reads=[topics.UPDATES],
        writes=[topics.CALLS, topics.DEAD_LETTERS, topics.LEDGER],
    )


def _stateful(user: str, group: str, tables: Iterable[str], *, reads: Iterable[str], writes: Iterable[str]) -> Access:
    changelogs = [topics.changelog(group, table) for table in tables]
    return Access(user, frozenset((*reads, *changelogs)), frozenset((*writes, *changelogs)), group)


def _audited(worker: str) -> frozenset[str]:
    sinks = (value(ConnectSettings, "group"), value(CheckoutSettings, "group"))
    changelogs = [topics.changelog(worker, table) for table in topics.ENRICHED]
    changelogs += [topics.changelog(group, table) for group in sinks for table in topics.SINK_TABLES]
    compared = (topics.SUBSCRIPTION_FAILURES, topics.UPDATES, topics.DEAD_LETTERS, topics.LEDGER)
    refused = (topics.QUARANTINE, topics.QUARANTINE_RETRIES)
    shown = (*topics.ENRICHED.values(), *topics.LOOKUPS.values())
    return frozenset((*EVENT_TOPICS, *refused, *shown, *compared, *changelogs))
