"""The command line: one command per process, and the commands on topics and settings."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from pipeline import logs, settings_report, topics
from pipeline.domain import InvalidPolicy
from pipeline.listening import PortUnavailable
from pipeline.settings import (
    CheckoutSettings,
    ConnectSettings,
    KafkaSettings,
    LogSettings,
    SettingsError,
    SettingsGroup,
    SimulatorSettings,
    WebhookSettings,
    WorkerSettings,
    load,
)

OK, FAILED, USAGE, ENVIRONMENT = 0, 1, 2, 3

app = typer.Typer(
    name="norce-pipeline",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Norce webhooks in, joined orders on Kafka, updates back to Connect and Checkout.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 3 broker, topic, port or file not usable.",
)
sink = typer.Typer(no_args_is_help=True, help="Send derived updates to Norce.")
topic = typer.Typer(no_args_is_help=True, help="Make and show the topics.")
app.add_typer(sink, name="sink")
app.add_typer(topic, name="topics")

G = TypeVar("G", bound=SettingsGroup)
A = TypeVar("A", bound=SettingsGroup)
B = TypeVar("B", bound=SettingsGroup)


def main() -> None:
    """Entry point of ``norce-pipeline``."""
    with _named_errors():
        app()


@contextmanager
def _named_errors() -> Iterator[None]:
    """Turn what an operator can mend into one message and an exit code."""
    try:
        yield
    except SettingsError as error:
        _fail(error, USAGE, "'norce-pipeline settings' shows all of them with their meaning.")
    except InvalidPolicy as error:
        _fail(error, USAGE, "It is the file that NORCE_WORKER_PUSH_POLICY_FILE names.")
    except (topics.TopicError, PortUnavailable, OSError) as error:
        _fail(error, ENVIRONMENT)


def _fail(error: Exception, code: int, hint: str = "") -> NoReturn:
    print(f"error: {type(error).__name__}: {error}", *([hint] if hint else []), sep="\n", file=sys.stderr)
    raise SystemExit(code)


def _read(first: type[A], second: type[B]) -> tuple[A, B]:
    """Two groups of settings and the logging set up, or every problem at once."""
    one, two, log = load(first, second, LogSettings)
    logs.configure(log)
    return one, two


def _one_or_three(nodes: int) -> int:
    if nodes not in {1, 3}:
        raise typer.BadParameter("a cluster has 1 node, or 3 so that it can lose one")
    return nodes


@app.command()
def run(
    exit: Annotated[
        bool, typer.Option("--exit", help="End after the scenario: 0 only if the result is right.")
    ] = False,
    nodes: Annotated[int, typer.Option(help="Kafka nodes to start, 1 or 3.", callback=_one_or_three)] = 1,
    orders: Annotated[int | None, typer.Option(help="Orders in the scenario.", min=1)] = None,
    seed: Annotated[int | None, typer.Option(help="Another number gives another scenario.")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Lines instead of a live view.")] = False,
) -> None:
    """Show everything working on this machine: broker, connector, worker, sinks and a simulated Norce.

    Example: norce-pipeline run --exit
    """
    from pipeline.run import Options, show

    raise SystemExit(show(Options(exit=exit, nodes=nodes, orders=orders, seed=seed, plain=plain)))


@app.command()
def webhook() -> None:
    """Take Norce's webhooks and publish them onto the event topics.

    Example: NORCE_WEBHOOK_SECRETS=... norce-pipeline webhook
    """
    from connectors.webhook import CannotListen, serve

    kafka, group = _read(KafkaSettings, WebhookSettings)
    _check_partitions(kafka)
    try:
        raise SystemExit(serve(group, kafka))
    except CannotListen as error:
        _fail(error, ENVIRONMENT)


def _check_partitions(kafka: KafkaSettings) -> None:
    """Events must not go to other partitions than the worker's state; a Kafka that is away is waited for instead."""
    try:
        asyncio.run(topics.check(kafka, topics.PUBLIC))
    except (topics.BrokerUnreachable, topics.TopicMissing) as error:
        print(f"warning: {type(error).__name__}: {error}; answering 503 until that changes", file=sys.stderr)


@app.command()
def worker() -> None:
    """Join order, payment, subscription and invoice events into tables and enriched topics."""
    from pipeline.processes import run_worker

    run_worker(*_read(KafkaSettings, WorkerSettings))


@sink.command("connect")
def sink_connect() -> None:
    """Send updates to Norce Connect (SendOrderStatus)."""
    from pipeline.processes import run_connect_sink

    run_connect_sink(*_read(KafkaSettings, ConnectSettings))


@sink.command("checkout")
def sink_checkout() -> None:
    """Write updates to Norce Checkout (order attributes)."""
    from pipeline.processes import run_checkout_sink

    run_checkout_sink(*_read(KafkaSettings, CheckoutSettings))


@app.command()
def simulator() -> None:
    """Play Norce: post webhooks, and answer as Identity, Connect, Query and Checkout."""
    from connectors.simulator import AddressInUse, serve

    group, log = load(SimulatorSettings, LogSettings)
    logs.configure(log)
    try:
        raise SystemExit(serve(group))
    except AddressInUse as error:
        _fail(error, ENVIRONMENT)


Json = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]


@topic.command("create")
def topics_create() -> None:
    """Make every topic that is not there yet, changelogs included; say what was made."""
    (kafka,) = load(KafkaSettings)
    made, present = asyncio.run(topics.create(kafka, settings_report.all_topics()))
    for name in made:
        print(f"made     {name}")
    for name in present:
        print(f"present  {name}")


@topic.command("list")
def topics_list(as_json: Json = False) -> None:
    """Show the topics, with what they carry and what the broker has."""
    (kafka,) = load(KafkaSettings)
    specs = settings_report.all_topics()
    counts = asyncio.run(topics.partition_counts(kafka))
    rows = [
        {
            "topic": spec.name,
            "partitions": counts.get(spec.name),
            "clean-up": spec.cleanup.value,
            "retention": f"{spec.retention.days} d" if spec.retention else None,
            "key": spec.key,
            "value": spec.value,
            "purpose": spec.purpose,
        }
        for spec in specs
    ]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    shown = [
        {**row, "partitions": row["partitions"] or "missing", "retention": row["retention"] or "-"} for row in rows
    ]
    _table(shown, "topic", "partitions", "clean-up", "retention", "purpose")


@app.command("settings")
def show_settings(as_json: Json = False) -> None:
    """Show every setting with its value, where that comes from, and its meaning. Secrets stay hidden."""
    rows = settings_report.rows()
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    _table(rows, "variable", "value", "source", "meaning")


def _table(rows: list[dict[str, Any]], *columns: str) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in {"topic", "variable"})
    for row in rows:
        table.add_row(*(str(row[column]) for column in columns))
    Console(width=None if sys.stdout.isatty() else 200).print(table)


if __name__ == "__main__":
    main()
