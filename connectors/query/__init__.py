"""Commerce Query 3.0: reading orders, products and invoices."""

from connectors.query.client import QueryClient
from connectors.query.details import DetailsReader, OrderDetails, OrderName
from connectors.query.reader import OrderReader
from connectors.query.sweep import FailedRunRow, OrderRow, PaymentRow, QuerySweeper, Span

__all__ = [
    "DetailsReader",
    "FailedRunRow",
    "OrderDetails",
    "OrderName",
    "OrderReader",
    "OrderRow",
    "PaymentRow",
    "QueryClient",
    "QuerySweeper",
    "Span",
]
