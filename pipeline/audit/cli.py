"""The command ``audit``."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from pipeline import settings_report
from pipeline.console import FAILED, OK, Json
from pipeline.events import EVENT_TYPES
from pipeline.settings import CheckoutSettings, ConnectSettings, KafkaSettings, WorkerSettings, load

INTERRUPTED = 130
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([1-9][0-9]{0,5})([smhd])")


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
    """Recompute from the topics that every event and update ended in exactly one state; name each id that did not.

    Times without an offset are UTC. It joins no consumer group and changes nothing. What is read but not finished yet
    is pending. Exit code 1 if anything does not balance.

    Example: norce-pipeline audit --from 24h --settled
    """
    from pipeline import rights
    from pipeline.audit.course import Groups, Period, Request
    from pipeline.audit.course import audit as run

    unknown = sorted(set(type or ()) - set(EVENT_TYPES))
    if unknown:
        raise typer.BadParameter(f"there is no event type {', '.join(unknown)}", param_hint="--type")
    now = datetime.now(UTC)
    period = Period(_moment(since, now, "--from"), _moment(until, now, "--to"))
    request = Request(period, _duration(bucket, "--bucket") * 1000, frozenset(type or ()), temp_dir, rate * 1024 * 1024)
    groups = Groups(
        *(settings_report.value(group, "group") for group in (WorkerSettings, ConnectSettings, CheckoutSettings))
    )
    (kafka,) = load(KafkaSettings)
    rights.check(kafka, "audit", [])
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with _progress() as progress, run(kafka, groups, request, progress) as report:
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


class _Shown:
    """Progress on standard error."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def begin(self, stage: str, total: int | None) -> None:
        if self._task is not None:
            self._progress.stop_task(self._task)
        self._task = self._progress.add_task(stage, total=total)

    def advance(self, count: int) -> None:
        if self._task is not None:
            self._progress.advance(self._task, count)

    def stop(self) -> None:
        self._progress.stop()


@contextmanager
def _progress() -> Iterator[_Shown]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield _Shown(progress)


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _moment(text: str | None, now: datetime, option: str) -> int | None:
    """Milliseconds since 1970 of a time, or of so long ago."""
    if text is None:
        return None
    if _DURATION.fullmatch(text):
        found = now - timedelta(seconds=_duration(text, option))
    else:
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            raise typer.BadParameter(f"{text} is neither a time nor an age such as 24h", param_hint=option) from None
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return int(found.timestamp() * 1000)


def _duration(text: str, option: str) -> int:
    """Seconds."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise typer.BadParameter(f"{text} is no length of time such as 15m, 1h or 7d", param_hint=option)
    return int(match[1]) * _UNITS[match[2]]
