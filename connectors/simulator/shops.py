"""The Norce tenants and applications of the scenario, and where each keeps its Checkout orders."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shop:
    """One application of a Norce client, and the Checkout channel that belongs to it."""

    client_id: int
    application_id: int
    currency: str
    """ISO 4217"""
    merchant: str
    channel: str


SHOPS = (
    Shop(101, 1011, "SEK", "merchant-101", "channel-1011"),
    Shop(101, 1012, "NOK", "merchant-101", "channel-1012"),
    Shop(102, 1021, "DKK", "merchant-102", "channel-1021"),
    Shop(103, 1031, "EUR", "merchant-103", "channel-1031"),
    Shop(103, 1032, "SEK", "merchant-103", "channel-1032"),
)


def applications() -> dict[str, int]:
    """What ``NORCE_LOOKUP_APPLICATIONS`` has to say (as JSON): an application of each client."""
    return {str(shop.client_id): shop.application_id for shop in reversed(SHOPS)}


def checkout_channels() -> dict[str, dict[str, str]]:
    """What ``NORCE_CHECKOUT_CHANNELS`` has to say (as JSON) for a pipeline that talks to the simulator."""
    return {
        f"{shop.client_id}:{shop.application_id}": {"merchant": shop.merchant, "channel": shop.channel}
        for shop in SHOPS
    }
