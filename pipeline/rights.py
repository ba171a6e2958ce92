"""Whether this process's Kafka user has the rights that the process needs, asked before it starts.

Without the question a missing right shows late and badly: Faust's consumer waits for ever for a topic it may not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import structlog
from aiokafka.errors import GroupAuthorizationFailedError
from aiokafka.errors import KafkaError as AioKafkaError
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient

from pipeline import groups, topics
from pipeline.access import Access, accesses
from pipeline.connecting import BrokerUnreachable, RightMissing, run_and_close
from pipeline.settings import KafkaSettings
from pipeline.topics import TopicSpec

log = structlog.get_logger(__name__)

_REFUSALS = {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED}


def check(kafka: KafkaSettings, user: str, specs: Sequence[TopicSpec]) -> None:
    """Make sure that a process finds its topics as it needs them and may use them, before it starts.

    Raises:
        BrokerUnreachable, CredentialsRefused, TopicMissing, WrongPartitionCount, RightMissing
    """
    try:
        run_and_close(topics.check(kafka, specs))
    except topics.TopicMissing:
        confirm(kafka, user)  # a topic that one may not see looks like one that is not there
        raise
    confirm(kafka, user)


def confirm(kafka: KafkaSettings, user: str) -> None:
    """Make sure that the broker lets this process do what ``pipeline.access`` says that ``user`` does.

    A broker that does not say, because it is away or too old, is taken at its best: the process finds out for itself.

    Raises:
        RightMissing: naming every right that is missing.
    """
    (access,) = (access for access in accesses() if access.user == user)
    admin = AdminClient(kafka.librdkafka())
    try:
        missing = [*_of_topics(admin, kafka, access), *_of_group(admin, kafka, access)]
    except (KafkaException, AioKafkaError, BrokerUnreachable) as error:
        log.warning("the broker does not say which rights this process has", error=str(error))
        return
    if missing:
        raise RightMissing(user, missing)


def _of_topics(admin: AdminClient, kafka: KafkaSettings, access: Access) -> Iterator[str]:
    wanted = {
        name: ("READ",) * (name in access.reads)
        + ("WRITE",) * (name in access.writes)
        + ("CREATE", "DELETE") * (name in access.remakes)
        for name in access.topics
    }
    answers = admin.describe_topics(
        TopicCollection(sorted(wanted)), include_authorized_operations=True, request_timeout=kafka.request_timeout
    )
    for name, answer in answers.items():
        yield from (f"{operation.title()} topic {name}" for operation in _lacking(answer, wanted[name]))


def _of_group(admin: AdminClient, kafka: KafkaSettings, access: Access) -> Iterator[str]:
    if access.group is None:
        return
    try:
        run_and_close(groups.wait_for_coordinator(kafka, access.group))
    except GroupAuthorizationFailedError:
        yield f"Read group {access.group}"
        return
    answers = admin.describe_consumer_groups(
        [access.group], include_authorized_operations=True, request_timeout=kafka.request_timeout
    )
    for name, answer in answers.items():
        yield from (f"{operation.title()} group {name}" for operation in _lacking(answer, ("READ",)))


def _lacking(answer: Future[Any], wanted: Iterable[str]) -> list[str]:
    """Which of the operations are not allowed. Who may not even see a thing is told nothing about it."""
    try:
        described = answer.result()
    except KafkaException as error:
        if error.args[0].code() in _REFUSALS:
            return list(wanted)
        if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return []  # it is not there yet, which the check of the topics says better
        raise
    allowed = described.authorized_operations
    return [name for name in wanted if allowed and AclOperation[name] not in allowed]
