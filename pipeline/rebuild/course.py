"""Making the worker's state anew from the event topics, when its changelogs are lost, damaged or of another layout.

The changelogs are emptied by deleting and making them again, and the group's offsets go back to the beginning of
everything that the worker reads, except the commands of operators: those were carried out. The volumes are the
operator's to delete; a worker that finds an old one stops with ``StateAheadOfChangelog``.

The order of the steps makes a rebuild that was cut short harmless: from the first step to the last a worker ends with
``TopicMissing``, and the command can be repeated.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from aiokafka.errors import KafkaError as AioKafkaError
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from pipeline import groups, rights, topics
from pipeline.agents.app import AGENTS
from pipeline.connecting import BrokerError, BrokerUnreachable, run_and_close
from pipeline.events import TOPICS as EVENT_TOPICS
from pipeline.progress import Progress, Silent
from pipeline.settings import KafkaSettings

READ = tuple(dict.fromkeys(name for read in AGENTS.values() for name in read))
"""What the worker folds, and so reads again."""

LOOK_SECONDS = 0.5
_NOT_YET = {
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
}


class RebuildError(BrokerError):
    """Base of why state is not made anew."""


class GroupInUse(RebuildError):
    """Workers run, or have ended and their sessions have not: a static member leaves when its session does."""

    def __init__(self, group: str, members: Sequence[str]) -> None:
        self.group, self.members = group, members
        super().__init__(f"group {group} still has members: {', '.join(members)}. Stop all workers first")


class EventsForgotten(RebuildError):
    """Retention has deleted events: state that is made from the rest would lack them."""

    def __init__(self, forgotten: Mapping[str, int]) -> None:
        self.forgotten = forgotten
        counts = ", ".join(f"{name} lacks {count}" for name, count in forgotten.items())
        super().__init__(
            f"the event topics do not begin with their first event: {counts}. What is known of older things would be "
            "lost, and their versions would fall, so that readers and sinks take news for old"
        )


class RebuildRefused(RebuildError):
    """The broker did not do a step. Nothing can start until the command was repeated and has ended well."""

    def __init__(self, step: str, cause: object) -> None:
        super().__init__(f"the broker refused to {step}: {cause}. Repeat the command once that is mended")


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was done: the changelogs that are empty now, and the partitions that are read from their beginning."""

    changelogs: tuple[str, ...]
    partitions: int


async def rebuild(
    kafka: KafkaSettings,
    group: str,
    *,
    wait: float = 60.0,
    incomplete: bool = False,
    progress: Progress | None = None,
) -> Rebuilt:
    """Empty the changelogs of the worker's group and let it read all events again.

    ``wait`` is how many seconds to wait for the last member's session to end. With ``incomplete`` events that retention
    has deleted are done without.

    Raises:
        GroupInUse, EventsForgotten: before anything is changed.
        TopicMissing, WrongPartitionCount, RightMissing: as well.
        RebuildRefused, BrokerUnreachable, CredentialsRefused
    """
    progress = progress or Silent()
    specs = topics.changelogs((group, topics.WORKER_TABLES))
    await topics.check(kafka, [spec for spec in topics.PUBLIC if spec.name in READ])
    await asyncio.to_thread(rights.confirm, kafka, "rebuild")
    admin = AdminClient(kafka.librdkafka())
    progress.begin(f"waiting until group {group} is empty", None)
    await asyncio.to_thread(until_empty, admin, kafka, group, wait)
    beginnings = await asyncio.to_thread(_beginnings, admin, kafka)
    forgotten = {name: lost for name in EVENT_TOPICS if (lost := sum(beginnings[name].values()))}
    if forgotten and not incomplete:
        raise EventsForgotten(forgotten)
    names = [spec.name for spec in specs]
    partitions = sum(len(each) for each in beginnings.values())
    progress.begin("deleting changelogs", len(names))
    await delete(admin, kafka, names, progress.advance)
    progress.begin("setting partitions back to their beginning", partitions)
    await asyncio.to_thread(_rewind, admin, kafka, group, beginnings)
    progress.advance(partitions)
    progress.begin("making changelogs", len(specs))
    await topics.create(kafka, specs)
    progress.advance(len(specs))
    return Rebuilt(tuple(names), partitions)


def until_empty(admin: AdminClient, kafka: KafkaSettings, group: str, wait: float) -> None:
    """Wait until a group has no members, for ``wait`` seconds at most. For a thread.

    Raises:
        GroupInUse, RebuildRefused, BrokerUnreachable, CredentialsRefused
    """
    try:
        run_and_close(groups.wait_for_coordinator(kafka, group))
    except AioKafkaError as error:
        raise RebuildRefused(f"describe group {group}", error) from error
    deadline = time.monotonic() + wait
    while (members := _members(admin, kafka, group, last := time.monotonic() > deadline)) != []:
        if last and members:
            raise GroupInUse(group, members)
        time.sleep(LOOK_SECONDS)


def _members(admin: AdminClient, kafka: KafkaSettings, group: str, last: bool) -> list[str] | None:
    """Who is in the group; ``None`` while no broker knows it yet, which is an error at the last look."""
    (answer,) = admin.describe_consumer_groups([group], request_timeout=kafka.request_timeout).values()
    try:
        described = answer.result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return []
        if error.args[0].code() in _NOT_YET and not last:
            return None
        raise refused(kafka, f"describe group {group}", error) from error
    return sorted(member.group_instance_id or member.member_id for member in described.members)


def _beginnings(admin: AdminClient, kafka: KafkaSettings) -> dict[str, dict[int, int]]:
    earliest = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
    wanted = {TopicPartition(name, number): earliest for name in READ for number in range(kafka.partitions)}
    found: dict[str, dict[int, int]] = {name: {} for name in READ}
    for tp, answer in admin.list_offsets(wanted, request_timeout=kafka.request_timeout).items():
        found[tp.topic][tp.partition] = result_of(kafka, f"tell where {tp.topic} begins", answer).offset
    return found


async def delete(
    admin: AdminClient,
    kafka: KafkaSettings,
    names: Sequence[str],
    gone: Callable[[int], None] = lambda count: None,
) -> None:
    """Delete those of the topics that are there, and wait until they are; ``gone`` hears how many more are."""
    counts = await topics.partition_counts(kafka)
    present = {name for name in names if name in counts}
    gone(len(names) - len(present))
    if not present:
        return
    answers = await asyncio.to_thread(admin.delete_topics, list(present), request_timeout=kafka.request_timeout)
    for name, answer in answers.items():
        await asyncio.to_thread(result_of, kafka, f"delete topic {name}", answer)
    deadline = time.monotonic() + kafka.request_timeout
    while True:  # else one that still goes looks like one that is there
        left = present & set(await topics.partition_counts(kafka))
        gone(len(present) - len(left))
        present = left
        if not present:
            return
        if time.monotonic() > deadline:
            raise RebuildRefused(
                f"delete {', '.join(sorted(present))}", f"still there after {kafka.request_timeout:g} s"
            )
        await asyncio.sleep(LOOK_SECONDS)


def _rewind(admin: AdminClient, kafka: KafkaSettings, group: str, beginnings: Mapping[str, Mapping[int, int]]) -> None:
    offsets = [TopicPartition(name, number, at) for name, each in beginnings.items() for number, at in each.items()]
    (answer,) = admin.alter_consumer_group_offsets(
        [ConsumerGroupTopicPartitions(group, offsets)], request_timeout=kafka.request_timeout
    ).values()
    altered = result_of(kafka, f"set the offsets of group {group}", answer)
    for tp in altered.topic_partitions:
        if tp.error is not None:
            raise RebuildRefused(f"set the offsets of group {group}", f"{tp.topic} {tp.partition}: {tp.error}")


def result_of(kafka: KafkaSettings, step: str, answer: Future[Any]) -> Any:
    """The broker's answer to a step. Raises ``RebuildRefused`` or ``BrokerUnreachable``."""
    try:
        return answer.result()
    except KafkaException as error:
        raise refused(kafka, step, error) from error


def refused(kafka: KafkaSettings, step: str, error: KafkaException) -> BrokerError:
    """What a refusal of Kafka's is to an operator."""
    if error.args[0].code() in {KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN}:
        return BrokerUnreachable(kafka.bootstrap_servers, error)
    return RebuildRefused(step, error.args[0].str())
