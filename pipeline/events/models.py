"""One model per event type: what the bodies of Norce's Commerce Event webhooks hold.

Field names, types and required flags are from the Norce docs (Commerce Event webhook reference). Two things the docs
leave open are assumed: optional fields may be null as well as absent, and the strings that make up a key are never
empty. Unknown fields are kept, because Norce may add some at any time. ``EntityChanged`` is free text: the docs cut
its lists of values short.

No body names its own event type, carries an id of the event or says when it happened.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_pascal

from pipeline.events.fields import Email, FreeText, Int32, Int64, KeyText, Number, PersonName, Phone


class NorceEvent(BaseModel):
    """What every body has: the tenant (client) number. Attributes are snake_case, Norce's names are the aliases."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="allow",
        alias_generator=to_pascal,
        serialize_by_alias=True,
    )

    client_id: Int32  # type: ignore[pydantic-alias]  # events are read from bodies, never built by keyword


class FreeFormEvent(NorceEvent):
    """An event type that is known by name only: any object with a ``ClientId``."""


class ShopEvent(NorceEvent):
    """An event of one application (shop) inside the tenant."""

    application_id: Int32


class ChangeNotification(NorceEvent):
    """A change in Norce's data. It may not be tied to one application."""

    application_id: Int32 | None = None


class BuyerEvent(ShopEvent):
    """An event that carries contact data of the buyer."""

    cell_phone: Phone = None
    first_name: PersonName = None
    last_name: PersonName = None


class OrderStatusEvent(BuyerEvent):
    """What the five events about an order that Norce has numbered have in common.

    ``client_order_ref`` is the basket id as text, or any text for orders made outside Norce. ``order_no`` equals the
    basket id until the ERP overrides it, so it may change between two events of one order (Norce docs).
    """

    order_id: Int64
    order_no: str
    client_order_ref: KeyText
    source: str


class OrderCancelledEvent(OrderStatusEvent):
    """A request to cancel the order reached Norce, from Admin or through Connect (Norce docs)."""


class OrderConfirmedEvent(OrderStatusEvent):
    """The ERP's confirmation reached Norce. Said to be sent once per order (Norce docs)."""


class OrderDeliveredEvent(OrderStatusEvent):
    """The whole order counts as delivered (assumed from the name)."""


class OrderPartlyDeliveredEvent(OrderStatusEvent):
    """Part of the order was delivered (assumed from the name). Two partial deliveries have the same body."""


class OrderReadyForPickupEvent(OrderStatusEvent):
    """The order can be collected (assumed from the name)."""

    drop_point_code: str | None = None


class OrderReceivedEvent(BuyerEvent):
    """An order was placed. Fires before the order is pushed to the ERP (Norce docs), so it has no order number."""

    client_order_ref: KeyText
    source: str
    email: Email = None


class OrderPaymentReceivedEvent(ShopEvent):
    """A payment was registered on the order (assumed from the name). ``payment_code`` is unique per payment."""

    client_order_ref: KeyText
    erp_order_no: str
    payment_code: KeyText
    payment_method_code: str | None = None
    payment_ref: str | None = None
    amount: Number | None = Field(default=None, description="Paid amount, major currency unit")
    currency_code: str | None = None


class SubscriptionFailedEvent(BuyerEvent):
    """A run of a recurring order failed (assumed from the name).

    ``basket_id`` is assumed to be the number that other events carry as text in ``ClientOrderRef``.
    """

    subscription_id: Int32 | None = None
    recurring_order_id: Int32 | None = None
    recurring_order_schedule_id: Int32 | None = None
    basket_id: Int32 | None = None
    email: Email = None
    error_message: FreeText = None


class InvoiceCaptureCompletedEvent(ShopEvent):
    """The invoice capture service finished with an invoice (Norce docs). Names no order."""

    captured_invoice_id: Int32
    state: Literal["Captured", "Error"]


class CompanyChangedNotification(ChangeNotification):
    """A company, or one of the monitored company tables, changed (Norce docs)."""

    company_id: Int32
    entity_changed: KeyText


class CustomerChangedNotification(ChangeNotification):
    """A person, or one of the monitored customer tables, changed (Norce docs)."""

    customer_id: Int32
    entity_changed: KeyText


class JobCompletedEvent(ChangeNotification):
    """An internal job ended (Norce docs).

    ``status_id``: 1 initialised, 2 succeeded, 3 failed, 4 validation failed, 5 validating, 6 queued.
    """

    job_id: Int32
    status_id: Annotated[int, Field(ge=1, le=6)]  # a Literal would take 1.0 and true as well


class SkuPriceChangedNotification(ChangeNotification):
    """The sale price of a product changed on a price list (Norce docs)."""

    part_no: KeyText
    pricelist_id: Int32
    pricelist_code: str | None = None
    price_sale_value: Number
    quantity_break: Number | None = None


class SkuOnHandBreakPointNotification(ChangeNotification):
    """The stock of a product reached its minimum at a warehouse location (Norce docs)."""

    part_no: KeyText
    warehouse_id: Int32
    warehouse_code: str | None = None
    location_id: Int32
    location_code: str | None = None
    on_hand_value: Number
    minimum_value: Number


class SkuChangedNotification(ChangeNotification):
    """A product, or one of the monitored product tables, changed (assumed by analogy with the supplier's)."""

    part_no: KeyText
    entity_changed: KeyText


class TranslationRequestedNotification(ChangeNotification):
    """A product's texts are to be translated (assumed from the name)."""

    part_no: KeyText
    entity_changed: KeyText


class SupplierSkuChangedNotification(ChangeNotification):
    """A supplier's product changed (Norce docs)."""

    supplier_id: Int32
    part_no: KeyText
    entity_changed: KeyText


class SupplierSkuOnHandChangedNotification(ChangeNotification):
    """A supplier's stock of a product changed; the new quantity is not in the body (Norce docs)."""

    supplier_id: Int32
    part_no: KeyText
    entity_changed: KeyText


class SupplierSkuPriceChangedNotification(ChangeNotification):
    """A supplier's cost of a product changed (Norce docs)."""

    supplier_id: Int32
    part_no: KeyText
    pricelist_id: Int32 | None = None
    pricelist_code: str | None = None
    price_sale_value: Number | None = None
    quantity_break: Number | None = None
