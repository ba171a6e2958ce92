"""What the clients of Norce's APIs share: calls, tokens, limits and errors."""

from connectors.norce.api import NorceApi
from connectors.norce.calls import CallLog, MadeCall
from connectors.norce.clock import Clock, SystemClock
from connectors.norce.errors import (
    Attempt,
    Away,
    CircuitOpen,
    NoChannel,
    NorceError,
    NotConfigured,
    OrderNotFound,
    Outcome,
    Rejected,
    TokenRefused,
    TokenUnavailable,
    Unaddressable,
    Unauthorized,
    Unavailable,
    Unfitting,
    Unknown,
    UnknownOrderStatus,
)
from connectors.norce.identity import ClientCredentials
from connectors.norce.limits import Limits
from connectors.norce.metrics import NorceMetrics
from connectors.norce.order_status import status_named, status_numbered
from connectors.norce.patience import Patience, persist
from connectors.norce.tokens import Credentials, StaticTokens
from connectors.norce.transport import Answer, Request, Token, Transport
from connectors.norce.verdicts import NotYet

__all__ = [
    "Answer",
    "Attempt",
    "Away",
    "CallLog",
    "CircuitOpen",
    "ClientCredentials",
    "Clock",
    "Credentials",
    "Limits",
    "MadeCall",
    "NoChannel",
    "NorceApi",
    "NorceError",
    "NorceMetrics",
    "NotConfigured",
    "NotYet",
    "OrderNotFound",
    "Outcome",
    "Patience",
    "Rejected",
    "Request",
    "StaticTokens",
    "SystemClock",
    "Token",
    "TokenRefused",
    "TokenUnavailable",
    "Transport",
    "Unaddressable",
    "Unauthorized",
    "Unavailable",
    "Unfitting",
    "Unknown",
    "UnknownOrderStatus",
    "persist",
    "status_named",
    "status_numbered",
]
