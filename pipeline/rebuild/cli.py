"""``norce-pipeline rebuild`` makes the worker's state anew, ``repartition`` gives all topics more partitions."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from pipeline.connecting import run_and_close
from pipeline.console import Json, read
from pipeline.settings import KafkaSettings, WorkerSettings, load


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
    short, repeat it. It needs rights that no process has: those of the user 'rebuild'.

    Example: norce-pipeline rebuild --yes
    """
    from pipeline.progress import shown
    from pipeline.rebuild.course import rebuild

    kafka, settings = read(KafkaSettings, WorkerSettings)
    if not yes:
        typer.confirm(f"Delete the changelogs of {settings.group} and read all events again?", abort=True, err=True)
    with shown(quiet=as_json) as progress:
        done = run_and_close(rebuild(kafka, settings.group, wait=wait, incomplete=incomplete, progress=progress))
    if as_json:
        print(json.dumps({"changelogs": list(done.changelogs), "partitions": done.partitions}, indent=2))
        return
    for name in done.changelogs:
        print(f"emptied  {name}")
    print(f"{done.partitions} partitions are read from their beginning once a worker starts")


def repartition(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    wait: Annotated[float, typer.Option(help="Seconds to wait for each group's last session to end.", min=0)] = 60.0,
    as_json: Json = False,
) -> None:
    """Lay all topics out with more partitions. NORCE_KAFKA_PARTITIONS of them, a multiple of what they have.

    Stop every process first, the connector too: Norce repeats what it cannot post for 22 hours. Delete the volumes.
    Until the command has ended well no process starts; if it was cut short, repeat it.

    Example: NORCE_KAFKA_PARTITIONS=24 norce-pipeline repartition --yes
    """
    from pipeline.progress import shown
    from pipeline.rebuild.repartition import repartition as lay_out

    (kafka,) = load(KafkaSettings)
    if not yes:
        typer.confirm(
            f"Copy and delete all topics, so that each has {kafka.partitions} partitions?", abort=True, err=True
        )
    with shown(quiet=as_json) as progress:
        done = run_and_close(lay_out(kafka, wait=wait, progress=progress))
    if as_json:
        print(json.dumps({"moved": done.moved, "grown": done.grown, "emptied": done.emptied}, indent=2))
        return
    for name in done.moved:
        print(f"moved    {name}")
    for name in done.grown:
        print(f"grown    {name}")
    for name in done.emptied:
        print(f"emptied  {name}")
    print(f"every topic has {kafka.partitions} partitions")
