"""What each HTTP status means for a call, as one table.

Norce documents 200, 400 and 500 for Connect and 200, 400, 401, 404, 409 and 500 for Checkout; the rest is assumed and
follows RFC 9110.
"""

from enum import Enum
from typing import NamedTuple


class Action(Enum):
    """What a status asks for."""

    ACCEPT = "the call succeeded"
    RENEW = "renew the token once, then give up"
    RETRY = "try again, until the deadline"
    REJECT = "final: the same request would get the same answer"


class Rule(NamedTuple):
    """Statuses and what they ask for. Only what is to be tried again counts as a failure for the circuit breaker."""

    statuses: range
    action: Action


def _only(status: int) -> range:
    return range(status, status + 1)


STATUS_TABLE: tuple[Rule, ...] = (  # the first that fits
    Rule(range(200, 300), Action.ACCEPT),
    Rule(_only(401), Action.RENEW),
    Rule(_only(408), Action.RETRY),  # Norce did not get the request in time
    Rule(_only(425), Action.RETRY),  # sent too early on a new connection
    Rule(_only(429), Action.RETRY),  # throttled
    Rule(_only(501), Action.REJECT),  # the operation does not exist
    Rule(_only(505), Action.REJECT),  # nor does the protocol version
    Rule(range(500, 600), Action.RETRY),
    Rule(range(100, 600), Action.REJECT),
)


def action_for(status: int) -> Action:
    """What to do about a status; one outside 100 to 599 is no HTTP and final."""
    return next((rule.action for rule in STATUS_TABLE if status in rule.statuses), Action.REJECT)
