"""From a question to Norce's answer as the domain has it."""

from __future__ import annotations

from connectors.norce import Patience, Unfitting
from connectors.query import DetailsReader
from pipeline.domain import (
    InvoiceKey,
    InvoiceLookedUp,
    Line,
    OrderKey,
    OrderLookedUp,
    ProductKey,
    ProductLookedUp,
    Said,
    order_looked_up,
)
from pipeline.domain.limits import MAX_TEXT
from pipeline.lookup.questions import Question


async def answer(reader: DetailsReader, question: Question, patience: Patience) -> Said:
    """Ask Query. The answer has no number of its own yet.

    Raises:
        NorceError: as the reader; ``Unfitting`` also for what exceeds the domain's limits.
    """
    if question.kind == "order":
        return await _order(reader, question, OrderKey.parse(question.key), patience)
    if question.kind == "product":
        return await _product(reader, question, ProductKey.parse(question.key), patience)
    return await _invoice(reader, question, InvoiceKey.parse(question.key), patience)


async def _order(reader: DetailsReader, question: Question, key: OrderKey, patience: Patience) -> OrderLookedUp:
    found = await reader.order(key.application_id, key.client_order_ref, order_id=question.order_id, patience=patience)
    lines = [
        Line(
            row.line_number,
            row.part_no,
            row.product_name,
            row.qty_ordered,
            row.price_sale,
            row.vat_rate,
            row.line_amount,
        )
        for row in found.lines
    ]
    try:
        return order_looked_up(found.order_id, found.currency, found.freight, lines)
    except ValueError as error:
        raise Unfitting(f"the order is beyond a limit: {error}") from None


async def _product(reader: DetailsReader, question: Question, key: ProductKey, patience: Patience) -> ProductLookedUp:
    name = await reader.product_name(key.client_id, question.application_id, key.part_no, patience=patience)
    return ProductLookedUp(number=1, name=None if name is None else name[:MAX_TEXT])


async def _invoice(reader: DetailsReader, question: Question, key: InvoiceKey, patience: Patience) -> InvoiceLookedUp:
    order = await reader.order_of_invoice(
        key.client_id, question.application_id, key.captured_invoice_id, patience=patience
    )
    if len(order.client_order_ref) > MAX_TEXT:
        raise Unfitting("the reference of the order is too long")
    order_key = OrderKey(order.client_id, order.application_id, order.client_order_ref)
    return InvoiceLookedUp(number=1, order_key=order_key.text)
