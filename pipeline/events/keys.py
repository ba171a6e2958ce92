"""Partition keys: events of one thing share a key, so they share a partition and the table that joins them.

The part that is free text always comes last, so two different things never get one key.
"""

from __future__ import annotations

from pipeline.events import models


def order_key(client_id: int, application_id: int, client_order_ref: str) -> str:
    """The key of an order, also of its enriched record and its updates."""
    return f"{client_id}:{application_id}:{client_order_ref}"


def order(event: models.OrderStatusEvent | models.OrderReceivedEvent | models.OrderPaymentReceivedEvent) -> str:
    return order_key(event.client_id, event.application_id, event.client_order_ref)


def subscription(event: models.SubscriptionFailedEvent) -> str:
    """The order's key when the failed run has a basket, else a key of the subscription's own."""
    if event.basket_id is not None:
        return order_key(event.client_id, event.application_id, str(event.basket_id))
    if event.subscription_id is not None:
        name = f"subscription={event.subscription_id}"
    elif event.recurring_order_id is not None:
        name = f"recurring={event.recurring_order_id}"
    else:
        name = "unidentified"
    return f"{event.client_id}:{event.application_id}:{name}"


def invoice(event: models.InvoiceCaptureCompletedEvent) -> str:
    return f"{event.client_id}:{event.captured_invoice_id}"


def company(event: models.CompanyChangedNotification) -> str:
    return f"{event.client_id}:company={event.company_id}"


def customer(event: models.CustomerChangedNotification) -> str:
    return f"{event.client_id}:customer={event.customer_id}"


def product(
    event: models.SkuPriceChangedNotification
    | models.SkuOnHandBreakPointNotification
    | models.SkuChangedNotification
    | models.TranslationRequestedNotification
    | models.SupplierSkuChangedNotification
    | models.SupplierSkuOnHandChangedNotification
    | models.SupplierSkuPriceChangedNotification,
) -> str:
    """The product's key, for its suppliers' events too, so that costs meet prices in one table.

    The ``PartNo`` of a supplier's event is assumed to be the product's own part number.
    """
    return f"{event.client_id}:{event.part_no}"


def job(event: models.JobCompletedEvent) -> str:
    return f"{event.client_id}:{event.job_id}"


def tenant(event: models.NorceEvent) -> str:
    return str(event.client_id)
