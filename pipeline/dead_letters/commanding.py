"""Giving the workers commands on dead letters, and waiting for what they did."""

from __future__ import annotations

import asyncio
import getpass
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True, slots=True)
class Order:
    """A command with the letter it is about and what it will do."""

    row: Row
    command: Command
    says: str


@dataclass
class Done:
    """What a command came to, and how many events ended by it."""

    order: Order
    how: How = How.NOTHING
    then: str | None = None
    events: int = 0
    final: bool = False

    def take(self, resolution: Resolution) -> None:
        """Hear of a step. A command that is read again after a crash finds nothing left to do in the end."""
        self.events += len(resolution.events)
        self.final = resolution.final
        if resolution.how is not How.NOTHING:
            self.how, self.then = resolution.how, resolution.then


def releases(rows: Sequence[Row], reason: str) -> tuple[list[Order], list[Row]]:
    """The commands that release letters, and the letters that nothing can be released of."""
    orders: list[Order] = []
    refused: list[Row] = []
    for row in rows:
        if row.status is Status.PARKED:
            release = Release(letter=row.id, kind=str(row.kind), key=row.key, **_signed(reason))
            orders.append(Order(row, release, f"fold the event and the {row.waiting} behind it, in order"))
        elif row.stage in SINKS and row.key:
            resend = Resend(letter=row.id, key=row.key, target=row.stage, **_signed(reason))
            orders.append(Order(row, resend, f"tell {row.stage} the order's newest state"))
        else:
            refused.append(row)
    return orders, refused


def drops(rows: Sequence[Row], reason: str, *, everything: bool) -> list[Order]:
    """The commands that give up on letters."""
    return [_drop(row, reason, everything) for row in rows]


def _drop(row: Row, reason: str, everything: bool) -> Order:
    if row.status is not Status.PARKED:
        return Order(row, Drop(letter=row.id, kind=None, key=row.key, **_signed(reason)), "call it settled")
    says = f"give up the event, fold the {row.waiting} behind it, in order"
    if everything:
        says = f"give up the event and the {row.waiting} behind it"
    return Order(row, Drop(letter=row.id, kind=row.kind, key=row.key, all=everything, **_signed(reason)), says)


def _signed(reason: str) -> dict[str, Any]:
    return {"id": str(uuid.uuid4()), "by": _user(), "reason": reason}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"  # a container's user has no name


async def give(kafka: KafkaSettings, orders: Sequence[Order], seconds: float) -> list[Done]:
    """Send commands to the workers and wait until they are carried out, ``seconds`` at most.

    What is not carried out by then has no final resolution; the command stands and is carried out later.

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
                await _follow(client, done)
        except TimeoutError:
            pass
    return list(done.values())


async def _send(kafka: KafkaSettings, orders: Sequence[Order]) -> None:
    producer = AIOKafkaProducer(**kafka.connection(), acks="all", enable_idempotence=True)
    try:
        await producer.start()
    except (KafkaConnectionError, OSError) as error:
        raise await why_unreachable(kafka, error) from error
    try:
        for order in orders:
            key, value = order.row.key.encode(), encode_command(order.command)
            await producer.send_and_wait(topics.COMMANDS, value, key=key, partition=order.row.partition)
    finally:
        await producer.stop()


async def _follow(client: AIOKafkaConsumer, done: dict[str, Done]) -> None:
    while not all(one.final for one in done.values()):
        for records in (await client.getmany(timeout_ms=POLL_MS)).values():
            for record in records:
                try:
                    resolution = decode_resolution(record.value or b"")
                except msgspec.MsgspecError:
                    continue
                one = done.get(resolution.command)
                if one is not None:
                    one.take(resolution)
