"""The command line: one command per process, and the commands on topics and settings."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pipeline import logs, settings_report, topic_configuration, topics
from pipeline.audit.cli import audit
from pipeline.connecting import BrokerUnreachable, run_and_close
from pipeline.console import ENVIRONMENT, FAILED, USAGE, Json, fail, named_errors, read, read_traced, table
from pipeline.dead_letters.cli import app as dead_letters
from pipeline.doctor import cli as examining
from pipeline.drift.cli import app as drift_reports
from pipeline.quarantine.cli import app as quarantine
from pipeline.query import cli as asking
from pipeline.rebuild import cli as rebuilding
from pipeline.reconciliation import cli as reconciliation
from pipeline.replay import cli as replaying
from pipeline.sending import cli as sending
from pipeline.settings import (
    CheckoutSettings,
    ConnectSettings,
    ConsoleSettings,
    DriftSettings,
    KafkaSettings,
    LogSettings,
    LookupSettings,
    PrivacySettings,
    SchemaRegistrySettings,
    SimulatorSettings,
    WebhookSettings,
    WorkerSettings,
    load,
)

SECTIONS: Mapping[str, tuple[str, ...]] = {
    "Try it": ("run", "send", "simulator"),
    "Look": ("order", "doctor", "audit", "topics", "contracts", "settings", "metrics"),
    "Processes": ("webhook", "worker", "sink", "lookup", "drift", "privacy", "console"),
    "Mend": ("dead-letters", "quarantine", "drift-reports", "replay", "reconcile", "rebuild", "repartition"),
    "Personal data": ("forget", "reveal"),
}
"""The commands by what they are for, as ``--help`` lists them."""


class Sections(TyperGroup):
    """Lists its commands under headings."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the lists; a command that no section names comes last."""
        width = max(map(len, self.commands))
        room = formatter.width - width - 6
        rest = set(self.commands) - {name for names in SECTIONS.values() for name in names}
        for title, names in {**SECTIONS, "Other": tuple(sorted(rest))}.items():
            rows = [(name.ljust(width), self.commands[name].get_short_help_str(room)) for name in names]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


app = typer.Typer(
    name="norce-pipeline",
    cls=Sections,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Norce webhooks in, joined orders on Kafka, updates back to Connect and Checkout.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 3 broker, topic, port or file not usable.",
)
sink = typer.Typer(no_args_is_help=True, help="Send derived updates to Norce.")
topic = typer.Typer(no_args_is_help=True, help="Make and show the topics.")
app.add_typer(sink, name="sink")
contract = typer.Typer(no_args_is_help=True, help="Write, check and show contracts of the public topics.")
app.add_typer(topic, name="topics")
app.add_typer(contract, name="contracts")
app.add_typer(dead_letters, name="dead-letters")
app.add_typer(quarantine, name="quarantine")
app.add_typer(drift_reports, name="drift-reports")
app.command()(audit)
app.command("replay")(replaying.command)
app.command("doctor")(examining.command)
app.command("order")(asking.command)
app.command("send")(sending.command)
app.command("rebuild")(rebuilding.command)
app.command("repartition")(rebuilding.repartition)


def _show_version(asked: bool) -> None:
    if asked:
        print(f"norce-pipeline {version('norce-pipeline')}")
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Norce webhooks in, joined orders on Kafka, updates back to Connect and Checkout."""


def main() -> None:
    """Entry point of ``norce-pipeline``."""
    with named_errors():
        app()


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
    """Show everything at work on this machine. Broker, connector, worker, sinks and a simulated Norce.

    Example: norce-pipeline run --exit
    """
    from pipeline.run import Options, show

    raise SystemExit(show(Options(exit=exit, nodes=nodes, orders=orders, seed=seed, plain=plain)))


@app.command()
def webhook() -> None:
    """Take Norce's webhooks onto the event topics.

    Example: NORCE_WEBHOOK_SECRETS=... norce-pipeline webhook
    """
    from connectors.webhook import CannotListen, UnusableCertificate
    from connectors.webhook.server import serve

    kafka, group = read_traced(KafkaSettings, WebhookSettings, "norce-webhook")
    _check_partitions(kafka)
    try:
        raise SystemExit(serve(group, kafka))
    except UnusableCertificate as error:
        fail(error, USAGE, "They are what NORCE_WEBHOOK_TLS_CERT_FILE and NORCE_WEBHOOK_TLS_KEY_FILE name.")
    except CannotListen as error:
        fail(error, ENVIRONMENT)


def _check_partitions(kafka: KafkaSettings) -> None:
    """Events must not go to other partitions than the worker's state; a Kafka that is away is waited for instead."""
    from pipeline import rights

    try:
        rights.check(kafka, "webhook", topics.PUBLIC)
    except (BrokerUnreachable, topics.TopicMissing) as error:
        print(f"warning: {type(error).__name__}: {error}; answering 503 until that changes", file=sys.stderr)


@app.command()
def worker() -> None:
    """Join the events into tables and enriched topics. Derives updates, and raises alerts.

    Example: KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9092 norce-pipeline worker
    """
    from pipeline.contracts.registry import RegistryError
    from pipeline.processes import run_worker

    (registry,) = load(SchemaRegistrySettings)
    try:
        run_worker(*read_traced(KafkaSettings, WorkerSettings, "norce-worker"), registry)
    except RegistryError as error:
        fail(error, ENVIRONMENT)


@sink.command("connect")
def sink_connect() -> None:
    """Send updates to Norce Connect (SendOrderStatus).

    Example: NORCE_CONNECT_BASE_URL=... NORCE_CONNECT_CLIENT_ID=... norce-pipeline sink connect
    """
    from pipeline.processes import run_connect_sink

    run_connect_sink(*read_traced(KafkaSettings, ConnectSettings, "norce-sink-connect"))


@sink.command("checkout")
def sink_checkout() -> None:
    """Write updates to Norce Checkout (order attributes).

    Example: NORCE_CHECKOUT_BASE_URL=... NORCE_CHECKOUT_TOKEN=... norce-pipeline sink checkout
    """
    from pipeline.processes import run_checkout_sink

    run_checkout_sink(*read_traced(KafkaSettings, CheckoutSettings, "norce-sink-checkout"))


@app.command()
def lookup() -> None:
    """Complete records from Commerce Query. Asks for order totals and lines, product names and the orders of invoices.

    Example: NORCE_LOOKUP_QUERY_URL=... NORCE_LOOKUP_TOKEN_URL=... NORCE_LOOKUP_CLIENT_ID=... norce-pipeline lookup
    """
    from pipeline.processes import run_lookup

    run_lookup(*read_traced(KafkaSettings, LookupSettings, "norce-lookup"))


@app.command()
def console() -> None:
    """Serve the console and the query API. A page for support and operators, and the API over the workers' tables.

    Example: NORCE_CONSOLE_WORKERS='["http://127.0.0.1:8081"]' norce-pipeline console
    """
    from pipeline.web.accounts import UnusableAccounts
    from pipeline.web.server import serve

    kafka, settings = read(KafkaSettings, ConsoleSettings)
    try:
        serve(kafka, settings, settings_report.groups())
    except UnusableAccounts as error:
        fail(error, USAGE)


@app.command()
def simulator() -> None:
    """Play Norce on this machine. Posts webhooks, and answers as Identity, Connect, Query and Checkout.

    Example: NORCE_SIMULATOR_WEBHOOK_URL=http://127.0.0.1:8080/webhooks/norce norce-pipeline simulator
    """
    from connectors.simulator import AddressInUse, serve

    group, log = load(SimulatorSettings, LogSettings)
    logs.configure(log)
    try:
        raise SystemExit(serve(group))
    except AddressInUse as error:
        fail(error, ENVIRONMENT)


@topic.command("create")
def topics_create(
    update: Annotated[
        bool,
        typer.Option("--update", help="Alter what differs: retention, clean-up, replicas in sync. Never partitions."),
    ] = False,
) -> None:
    """Make every topic that is not there yet. Changelogs included; says what was made and what differs.

    A topic whose configuration is not as the settings and the catalogue have it is named and left alone, unless
    --update is given. A shorter retention lets the broker delete older records.

    Example: norce-pipeline topics create --update
    """
    (kafka,) = load(KafkaSettings)
    specs = settings_report.all_topics()
    made, present = run_and_close(topics.create(kafka, specs))
    for name in made:
        print(f"made     {name}")
    for name in present:
        print(f"present  {name}")
    differing = run_and_close(
        topic_configuration.differences(kafka, [spec for spec in specs if spec.name in set(present)])
    )
    if update:
        run_and_close(topic_configuration.update(kafka, differing))
    for difference in differing:
        print(f"{'altered' if update else 'differs'}  {difference}")
    if differing and not update:
        print("'norce-pipeline topics create --update' alters that", file=sys.stderr)


@topic.command("list")
def topics_list(as_json: Json = False) -> None:
    """Show the topics, with what they carry and what the broker has.

    Example: norce-pipeline topics list --json
    """
    (kafka,) = load(KafkaSettings)
    specs = settings_report.all_topics()
    counts = run_and_close(topics.partition_counts(kafka))
    rows = [
        {
            "topic": spec.name,
            "partitions": counts.get(spec.name),
            "clean-up": spec.cleanup.value,
            "retention": f"{kept.days} d" if (kept := spec.kept(kafka)) else None,
            "tier": spec.tier.value,
            "readers": spec.readers or None,
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
    table(shown, "topic", "tier", "partitions", "clean-up", "retention", "purpose")


@topic.command("in-sync")
def topics_in_sync(
    wait: Annotated[float, typer.Option(help="Seconds to wait for it.", min=0)] = 0.0,
) -> None:
    """Say whether all replicas are in sync. Only then may the next broker go. Looks at every partition of the cluster.

    Ends with 1 and the topics that lag if that does not come about in time.

    Example: norce-pipeline topics in-sync --wait 600
    """
    (kafka,) = load(KafkaSettings)
    lagging = run_and_close(topics.until_in_sync(kafka, wait))
    for name, count in sorted(lagging.items()):
        print(f"lagging  {name}: {count} partitions")
    if lagging:
        raise typer.Exit(FAILED)
    print("every partition has all its replicas in sync")


@topic.command("export")
def topics_export(
    users: Annotated[bool, typer.Option("--users", help="The users of the processes and their rights.")] = False,
    cluster: Annotated[str, typer.Option(help="Name of the Strimzi cluster.")] = "kafka",
    passwords: Annotated[
        bool, typer.Option("--passwords", help="Users log in with SCRAM-SHA-512 instead of certificates.")
    ] = False,
) -> None:
    """Print topics or users as resources of Strimzi. Users come with their rights. No broker is asked.

    Example: norce-pipeline topics export > topics.yaml
    """
    from pipeline import access, strimzi

    if users:
        print(strimzi.dump(strimzi.user_resources(access.accesses(), cluster, passwords=passwords)), end="")
        return
    # The settings ask for a broker, which this command has no use for.
    (kafka,) = load(KafkaSettings, KAFKA_BOOTSTRAP_SERVERS="unused:9092")
    print(strimzi.dump(strimzi.topic_resources(kafka, settings_report.all_topics(), cluster)), end="")


@app.command("settings")
def show_settings(as_json: Json = False) -> None:
    """Show every setting, its value and its meaning. Also where the value comes from. Secrets stay hidden.

    Example: norce-pipeline settings --json
    """
    rows = settings_report.rows()
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table(rows, "variable", "value", "source", "meaning")


@app.command("metrics")
def show_metrics(
    as_json: Json = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="As the document docs/METRICS.md.")] = False,
) -> None:
    """Show every metric with its type, labels and meaning.

    Example: norce-pipeline metrics --json
    """
    from pipeline import metrics_catalogue

    if as_markdown:
        print(metrics_catalogue.markdown(), end="")
        return
    rows = metrics_catalogue.rows()
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table(rows, "name", "type", "labels", "processes", "meaning")


# -- contracts -------------------------------------------------------------------------------------------------------


@contract.command("write")
def contracts_write(
    accept: Annotated[str | None, typer.Option("--accept", help="Why a change that breaks readers is made.")] = None,
) -> None:
    """Write the contracts as the code has them. Those of the public topics, with an entry in their changelog.

    Example: norce-pipeline contracts write --accept "amounts have no upper bound any more"
    """
    from pipeline.contracts import BreakingChange, publish

    try:
        published = publish(accept=accept)
    except BreakingChange as error:
        fail(error, FAILED)
    for change in published.changes:
        print(change)
    print(f"version {published.version}" + ("" if published.changes else ", unchanged"))


@contract.command("check")
def contracts_check() -> None:
    """Compare the code with the published contracts. Fails if a change would break a reader.

    Example: norce-pipeline contracts check
    """
    from pipeline.contracts import BreakingChange, compare

    found = compare()
    if found.breaking:
        fail(BreakingChange(found.changes), FAILED)
    for change in found.changes:
        print(change)
    hint = "; 'norce-pipeline contracts write' publishes that" if found.changes else ""
    print(f"nothing breaks a reader of version {found.version}{hint}")


@contract.command("show")
def contracts_show(
    name: Annotated[str | None, typer.Argument(metavar="[TOPIC]", help="Topic whose fields to show.")] = None,
    as_json: Json = False,
) -> None:
    """Show all topics, or the fields of one topic's records.

    Example: norce-pipeline contracts show norce.orders.enriched
    """
    from pipeline.contracts import show

    topics_shown = show.published()
    if name is not None and name not in topics_shown:
        raise typer.BadParameter(f"there is no public topic {name}", param_hint="TOPIC")
    if as_json:
        print(json.dumps(show.asyncapi() if name is None else show.schemas(topics_shown[name]), indent=2))
    elif name is None:
        table(show.topic_rows(topics_shown.values()), *show.TOPIC_COLUMNS)
    else:
        table(show.field_rows(topics_shown[name]), *show.FIELD_COLUMNS)


# -- what watches over the data --------------------------------------------------------------------------------------


@app.command("drift")
def drift_watch() -> None:
    """Watch for events of another shape than documented. Reports each new shape once on norce.drift.

    Example: KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9092 norce-pipeline drift
    """
    from pipeline.processes import run_drift_watch

    run_drift_watch(*read(KafkaSettings, DriftSettings))


app.command("reconcile")(reconciliation.command)


# -- personal data ---------------------------------------------------------------------------------------------------


@app.command()
def privacy() -> None:
    """Seal personal values, publish pseudonyms of buyers.

    Example: NORCE_PRIVACY_PSEUDONYM_KEYS=... NORCE_PRIVACY_ENCRYPTION_KEYS=... norce-pipeline privacy
    """
    from pipeline.privacy.errors import ChangedKey
    from pipeline.processes import run_privacy

    try:
        run_privacy(*read(KafkaSettings, PrivacySettings))
    except ChangedKey as error:
        fail(error, USAGE)


@app.command()
def forget(
    email: Annotated[list[str] | None, typer.Option(help="E-mail address, in any spelling.")] = None,
    phone: Annotated[list[str] | None, typer.Option(help="Phone number, in any spelling.")] = None,
    pseudonym: Annotated[list[str] | None, typer.Option(help="Pseudonym, such as p1:...")] = None,
    client: Annotated[list[int] | None, typer.Option(help="ClientId; all that are known if not given.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait until it is done.", min=0)] = 60.0,
) -> None:
    """Erase a person. Destroys the keys of the private records that hold an address or number. It cannot be undone.

    Name all addresses and numbers of the person at once: the pipeline does not guess which belong together.

    Example: norce-pipeline forget --email test@example.com --phone "+46 70 000 00 00"
    """
    from pipeline.privacy import commands

    try:
        lines = commands.forget(*read(KafkaSettings, PrivacySettings), email, phone, pseudonym, client, timeout)
    except commands.NobodyNamed as error:
        raise typer.BadParameter(str(error)) from None
    except commands.PrivacyError as error:
        fail(error, FAILED)
    print(*lines, sep="\n")


@app.command()
def reveal(key: Annotated[str, typer.Argument(help="The order, as ClientId:ApplicationId:ClientOrderRef.")]) -> None:
    """Show personal values of one order to who has the keys.

    Example: norce-pipeline reveal 103:1032:11000006
    """
    from pipeline.privacy import commands

    try:
        print(commands.reveal(*read(KafkaSettings, PrivacySettings), key))
    except commands.PrivacyError as error:
        fail(error, FAILED)


if __name__ == "__main__":
    main()
