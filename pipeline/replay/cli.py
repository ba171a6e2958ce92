"""The command ``replay``."""

from __future__ import annotations

import json
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from pipeline import settings_report, topics
from pipeline.console import FAILED, OK, Json, fail, read
from pipeline.domain import MalformedKey, OrderKey
from pipeline.events import EVENT_TYPES
from pipeline.events import TOPICS as EVENT_TOPICS
from pipeline.moments import moment
from pipeline.progress import shown
from pipeline.settings import CheckoutSettings, ConnectSettings, KafkaSettings, WorkerSettings

if TYPE_CHECKING:  # other commands need not wait for the worker's and the sinks' modules
    from pipeline.replay.giving import Came, Wish
    from pipeline.replay.plan import Plan, Request
    from pipeline.replay.selection import Bound, Selection

INTERRUPTED = 130
SOURCES = (*EVENT_TOPICS, topics.SUBSCRIPTION_FAILURES)
TARGETS = ("connect", "checkout")


def command(
    topic: Annotated[str | None, typer.Option(help="Events of this topic.")] = None,
    partition: Annotated[int | None, typer.Option(help="Of one partition of the topic.", min=0)] = None,
    order: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="Events of this order, ClientId:ApplicationId:ClientOrderRef. Repeatable."),
    ] = None,
    type: Annotated[str | None, typer.Option(help="Events of this type of Norce's.")] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--from",
            "--since",
            metavar="OFFSET|TIME",
            help="From there on: an offset of the partition, 2026-01-31T12:00, or 24h ago as 24h.",
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", "--until", metavar="OFFSET|TIME", help="Up to before that offset or time.")
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option(metavar="connect|checkout", help="Tell only this one. Repeatable.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what differs; change nothing.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Tell Norce also what it was told before, in case it has lost it.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why; it is kept with what was done.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    timeout: Annotated[
        float, typer.Option(help="Seconds to wait for the workers' answers about 200 keys.", min=0)
    ] = 60.0,
    rate: Annotated[float, typer.Option(help="MiB a second to read at most.", min=0.1)] = 32.0,
    temp_dir: Annotated[
        Path | None,
        typer.Option(help="Folder for the temporary database.", exists=True, file_okay=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Take chosen events through again. Fold what the state lacks, and tell Norce what it would be told
    otherwise now.

    Nothing is counted twice: an event is known by its id, and what Norce was told already is not sent again. No call
    moves money. Run it with the worker's settings, so that it has its push policy. Times without an offset are UTC.

    Exit code 1 if nothing was selected, or not all of it could be done.

    Example: norce-pipeline replay --topic norce.events.order --from 24h --dry-run

    Example: norce-pipeline replay --order 103:1032:11000006 --target connect --force

    Example: norce-pipeline replay --type OrderDeliveredEvent --from 48h --to 24h --reason "policy changed" --yes
    """
    from pipeline.replay.giving import Wish
    from pipeline.replay.plan import Request
    from pipeline.replay.selection import NothingSelected, UnknownOrder

    selection = _selection(topic, partition, order or (), type, since, until)
    unknown = sorted(set(target or ()) - set(TARGETS))
    if unknown:
        raise typer.BadParameter(f"there is no target {', '.join(unknown)}", param_hint="--target")
    targets = tuple([each for each in TARGETS if not target or each in target])
    request = Request(selection, targets, temp_dir, rate * 1024 * 1024)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = _run(request, Wish(reason, force), timeout, dry_run=dry_run, yes=yes, as_json=as_json)
    except (NothingSelected, UnknownOrder) as error:
        fail(error, FAILED)
    except KeyboardInterrupt:
        print("interrupted; commands that were given are carried out", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None
    raise SystemExit(code)


def _run(request: Request, wish: Wish, timeout: float, *, dry_run: bool, yes: bool, as_json: bool) -> int:
    from pipeline.audit.snapshot import Groups
    from pipeline.processes import read_policies
    from pipeline.replay.plan import plan
    from pipeline.replay.report import print_differences, write_json

    kafka, worker = read(KafkaSettings, WorkerSettings)
    policies, selection = read_policies(worker), request.selection
    if selection.partition is not None and selection.partition >= kafka.partitions:
        raise typer.BadParameter(f"{selection.topic} has no partition {selection.partition}", param_hint="--partition")
    sinks = [settings_report.value(group, "group") for group in (ConnectSettings, CheckoutSettings)]
    needed = [(worker.group, topics.WORKER_TABLES), *[(group, topics.SINK_TABLES) for group in sinks]]
    from pipeline import rights  # it knows every process, so it loads the engine

    rights.check(kafka, "replay", topics.catalogue(*needed))
    groups = Groups(worker.group, *sinks)
    with shown(quiet=as_json) as progress, plan(kafka, groups, policies, request, progress) as found:
        progress.stop()
        if dry_run:
            (write_json if as_json else print_differences)(found)
            return OK
        return _replay(kafka, found, wish, timeout, yes=yes, as_json=as_json)


# -- choosing --------------------------------------------------------------------------------------------------------


def _selection(
    topic: str | None,
    partition: int | None,
    orders: list[str] | tuple[()],
    event_type: str | None,
    since: str | None,
    until: str | None,
) -> Selection:
    from pipeline.replay.selection import Selection

    if topic is None and event_type is None and not orders:
        raise typer.BadParameter("say what is meant: --topic, --order or --type")
    if topic is not None and topic not in SOURCES:
        raise typer.BadParameter(f"{topic} has no events; those that have: {', '.join(SOURCES)}", param_hint="--topic")
    if partition is not None and topic is None:
        raise typer.BadParameter("a partition is one of a topic: name it with --topic", param_hint="--partition")
    if event_type is not None and event_type not in EVENT_TYPES:
        raise typer.BadParameter(f"there is no event type {event_type}", param_hint="--type")
    keys = tuple([_order(text) for text in orders])
    start, end = _bound(since, "--from", partition), _bound(until, "--to", partition)
    selection = Selection(topic, partition, keys, event_type, start, end)
    own = EVENT_TYPES[event_type].topic if event_type is not None else topic
    if topic not in (None, own, topics.SUBSCRIPTION_FAILURES):
        raise typer.BadParameter(f"{event_type} is on {own}, not on {topic}", param_hint="--type")
    return selection


def _order(text: str) -> OrderKey:
    try:
        return OrderKey.parse(text)
    except MalformedKey:
        raise typer.BadParameter(
            f"{text} is not the key of an order, ClientId:ApplicationId:ClientOrderRef", param_hint="--order"
        ) from None


def _bound(text: str | None, option: str, partition: int | None) -> Bound:
    from pipeline.replay.selection import Bound

    if text is None or not text.isdecimal():
        return Bound(time=moment(text, datetime.now(UTC), option))
    if partition is None:
        raise typer.BadParameter("an offset is one of a partition: name it with --partition", param_hint=option)
    return Bound(offset=int(text))


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


# -- doing -----------------------------------------------------------------------------------------------------------


def _replay(kafka: KafkaSettings, found: Plan, wish: Wish, timeout: float, *, yes: bool, as_json: bool) -> int:
    from pipeline.replay.giving import commands, replay
    from pipeline.replay.report import summarize

    summary = summarize(found)
    orders = sum([1 for compared in found.compared() for _ in commands(compared, wish)])
    if not yes and orders:
        print(*summary.lines(), sep="\n", file=sys.stderr)
        typer.confirm(_question(found, wish), abort=True, err=True)
    with shown(quiet=as_json) as progress:
        progress.begin("replaying", orders)
        came = replay(kafka, found.compared(), wish, timeout, progress.advance)
    if as_json:
        print(json.dumps({"summary": summary.json(), "done": vars(came)}, indent=2))
    else:
        print(*summary.lines(), *_says(came, orders), sep="\n")
    return OK if came.whole and not summary.failing and not summary.parked else FAILED


def _question(found: Plan, wish: Wish) -> str:
    from pipeline.replay.giving import sent_to

    sent = dict.fromkeys(found.targets, 0)
    for compared in found.compared():
        for target in sent_to(compared, force=wish.force):
            sent[target] += 1
    updates = " and ".join(f"{count} updates to {target}" for target, count in sent.items())
    return f"Replay this, with {updates}?"


def _says(came: Came, orders: int) -> list[str]:
    if not orders:
        return ["nothing differs, so nothing was done"]
    lines = [
        f"done: {came.events} events folded, {came.duplicates} of them known meanwhile; "
        f"{came.updates} updates are on their way to Norce"
    ]
    if came.failed:
        lines.append(f"{came.failed} events could not be folded; the worker's log says why")
    if came.parked:
        lines.append(f"{came.parked} keys were parked meanwhile and left alone")
    if came.pending:
        lines.append(
            f"timeout: {came.pending} commands are not carried out yet; they stand, and a worker that runs does it"
        )
    return lines
