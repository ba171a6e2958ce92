"""``norce-pipeline rebuild``: make the worker's state anew from the event topics."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer

from pipeline.console import Json, read
from pipeline.settings import KafkaSettings, WorkerSettings


def command(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the last worker's session to end.", min=0)] = 60.0,
    incomplete: Annotated[
        bool, typer.Option("--incomplete", help="Do without events that retention has deleted; their state is lost.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make the worker's state anew from the event topics. Empties its changelogs and lets it read all events again.

    Stop all workers first and delete their volumes. Until the command has ended well no worker starts; if it was cut
    short, repeat it. Its Kafka user must be allowed to delete and make topics and to set the group's offsets, which no
    process of the pipeline is.

    Example: norce-pipeline rebuild --yes
    """
    from pipeline.rebuild.course import rebuild

    kafka, settings = read(KafkaSettings, WorkerSettings)
    if not yes:
        typer.confirm(f"Delete the changelogs of {settings.group} and read all events again?", abort=True, err=True)
    done = asyncio.run(rebuild(kafka, settings.group, wait=wait, incomplete=incomplete))
    if as_json:
        print(json.dumps({"changelogs": list(done.changelogs), "partitions": done.partitions}, indent=2))
        return
    for name in done.changelogs:
        print(f"emptied  {name}")
    print(f"{done.partitions} partitions are read from their beginning once a worker starts")
