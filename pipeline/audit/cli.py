"""The command ``audit``."""

from __future__ import annotations

import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from pipeline import settings_report
from pipeline.console import FAILED, OK, Json
from pipeline.events import EVENT_TYPES
from pipeline.moments import duration, moment
from pipeline.progress import shown
from pipeline.settings import KafkaSettings, load

INTERRUPTED = 130


def audit(
    since: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TIME", help="Received at that time or later: 2026-01-31T12:00, or 24h ago as 24h."
        ),
    ] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Received before that time.")] = None,
    bucket: Annotated[str, typer.Option(help="Length of a row's time: 15m, 1h, 7d.")] = "1h",
    type: Annotated[list[str] | None, typer.Option(help="Event type; updates are left out then.")] = None,
    settled: Annotated[bool, typer.Option("--settled", help="Fail also if anything is pending.")] = False,
    rate: Annotated[float, typer.Option(help="MiB a second to read at most.", min=0.1)] = 32.0,
    temp_dir: Annotated[
        Path | None,
        typer.Option(help="Folder for the temporary database, about 1 KB per event.", exists=True, file_okay=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check that nothing was lost or doubled. Recompute from the topics that every event and update
    ended in exactly one state; name each id that did not.

    Times without an offset are UTC. It joins no consumer group and changes nothing. What is read but not finished yet
    is pending. Exit code 1 if anything does not balance.

    Example: norce-pipeline audit --from 24h --settled
    """
    from pipeline import rights
    from pipeline.audit.course import Period, Request
    from pipeline.audit.course import audit as run

    unknown = sorted(set(type or ()) - set(EVENT_TYPES))
    if unknown:
        raise typer.BadParameter(f"there is no event type {', '.join(unknown)}", param_hint="--type")
    now = datetime.now(UTC)
    period = Period(moment(since, now, "--from"), moment(until, now, "--to"))
    request = Request(period, duration(bucket, "--bucket") * 1000, frozenset(type or ()), temp_dir, rate * 1024 * 1024)
    (kafka,) = load(KafkaSettings)
    rights.check(kafka, "audit", [])
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with shown(quiet=as_json) as progress, run(kafka, settings_report.groups(), request, progress) as report:
            progress.stop()
            if as_json:
                report.write_json()
            else:
                report.print()
            balanced = report.balanced(settled=settled)
    except KeyboardInterrupt:
        print("interrupted, nothing was decided", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None
    raise SystemExit(OK if balanced else FAILED)


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt
