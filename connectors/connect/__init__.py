"""Connect Order Service 4.0: setting order statuses and info fields."""

from connectors.connect.client import ConnectClient
from connectors.connect.models import OrderInfo, SendOrderStatusRequest

__all__ = ["ConnectClient", "OrderInfo", "SendOrderStatusRequest"]
