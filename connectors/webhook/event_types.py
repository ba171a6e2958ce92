"""Which event type a request is about.

No body names its type. It is in the URL that Norce was given for that type, ``/webhooks/norce/{EventType}``, or in a
static header or query as Norce's public receiver kit has them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

from connectors.webhook.rsgi import Request
from pipeline.events import EventSpec, Reason, UnusableBody, find, free_form

HEADER = "x-norce-event-type"
QUERY = "norceEventType"
MAX_REQUESTED = 200

_NEW_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,99}")


@dataclass(frozen=True, slots=True)
class Requested:
    """The type names that a request gives: from the URL's path, the header and the query, without repeats."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return ", ".join(self.names)[:MAX_REQUESTED]

    @property
    def found(self) -> EventSpec | None:
        """The one event type that is named and known."""
        return find(self.names[0]) if len(self.names) == 1 else None

    def resolve(self, accept_unknown: bool) -> EventSpec:
        """The one event type that is meant.

        With ``accept_unknown`` a name that the catalogue does not have is taken as free form, on the system topic.

        Raises:
            UnusableBody: there is no name, there are different ones, or the catalogue does not have it.
        """
        if not self.names:
            raise UnusableBody(Reason.MISSING_EVENT_TYPE, "the request does not say its event type")
        if len(self.names) > 1:
            raise UnusableBody(Reason.CONTRADICTORY_EVENT_TYPE, "path, header and query name different event types")
        if self.found is not None:
            return self.found
        if accept_unknown and _NEW_NAME.fullmatch(self.names[0]):
            return free_form(self.names[0])
        raise UnusableBody(Reason.UNKNOWN_EVENT_TYPE, "the catalogue has no such event type")


def requested(request: Request, in_path: str) -> Requested:
    """What the request says; ``in_path`` is the part of the path after the endpoint's own, or empty."""
    names = [in_path]
    names += request.headers.get_all(HEADER)
    query = request.query_string
    if query:
        names += [value for name, value in parse_qsl(query) if name.lower() == QUERY.lower()]
    different: dict[str, str] = {}
    for name in filter(None, map(str.strip, names)):
        different.setdefault(name.lower(), name)
    return Requested(tuple(different.values()))
