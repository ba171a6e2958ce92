"""The topic catalogue: every topic with its purpose, key, value, clean-up and retention, and the commands on it.

Event topics are named by the event catalogue. All topics have the same number of partitions: what meets in one table
must be co-partitioned, and a record derived from another goes to the same partition number.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, cast

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError, NodeNotReadyError, for_code

from pipeline.connecting import BrokerError, BrokerNotReady, BrokerUnreachable, why_unreachable
from pipeline.events import EVENT_TYPES
from pipeline.settings import KafkaSettings

ORDERS_ENRICHED = "norce.orders.enriched"
ENRICHED: Mapping[str, str] = {
    "orders": ORDERS_ENRICHED,
    "subscriptions": "norce.subscriptions.enriched",
    "invoices": "norce.invoices.enriched",
    "products": "norce.products.enriched",
    "customers": "norce.customers.enriched",
    "companies": "norce.companies.enriched",
    "jobs": "norce.jobs.enriched",
}
"""The enriched topic of each table."""
ALERTS = "norce.alerts"
SUBSCRIPTION_FAILURES = "norce.subscriptions.failures"
LOOKUPS: Mapping[str, str] = {
    "order": "norce.lookups.orders",
    "product": "norce.lookups.products",
    "invoice": "norce.lookups.invoices",
}
"""The topic of the answers about each kind of thing. One each: keys of different kinds can be the same text."""
UPDATES = "norce.updates"
CALLS = "norce.calls"
QUARANTINE = "norce.quarantine"
QUARANTINE_RETRIES = "norce.quarantine.retries"
DEAD_LETTERS = "norce.dead-letters"
RESOLUTIONS = "norce.dead-letters.resolutions"
COMMANDS = "norce.commands"
LEDGER = "norce.ledger"
RECONCILIATION = "norce.reconciliation"

LOOK_SECONDS = 1.0
READY_SECONDS = 0.2
"""Between two looks at the brokers while something is waited for."""

BODY_RETENTION = timedelta(days=KafkaSettings.model_fields["body_retention_days"].default)
BODY_SEGMENT = timedelta(days=1)
BODY_READERS = "the pipeline's processes, and people who may see what buyers are called and how to reach them"

#: Tables of each stateful process; their changelog topics are named after the process's consumer group.
ALERTS_TABLE = "alerts"
PARKED_TABLE = "parked"
WORKER_TABLES = (*ENRICHED, ALERTS_TABLE, PARKED_TABLE)
SINK_TABLES = ("sent",)
LOOKUP_TABLES = ("asked",)


class TopicError(BrokerError):
    """Base of what can be wrong with topics."""


class TopicMissing(TopicError):
    """Topics that a process needs are not there."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        super().__init__(
            f"missing topics, or this user may not see them: {', '.join(names)}; 'norce-pipeline topics create' makes "
            "them"
        )


class WrongPartitionCount(TopicError):
    """Topics have another number of partitions than the settings say: keys would meet in the wrong place."""

    def __init__(self, found: dict[str, int], expected: int) -> None:
        self.found, self.expected = found, expected
        named = [f"{name} has {count}" for name, count in found.items()]
        topics = ", ".join(named[:3]) + (f" and {len(named) - 3} more" if len(named) > 3 else "")
        super().__init__(
            f"wrong partition count: {topics}; NORCE_KAFKA_PARTITIONS says {expected}. "
            "State and keys depend on it: set it to what the topics have, or stop everything and give "
            "'norce-pipeline repartition' as docs/operations/partition-count.md says"
        )


class TopicRefused(TopicError):
    """The broker did not make a topic."""

    def __init__(self, name: str, cause: object) -> None:
        self.name = name
        super().__init__(f"the broker refused to make topic {name}: {cause}")


class Tier(StrEnum):
    """Who may read a topic. The broker's access control has to say the same."""

    PUBLIC = "public"
    """Everybody in the company: it holds nothing that says who a person is."""
    PRIVATE = "private"
    """Only those whom the topic names as its readers."""


class Cleanup(StrEnum):
    """What happens to old records."""

    DELETE = "delete"
    COMPACT = "compact"


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic. ``retention`` is for deleted topics; a compacted one keeps the newest record of each key.

    ``readers`` says who may read a private topic. ``bodies`` marks a topic that holds bodies as Norce sent them, or
    is kept as long as they are: its retention is a setting, ``retention`` is the default.
    """

    name: str
    purpose: str
    key: str
    value: str
    cleanup: Cleanup = Cleanup.DELETE
    retention: timedelta | None = timedelta(days=90)
    tier: Tier = Tier.PUBLIC
    readers: str = ""
    bodies: bool = False

    def kept(self, kafka: KafkaSettings) -> timedelta | None:
        """How long records are kept, ``None`` where the newest of each key stays for good."""
        if self.bodies:
            return timedelta(days=kafka.body_retention_days)
        return self.retention if self.cleanup is Cleanup.DELETE else None

    def configuration(self, kafka: KafkaSettings) -> dict[str, str]:
        """The topic's configuration at the broker."""
        configuration = {
            "cleanup.policy": self.cleanup.value,
            "min.insync.replicas": str(kafka.min_insync_replicas),
        }
        kept = self.kept(kafka)
        if kept is not None:
            configuration["retention.ms"] = _milliseconds(kept)
        if self.bodies:
            # A broker deletes whole segments: one that stays open for a week keeps its first body a week too long.
            configuration["segment.ms"] = _milliseconds(BODY_SEGMENT)
        return configuration


def _milliseconds(time: timedelta) -> str:
    return str(int(time.total_seconds() * 1000))


def _bodies(name: str, purpose: str, key: str, value: str) -> TopicSpec:
    """A topic with bodies as Norce sent them: private, because undocumented fields may hold anything."""
    return TopicSpec(
        name, purpose, key, value, retention=BODY_RETENTION, tier=Tier.PRIVATE, readers=BODY_READERS, bodies=True
    )


def _event_topics() -> list[TopicSpec]:
    by_topic: dict[str, list[str]] = {}
    for spec in EVENT_TYPES.values():
        by_topic.setdefault(spec.topic, []).append(spec.name)
    return [
        _bodies(
            name=name,
            purpose=f"as Norce sent them: {', '.join(sorted(types))}",
            key="partition key of the event type",
            value="the webhook's body, byte for byte; type, id and receipt time in ce_ headers",
        )
        for name, types in by_topic.items()
    ]


def changelog(group: str, table: str) -> str:
    """The changelog topic of a table, as Faust names it."""
    return f"{group}-{table}-changelog"


def _changelogs(group: str, tables: Iterable[str]) -> list[TopicSpec]:
    return [
        TopicSpec(
            name=changelog(group, table),
            purpose=f"changelog of table {table} of {group}; private to it",
            key="key of the table",
            value="state, private layout",
            cleanup=Cleanup.COMPACT,
            retention=None,
            tier=Tier.PRIVATE,
            readers=f"the processes of {group} alone",
        )
        for table in tables
    ]


def _enriched(table: str, of: str, key: str) -> TopicSpec:
    return TopicSpec(
        name=ENRICHED[table],
        purpose=f"the present state of every {of}",
        key=key,
        value=f"enriched record of the {table} table, JSON",
        cleanup=Cleanup.COMPACT,
        retention=None,
    )


def _looked_up(of: str, article: str, key: str) -> TopicSpec:
    return TopicSpec(
        name=LOOKUPS[of],
        purpose=f"what Norce answered when it was asked about {article} {of}",
        key=key,
        value="newest answer, JSON; type, id and time of the answer in ce_ headers",
        cleanup=Cleanup.COMPACT,
        retention=None,
    )


PUBLIC: tuple[TopicSpec, ...] = (
    *_event_topics(),
    _bodies(
        name=QUARANTINE,
        purpose="authenticated requests whose body or type cannot be used",
        key="none",
        value="the request's body, byte for byte; reason, place and requested type in headers",
    ),
    _bodies(
        name=QUARANTINE_RETRIES,
        purpose="what became of bodies in quarantine that were retried: published as events or still refused, by whom",
        key="topic/partition/offset of the body in quarantine",
        value="retry, JSON",
    ),
    _enriched("orders", "order", "ClientId:ApplicationId:ClientOrderRef"),
    _enriched(
        "subscriptions", "subscription and recurring order that failed", "ClientId:ApplicationId:subscription=Id"
    ),
    _enriched("invoices", "captured invoice", "ClientId:CapturedInvoiceId"),
    _enriched("products", "product, with its suppliers", "ClientId:PartNo"),
    _enriched("customers", "customer: what changed", "ClientId:customer=CustomerId"),
    _enriched("companies", "company: what changed", "ClientId:company=CompanyId"),
    _enriched("jobs", "job", "ClientId:JobId"),
    TopicSpec(
        name=ALERTS,
        purpose="what somebody should look at: opens and closes",
        key="id of the alert",
        value="alert, JSON",
        cleanup=Cleanup.COMPACT,
        retention=None,
    ),
    TopicSpec(
        name=SUBSCRIPTION_FAILURES,
        purpose="failed runs again, for the subscription and the recurring order where the event has another key",
        key="ClientId:ApplicationId:subscription=Id, or :recurring=Id",
        value="the event without personal data; type, id and receipt time in ce_ headers",
    ),
    _looked_up("order", "an", "ClientId:ApplicationId:ClientOrderRef"),
    _looked_up("product", "a", "ClientId:PartNo"),
    _looked_up("invoice", "an", "ClientId:CapturedInvoiceId"),
    TopicSpec(
        name=UPDATES,
        purpose="what is to be pushed to Connect and Checkout",
        key="ClientId:ApplicationId:ClientOrderRef",
        value="derived update, JSON",
        retention=timedelta(days=30),
    ),
    _bodies(
        name=CALLS,
        purpose="every call to Norce for an update, with its answer",
        key="ClientId:ApplicationId:ClientOrderRef",
        value="calls of an update, JSON",
    ),
    _bodies(
        name=DEAD_LETTERS,
        purpose="events that could not be joined and updates that Norce refused",
        key="key of the record it is about",
        value="request, answer and reason, JSON",
    ),
    TopicSpec(
        name=RESOLUTIONS,
        purpose="what became of dead letters, and what replays did: by whom and why",
        key="key of the record it is about",
        value="resolution, JSON",
    ),
    TopicSpec(
        name=LEDGER,
        purpose="how every event and every update ended, by offset",
        key="topic of the records that it is about",
        value="outcomes of a partition's offsets, JSON",
    ),
    TopicSpec(
        name=RECONCILIATION,
        purpose="what each comparison of our orders with Commerce Query came to",
        key="id of the sweep",
        value="summary of a sweep, JSON",
        retention=timedelta(days=365),
    ),
)

INTERNAL: tuple[TopicSpec, ...] = (
    TopicSpec(
        name=COMMANDS,
        purpose="commands of operators to the workers, in the partition whose state they are about",
        key="key of the record it is about",
        value="command, private layout; one to replay holds bodies as Norce sent them",
        retention=BODY_RETENTION,
        tier=Tier.PRIVATE,
        readers="the worker; who may write to it can release, drop and replay events",
        bodies=True,
    ),
)
"""Topics between the pipeline's own processes. Their records have no contract."""


def catalogue(*groups: tuple[str, Sequence[str]]) -> list[TopicSpec]:
    """The topics of the stream, and the changelogs of the given ``(consumer group, tables)``."""
    return [*PUBLIC, *INTERNAL, *changelogs(*groups)]


def changelogs(*groups: tuple[str, Sequence[str]]) -> tuple[TopicSpec, ...]:
    """The changelogs of the given ``(consumer group, tables)``."""
    return tuple(spec for group, tables in groups for spec in _changelogs(group, tables))


@asynccontextmanager
async def admin_client(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**kafka.connection(), request_timeout_ms=int(kafka.request_timeout * 1000))
    try:
        await admin.start()
    except (KafkaConnectionError, KafkaTimeoutError, OSError, ValueError) as error:
        await admin.close()
        raise await why_unreachable(kafka, error) from error
    try:
        yield admin
    finally:
        await admin.close()


async def partition_counts(kafka: KafkaSettings) -> dict[str, int]:
    """Every topic of the cluster with its number of partitions.

    Raises:
        BrokerUnreachable: if no broker answers.
        CredentialsRefused: if one does and refuses this process.
    """
    async with admin_client(kafka) as admin:
        return await _counts(admin, kafka)


async def lagging_replicas(kafka: KafkaSettings) -> dict[str, int]:
    """Topics of the cluster, those of Kafka itself too, with partitions that lack a replica in sync, and how many.

    Raises:
        BrokerUnreachable, CredentialsRefused
    """
    async with admin_client(kafka) as admin:
        described = await _described(admin, kafka)
    counts = {
        topic["topic"]: sum(len(each["isr"]) < len(each["replicas"]) for each in topic["partitions"])
        for topic in described
    }
    return {name: count for name, count in counts.items() if count}


async def until_in_sync(kafka: KafkaSettings, seconds: float) -> dict[str, int]:
    """Wait until no replica lags, so many seconds at most; what ``lagging_replicas`` says then.

    Brokers that do not answer meanwhile are waited for as well.

    Raises:
        BrokerUnreachable, CredentialsRefused
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            lagging = await lagging_replicas(kafka)
        except BrokerUnreachable:
            if time.monotonic() >= deadline:
                raise
        else:
            if not lagging or time.monotonic() >= deadline:
                return lagging
        await asyncio.sleep(LOOK_SECONDS)


async def _counts(admin: AIOKafkaAdminClient, kafka: KafkaSettings) -> dict[str, int]:
    described = await _described(admin, kafka)
    return {topic["topic"]: len(topic["partitions"]) for topic in described if not topic["error_code"]}


async def _described(admin: AIOKafkaAdminClient, kafka: KafkaSettings) -> list[dict[str, Any]]:
    try:
        described: list[dict[str, Any]] = await admin.describe_topics()
    except NodeNotReadyError as error:
        raise BrokerNotReady(kafka.bootstrap_servers, error) from error
    except (KafkaConnectionError, KafkaTimeoutError) as error:
        raise BrokerUnreachable(kafka.bootstrap_servers, error) from error
    return described


async def create(kafka: KafkaSettings, specs: Iterable[TopicSpec]) -> tuple[list[str], list[str]]:
    """Make the topics that are not there yet.

    Returns:
        The names made, and the names that were there.

    Raises:
        BrokerUnreachable, TopicRefused, WrongPartitionCount
    """
    specs = list(specs)
    async with admin_client(kafka) as admin:
        present = await _counts(admin, kafka)
        _check_counts(present, specs, kafka.partitions)
        missing = [spec for spec in specs if spec.name not in present]
        if missing:
            await _create(admin, kafka, missing)
    return [spec.name for spec in missing], [spec.name for spec in specs if spec.name in present]


async def _create(admin: AIOKafkaAdminClient, kafka: KafkaSettings, specs: Sequence[TopicSpec]) -> None:
    wanted = [
        NewTopic(spec.name, kafka.partitions, kafka.replication_factor, topic_configs=spec.configuration(kafka))
        for spec in specs
    ]
    try:
        answer = await admin.create_topics(wanted)
    except KafkaError as error:
        raise TopicRefused(specs[0].name, error) from error
    for name, code, *message in cast(Any, answer).topic_errors:
        kind = for_code(code).__name__
        if code and kind != "TopicAlreadyExistsError":
            raise TopicRefused(name, f"{kind} {' '.join(str(part) for part in message if part)}".strip())


def _check_counts(present: dict[str, int], specs: Iterable[TopicSpec], expected: int) -> None:
    wrong = {spec.name: present[spec.name] for spec in specs if present.get(spec.name, expected) != expected}
    if wrong:
        raise WrongPartitionCount(wrong, expected)


async def check(kafka: KafkaSettings, specs: Iterable[TopicSpec]) -> None:
    """Make sure that a process finds its topics as it needs them, before it starts.

    A broker that is just being registered is waited for, as long as one request may take: it will be there in a moment,
    and a process that ended now would only have to be started once more.

    Raises:
        BrokerUnreachable, CredentialsRefused, TopicMissing, WrongPartitionCount
    """
    specs = list(specs)
    present = await _when_ready(kafka)
    missing = [spec.name for spec in specs if spec.name not in present]
    if missing:
        raise TopicMissing(missing)
    _check_counts(present, specs, kafka.partitions)


async def _when_ready(kafka: KafkaSettings) -> dict[str, int]:
    deadline = time.monotonic() + kafka.request_timeout
    while True:
        try:
            return await partition_counts(kafka)
        except BrokerNotReady:
            if time.monotonic() >= deadline:
                raise
        await asyncio.sleep(READY_SECONDS)


async def touch(kafka: KafkaSettings, specs: Iterable[TopicSpec]) -> None:
    """Let topics appear on a broker that makes them when they are first asked for, and in no other way.

    Raises:
        BrokerUnreachable
    """
    producer = AIOKafkaProducer(**kafka.connection())
    try:
        await producer.start()
    except (KafkaConnectionError, OSError) as error:
        raise BrokerUnreachable(kafka.bootstrap_servers, error) from error
    try:
        for spec in specs:
            await producer.partitions_for(spec.name)
    finally:
        await producer.stop()
