"""The live view of a run."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from pipeline.run.observe import Snapshot


def view(snapshot: Snapshot, title: str) -> RenderableType:
    """The stream from left to right, as one panel."""
    events = snapshot.simulator.get("events", {})
    stages = Table(box=None, expand=True, pad_edge=False)
    for name in ("Norce posts", "webhook connector", "order worker", "Connect sink", "Checkout sink", "look-ups"):
        stages.add_column(name, ratio=1)
    stages.add_row(
        _numbers(
            ("events created", f"{events.get('created', 0)} of {events.get('to_send', 0)}"),
            ("taken", events.get("accepted", 0)),
            ("posted again", events.get("duplicates", 0)),
            ("retried", events.get("retried", 0)),
            ("given up", events.get("dead", 0)),
        ),
        _numbers(
            ("accepted", snapshot.accepted),
            ("quarantined", snapshot.quarantined),
        ),
        _numbers(
            ("applied", snapshot.events["applied"]),
            ("duplicates", snapshot.events["duplicate"]),
            ("orders sent on", snapshot.enriched),
            ("updates derived", snapshot.derived),
            ("lag", snapshot.lag("worker")),
        ),
        *(
            _numbers(
                ("delivered", snapshot.updates(target)["delivered"]),
                ("superseded", snapshot.updates(target)["superseded"]),
                ("no such order", snapshot.updates(target)["no_order"]),
                ("pending", snapshot.pending(target)),
                ("lag", snapshot.lag(f"sink {target}")),
            )
            for target in ("connect", "checkout")
        ),
        _numbers(
            ("answered", snapshot.lookups["answered"]),
            ("unchanged", snapshot.lookups["unchanged"]),
            ("waiting", snapshot.waiting),
            ("lag", snapshot.lag("lookup")),
        ),
    )
    dead = Text(f"dead letters {snapshot.dead}", style="bold red" if snapshot.dead else "dim")
    return Panel(Group(stages, dead, Text(_beside(snapshot), style="dim")), title=title, title_align="left")


def line(snapshot: Snapshot) -> str:
    """The same as one line, where the output is no terminal."""
    events = snapshot.simulator.get("events", {})
    sinks = "  ".join(
        f"{target}: delivered {snapshot.updates(target)['delivered']} pending {snapshot.pending(target)}"
        for target in ("connect", "checkout")
    )
    return (
        f"posted {events.get('accepted', 0)}/{events.get('to_send', 0)}  accepted {snapshot.accepted}  "
        f"quarantined {snapshot.quarantined}  orders sent on {snapshot.enriched}  lag {snapshot.lag('worker')}  "
        f"{sinks}  looked up {snapshot.lookups['answered']} waiting {snapshot.waiting}  dead letters {snapshot.dead}  "
        f"{_beside(snapshot)}"
    )


def _beside(snapshot: Snapshot) -> str:
    """The processes beside the stream."""
    return f"drift reports {snapshot.drift}  personal data sealed {snapshot.sealed}"


def _numbers(*rows: tuple[str, object]) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", style="bold")
    table.add_column(style="dim")
    for name, value in rows:
        table.add_row(str(value), name)
    return table
