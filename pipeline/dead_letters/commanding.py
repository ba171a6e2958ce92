"""Giving the workers commands on dead letters, and waiting for what they did."""

from __future__ import annotations

import asyncio
import getpass
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from pipeline import topics
from pipeline.commands import Command, Drop, Release, Resend, encode_command
from pipeline.connecting import why_unreachable
from pipeline.dead_letters.listing import Row, Status
from pipeline.dead_letters.resolutions import How, Resolution, decode_resolution
from pipeline.reading import POLL_MS, consumer
from pipeline.settings import KafkaSettings

SINKS = ("connect", "checkout")


class Addressed(Protocol):
    """A command with the key that it is about, and the partition that has its state."""

    @property
    def command(self) -> Command: ...

    @property
    def key(self) -> str: ...

    @property
    def partition(self) -> int: ...


A = TypeVar("A", bound=Addressed)


@dataclass(frozen=True, slots=True)
class Order:
    """A command with the letter it is about and what it will do."""

    row: Row
    command: Command
    says: str

    @property
    def key(self) -> str:
        return self.row.key

    @property
    def partition(self) -> int:
        return self.row.partition


@dataclass
class Done(Generic[A]):
    """What a command came to, how many events ended by it, and how each of those in the last answer did."""

    order: A
    how: How = How.NOTHING
    then: str | None = None
    events: int = 0
    final: bool = False
    ends: Sequence[str] = ()
    updates: Sequence[str] = ()

    def take(self, resolution: Resolution) -> None:
        """Hear of a step. A command that is read again after a crash finds nothing left to do in the end."""
        self.events += len(resolution.events)
        self.final = resolution.final
        self.ends, self.updates = [event.outcome for event in resolution.events], resolution.updates
        if resolution.how is not How.NOTHING:
            self.how, self.then = resolution.how, resolution.then


def releases(rows: Sequence[Row], reason: str, by: str | None = None) -> tuple[list[Order], list[Row]]:
    """The commands that release letters, and the letters that nothing can be released of.

    ``by`` is who gives them, if it is not the user of this process.
    """
    orders: list[Order] = []
    refused: list[Row] = []
    for row in rows:
        if row.status is Status.PARKED:
            release = Release(letter=row.id, kind=str(row.kind), key=row.key, **signed(reason, by))
            orders.append(Order(row, release, f"fold the event and the {row.waiting} behind it, in order"))
        elif row.stage in SINKS and row.key:
            resend = Resend(letter=row.id, key=row.key, target=row.stage, **signed(reason, by))
            orders.append(Order(row, resend, f"tell {row.stage} the order's newest state"))
        else:
            refused.append(row)
    return orders, refused


def drops(rows: Sequence[Row], reason: str, by: str | None = None, *, everything: bool) -> list[Order]:
    """The commands that give up on letters. ``by`` is who gives them, if it is not the user of this process."""
    return [_drop(row, signed(reason, by), everything) for row in rows]


def _drop(row: Row, sign: Mapping[str, Any], everything: bool) -> Order:
    if row.status is not Status.PARKED:
        return Order(row, Drop(letter=row.id, kind=None, key=row.key, **sign), "call it settled")
    says = f"give up the event, fold the {row.waiting} behind it, in order"
    if everything:
        says = f"give up the event and the {row.waiting} behind it"
    return Order(row, Drop(letter=row.id, kind=row.kind, key=row.key, all=everything, **sign), says)


def signed(reason: str, by: str | None = None) -> dict[str, Any]:
    """What every command says: an id of its own, who gives it and why."""
    return {"id": str(uuid.uuid4()), "by": user() if by is None else by, "reason": reason}


def user() -> str:
    """Who gives a command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"  # a container's user has no name


async def give(
    kafka: KafkaSettings, orders: Sequence[A], seconds: float, advance: Callable[[int], None] = lambda count: None
) -> list[Done[A]]:
    """Send commands to the workers and wait until they are carried out, ``seconds`` at most.

    ``advance`` hears of each that is. What is not carried out by then has no final resolution; the command stands and
    is carried out later.

    Raises:
        BrokerUnreachable
    """
    done = {order.command.id: Done(order) for order in orders}
    async with consumer(kafka) as client:
        tps = [TopicPartition(topics.RESOLUTIONS, number) for number in range(kafka.partitions)]
        client.assign(tps)
        await client.seek_to_end(*tps)
        for tp in tps:
            await client.position(tp)  # the end as it is before the commands are given
        await _send(kafka, orders)
        try:
            async with asyncio.timeout(seconds):
                await _follow(client, done, advance)
        except TimeoutError:
            pass
    return list(done.values())


async def _send(kafka: KafkaSettings, orders: Sequence[Addressed]) -> None:
    producer = AIOKafkaProducer(**kafka.connection(), acks="all", enable_idempotence=True)
    try:
        await producer.start()
    except (KafkaConnectionError, OSError) as error:
        raise await why_unreachable(kafka, error) from error
    try:
        acknowledged = [
            await producer.send(
                topics.COMMANDS, encode_command(order.command), key=order.key.encode(), partition=order.partition
            )
            for order in orders
        ]
        await asyncio.gather(*acknowledged)
    finally:
        await producer.stop()


async def _follow(client: AIOKafkaConsumer, done: Mapping[str, Done[Any]], advance: Callable[[int], None]) -> None:
    while not all(one.final for one in done.values()):
        for records in (await client.getmany(timeout_ms=POLL_MS)).values():
            for record in records:
                try:
                    resolution = decode_resolution(record.value or b"")
                except msgspec.MsgspecError:
                    continue
                one = done.get(resolution.command)
                if one is not None:
                    before = one.final
                    one.take(resolution)
                    advance(one.final - before)
