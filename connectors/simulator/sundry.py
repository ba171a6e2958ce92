"""Events that belong to no order: products, customers, suppliers, jobs, and subscriptions that failed without a basket.

They come round in turn, so that every type shows up in a short scenario too.
"""

from collections.abc import Callable
from random import Random

from connectors.simulator.draws import generator
from connectors.simulator.script import Draft
from connectors.simulator.shops import SHOPS, Shop

EVERY = 4
"""One such event for this many orders."""

Fields = dict[str, object]


def draft(seed: int, number: int) -> Draft:
    """The sundry event with this number, counting from 0."""
    rng = generator(seed, "sundry", number)
    shop = rng.choice(SHOPS)
    event_type, fields = _KINDS[number % len(_KINDS)]
    return Draft(event_type, {"ClientId": shop.client_id, **fields(rng, shop)})


def _part_no(rng: Random) -> Fields:
    return {"PartNo": f"SKU-{rng.randrange(1, 500)}"}


def _entity(*tables: str) -> Callable[[Random, Shop], Fields]:
    return lambda rng, shop: {**_part_no(rng), "EntityChanged": rng.choice(tables)}


def _supplier(*tables: str) -> Callable[[Random, Shop], Fields]:
    return lambda rng, shop: {"SupplierId": rng.randrange(1, 20), **_entity(*tables)(rng, shop)}


def _price(rng: Random, shop: Shop) -> Fields:
    price = {"PricelistId": rng.randrange(1, 9), "PriceSaleValue": rng.randrange(900, 99_900) / 100}
    return {**_part_no(rng), **price, "PricelistCode": None, "QuantityBreak": 1.0}


def _supplier_price(rng: Random, shop: Shop) -> Fields:
    return {"SupplierId": rng.randrange(1, 20), **_price(rng, shop)}


def _stock(rng: Random, shop: Shop) -> Fields:
    place = {"WarehouseId": rng.randrange(1, 5), "LocationId": rng.randrange(1, 50)}
    return {**_part_no(rng), **place, "OnHandValue": float(rng.randrange(0, 5)), "MinimumValue": 5.0}


def _company(rng: Random, shop: Shop) -> Fields:
    tables = ("tClientCompany", "tClientCompanyAddress", "tClientCompanyInfo")
    return {"CompanyId": rng.randrange(1, 200), "EntityChanged": rng.choice(tables)}


def _customer(rng: Random, shop: Shop) -> Fields:
    return {
        "CustomerId": rng.randrange(1, 1_000),
        "EntityChanged": rng.choice(("tClientCustomer", "tClientCustomerInfo")),
    }


def _job(rng: Random, shop: Shop) -> Fields:
    return {"JobId": rng.randrange(1, 1_000_000_000), "StatusId": rng.choice((2, 2, 2, 3, 4))}


def _subscription(rng: Random, shop: Shop) -> Fields:
    number = rng.randrange(1, 1_000)
    ids: tuple[Fields, ...] = ({"SubscriptionId": 7_000 + number}, {"RecurringOrderId": 8_000 + number}, {})
    buyer = {"Email": f"buyer{number}@example.com", "FirstName": "Test", "LastName": f"Buyer {number}"}
    message = f"The card of {buyer['FirstName']} {buyer['LastName']} has expired"
    return {"ApplicationId": shop.application_id, **rng.choice(ids), **buyer, "ErrorMessage": message}


def _nothing_more(rng: Random, shop: Shop) -> Fields:
    return {}


_KINDS: tuple[tuple[str, Callable[[Random, Shop], Fields]], ...] = (
    ("SkuChangedNotification", _entity("tClientProductSku", "tClientProductSkuCulture")),
    ("CustomerChangedNotification", _customer),
    ("SubscriptionFailedEvent", _subscription),
    ("SkuPriceChangedNotification", _price),
    ("SupplierSkuOnHandChangedNotification", _supplier("tSupplierProductSkuOnHand")),
    ("JobCompletedEvent", _job),
    ("SkuOnHandBreakPointNotification", _stock),
    ("CompanyChangedNotification", _company),
    ("SupplierSkuChangedNotification", _supplier("tSupplierProductSku", "tSupplierProductSkuClient")),
    ("TranslationRequestedNotification", _entity("tProduct")),
    ("SupplierSkuPriceChangedNotification", _supplier_price),
    ("ExternalOrderReceivedEvent", _nothing_more),
    ("SkuStockChangedNotification", _nothing_more),
    ("ExportDeliveredEvent", _nothing_more),
)
