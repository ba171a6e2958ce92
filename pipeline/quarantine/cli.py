"""``norce-pipeline quarantine``: look at bodies that fit no event model, and try them again after a fix."""

from __future__ import annotations

import heapq
import json
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pipeline import logs, settings_report, topics
from pipeline.connecting import run_and_close
from pipeline.console import ENVIRONMENT, FAILED, Json, fail, table
from pipeline.dead_letters.commanding import user
from pipeline.events import EVENT_TYPES, Reason, find
from pipeline.events import TOPICS as EVENT_TOPICS
from pipeline.quarantine.entries import Filter, Row
from pipeline.quarantine.reading import Advance, Quarantine, Span
from pipeline.quarantine.retries import Retry
from pipeline.quarantine.retrying import Course, NotPublished, Retrier, Rules
from pipeline.quarantine.saying import COLUMNS, Counted, Printer, columns, document, tell
from pipeline.settings import KafkaSettings, LogSettings, SettingsError, WebhookSettings, load

app = typer.Typer(
    no_args_is_help=True,
    help="Look at bodies that fit no event; try them again.",
)

MAX_LISTED = 10_000
"""Bodies that are listed, the newest; only what is shown of them is held in memory."""

T = TypeVar("T")

EventType = Annotated[str | None, typer.Option("--type", help="Event type that was asked for, in any case.")]
Why = Annotated[Reason | None, typer.Option("--reason", help="Why it could not be used.")]
Since = Annotated[datetime | None, typer.Option(help="Received at this time, UTC, or later.")]


class NoQuarantineEntry(Exception):
    """Nothing in quarantine fits what was asked for."""

    def __init__(self, which: str) -> None:
        super().__init__(f"nothing in quarantine fits {which}")


@app.command("list")
def list_entries(
    since: Since = None,
    event_type: EventType = None,
    reason: Why = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that were retried as well.")] = False,
    as_json: Json = False,
) -> None:
    """List the bodies that could not be used. Since when, asked for as what, why, and what became of them.

    States: waiting, still_refused (tried again, and it does not fit yet), retrying (a retry was cut short: repeat it),
    and with --all retried.

    Example: norce-pipeline quarantine list --type OrderReceivedEvent --since 2026-11-22
    """
    wanted = Filter(_milliseconds(since), event_type, reason, settled=everything)
    rows, cut = run_and_close(_newest(_kafka(), wanted))
    if as_json:
        print(json.dumps(rows, indent=2))
    elif rows:
        table([columns(row) for row in rows], *COLUMNS)
    else:
        print("nothing in quarantine" if everything else "nothing in quarantine that was not retried")
    if cut:
        print(f"only the newest {MAX_LISTED} are listed; narrow it down with the options", file=sys.stderr)


@app.command()
def show(
    which: Annotated[str, typer.Argument(metavar="ID", help="partition:offset, or ce_id.")],
    reveal: Annotated[bool, typer.Option("--reveal", help="Show personal data too.")] = False,
    as_json: Json = False,
) -> None:
    """Show all of a body in quarantine. Headers, what is wrong and where, the body, and what retries came to.

    Example: norce-pipeline quarantine show 3:1042
    """
    try:
        row, retries = run_and_close(_one(_kafka(), which))
    except NoQuarantineEntry as error:
        fail(error, FAILED)
    shown = document(row, retries, reveal=reveal)
    if as_json:
        print(json.dumps(shown, indent=2))
    else:
        tell(shown, retries)


@app.command()
def retry(
    which: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="partition:offset, or ce_id.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that were not retried and that the options name.")] = (
        False
    ),
    since: Since = None,
    event_type: EventType = None,
    reason: Why = None,
    event_type_as: Annotated[
        str | None, typer.Option("--as", metavar="TYPE", help="Event type to take it as, whatever was asked for.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also what was retried before; an event is joined once all the same.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Try bodies again as the connector would now. What fits is published with the id and time it was received with.

    What does not fit stays, with the reason that it has now, and the exit code is 1. NORCE_WEBHOOK_ACCEPT_UNKNOWN_TYPES
    counts as for the connector.

    Example: norce-pipeline quarantine retry --all --type OrderReceivedEvent --reason wrong_fields --dry-run
    """
    if bool(which) == everything or (which and (since or event_type or reason)):
        raise typer.BadParameter("name ids, or use --all, which --since, --type and --reason narrow down")
    rules = Rules(_webhook("accept_unknown_types", bool), _known(event_type_as))
    wanted = Filter(_milliseconds(since), event_type, reason, settled=again)
    printer = Printer(as_json=as_json)
    work = _retry(_kafka(), which or (), wanted, rules, printer, again=again, dry_run=dry_run, yes=yes)
    try:
        run_and_close(work)
    except NotPublished as error:
        fail(error, ENVIRONMENT)
    except NoQuarantineEntry as error:
        fail(error, FAILED)
    finally:
        printer.close()
    if printer.refused:
        raise SystemExit(FAILED)


# -- finding ---------------------------------------------------------------------------------------------------------


def _kafka() -> KafkaSettings:
    kafka, log = load(KafkaSettings, LogSettings)
    logs.configure(log)
    needed = {*EVENT_TOPICS, topics.QUARANTINE, topics.QUARANTINE_RETRIES}
    from pipeline import rights  # it knows every process, so it loads the engine

    rights.check(kafka, "quarantine", [spec for spec in topics.PUBLIC if spec.name in needed])
    return kafka


async def _newest(kafka: KafkaSettings, wanted: Filter) -> tuple[list[dict[str, Any]], bool]:
    """The newest in short, the oldest of them first, and whether older ones were left out."""
    newest: list[tuple[int, int, int, dict[str, Any]]] = []
    cut = False
    async with Quarantine.open(kafka) as quarantine:
        spans = await quarantine.spans(wanted.since)
        with _progress("reading the quarantine", spans) as advance:
            async for row in quarantine.rows(spans, wanted, advance):
                item = (row.entry.received_at, row.entry.partition, row.entry.offset, row.json())
                if len(newest) < MAX_LISTED:
                    heapq.heappush(newest, item)
                else:
                    heapq.heappushpop(newest, item)
                    cut = True
    return [document for *_, document in sorted(newest)], cut


async def _one(kafka: KafkaSettings, which: str) -> tuple[Row, list[Retry]]:
    async with Quarantine.open(kafka) as quarantine:
        with _progress("reading the quarantine", []) as advance:
            rows, _ = await quarantine.find([which], advance)
        if not rows:
            raise NoQuarantineEntry(which)
        return rows[0], await quarantine.retries_of(rows[0].entry)


def _milliseconds(since: datetime | None) -> int | None:
    return None if since is None else int(since.replace(tzinfo=since.tzinfo or UTC).timestamp() * 1000)


def _known(event_type: str | None) -> str | None:
    if event_type is None:
        return None
    spec = find(event_type)
    if spec is None:
        raise typer.BadParameter(f"{event_type} is none of {', '.join(EVENT_TYPES)}", param_hint="--as")
    return spec.name


def _webhook(name: str, kind: type[T]) -> T:
    """A setting of the connector, without its secrets having to be there."""
    try:
        return TypeAdapter(kind).validate_python(settings_report.value(WebhookSettings, name))
    except ValidationError as error:
        raise SettingsError([(WebhookSettings.variable(name), error.errors()[0]["msg"])]) from None


# -- retrying --------------------------------------------------------------------------------------------------------


async def _retry(
    kafka: KafkaSettings,
    which: Sequence[str],
    wanted: Filter,
    rules: Rules,
    printer: Printer,
    *,
    again: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    async with Quarantine.open(kafka) as quarantine:
        spans = await quarantine.spans(wanted.since)
        named: list[Row] = []
        if which:
            with _progress("reading the quarantine", []) as advance:
                named, missing = await quarantine.find(which, advance)
            if missing:
                raise NoQuarantineEntry(", ".join(missing))

        def rows(advance: Advance) -> AsyncIterator[Row]:
            return _each(named) if which else quarantine.rows(spans, wanted, advance)

        if not (yes or dry_run):
            counted = Counted()
            with _progress("trying", spans) as advance:
                await Course(rules, counted.take, again=again).run(rows(advance))
            counted.ask()
        with _progress("trying" if dry_run else "retrying", spans) as advance:
            if dry_run:
                await Course(rules, printer.take, again=again).run(rows(advance))
            else:
                async with Retrier.open(kafka, _webhook("max_body_bytes", int), user()) as retrier:
                    await Course(rules, printer.take, retrier, again=again).run(rows(advance))
    if not printer.count:
        raise NoQuarantineEntry("these options")


async def _each(rows: Sequence[Row]) -> AsyncIterator[Row]:
    for row in rows:
        yield row


@contextmanager
def _progress(text: str, spans: Sequence[Span]) -> Iterator[Advance]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    # What is printed meanwhile goes through the progress only if both are on one terminal.
    shared, unseen = sys.stdout.isatty(), not console.is_terminal
    with Progress(*columns, console=console, redirect_stdout=shared, transient=True, disable=unseen) as progress:
        task = progress.add_task(text, total=sum([span.stop - span.start for span in spans]) or None)

        def advance(count: int) -> None:
            progress.advance(task, count)

        yield advance
