"""The records that others read. Every field carries its meaning, from which the published schemas are made.

Times are RFC 3339 in UTC with six decimals. They say when this pipeline received an event: Norce sends no time of its
own, and an event can be hours old. Amounts are decimal text in the major currency unit, with at least two decimals.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from pipeline.domain.limits import MAX_CONFLICT_VALUES, MAX_ERROR_MESSAGE, MAX_TEXT, MAX_TIMELINE

TIME = "RFC 3339, UTC, six decimals"
AMOUNT = "decimal text, major currency unit, at least two decimals"


class OrderStatus(StrEnum):
    """How far an order has come, lowest rank first. The highest that any event stated is the order's status."""

    UNKNOWN = "unknown"
    """No event has stated a status yet: only a payment or a subscription failure was received."""
    RECEIVED = "received"
    CONFIRMED = "confirmed"
    PARTLY_DELIVERED = "partly_delivered"
    READY_FOR_PICKUP = "ready_for_pickup"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


class PaymentState(StrEnum):
    """What the events tell about payment. Whether the order is paid in full they do not: they carry no total."""

    NO_PAYMENT = "no_payment"
    PAYMENT_RECEIVED = "payment_received"


class CaptureOutcome(StrEnum):
    """What became of capturing an invoice. A capture that worked stands over an error, which may be older or newer."""

    CAPTURED = "captured"
    ERROR = "error"


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Base of everything public."""


class Conflict(Record, frozen=True):
    """Events that contradict each other about one field.

    The value shown was chosen by the values alone; of prices and stock, which may change to and fro, by the receipt.
    """

    field: Annotated[str, Meta(description="The field, such as order_id or payment.amount")]
    item: Annotated[
        str | None, Meta(description="Of a payment its PaymentCode, of a price or stock its place, else null")
    ]
    values: Annotated[tuple[str, ...], Meta(description=f"What was stated, sorted, the first {MAX_CONFLICT_VALUES}")]
    chosen: Annotated[str, Meta(description="The value that is shown")]


class TimelineEntry(Record, frozen=True):
    """One occurrence of one fact."""

    event_type: Annotated[str, Meta(description="Norce's event type")]
    received_at: Annotated[str, Meta(description=f"When its first delivery was received; {TIME}")]
    event_id: Annotated[str, Meta(description="Id of that delivery: ce_id of the record on the event topic")]
    occurrence: Annotated[int, Meta(description="1, or higher where the same fact happened again")]


class Payment(Record, frozen=True):
    """One payment, put together from all events that name its PaymentCode."""

    payment_code: Annotated[str, Meta(description="Norce PaymentCode, unique per payment")]
    payment_method: Annotated[str | None, Meta(description="Norce PaymentMethodCode")]
    payment_ref: Annotated[str | None, Meta(description="Reference of the payment provider")]
    amount: Annotated[str | None, Meta(description=f"Null if no event stated one; {AMOUNT}")]
    currency: Annotated[str | None, Meta(description="ISO 4217 code as Norce sent it, null if no event stated one")]
    erp_order_no: Annotated[str | None, Meta(description="Norce ErpOrderNo of the payment")]
    first_received_at: Annotated[str, Meta(description=f"When the payment was first heard of; {TIME}")]


class SubscriptionFailure(Record, frozen=True):
    """One kind of failure of a recurring order: what failed and why."""

    subscription_id: Annotated[int | None, Meta(description="Norce SubscriptionId")]
    recurring_order_id: Annotated[int | None, Meta(description="Norce RecurringOrderId")]
    recurring_order_schedule_id: Annotated[int | None, Meta(description="Norce RecurringOrderScheduleId")]
    basket_id: Annotated[int | None, Meta(description="Norce BasketId")]
    error_message: Annotated[
        str | None,
        Meta(
            description=f"Norce's free text, cut after {MAX_ERROR_MESSAGE} characters; e-mail addresses, numbers of "
            "seven or more digits and what the event itself says of the buyer are masked, other names are not"
        ),
    ]
    occurrences: Annotated[int, Meta(description="How often it happened; deliveries close together count once")]
    first_received_at: Annotated[str, Meta(description=f"When its first occurrence was received; {TIME}")]
    last_received_at: Annotated[str, Meta(description=f"When its latest occurrence was first received; {TIME}")]


Conflicts = Annotated[tuple[Conflict, ...], Meta(description="Contradictions between the events")]
Timeline = Annotated[
    tuple[TimelineEntry, ...], Meta(description=f"Occurrences in order of receipt, the latest {MAX_TIMELINE}")
]
TimelineOmitted = Annotated[int, Meta(description="Number of occurrences before those in the timeline")]
FirstReceivedAt = Annotated[str, Meta(description=f"When the first event was received; {TIME}")]
LastChangedAt = Annotated[str, Meta(description=f"When the newest occurrence was received; {TIME}")]
Version = Annotated[
    int,
    Meta(
        description="Number of deliveries known, plus the number of the look-up if there is one: a record of the "
        "same key that knows more has a higher one"
    ),
]
ClientId = Annotated[int, Meta(description="Norce ClientId, the tenant")]
ApplicationId = Annotated[int, Meta(description="Norce ApplicationId, the shop")]


ReceiptVersion = Annotated[
    int,
    Meta(
        description="Microseconds since 1970 UTC of the newest delivery known: never lower in a later record of the "
        "same key; of two equal ones the later stands"
    ),
]
Changes = Annotated[
    int, Meta(description="How often it was said to change, as far as kept; deliveries close together count once")
]
ChangesComplete = Annotated[
    bool, Meta(description="False once the oldest deliveries are no longer kept: then there may be more changes")
]
LastReceivedAt = Annotated[str, Meta(description=f"When its latest change was first received; {TIME}")]
EventId = Annotated[str, Meta(description="The event that brought it: ce_id of the record on the event topic")]
NullableApplicationId = Annotated[int | None, Meta(description="Norce ApplicationId, null if the event names none")]


class EntityChange(Record, frozen=True):
    """How often rows of one of Norce's tables were said to change. Which row and to what, events do not say."""

    entity: Annotated[str, Meta(description="Norce EntityChanged: the table")]
    application_id: NullableApplicationId
    changes: Changes
    changes_complete: ChangesComplete
    last_received_at: LastReceivedAt


RecordId = Annotated[
    str, Meta(description="UUID made from the key and the content: a record that is written again has the same id")
]


class OrderTotals(Record, frozen=True):
    """What an order comes to: exact sums over its lines, freight among them, as Norce keeps no total."""

    currency: Annotated[str, Meta(description="ISO 4217 code")]
    excluding_vat: Annotated[str, Meta(description=f"Sum of Norce LineAmount; {AMOUNT}")]
    vat: Annotated[
        str | None,
        Meta(description=f"Sum of LineAmount times VatRate, not rounded; null if a rate is unknown; {AMOUNT}"),
    ]
    including_vat: Annotated[str | None, Meta(description=f"Both together, null if a rate is unknown; {AMOUNT}")]
    freight_excluding_vat: Annotated[
        str | None, Meta(description=f"Norce FreightCost, which is among the lines too; null if not stated; {AMOUNT}")
    ]


class OrderLine(Record, frozen=True):
    """One line of an order: an article, or a fee such as freight."""

    line_no: Annotated[str, Meta(description="Norce LineNumber; decimal text without further zeros")]
    part_no: Annotated[str, Meta(description="Norce PartNo")]
    product_name: Annotated[
        str | None, Meta(description=f"Norce ProductName, cut after {MAX_TEXT} characters; null if it has none")
    ]
    quantity: Annotated[str, Meta(description="Norce QtyOrdered; decimal text without further zeros")]
    unit_price: Annotated[
        str | None, Meta(description=f"Norce PriceSale, without VAT and before discounts; null if not stated; {AMOUNT}")
    ]
    vat_rate: Annotated[str | None, Meta(description="Norce VatRate, percent (assumed); null if not stated")]
    line_total: Annotated[str, Meta(description=f"Norce LineAmount, without VAT, after discounts; {AMOUNT}")]


LookedUpAt = Annotated[
    str | None,
    Meta(description=f"When Norce first answered what is shown from a look-up, null before that; {TIME}"),
]
LookupNumber = Annotated[
    int, Meta(description="Number of the look-up that is shown, 0 before the first; a later one has a higher one")
]


class OrderView(Record, frozen=True):
    """An order as its events tell it."""

    client_id: ClientId
    application_id: ApplicationId
    client_order_ref: Annotated[str, Meta(description="Norce ClientOrderRef: basket id, or a foreign reference")]
    order_id: Annotated[int | None, Meta(description="Norce OrderId, 64 bit, null until an event names it")]
    order_no: Annotated[
        str | None, Meta(description="Order number: the ERP's once known, before that often the basket id")
    ]
    source: Annotated[str | None, Meta(description="Where the order came from: WEB, or a marketplace or POS name")]
    status: Annotated[OrderStatus, Meta(description="The highest status stated; cancelled stands over all others")]
    statuses: Annotated[tuple[OrderStatus, ...], Meta(description="Every status stated, lowest rank first")]
    payment_state: Annotated[PaymentState, Meta(description="Whether any payment was received")]
    payments: Annotated[tuple[Payment, ...], Meta(description="Payments, sorted by PaymentCode")]
    paid: Annotated[
        dict[str, str],
        Meta(description=f"Currency to the exact sum of its payments; {AMOUNT}"),
    ]
    payments_without_amount: Annotated[int, Meta(description="Payments not in paid because no amount is known")]
    payments_without_currency: Annotated[
        int, Meta(description="Payments with an amount, not in paid because no currency is known")
    ]
    subscription_failures: Annotated[
        tuple[SubscriptionFailure, ...], Meta(description="Failed runs of a recurring order that name this basket")
    ]
    drop_points: Annotated[tuple[str, ...], Meta(description="Norce DropPointCodes where the order can be collected")]
    conflicts: Conflicts
    timeline: Timeline
    timeline_omitted: TimelineOmitted
    first_received_at: FirstReceivedAt
    last_changed_at: LastChangedAt
    version: Version
    totals: Annotated[OrderTotals | None, Meta(description="What the order comes to, null before the look-up")] = None
    lines: Annotated[tuple[OrderLine, ...], Meta(description="Order lines, empty before the look-up")] = ()
    lines_omitted: Annotated[int, Meta(description="Number of lines after those in lines")] = 0
    looked_up_at: LookedUpAt = None
    lookup_number: LookupNumber = 0


class EnrichedOrder(OrderView, frozen=True, kw_only=True):
    """The record of the enriched orders topic: the view, and an id of exactly this record."""

    id: RecordId


class SubscriptionView(Record, frozen=True):
    """The failures of a subscription or of a recurring order, over all their baskets."""

    client_id: ClientId
    application_id: ApplicationId
    subject: Annotated[
        str, Meta(description="subscription={SubscriptionId}, recurring={RecurringOrderId} or unidentified")
    ]
    subscription_failures: Annotated[tuple[SubscriptionFailure, ...], Meta(description="What failed, and how often")]
    failures: Annotated[int, Meta(description="How often any run failed")]
    order_keys: Annotated[
        tuple[str, ...], Meta(description="Keys of the orders whose baskets failed, as on the enriched orders topic")
    ]
    timeline: Timeline
    timeline_omitted: TimelineOmitted
    first_received_at: FirstReceivedAt
    last_changed_at: LastChangedAt
    version: Version


class InvoiceView(Record, frozen=True):
    """An invoice as its capture events tell it. They name no order; a look-up may."""

    client_id: ClientId
    captured_invoice_id: Annotated[int, Meta(description="Norce CapturedInvoiceId")]
    application_id: ApplicationId
    order_key: Annotated[
        str | None, Meta(description="Key of its order, null until it was looked up; capture events name no order")
    ]
    outcome: Annotated[CaptureOutcome, Meta(description="captured if any event says so, else error")]
    conflicts: Conflicts
    timeline: Timeline
    timeline_omitted: TimelineOmitted
    first_received_at: FirstReceivedAt
    last_changed_at: LastChangedAt
    version: Version
    looked_up_at: LookedUpAt = None
    lookup_number: LookupNumber = 0


class EnrichedSubscription(SubscriptionView, frozen=True):
    """The record of the enriched subscriptions topic."""

    id: RecordId


class EnrichedInvoice(InvoiceView, frozen=True, kw_only=True):
    """The record of the enriched invoices topic."""

    id: RecordId


class Info(msgspec.Struct, frozen=True):
    """One Info of Connect's SendOrderStatus."""

    code: Annotated[str, Meta(description="Code of the Info; must be set up in Norce")]
    value: Annotated[str, Meta(description="Its text")]


class ConnectContent(Record, frozen=True):
    """What Connect is to know of an order."""

    infos: Annotated[tuple[Info, ...], Meta(description="All Infos of the order, not only those that changed")]
    order_status: Annotated[str | None, Meta(description="Norce OrderStatus to set; null keeps the order's own")]


AttributeValue = str | int | list[str] | dict[str, str]


class CheckoutContent(Record, frozen=True):
    """What Checkout is to know of an order."""

    attributes: Annotated[
        dict[str, AttributeValue], Meta(description="All attributes of the order, written under one key of ours")
    ]


UpdateId = Annotated[
    str,
    Meta(description="UUID made from target, key, version and content: an update that is made again has the same id"),
]
UpdateVersion = Annotated[
    int, Meta(description="Version of the order this was derived from: the highest stands, of two equal ones the later")
]
UpdateOrderRef = Annotated[str, Meta(description="Norce ClientOrderRef")]
UpdateOrderNo = Annotated[str | None, Meta(description="Order number as far as it is known")]


class ConnectUpdate(Record, frozen=True, tag_field="target", tag="connect"):
    """An update for Connect. Calls that move money do not exist."""

    id: UpdateId
    client_id: ClientId
    application_id: ApplicationId
    client_order_ref: UpdateOrderRef
    order_no: UpdateOrderNo
    version: UpdateVersion
    content: Annotated[ConnectContent, Meta(description="What to send")]


class CheckoutUpdate(Record, frozen=True, tag_field="target", tag="checkout"):
    """An update for Checkout."""

    id: UpdateId
    client_id: ClientId
    application_id: ApplicationId
    client_order_ref: UpdateOrderRef
    order_no: UpdateOrderNo
    version: UpdateVersion
    content: Annotated[CheckoutContent, Meta(description="What to write")]
