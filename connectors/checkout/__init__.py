"""Checkout Order API v1: finding an order and setting its attributes."""

from connectors.checkout.client import CheckoutClient
from connectors.checkout.orders import CheckoutOrder, choose

__all__ = ["CheckoutClient", "CheckoutOrder", "choose"]
