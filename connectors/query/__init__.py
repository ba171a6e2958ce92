"""Commerce Query 3.0: reading orders."""

from connectors.query.reader import OrderReader

__all__ = ["OrderReader"]
