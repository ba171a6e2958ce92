"""Every answer of the endpoint, in one table.

Norce repeats whatever is not answered 200, 16 times over 22 hours, and then gives the event up (Norce docs; that 4xx
is repeated too is assumed). So a 4xx is left to what no repeat should be spared: a wrong secret, abuse, a wrong URL. A
body that is merely unusable is kept in quarantine and answered 200.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. ``name`` is in the body of an error and in the metrics."""

    status: int
    name: str
    message: str = ""
    headers: Headers = ()
    retry: bool = False
    """Norce should try again soon: the answer gets a Retry-After."""

    @property
    def body(self) -> bytes:
        if self.status == 200:
            return b""
        return json.dumps({"error": self.name, "message": self.message}).encode()


_CLOSE = ("connection", "close")

ACCEPTED = Answer(200, "accepted", "Every in-sync replica has the event. The answer has no body.")
QUARANTINED = Answer(200, "quarantined", "Kept in quarantine for a person to look at. The answer has no body.")
UNAUTHORIZED = Answer(
    401, "unauthorized", "The secret header is missing or wrong.", (("www-authenticate", "ApiKey"), _CLOSE)
)
NOT_FOUND = Answer(404, "not_found", "There is nothing at this path.")
METHOD_NOT_ALLOWED = Answer(405, "method_not_allowed", "The path does not take this method.")
UPLOAD_TIMEOUT = Answer(408, "upload_timeout", "The body did not arrive in time.", (_CLOSE,))
BODY_TOO_LARGE = Answer(413, "body_too_large", "The body is larger than allowed.", (_CLOSE,))
OVERLOADED = Answer(503, "overloaded", "Too many requests are in flight.", retry=True)
NOT_ACKNOWLEDGED = Answer(503, "not_acknowledged", "Kafka has not acknowledged the event in time.", retry=True)
INTERNAL_ERROR = Answer(503, "internal_error", "The event could not be handled.", retry=True)
SENDER_GONE = Answer(499, "sender_gone")  # nobody is there to read it; for the metrics only

REFUSALS = frozenset((UPLOAD_TIMEOUT, BODY_TOO_LARGE, OVERLOADED, NOT_ACKNOWLEDGED, INTERNAL_ERROR, SENDER_GONE))
"""What an authenticated delivery may be answered that Norce will repeat."""

WEBHOOK_ANSWERS = (
    ACCEPTED,
    QUARANTINED,
    UNAUTHORIZED,
    METHOD_NOT_ALLOWED,
    UPLOAD_TIMEOUT,
    BODY_TOO_LARGE,
    OVERLOADED,
    NOT_ACKNOWLEDGED,
    INTERNAL_ERROR,
)
