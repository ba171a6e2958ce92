"""``norce-pipeline dead-letters``: look at what could not be joined or delivered, and decide what becomes of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from pipeline import topics
from pipeline.connecting import run_and_close
from pipeline.console import FAILED, Json, read, table
from pipeline.dead_letters import commanding, listing
from pipeline.dead_letters.commanding import Done, Order
from pipeline.dead_letters.listing import Filter, Row, Shown, Status
from pipeline.dead_letters.resolutions import How
from pipeline.progress import Progress, shown
from pipeline.settings import KafkaSettings, WorkerSettings

app = typer.Typer(
    no_args_is_help=True,
    help="Release or drop what could not be joined or sent.",
)

COLUMNS = ("id", "status", "stage", "kind", "key", "event type", "error", "since", "waiting")

Which = Annotated[str | None, typer.Argument(metavar="[ID|KEY]", help="Id of a letter, or key of what it is about.")]
Kind = Annotated[str | None, typer.Option(help="What the key is the key of, such as order; parked events only.")]
EventType = Annotated[str | None, typer.Option(help="Norce's event type.")]
Key = Annotated[str | None, typer.Option(help="Key, such as ClientId:ApplicationId:ClientOrderRef.")]
Stage = Annotated[str | None, typer.Option(help="Where it died: join, connect, checkout or commands.")]
Since = Annotated[datetime | None, typer.Option(help="Died at this time, UTC, or later.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept with what was done.")]
Timeout = Annotated[float, typer.Option(help="Seconds to wait until it is done.", min=0)]


@app.command("list")
def list_letters(
    which: Which = None,
    kind: Kind = None,
    event_type: EventType = None,
    key: Key = None,
    stage: Stage = None,
    since: Since = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that are dealt with as well.")] = False,
    as_json: Json = False,
) -> None:
    """List what somebody has to deal with. Why, since when, and how many events wait behind it.

    Example: norce-pipeline dead-letters list --kind order --since 2026-11-22
    """
    _, found = _find(_filter(which, kind, event_type, key, stage, since), as_json)
    rows = found.rows if everything else listing.open_rows(found.rows)
    if as_json:
        print(json.dumps([row.json() for row in rows], indent=2))
    elif rows:
        table([_columns(row) for row in rows], *COLUMNS)
    else:
        print("no dead letters" if everything else "no dead letters that are not dealt with")
    if found.cut:
        print(f"only the newest {listing.MAX_LETTERS} are listed; narrow it down with the options", file=sys.stderr)


@app.command()
def show(
    which: Annotated[str, typer.Argument(metavar="ID|KEY", help="Id of a letter, or key of what it is about.")],
    reveal: Annotated[bool, typer.Option("--reveal", help="Show personal data too.")] = False,
    as_json: Json = False,
) -> None:
    """Show all of a dead letter. The record, the error with its trace, what waits, and what was done about it.

    Example: norce-pipeline dead-letters show 103:1032:11000006
    """
    kafka, settings = _settings()
    with _progress(as_json) as progress:
        shown = run_and_close(listing.show(kafka, settings.group, which, reveal=reveal, progress=progress))
    if not shown:
        _nothing(which)
    documents = [_document(each) for each in shown]
    if as_json:
        print(json.dumps(documents, indent=2))
        return
    for number, document in enumerate(documents):
        if number:
            print()
        _tell(document)


@app.command()
def release(
    which: Which = None,
    kind: Kind = None,
    event_type: EventType = None,
    key: Key = None,
    stage: Stage = None,
    since: Since = None,
    reason: Reason = "",
    yes: Yes = False,
    timeout: Timeout = 60.0,
    as_json: Json = False,
) -> None:
    """Try again. Parked events in order, as if they came now; for a refused update, the order's newest state.

    An event that still cannot be folded keeps its key parked, with all that is behind it.

    Example: norce-pipeline dead-letters release 103:1032:11000006 --reason "fixed in 1.4.2"
    """
    kafka, rows = _chosen(as_json, which, kind, event_type, key, stage, since)
    orders, refused = commanding.releases(rows, reason)
    for row in refused:
        print(f"{row.id}: {row.error}: it names no key to be folded under; it can only be dropped", file=sys.stderr)
    _give(kafka, orders, timeout, yes=yes, as_json=as_json, short=bool(refused))


@app.command()
def drop(
    which: Which = None,
    kind: Kind = None,
    event_type: EventType = None,
    key: Key = None,
    stage: Stage = None,
    since: Since = None,
    everything: Annotated[bool, typer.Option("--all", help="Give up what waits behind it as well.")] = False,
    reason: Reason = "",
    yes: Yes = False,
    timeout: Timeout = 60.0,
    as_json: Json = False,
) -> None:
    """Give up on a dead letter. What waits behind it is released, or with --all given up too.

    What is dropped is named on norce.dead-letters.resolutions, and stays on its event topic until that forgets it.

    Example: norce-pipeline dead-letters drop 103:1032:11000006 --reason "test order"
    """
    kafka, rows = _chosen(as_json, which, kind, event_type, key, stage, since)
    _give(kafka, commanding.drops(rows, reason, everything=everything), timeout, yes=yes, as_json=as_json)


# -- choosing --------------------------------------------------------------------------------------------------------


def _settings() -> tuple[KafkaSettings, WorkerSettings]:
    kafka, settings = read(KafkaSettings, WorkerSettings)
    from pipeline import rights  # it knows every process, so it loads the engine

    rights.check(kafka, "dead-letters", topics.catalogue((settings.group, topics.WORKER_TABLES)))
    return kafka, settings


def _filter(
    which: str | None,
    kind: str | None,
    event_type: str | None,
    key: str | None,
    stage: str | None,
    since: datetime | None,
) -> Filter:
    moment = None if since is None else int(since.replace(tzinfo=since.tzinfo or UTC).timestamp() * 1000)
    return Filter(kind=kind, event_type=event_type, key=key, stage=stage, since=moment, which=which)


def _find(wanted: Filter, as_json: bool) -> tuple[KafkaSettings, listing.Found]:
    kafka, settings = _settings()
    with _progress(as_json) as progress:
        return kafka, run_and_close(listing.find(kafka, settings.group, wanted, progress))


def _chosen(as_json: bool, *options: Any) -> tuple[KafkaSettings, list[Row]]:
    """The letters to do something about."""
    wanted = _filter(*options)
    if wanted == Filter():
        raise typer.BadParameter("name a letter by its id or key, or use an option that says which ones are meant")
    kafka, found = _find(wanted, as_json)
    rows = listing.open_rows(found.rows)
    if not rows:
        _nothing("these options" if wanted.which is None else wanted.which)
    return kafka, rows


def _nothing(which: str) -> None:
    print(f"error: NoDeadLetter: nothing that is not dealt with fits {which}", file=sys.stderr)
    raise SystemExit(FAILED)


# -- doing -----------------------------------------------------------------------------------------------------------


def _give(
    kafka: KafkaSettings, orders: Sequence[Order], timeout: float, *, yes: bool, as_json: bool, short: bool = False
) -> None:
    if not orders:
        raise SystemExit(FAILED)
    if not yes:
        for order in orders:
            print(f"{order.row.id}  {order.row.kind or order.row.stage} {order.row.key}: {order.says}", file=sys.stderr)
        typer.confirm(f"Do this to {len(orders)} dead letters?", abort=True, err=True)
    with _progress(as_json) as progress:
        progress.begin("waiting for the workers", len(orders))
        done = run_and_close(commanding.give(kafka, orders, timeout, progress.advance))
    documents = [_outcome(one) for one in done]
    if as_json:
        print(json.dumps(documents, indent=2))
    else:
        for document in documents:
            print(f"{document['id']}  {document['key']}: {document['says']}")
    if short or any(document["outcome"] in ("pending", How.STILL_FAILING.value) for document in documents):
        raise SystemExit(FAILED)


def _outcome(done: Done[Order]) -> dict[str, Any]:
    row = done.order.row
    if not done.final:
        outcome = "pending"
        says = f"not done yet, {done.events} events so far; the command stands, and a worker that runs carries it out"
    else:
        outcome, says = done.how.value, f"{done.how.value}, {done.events} events"
        if done.how is How.STILL_FAILING:
            says = "it still cannot be folded, and stays parked"
        elif done.then is not None:
            says += f"; a later event cannot be folded, letter {done.then}"
    return {
        "id": row.id,
        "key": row.key,
        "command": done.order.command.id,
        "outcome": outcome,
        "events": done.events,
        "then": done.then,
        "says": says,
    }


# -- saying ----------------------------------------------------------------------------------------------------------


def _columns(row: Row) -> dict[str, Any]:
    return {
        **row.json(),
        "kind": row.kind or "-",
        "event type": row.event_type or "-",
        "since": _time(row.since),
        "waiting": row.waiting if row.status is Status.PARKED else "-",
    }


def _document(shown: Shown) -> dict[str, Any]:
    return {
        **shown.row.json(),
        "tries": shown.tries,
        "letter": shown.letter,
        "waits": shown.waits,
        "resolutions": shown.resolutions,
    }


def _tell(document: dict[str, Any]) -> None:
    letter = document["letter"] or {}
    for name in ("id", "status", "stage", "kind", "key", "event_type", "error", "reason", "tries", "waiting"):
        if document[name] not in (None, "", 0):
            print(f"{name:<11} {document[name]}")
    print(f"{'since':<11} {_time(document['since'])}")
    print(f"{'source':<11} {document['topic']}/{document['partition']} offset {document['offset']}")
    for title, part in (("attempt", letter.get("attempt")), ("body", letter.get("source", {}).get("value"))):
        if part is not None:
            print(f"{title}:\n{part if isinstance(part, str) else json.dumps(part, indent=2, ensure_ascii=False)}")
    _lines("trace", letter.get("trace", ()))
    _lines("waits", [f"{each['topic']}/{each['partition']} {_event(each)}" for each in document["waits"]])
    _lines("done", [f"{_time(each['resolved_at'])} {_done(each)}" for each in document["resolutions"]])


def _lines(title: str, lines: Sequence[str]) -> None:
    if lines:
        print(f"{title}:", *lines, sep="\n  ")


def _event(event: dict[str, Any]) -> str:
    return f"{event['offset']}  {event.get('event_type', '-')}  {event.get('event_id', '-')}"


def _done(resolution: dict[str, Any]) -> str:
    why = f": {resolution['reason']}" if resolution["reason"] else ""
    return f"{resolution['how']} by {resolution['by']}, {len(resolution['events'])} events{why}"


def _time(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%SZ}"


def _progress(as_json: bool) -> AbstractContextManager[Progress]:
    # Seconds as a rule: a script that lists need not read of it.
    return shown(quiet=as_json, lines=False)
