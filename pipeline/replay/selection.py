"""Which events are meant: by topic and range, by order, by event type."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline import topics
from pipeline.audit.reading import Place, Reader, Span
from pipeline.audit.snapshot import MARGIN
from pipeline.domain import OrderKey
from pipeline.domain.keys import SUBSCRIPTION_EVENT
from pipeline.events import EVENT_TYPES, registry
from pipeline.events.envelope import Envelope
from pipeline.partitions import home

ORDER_TOPICS = (registry.ORDER_TOPIC, registry.PAYMENT_TOPIC, registry.SUBSCRIPTION_TOPIC)
"""Topics whose events can be an order's."""


class NothingSelected(Exception):
    """No event that state is kept of fits the selection."""


class UnknownOrder(Exception):
    """There is neither a state nor an event of an order."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        super().__init__(f"no event and no state is known of {', '.join(names)}")


@dataclass(frozen=True, slots=True)
class Bound:
    """One end of a range: an offset, or a time in milliseconds since 1970."""

    offset: int | None = None
    time: int | None = None


OPEN = Bound()


@dataclass(frozen=True, slots=True)
class Selection:
    """Events that fit all that is given. ``start`` belongs to the range, ``end`` does not."""

    topic: str | None = None
    partition: int | None = None
    orders: tuple[OrderKey, ...] = ()
    event_type: str | None = None
    start: Bound = OPEN
    end: Bound = OPEN

    @property
    def whole_orders(self) -> bool:
        """Whether orders are meant with all they have, also when their events are on no topic any more."""
        return bool(self.orders) and self == Selection(orders=self.orders)

    @property
    def topics(self) -> tuple[str, ...]:
        """Topics that can have such events."""
        if self.topic is not None:
            return (self.topic,)
        if self.event_type is None:
            return ORDER_TOPICS
        own = (EVENT_TYPES[self.event_type].topic,)
        return (*own, topics.SUBSCRIPTION_FAILURES) if self.event_type == SUBSCRIPTION_EVENT else own

    def spans(self, reader: Reader, partitions: int) -> list[Span]:
        """What to read. Raises ``TopicMissing``, ``BrokerUnreachable``."""
        wanted = self._partitions(partitions)
        places = [place for place in reader.places(self.topics) if wanted is None or place.partition in wanted]
        # Times of a partition may be out of order by as much as the clocks of connectors differ.
        starts = _at(reader, places, None if self.start.time is None else self.start.time - MARGIN)
        stops = _at(reader, places, None if self.end.time is None else self.end.time + MARGIN)
        spans = []
        for place, (first, end) in reader.ends(places).items():
            begin, stop = starts.get(place, first), stops.get(place)
            begin = end if begin is None else max(begin, first, self.start.offset or 0)
            stop = min(end if stop is None else stop, end if self.end.offset is None else self.end.offset)
            spans.append(Span(place, begin, stop))
        return spans

    def _partitions(self, count: int) -> set[int] | None:
        if self.partition is not None:
            return {self.partition}
        return {home(order.text.encode(), count) for order in self.orders} or None

    def takes(self, envelope: Envelope, record: Any) -> bool:
        """Whether a record of the spans is meant."""
        time = record.timestamp()[1]
        return (
            (self.event_type is None or envelope.event_type == self.event_type)
            and (not self.orders or record.key() in {order.text.encode() for order in self.orders})
            and (self.start.time is None or time >= self.start.time)
            and (self.end.time is None or time < self.end.time)
        )


def _at(reader: Reader, places: Iterable[Place], time: int | None) -> dict[Place, int | None]:
    return {} if time is None else reader.offsets_at(list(places), time)
