"""The pure core: what events mean for orders, subscriptions and invoices, and what follows for Norce.

Plain functions over frozen values: no Kafka, no HTTP, no clock, no settings. Events of one order go this way::

    key = key_of(event_type, partition_key)
    folded = fold(key, decode(stored), [Arrival(event_type, body, event_id, received_at)])
    view = order_view(key, folded.state)
    if changed(before, view):
        record, updates = enriched(view), derive(before, view, policies)
    stored = encode(folded.state)

``order_step`` is all of it in one call.
"""

from __future__ import annotations

from pipeline.domain.codec import decode, encode
from pipeline.domain.errors import (
    CorruptState,
    DomainError,
    InvalidPolicy,
    MalformedKey,
    MisplacedEvent,
    StateLimitExceeded,
    UnknownStateLayout,
    UnreadableEvent,
    UnreadableState,
    UnreadableUpdate,
    UnusableArrival,
)
from pipeline.domain.fold import Arrival, Folded, Outcome, fold
from pipeline.domain.invoice import invoice_view
from pipeline.domain.keys import InvoiceKey, Key, OrderKey, SubscriptionKey, key_of
from pipeline.domain.limits import REPEAT_WINDOW
from pipeline.domain.order import changed, enriched, order_view
from pipeline.domain.policy import DEFAULT_POLICIES, NorceOrderStatus, PushPolicies, PushPolicy
from pipeline.domain.records import (
    CaptureOutcome,
    CheckoutContent,
    CheckoutUpdate,
    ConnectContent,
    ConnectUpdate,
    EnrichedOrder,
    Info,
    InvoiceView,
    OrderStatus,
    OrderView,
    PaymentState,
    SubscriptionView,
)
from pipeline.domain.state import Receipt, State, merge, version
from pipeline.domain.step import OrderStep, order_step
from pipeline.domain.subscription import subscription_view
from pipeline.domain.updates import Update, basket_id, decode_update, derive, encode_update

__all__ = [
    "DEFAULT_POLICIES",
    "REPEAT_WINDOW",
    "Arrival",
    "CaptureOutcome",
    "CheckoutContent",
    "CheckoutUpdate",
    "ConnectContent",
    "ConnectUpdate",
    "CorruptState",
    "DomainError",
    "EnrichedOrder",
    "Folded",
    "Info",
    "InvalidPolicy",
    "InvoiceKey",
    "InvoiceView",
    "Key",
    "MalformedKey",
    "MisplacedEvent",
    "NorceOrderStatus",
    "OrderKey",
    "OrderStatus",
    "OrderStep",
    "OrderView",
    "Outcome",
    "PaymentState",
    "PushPolicies",
    "PushPolicy",
    "Receipt",
    "State",
    "StateLimitExceeded",
    "SubscriptionKey",
    "SubscriptionView",
    "UnknownStateLayout",
    "UnreadableEvent",
    "UnreadableState",
    "UnreadableUpdate",
    "UnusableArrival",
    "Update",
    "basket_id",
    "changed",
    "decode",
    "decode_update",
    "derive",
    "encode",
    "encode_update",
    "enriched",
    "fold",
    "invoice_view",
    "key_of",
    "merge",
    "order_step",
    "order_view",
    "subscription_view",
    "version",
]
