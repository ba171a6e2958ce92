"""``norce-pipeline drift-reports``: what stands on the drift topic, and closing what a release has taken in."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError

from pipeline import logs
from pipeline.connecting import run_and_close, why_unreachable
from pipeline.console import FAILED, Json, fail, table
from pipeline.drift.topics import DRIFT
from pipeline.partitions import home
from pipeline.reading import read_to_end
from pipeline.settings import KafkaSettings, LogSettings, load

app = typer.Typer(no_args_is_help=True, help="List reports on what Norce has changed; close them.")

COLUMNS = ("key", "kind", "field", "first_seen_at", "suggestion")


class NoDriftReport(Exception):
    """No report stands under a key."""

    def __init__(self, keys: list[str]) -> None:
        super().__init__(f"no report stands under {', '.join(keys)}")


@app.command("list")
def list_reports(as_json: Json = False) -> None:
    """List what Norce sends and the event models do not document. One report for each event type and shape.

    Example: norce-pipeline drift-reports list
    """
    found = run_and_close(_standing(_kafka()))
    if as_json:
        print(json.dumps([{"key": key, **report} for key, report in found.items()], indent=2))
    elif found:
        table([{"key": key, **report} for key, report in found.items()], *COLUMNS)
    else:
        print("no report stands")


@app.command()
def close(keys: Annotated[list[str], typer.Argument(metavar="KEY...", help="Keys, as the list has them.")]) -> None:
    """Delete reports, once a release has taken in what they are about. A shape that is seen again is reported again.

    Example: norce-pipeline drift-reports close OrderReceivedEvent:0a1b2c3d
    """
    kafka = _kafka()
    missing = sorted(set(keys) - run_and_close(_standing(kafka)).keys())
    if missing:
        fail(NoDriftReport(missing), FAILED)
    run_and_close(_delete(kafka, keys))
    print(*(f"closed  {key}" for key in keys), sep="\n")


def _kafka() -> KafkaSettings:
    kafka, log = load(KafkaSettings, LogSettings)
    logs.configure(log)
    return kafka


async def _standing(kafka: KafkaSettings) -> dict[str, dict[str, Any]]:
    """The reports by key, the oldest first."""
    found: dict[str, dict[str, Any]] = {}
    async for record in read_to_end(kafka, DRIFT, range(kafka.partitions)):
        key = (record.key or b"").decode(errors="replace")
        if record.value is None:
            found.pop(key, None)
        else:
            found[key] = json.loads(record.value)
    return dict(sorted(found.items(), key=lambda item: str(item[1]["first_seen_at"])))


async def _delete(kafka: KafkaSettings, keys: list[str]) -> None:
    producer = AIOKafkaProducer(
        **kafka.connection(), acks="all", enable_idempotence=True, request_timeout_ms=int(kafka.request_timeout * 1000)
    )
    try:
        await producer.start()
    except (KafkaConnectionError, OSError) as error:
        await producer.stop()
        raise await why_unreachable(kafka, error) from error
    try:
        for key in map(str.encode, keys):
            await producer.send_and_wait(DRIFT, None, key=key, partition=home(key, kafka.partitions))
    finally:
        await producer.stop()
