"""The command ``order``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import Console

from pipeline import settings_report
from pipeline.connecting import run_and_close
from pipeline.console import ENVIRONMENT, FAILED, Json, fail, read, table
from pipeline.query.errors import NoSuchThing, QueryError
from pipeline.settings import ConsoleSettings, KafkaSettings

if TYPE_CHECKING:
    from pipeline.query.things import Thing
    from pipeline.query.timeline import Timeline

COLUMNS = ("time (UTC)", "what", "", "details")


class SeveralOrders(Exception):
    """More than one order has that reference."""

    def __init__(self, reference: str, keys: list[str]) -> None:
        super().__init__(f"{reference} is a reference of {len(keys)} orders; name one by its key: {', '.join(keys)}")


class SearchIncomplete(QueryError):
    """Not found where it could be looked for, which was not everywhere."""

    def __init__(self, reference: str) -> None:
        super().__init__(
            f"{reference} was not found, but not every worker answered: partitions are moving, or a worker is away. "
            "Ask again in some seconds"
        )


def command(
    reference: Annotated[
        str,
        typer.Argument(metavar="REF", help="Key, ClientOrderRef, OrderNo, OrderId, payment code or payment reference."),
    ],
    as_json: Json = False,
) -> None:
    """Show an order and its timeline. Its state, and everything that happened to it in the order of time.

    It asks the workers (NORCE_CONSOLE_WORKERS) for the state and reads the topics for what followed from it. Facts stay
    for good; what was sent to Norce is shown for as long as its topics keep it. Nothing personal is shown.

    Example: norce-pipeline order SO11000045
    """
    from pipeline.query.timeline import timeline

    kafka, settings = read(KafkaSettings, ConsoleSettings)
    try:
        with Console(stderr=True).status("asking the workers"):
            thing = run_and_close(_find(settings, reference))
        with Console(stderr=True).status("reading the topics"):
            found = timeline(thing, kafka, settings_report.groups())
    except (NoSuchThing, SeveralOrders) as error:
        fail(error, FAILED)
    except QueryError as error:
        fail(error, ENVIRONMENT)
    if as_json:
        print(json.dumps(_document(thing, found), indent=2, ensure_ascii=False))
    else:
        _show(thing, found)


async def _find(settings: ConsoleSettings, reference: str) -> Thing:
    """Raises ``NoSuchThing``, ``SeveralOrders``, ``SearchIncomplete``, ``NoWorker``, ``PartitionMoving``."""
    from pipeline.domain import MalformedKey, OrderKey
    from pipeline.query.things import KINDS_BY_TABLE, Things
    from pipeline.query.workers import Workers

    orders = KINDS_BY_TABLE["orders"]
    async with Workers(settings.workers, settings.timeout) as workers:
        things = Things(workers)
        try:
            return await things.get(orders, OrderKey.parse(reference).text)
        except (MalformedKey, NoSuchThing):
            matches, complete = await things.search(reference)
        keys = [match.key for match in matches if match.kind is orders]
        if len(keys) > 1:
            raise SeveralOrders(reference, keys)
        if not keys and not complete:
            raise SearchIncomplete(reference)
        if not keys:
            raise NoSuchThing("an order with the reference", reference)
        return await things.get(orders, keys[0])


def _document(thing: Thing, found: Timeline) -> dict[str, Any]:
    return {
        "key": thing.key.text,
        "partition": thing.partition,
        "record": thing.record,
        "alerts": msgspec.to_builtins(thing.alerts),
        "timeline": msgspec.to_builtins(found.entries),
        "complete": found.complete,
    }


def _show(thing: Thing, found: Timeline) -> None:
    record = thing.record
    print(f"order {thing.key.text}, partition {thing.partition}")
    if record is None:
        print("nothing is known of it yet: all its events wait behind one that cannot be joined")
    else:
        paid = ", ".join(f"{amount} {currency}" for currency, amount in record["paid"].items()) or "nothing"
        number = f"number {record['order_no']}" if record["order_no"] else "no number yet"
        print(f"{number}, {record['status'].replace('_', ' ')}, paid {paid}")
        for conflict in record["conflicts"]:
            print(f"conflict in {conflict['field']}: {', '.join(conflict['values'])}; {conflict['chosen']} is shown")
    for alert in thing.alerts:
        print(f"open alert: {alert.kind.value.replace('_', ' ')} ({alert.severity.value}) since {alert.opened_at}")
    print()
    table(
        [
            {
                "time (UTC)": entry.at[:23].replace("T", " "),
                "what": entry.what.replace("_", " "),
                "": entry.title,
                "details": entry.text or _details(entry.details),
            }
            for entry in found.entries
        ],
        *COLUMNS,
    )
    if not found.complete:
        print("reading took too long: there may be more")


def _details(details: Mapping[str, Any]) -> str:
    """What is worth a column; ids are in the JSON."""
    return ", ".join(f"{name} {value}" for name, value in details.items() if not name.endswith("_id"))
