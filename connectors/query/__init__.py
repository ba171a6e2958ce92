"""Commerce Query 3.0: reading orders, products and invoices."""

from connectors.query.client import QueryClient
from connectors.query.details import DetailsReader, OrderDetails, OrderName
from connectors.query.reader import OrderReader

__all__ = ["DetailsReader", "OrderDetails", "OrderName", "OrderReader", "QueryClient"]
