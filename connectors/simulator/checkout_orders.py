"""The orders of Norce Checkout. Each knows its basket only; Commerce knows nothing of them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from connectors.simulator.draws import generator
from connectors.simulator.script import ScriptedOrder

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""When the first Checkout order was made; the content of a run does not depend on the day it runs."""

_ABANDONED = 0.1
"""Share of baskets with an earlier Checkout order that came to nothing."""

SETTLED = frozenset({"accepted", "completed"})
"""The states of the one Checkout order that became the order in Commerce."""


@dataclass(slots=True)
class CheckoutOrder:
    """One order of Checkout. ``number`` counts changes too, so that times differ."""

    id: str
    merchant: str
    channel: str
    cart_reference: str
    currency: str
    status: str
    created: int
    """Seconds after the first one."""
    changes: int = 0
    attributes: dict[str, Any] = field(default_factory=dict)

    def is_made_between(self, first: str | None, end: str | None) -> bool:
        """Whether it was made from a time on, and before another; None for any."""
        made = datetime.fromisoformat(_at(self.created))
        return (first is None or datetime.fromisoformat(first) <= made) and (
            end is None or made < datetime.fromisoformat(end)
        )

    def as_json(self) -> dict[str, Any]:
        """The order as the API shows it."""
        created, modified = _at(self.created), _at(self.created + self.changes)
        return {
            "id": self.id,
            "merchant": self.merchant,
            "channel": self.channel,
            "created": created,
            "lastModified": modified,
            "currency": self.currency,
            "cart": {"reference": self.cart_reference},
            "state": {
                "currentStatus": self.status,
                "transitions": [{"status": "checkout", "timeStamp": created}],
            },
            "attributes": self.attributes,
        }


class CheckoutOrders:
    """All Checkout orders, by id and by basket."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._orders: dict[str, CheckoutOrder] = {}
        self._baskets: dict[str, list[CheckoutOrder]] = {}

    def add(self, basket: str, merchant: str, channel: str, currency: str, status: str = "completed") -> CheckoutOrder:
        """A Checkout order for a basket, newer than all there are."""
        serial = len(self._orders)
        identifier = UUID(int=generator(self._seed, "checkout", serial).getrandbits(128), version=4)
        order = CheckoutOrder(str(identifier), merchant, channel, basket, currency, status, created=serial)
        self._orders[order.id] = order
        self._baskets.setdefault(basket, []).append(order)
        return order

    def create(self, script: ScriptedOrder) -> None:
        """The Checkout orders of a scripted order, unless it has them or was made elsewhere."""
        basket, shop = script.client_order_ref, script.shop
        if script.external or basket in self._baskets:
            return
        rng = generator(self._seed, "checkout of", basket)
        place = (basket, shop.merchant, shop.channel, shop.currency)
        if rng.random() < _ABANDONED:
            self.add(*place, rng.choice(("checkout", "declined")))
        self.add(*place, rng.choice(("accepted", "completed")))

    def get(self, identifier: str) -> CheckoutOrder | None:
        """The order with this id."""
        return self._orders.get(identifier)

    def of_basket(self, basket: str) -> list[CheckoutOrder]:
        """The orders of a basket, oldest first."""
        return self._baskets.get(basket, [])

    def orders(self) -> Iterator[CheckoutOrder]:
        """All orders, oldest first."""
        return iter(self._orders.values())


def _at(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
