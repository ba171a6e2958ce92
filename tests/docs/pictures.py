"""Draws the pictures of the documentation from the code: ``python -m tests.docs.pictures``, which is ``make pictures``.

Who reads and writes a topic is from ``pipeline.access``, which is also what the broker allows. What leads to which
status is from ``pipeline.domain``. Only the places on the sheet, and what is outside Kafka, are said here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline import settings_report
from pipeline.access import Access, accesses
from pipeline.domain.order import RANK, STATUS
from pipeline.domain.records import OrderStatus
from pipeline.events import EVENT_TYPES, keys
from tests.docs.drawing import Box, Picture

FOLDER = Path(__file__).resolve().parent.parent.parent / "docs" / "pictures"

COLUMNS = ((15, 70), (115, 100), (245, 140), (425, 100), (565, 160), (775, 120), (935, 130))
"""Left edge and width of each column of the topology."""
ROW = 48

NODES: Mapping[str, tuple[str, str, int, float]] = {
    "Norce": ("Norce", "outside", 0, 2.5),
    "webhook": ("webhook", "process", 1, 2.5),
    "norce.events.": ("norce.events.*", "topic", 2, 2.5),
    "norce.quarantine": ("norce.quarantine", "topic", 2, 5.5),
    "worker": ("worker", "process", 3, 2),
    "reconcile": ("reconcile", "process", 3, 3.5),
    "privacy": ("privacy", "process", 3, 5),
    "drift": ("drift", "process", 3, 6),
    "norce.updates": ("norce.updates", "topic", 4, 0),
    "norce.dead-letters": ("norce.dead-letters", "topic", 4, 1),
    "norce.lookups.": ("norce.lookups.*", "topic", 4, 2),
    ".enriched": ("norce.*.enriched", "topic", 4, 3),
    "norce.alerts": ("norce.alerts", "topic", 4, 4),
    "norce.orders.buyers": ("norce.orders.buyers", "topic", 4, 5),
    "norce.drift": ("norce.drift", "topic", 4, 6),
    "sink-connect": ("sink connect", "process", 5, 0),
    "sink-checkout": ("sink checkout", "process", 5, 1),
    "lookup": ("lookup", "process", 5, 2.5),
    "data teams": ("data teams", "outside", 5, 4),
    "Connect": ("Norce Connect", "outside", 6, 0),
    "Checkout": ("Norce Checkout", "outside", 6, 1),
    "Query": ("Norce Query", "outside", 6, 2.5),
}
"""Label, kind, column and row. A process is named by its user, topics by a part that all their names have."""
OVER_HTTP = (("Norce", "webhook"), ("sink-connect", "Connect"), ("sink-checkout", "Checkout"), ("lookup", "Query"))
READ_BY_DATA_TEAMS = (".enriched", "norce.alerts", "norce.orders.buyers")


def topology() -> str:
    """The way of an event. Left out are what only operators use, and the connection of reconcile to Query."""
    boxes = {
        name: Box(label, kind, COLUMNS[column][0], 30 + row * ROW, COLUMNS[column][1])
        for name, (label, kind, column, row) in NODES.items()
    }
    picture = Picture("Processes, the topics between them, and the Norce services that they call", 1080, 30 + 6.6 * ROW)
    arrows = [*OVER_HTTP, *((topic, "data teams") for topic in READ_BY_DATA_TEAMS)]
    topics = [name for name, box in boxes.items() if box.kind == "topic"]
    for access in shown_processes():
        arrows += [(name, access.user) for name in topics if _touches(access.reads - access.writes, name)]
        arrows += [(access.user, name) for name in topics if _touches(access.writes, name)]
    for source, target in arrows:
        picture.arrow(boxes[source], boxes[target])
    for box in boxes.values():
        picture.box(box)
    return picture.svg()


def shown_processes() -> list[Access]:
    """The users that the topology has a box for."""
    return [access for access in accesses() if access.user in NODES]


def _touches(names: frozenset[str], part: str) -> bool:
    exact = not (part.startswith(".") or part.endswith("."))
    return any(name == part if exact else _stream(name) and part in name for name in names)


def _stream(name: str) -> bool:
    return not name.endswith("-changelog")


def topics() -> str:
    """Every topic but changelogs, and who writes (dot) and reads (ring) it."""
    users = [access for access in accesses() if access.reads or access.writes]
    names = [spec.name for spec in settings_report.all_topics() if _stream(spec.name)]
    left, top, step, row = 240, 120, 46, 22
    picture = Picture("Topics, and which process or command writes and reads each", left + step * len(users) + 40, 0)
    picture.height = top + row * len(names) + 40
    for number, access in enumerate(users):
        picture.text(left + number * step + 8, top - 18, access.user, turn=-45)
        picture.line(left + number * step, top - 8, left + number * step, top + row * (len(names) - 0.5))
    for number, name in enumerate(names):
        y = top + number * row + 4
        picture.text(10, y, name)
        picture.line(left - 12, y, left + step * (len(users) - 0.5), y)
        for place, access in enumerate(users):
            x = left + place * step
            if name in access.reads:
                picture.mark(x, y, "ring", 7)
            if name in access.writes:
                picture.mark(x, y, "dot", 3)
    _legend(picture, left, picture.height - 18)
    return picture.svg()


def _legend(picture: Picture, x: float, y: float) -> None:
    picture.mark(x, y, "dot", 3)
    picture.text(x + 14, y, "writes", style="faint")
    picture.mark(x + 90, y, "ring", 7)
    picture.text(x + 104, y, "reads", style="faint")


def order() -> str:
    """The statuses of an order, highest rank on top, and which event states each."""
    ranked = sorted(STATUS, key=RANK.__getitem__, reverse=True)
    picture = Picture("The statuses of an order by rank, each with the event that states it", 660, 0)
    for number, fact in enumerate(ranked):
        _status(picture, number, RANK[fact], [str(fact.__struct_config__.tag)], STATUS[fact])
    _status(picture, len(ranked), 0, without_status(), OrderStatus.UNKNOWN)
    picture.height = 30 + ROW * (len(ranked) + 1) + 20
    rule = "The highest rank that any event stated is the status, whatever came first."
    picture.text(15, picture.height - 22, rule, style="faint")
    return picture.svg()


def _status(picture: Picture, number: int, rank: int, events: list[str], status: OrderStatus) -> None:
    y = 30 + number * ROW
    shown = Box(status, "process", 420, y, 150)
    if rank:
        event = Box(events[0], "topic", 15, y, 240)
        picture.box(event)
        picture.arrow(event, shown)
    else:
        picture.text(15, y, f"only {' or '.join(events)}", style="small")
    picture.box(shown)
    picture.text(590, y, f"rank {rank}", style="faint")


def without_status() -> list[str]:
    """The event types that may be the first of an order and state no status."""
    stating = {fact.__struct_config__.tag for fact in STATUS}
    about_orders = (keys.order, keys.subscription)  # the latter is that of the order, if it names one
    return [name for name, spec in EVENT_TYPES.items() if spec.key in about_orders and name not in stating]


PICTURES: Mapping[str, Callable[[], str]] = {"topology.svg": topology, "topics.svg": topics, "order.svg": order}


def main() -> None:
    """Write them all."""
    for name, draw in PICTURES.items():
        (FOLDER / name).write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
