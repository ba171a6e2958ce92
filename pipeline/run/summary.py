"""What a run prints at its end: the checks, the figures, one order with its timeline, and where to look next."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from shlex import quote
from typing import Any

from rich.console import Console
from rich.table import Table

from pipeline.run.stack import BESIDE, STREAM, Stack
from pipeline.run.verdict import SHOWN, Check, Evidence


def show(console: Console, checks: Iterable[Check], evidence: Evidence) -> None:
    """Print the result."""
    console.rule("result", align="left")
    for check in checks:
        sign = "[green]✓[/]" if check.holds else "[red]✗[/]"
        console.print(sign, check.statement, soft_wrap=True)
        for difference in check.differences[:SHOWN]:
            console.print(f"    {difference}", style="red", markup=False, soft_wrap=True)
        if len(check.differences) > SHOWN:
            console.print(f"    and {len(check.differences) - SHOWN} more", style="red")
    console.print()
    _figures(console, evidence)
    if evidence.enriched:
        _example(console, evidence)


def _figures(console: Console, evidence: Evidence) -> None:
    snapshot = evidence.snapshot
    events = snapshot.simulator.get("events", {})
    statuses = Counter(order["status"] for order in evidence.enriched.values())
    calls = snapshot.simulator.get("calls", {})
    rows = {
        "events in": f"{events.get('accepted', 0)} taken, {events.get('duplicates', 0)} of them posted twice, "
        f"{events.get('retried', 0)} retries, {snapshot.quarantined} quarantined",
        "orders": f"{len(evidence.enriched)}: "
        + ", ".join(f"{count} {name}" for name, count in statuses.most_common()),
        "worker": f"{snapshot.events['applied']} events applied, {snapshot.events['duplicate']} duplicates, "
        f"{snapshot.enriched} enriched records, {snapshot.derived} updates",
    }
    for target in ("connect", "checkout"):
        outcomes = ", ".join(
            f"{count} {name.replace('_', ' ')}" for name, count in sorted(snapshot.updates(target).items())
        )
        answers = ", ".join(f"{count} times {answer}" for answer, count in sorted(calls.get(target, {}).items()))
        rows[f"to {target}"] = f"{outcomes or 'nothing'}; the simulated API answered {answers or 'nothing'}"
    asked = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(snapshot.lookups.items()))
    rows["looked up"] = asked or "nothing"
    table = Table.grid(padding=(0, 2))
    for name, value in rows.items():
        table.add_row(f"[bold]{name}[/]", value)
    console.print(table)
    console.print()


def _example(console: Console, evidence: Evidence) -> None:
    key, order = max(evidence.enriched.items(), key=lambda item: (len(item[1]["payments"]), len(item[1]["timeline"])))
    paid = ", ".join(f"{amount} {currency}" for currency, amount in order["paid"].items()) or "nothing"
    console.rule(f"order {key}", align="left")
    console.print(f"number {order['order_no']}, {order['status']}, paid {paid}, version {order['version']}")
    table = Table(box=None, pad_edge=False)
    for name in ("received", "event", "details"):
        table.add_column(name)
    details = _details(order)
    for entry in order["timeline"]:
        again = f" (occurrence {entry['occurrence']})" if entry["occurrence"] > 1 else ""
        table.add_row(entry["received_at"][11:23], entry["event_type"] + again, details.get(entry["received_at"], ""))
    for update in evidence.held.get(key, {}).get("updates", []):
        table.add_row("", f"→ {update['service']} {update['operation']}", "taken by Norce")
    console.print(table)
    console.print()


def _details(order: Mapping[str, Any]) -> dict[str, str]:
    """What payments and failures say, by the time they were first received."""
    payments = {
        p["first_received_at"]: f"{p['payment_code']}: {p['amount']} {p['currency']}" for p in order["payments"]
    }
    failures = {f["first_received_at"]: str(f["error_message"]) for f in order["subscription_failures"]}
    return {**payments, **failures}


def where_next(console: Console, stack: Stack) -> None:
    """Where to look while everything is still up."""
    kafka, webhook = stack.kafka, stack.url("webhook")
    activate = Path(sys.prefix) / "bin" / "activate"
    files = [*([activate] if activate.exists() else []), stack.write_environment()]
    console.rule("where to look next", align="left")
    rows = [
        ("console", f"{stack.url('console')}   (token for actions: {stack.console_token})"),
        ("another terminal", "; ".join(f". {quote(str(file))}" for file in files)),
        ("post an order", "norce-pipeline send OrderReceivedEvent --set ClientOrderRef=4711"),
        ("look at it", "norce-pipeline order 4711"),
        ("what is refused", "norce-pipeline quarantine list"),
        ("topics", "norce-pipeline topics list"),
        ("Kafka", kafka.bootstrap_servers),
        ("webhook", f"{webhook}/openapi.json, /readyz, /metrics"),
        *((name, f"{stack.url(name)}/readyz, /metrics") for name in (*STREAM[1:], *BESIDE[:-1])),
        ("simulated Norce", f"{stack.url('simulator')}/simulator/state, /simulator/orders, /simulator/calls"),
        ("logs", str(stack.folder)),
    ]
    for name, text in rows:  # a line each, however long, so that it can be copied
        console.print(f"{name:<18}{text}", soft_wrap=True, markup=False, highlight=False)
