"""Commerce Query 3.0: reading orders."""

from connectors.query.reader import OrderReader
from connectors.query.sweep import FailedRunRow, OrderRow, PaymentRow, QuerySweeper, Span

__all__ = ["FailedRunRow", "OrderReader", "OrderRow", "PaymentRow", "QuerySweeper", "Span"]
