"""The pure core: what events mean for orders, products and all else, what follows for Norce, and what is an alert.

Plain functions over frozen values: no Kafka, no HTTP, no clock, no settings. Events of one thing go this way::

    key = key_of(event_type, partition_key)
    folded = fold(key, decode(stored), [Arrival(event_type, body, event_id, received_at)])
    view = KINDS[type(key)].view(key, folded.state)
    if changed(before, view):
        record = enriched(view)
    stored = encode(folded.state)

``advance`` is all of it in one call; ``derive`` says what Norce is to be told of an order, ``review_change`` which
alerts open and close, and ``review_due`` the same when only time has passed.
"""

from __future__ import annotations

from pipeline.domain.alerts import (
    CATALOGUE,
    DEFAULT_ALERTS,
    Alert,
    AlertKind,
    AlertPolicy,
    AlertState,
    ClosedBy,
    Closing,
    Recorded,
    Severity,
    active,
    conditions,
    decode_recorded,
    encode_alert,
    encode_recorded,
)
from pipeline.domain.codec import decode, encode
from pipeline.domain.customer import CompanyView, CustomerView, company_view, customer_view
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
from pipeline.domain.holdings import Holding, forgotten, holdings
from pipeline.domain.invoice import invoice_view
from pipeline.domain.job import JobOutcome, JobView, job_view
from pipeline.domain.keys import (
    CompanyKey,
    CustomerKey,
    InvoiceKey,
    JobKey,
    Key,
    OrderKey,
    ProductKey,
    SubscriptionKey,
    key_of,
)
from pipeline.domain.kinds import KINDS, KINDS_BY_NAME, Kind
from pipeline.domain.limits import REPEAT_WINDOW
from pipeline.domain.lookups import (
    Answered,
    InvoiceLookedUp,
    Line,
    OrderLookedUp,
    ProductLookedUp,
    Said,
    encode_answer,
    order_looked_up,
)
from pipeline.domain.order import order_view
from pipeline.domain.policy import DEFAULT_POLICIES, PushPolicies, PushPolicy
from pipeline.domain.product import product_view
from pipeline.domain.product_records import ProductView
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
from pipeline.domain.step import Advance, Held, advance, review_change, review_due
from pipeline.domain.subscription import copies, subscription_view
from pipeline.domain.updates import Update, basket_id, decode_update, derive, encode_update
from pipeline.domain.views import View, changed, enriched

__all__ = [
    "CATALOGUE",
    "DEFAULT_ALERTS",
    "DEFAULT_POLICIES",
    "KINDS",
    "KINDS_BY_NAME",
    "REPEAT_WINDOW",
    "Advance",
    "Alert",
    "AlertKind",
    "AlertPolicy",
    "AlertState",
    "Answered",
    "Arrival",
    "CaptureOutcome",
    "CheckoutContent",
    "CheckoutUpdate",
    "ClosedBy",
    "Closing",
    "CompanyKey",
    "CompanyView",
    "ConnectContent",
    "ConnectUpdate",
    "CorruptState",
    "CustomerKey",
    "CustomerView",
    "DomainError",
    "EnrichedOrder",
    "Folded",
    "Held",
    "Holding",
    "Info",
    "InvalidPolicy",
    "InvoiceKey",
    "InvoiceLookedUp",
    "InvoiceView",
    "JobKey",
    "JobOutcome",
    "JobView",
    "Key",
    "Kind",
    "Line",
    "MalformedKey",
    "MisplacedEvent",
    "OrderKey",
    "OrderLookedUp",
    "OrderStatus",
    "OrderView",
    "Outcome",
    "PaymentState",
    "ProductKey",
    "ProductLookedUp",
    "ProductView",
    "PushPolicies",
    "PushPolicy",
    "Receipt",
    "Recorded",
    "Said",
    "Severity",
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
    "View",
    "active",
    "advance",
    "basket_id",
    "changed",
    "company_view",
    "conditions",
    "copies",
    "customer_view",
    "decode",
    "decode_recorded",
    "decode_update",
    "derive",
    "encode",
    "encode_alert",
    "encode_answer",
    "encode_recorded",
    "encode_update",
    "enriched",
    "fold",
    "forgotten",
    "holdings",
    "invoice_view",
    "job_view",
    "key_of",
    "merge",
    "order_looked_up",
    "order_view",
    "product_view",
    "review_change",
    "review_due",
    "subscription_view",
    "version",
]
