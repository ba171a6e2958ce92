"""The command ``norce-pipeline reconcile``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, NoReturn

import msgspec
import typer
from prometheus_client import start_http_server

from pipeline import topics
from pipeline.connecting import run_and_close
from pipeline.console import ENVIRONMENT, FAILED, OK, Json, fail, read, table
from pipeline.progress import shown
from pipeline.reconciliation import metrics
from pipeline.reconciliation.errors import NotPublished
from pipeline.reconciliation.records import Reconciliation
from pipeline.settings import CheckoutSettings, KafkaSettings, ReconcileSettings, SettingsError, load

if TYPE_CHECKING:  # what compares, and asks Norce, is loaded when it is wanted: every other command does without
    from pipeline.reconciliation.compare import Implied


def command(
    since: Annotated[
        datetime | None, typer.Option("--from", help="Orders that changed in Norce from then on, UTC.")
    ] = None,
    until: Annotated[datetime | None, typer.Option("--to", help="... and before then, UTC.")] = None,
    application: Annotated[
        list[str] | None, typer.Option(help="ClientId:ApplicationId; all of the settings if not given.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Publish nothing; exit code 1 if events are missing.")] = (
        False
    ),
    every: Annotated[float | None, typer.Option(help="Seconds between sweeps; once if not given.", min=1)] = None,
    as_json: Json = False,
) -> None:
    """Find and publish events that never came. Compares our orders with Commerce Query.

    Without --from and --to: what changed in the last week and has been quiet for a day. Exit code 0 says that all of it
    was compared and what was missing is published; what no event can mend is listed and changes nothing about that.

    Example: norce-pipeline reconcile --from 2026-01-31 --to 2026-02-02 --dry-run
    """
    from pipeline.reconciliation.sweep import Asked, now, reconcile, span_of

    kafka, settings = read(KafkaSettings, ReconcileSettings)
    chosen = _applications(settings, application)
    implied = _implied(settings)
    checkout = load(CheckoutSettings)[0] if settings.checkout else None
    from pipeline import rights  # it knows every process, so it loads the engine

    rights.check(kafka, "reconcile", topics.PUBLIC)

    def once() -> Reconciliation:
        asked = Asked(span_of(settings, _utc(since), _utc(until), now()), chosen, dry_run, checkout)
        with shown(quiet=as_json or every is not None) as progress:  # with --every it is a process, whose log is read
            return run_and_close(reconcile(kafka, settings, implied, asked, progress))

    try:
        if every is not None:
            _repeat(once, every, settings.port)
        record = once()
    except NotPublished as error:
        fail(error, ENVIRONMENT)
    print(msgspec.json.encode(record).decode()) if as_json else _show(record, dry_run)
    if not record.complete:
        print(f"error: not finished: {record.problem}", file=sys.stderr)
    raise SystemExit(OK if record.complete and not (dry_run and record.published) else FAILED)


def _applications(settings: ReconcileSettings, chosen: list[str] | None) -> Sequence[str]:
    unknown = [each for each in chosen or () if each not in settings.applications]
    if unknown:
        names = ", ".join(settings.applications)
        raise typer.BadParameter(f"{', '.join(unknown)} is none of {names}", param_hint="--application")
    return chosen or settings.applications


def _implied(settings: ReconcileSettings) -> Implied:
    from pipeline.reconciliation.compare import Implied, UnknownStatusName

    try:
        return Implied.of(settings.implied)
    except UnknownStatusName as error:
        raise SettingsError([(settings.variable("implied"), str(error))]) from None


def _utc(time: datetime | None) -> datetime | None:
    return None if time is None else time.replace(tzinfo=UTC) if time.tzinfo is None else time


def _repeat(once: Callable[[], Reconciliation], every: float, port: int) -> NoReturn:
    """Sweep again and again; one that is not finished is made up for by the next."""
    from pipeline import metrics_catalogue  # it knows every process, too

    start_http_server(port, registry=metrics_catalogue.registry("reconcile --every"))
    while True:
        began = time.monotonic()
        record = once()
        metrics.SWEEPS.labels("complete" if record.complete else "unfinished").inc()
        for event_type, count in record.published.items():
            metrics.RECONCILED.labels(event_type).inc(count)
        if record.complete:
            metrics.LAST_COMPLETE.set(time.time())
            metrics.DIFFERENCES.clear()
            for kind, count in record.differences.items():
                metrics.DIFFERENCES.labels(kind).set(count)
        time.sleep(max(0.0, every - (time.monotonic() - began)))


def _show(record: Reconciliation, dry_run: bool) -> None:
    print(f"orders changed from {record.changed_since} and before {record.changed_before}")
    print(
        f"{record.orders} compared, {record.orders_unheard} never heard of, {record.orders_mended} with events missing"
    )
    word = "missing" if dry_run else "published"
    rows = [{"event type": name, word: count} for name, count in record.published.items()]
    if rows:
        table(rows, "event type", word)
    if record.differences:
        print("\ndifferences that no event can mend:")
        table([{"kind": kind, "orders": count} for kind, count in record.differences.items()], "kind", "orders")
        listed = [
            {name: "-" if value is None else value for name, value in _plain(each).items()} for each in record.listed
        ]
        table(listed, "key", "kind", "item", "ours", "norce")
    for line in record.not_compared:
        print(f"not compared: {line}")


def _plain(struct: msgspec.Struct) -> dict[str, object]:
    return dict(msgspec.structs.asdict(struct))
