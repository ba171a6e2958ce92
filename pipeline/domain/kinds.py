"""The one table of what state is kept of: how each kind of thing is keyed, shown and published."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from pipeline.domain.customer import EnrichedCompany, EnrichedCustomer, company_view, customer_view
from pipeline.domain.invoice import invoice_view
from pipeline.domain.job import EnrichedJob, job_view
from pipeline.domain.keys import (
    CompanyKey,
    CustomerKey,
    InvoiceKey,
    JobKey,
    Key,
    OrderKey,
    ProductKey,
    SubscriptionKey,
)
from pipeline.domain.order import order_view
from pipeline.domain.product import product_view
from pipeline.domain.product_records import EnrichedProduct
from pipeline.domain.records import EnrichedInvoice, EnrichedOrder, EnrichedSubscription, Record
from pipeline.domain.subscription import subscription_view
from pipeline.domain.views import View


class Kind(msgspec.Struct, frozen=True):
    """One kind of thing that state is kept of."""

    name: str
    """What one of it is called, in alerts too."""
    table: str
    """Name of its table, and of its topic: ``norce.{table}.enriched``."""
    key: type[Key]
    record: type[Record]
    """What is published of it."""
    view: Callable[..., View]
    """``view(key, state, repeat_window=...)``."""


_KINDS: tuple[Kind, ...] = (
    Kind("order", "orders", OrderKey, EnrichedOrder, order_view),
    Kind("subscription", "subscriptions", SubscriptionKey, EnrichedSubscription, subscription_view),
    Kind("invoice", "invoices", InvoiceKey, EnrichedInvoice, invoice_view),
    Kind("product", "products", ProductKey, EnrichedProduct, product_view),
    Kind("customer", "customers", CustomerKey, EnrichedCustomer, customer_view),
    Kind("company", "companies", CompanyKey, EnrichedCompany, company_view),
    Kind("job", "jobs", JobKey, EnrichedJob, job_view),
)

KINDS: Mapping[type[Any], Kind] = MappingProxyType({kind.key: kind for kind in _KINDS})
"""By the type of the key."""
KINDS_BY_NAME: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in _KINDS})
