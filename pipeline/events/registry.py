"""The one table of event types: where each goes, by which key, how repeats are told, what is personal data.

Names, groups and identities are from the Norce docs; the last three types are named in Norce's public receiver kit
only, so their bodies are free form. Deduplication is assumed: Norce sends neither an id nor a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any, get_args

from pipeline.events import keys, models
from pipeline.events.fields import FreeTextMark, PersonalData, PersonalKind


class Group(StrEnum):
    """Norce's own grouping of its event types."""

    CUSTOMER = "Customer"
    ORDER = "Order"
    PRODUCT = "Product"
    SUPPLIER = "Supplier"
    SYSTEM = "System"


class Deduplication(StrEnum):
    """What a second body with the same bytes means."""

    ONCE = "once"
    """The fact happens once per identity: a second one is a repeat."""
    IDENTITY = "identity"
    """The fact has an identity of its own and may be restated: upsert."""
    REPEATABLE = "repeatable"
    """The same bytes may be news: never drop one for its bytes, make the processing idempotent."""


@dataclass(frozen=True, slots=True)
class EventSpec:
    """Everything that is decided per event type.

    ``identity`` names the attributes that tell one fact from another; it is empty for free-form types.
    ``personal_data`` maps attribute names to the kind of personal data they hold, ``free_text`` names those that may
    hold some, and ``numbers`` maps Norce's names of the exact numbers to attribute names; all are read off the model.
    """

    name: str
    group: Group
    topic: str
    model: type[models.NorceEvent]
    key: Callable[[Any], str]
    deduplication: Deduplication
    identity: tuple[str, ...]
    documented: bool = True
    """False for types whose name is all that is known."""
    personal_data: Mapping[str, PersonalKind] = field(init=False)
    free_text: frozenset[str] = field(init=False)
    numbers: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "personal_data", MappingProxyType(_personal_data(self.model)))
        object.__setattr__(self, "free_text", _free_text(self.model))
        object.__setattr__(self, "numbers", MappingProxyType(_numbers(self.model)))

    def partition_key(self, event: models.NorceEvent) -> str:
        """The Kafka key, as text, of an event of this type."""
        return self.key(event)

    def identity_of(self, event: models.NorceEvent) -> tuple[Any, ...]:
        """The values of the identity's attributes, in the table's order."""
        return tuple(getattr(event, name) for name in self.identity)


def _personal_data(model: type[models.NorceEvent]) -> dict[str, PersonalKind]:
    return {
        name: mark.kind
        for name, info in model.model_fields.items()
        for mark in info.metadata
        if isinstance(mark, PersonalData)
    }


def _free_text(model: type[models.NorceEvent]) -> frozenset[str]:
    return frozenset(
        name
        for name, info in model.model_fields.items()
        if any(isinstance(mark, FreeTextMark) for mark in info.metadata)
    )


def _numbers(model: type[models.NorceEvent]) -> dict[str, str]:
    """Norce's names of the model's exact numbers, with their attribute names."""
    return {
        str(info.alias): name
        for name, info in model.model_fields.items()
        if Decimal in (info.annotation, *(_plain(part) for part in get_args(info.annotation)))
    }


def _plain(part: Any) -> Any:
    """``T`` of ``Annotated[T, ...]``."""
    return getattr(part, "__origin__", part)


ORDER_TOPIC = "norce.events.order"
PAYMENT_TOPIC = "norce.events.payment"
SUBSCRIPTION_TOPIC = "norce.events.subscription"
INVOICE_TOPIC = "norce.events.invoice"
CUSTOMER_TOPIC = "norce.events.customer"
PRODUCT_TOPIC = "norce.events.product"
SUPPLIER_TOPIC = "norce.events.supplier"
SYSTEM_TOPIC = "norce.events.system"

_ONCE, _IDENTITY, _REPEATABLE = Deduplication.ONCE, Deduplication.IDENTITY, Deduplication.REPEATABLE


def _order_status(
    model: type[models.OrderStatusEvent], deduplication: Deduplication = _ONCE, *more_identity: str
) -> EventSpec:
    identity = ("client_id", "order_id", *more_identity)
    return EventSpec(model.__name__, Group.ORDER, ORDER_TOPIC, model, keys.order, deduplication, identity)


def _product(model: type[models.ChangeNotification], *identity: str) -> EventSpec:
    identity = ("client_id", "part_no", *identity)
    return EventSpec(model.__name__, Group.PRODUCT, PRODUCT_TOPIC, model, keys.product, _REPEATABLE, identity)


def _supplier(model: type[models.ChangeNotification], *identity: str) -> EventSpec:
    identity = ("client_id", "supplier_id", "part_no", *identity)
    return EventSpec(model.__name__, Group.SUPPLIER, SUPPLIER_TOPIC, model, keys.product, _REPEATABLE, identity)


def free_form(name: str, group: Group = Group.SYSTEM, topic: str = SYSTEM_TOPIC) -> EventSpec:
    """The specification of a type that is known by name only. Its key is the tenant."""
    return EventSpec(name, group, topic, models.FreeFormEvent, keys.tenant, _REPEATABLE, (), documented=False)


_PRICE = ("pricelist_id", "quantity_break", "price_sale_value")

_SPECS = (
    # orders
    EventSpec(
        name="OrderReceivedEvent",
        group=Group.ORDER,
        topic=ORDER_TOPIC,
        model=models.OrderReceivedEvent,
        key=keys.order,
        deduplication=_ONCE,
        identity=("client_id", "application_id", "client_order_ref"),
    ),
    _order_status(models.OrderConfirmedEvent),
    _order_status(models.OrderCancelledEvent),
    _order_status(models.OrderDeliveredEvent),
    _order_status(models.OrderPartlyDeliveredEvent, _REPEATABLE),
    _order_status(models.OrderReadyForPickupEvent, _REPEATABLE, "drop_point_code"),
    # money and subscriptions
    EventSpec(
        name="OrderPaymentReceivedEvent",
        group=Group.ORDER,
        topic=PAYMENT_TOPIC,
        model=models.OrderPaymentReceivedEvent,
        key=keys.order,
        deduplication=_IDENTITY,
        identity=("client_id", "client_order_ref", "payment_code"),
    ),
    EventSpec(
        name="InvoiceCaptureCompletedEvent",
        group=Group.ORDER,
        topic=INVOICE_TOPIC,
        model=models.InvoiceCaptureCompletedEvent,
        key=keys.invoice,
        deduplication=_IDENTITY,
        identity=("client_id", "captured_invoice_id", "state"),
    ),
    EventSpec(
        name="SubscriptionFailedEvent",
        group=Group.ORDER,
        topic=SUBSCRIPTION_TOPIC,
        model=models.SubscriptionFailedEvent,
        key=keys.subscription,
        deduplication=_REPEATABLE,
        identity=(
            "client_id",
            "subscription_id",
            "recurring_order_id",
            "recurring_order_schedule_id",
            "basket_id",
            "error_message",
        ),
    ),
    # customers
    EventSpec(
        name="CompanyChangedNotification",
        group=Group.CUSTOMER,
        topic=CUSTOMER_TOPIC,
        model=models.CompanyChangedNotification,
        key=keys.company,
        deduplication=_REPEATABLE,
        identity=("client_id", "company_id", "entity_changed"),
    ),
    EventSpec(
        name="CustomerChangedNotification",
        group=Group.CUSTOMER,
        topic=CUSTOMER_TOPIC,
        model=models.CustomerChangedNotification,
        key=keys.customer,
        deduplication=_REPEATABLE,
        identity=("client_id", "customer_id", "entity_changed"),
    ),
    # products
    _product(models.SkuChangedNotification, "entity_changed"),
    _product(models.TranslationRequestedNotification, "entity_changed"),
    _product(models.SkuPriceChangedNotification, *_PRICE),
    _product(models.SkuOnHandBreakPointNotification, "warehouse_id", "location_id", "on_hand_value"),
    # suppliers
    _supplier(models.SupplierSkuChangedNotification, "entity_changed"),
    _supplier(models.SupplierSkuOnHandChangedNotification, "entity_changed"),
    _supplier(models.SupplierSkuPriceChangedNotification, *_PRICE),
    # system
    EventSpec(
        name="JobCompletedEvent",
        group=Group.SYSTEM,
        topic=SYSTEM_TOPIC,
        model=models.JobCompletedEvent,
        key=keys.job,
        deduplication=_IDENTITY,
        identity=("client_id", "job_id", "status_id"),
    ),
    # known by name only
    free_form("ExternalOrderReceivedEvent", Group.ORDER, ORDER_TOPIC),
    free_form("SkuStockChangedNotification", Group.PRODUCT, PRODUCT_TOPIC),
    free_form("ExportDeliveredEvent"),
)

EVENT_TYPES: Mapping[str, EventSpec] = MappingProxyType({spec.name: spec for spec in _SPECS})
"""Every known event type by Norce's name."""

TOPICS: tuple[str, ...] = tuple(dict.fromkeys(spec.topic for spec in _SPECS))
"""Every topic that events are published on."""

_BY_LOWER_NAME = {name.lower(): spec for name, spec in EVENT_TYPES.items()}


def find(name: str) -> EventSpec | None:
    """The event type called ``name``, in any case; None for an unknown one."""
    return _BY_LOWER_NAME.get(name.lower())
