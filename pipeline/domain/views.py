"""What all views have in common: whether they show anything new, and the record they are published as."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

import msgspec

from pipeline.domain.customer import CompanyView, CustomerView
from pipeline.domain.ids import content_id
from pipeline.domain.job import JobView
from pipeline.domain.product_records import ProductView
from pipeline.domain.records import InvoiceView, OrderView, SubscriptionView

View = OrderView | SubscriptionView | InvoiceView | ProductView | CustomerView | CompanyView | JobView

_NAMES: Mapping[type[View], str] = {
    OrderView: "order",
    SubscriptionView: "subscription",
    InvoiceView: "invoice",
    ProductView: "product",
    CustomerView: "customer",
    CompanyView: "company",
    JobView: "job",
}
_NAMESPACES = {
    view: uuid.uuid5(uuid.NAMESPACE_URL, f"urn:norce-pipeline:enriched-{name}") for view, name in _NAMES.items()
}
_ENCODER = msgspec.json.Encoder()


def changed(before: View | None, after: View) -> bool:
    """Whether anything but the version differs. If not, nothing is emitted."""
    return before is None or msgspec.structs.replace(before, version=after.version) != after


def enriched(view: View) -> bytes:
    """The JSON of the enriched record: the view and an ``id`` that is made from everything else in it."""
    body = _ENCODER.encode(view)
    return b'{"id":"%s",%s' % (content_id(_NAMESPACES[type(view)], body).encode(), body[1:])
