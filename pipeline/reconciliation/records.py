"""The record of a sweep, and how one comes to be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
import uuid_utils
from msgspec import Meta

if TYPE_CHECKING:  # whoever only reads or shows a record needs nothing that asks Norce
    from connectors.query import Span
    from pipeline.reconciliation.compare import Difference, Missing

MAX_LISTED = 100
"""Differences that a record lists; all are counted."""

_TIME = "RFC 3339, UTC, six decimals"


class SweepDifference(msgspec.Struct, frozen=True, kw_only=True):
    """What Norce and we tell differently, and no event can mend."""

    kind: Annotated[
        str,
        Meta(
            description="status, unknown_status, order_id, order_no, source, payment.amount, payment.currency, payment "
            "(Norce has it not), order (Norce has it not), bought (in Checkout, and no order came of it) or unusable "
            "(what Norce tells makes no event)"
        ),
    ]
    key: Annotated[str, Meta(description="The order, as on the enriched orders topic")]
    item: Annotated[
        str | None, Meta(description="PaymentCode of a payment, id of a Checkout order, event type of what is unusable")
    ]
    ours: Annotated[str | None, Meta(description="What our order says, null if nothing")]
    norce: Annotated[str | None, Meta(description="What Norce says, null if nothing")]


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """What one comparison of our orders with Commerce Query came to."""

    id: Annotated[str, Meta(description="Id of the sweep, a UUIDv7")]
    started_at: Annotated[str, Meta(description=f"When it began; {_TIME}")]
    finished_at: Annotated[str, Meta(description=f"When it ended; {_TIME}")]
    changed_since: Annotated[str, Meta(description=f"Orders changed in Norce from then on were compared; {_TIME}")]
    changed_before: Annotated[str, Meta(description=f"... and before then; {_TIME}")]
    applications: Annotated[list[str], Meta(description="ClientId:ApplicationId of each that was asked for")]
    complete: Annotated[bool, Meta(description="Whether all of them were compared")]
    problem: Annotated[str | None, Meta(description="What ended it before that, null if complete")]
    orders: Annotated[int, Meta(description="Orders of Norce's that were compared")]
    orders_unheard: Annotated[int, Meta(description="Those of them of which no event had come at all")]
    orders_mended: Annotated[int, Meta(description="Orders of which an event was missing")]
    failed_runs: Annotated[int | None, Meta(description="Failed runs that were compared; null if Norce was not asked")]
    checkout_orders: Annotated[
        int | None, Meta(description="Bought baskets that were compared; null if Checkout was not asked")
    ]
    published: Annotated[
        dict[str, int], Meta(description="Event type to the number of missing events that were published as reconciled")
    ]
    differences: Annotated[dict[str, int], Meta(description="Kind of difference to how many there are")]
    listed: Annotated[list[SweepDifference], Meta(description=f"The differences, the first {MAX_LISTED}")]
    not_compared: Annotated[list[str], Meta(description="What this sweep could not tell, for people")]


@dataclass
class Sweep:
    """A sweep as it goes."""

    span: Span
    applications: list[str]
    id: str = field(default_factory=lambda: str(uuid_utils.uuid7()))
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    orders: int = 0
    unheard: int = 0
    failed_runs: int | None = None
    checkout_orders: int | None = None
    missing: Counter[str] = field(default_factory=Counter)
    mended: set[str] = field(default_factory=set)
    """Keys; as many as events that may be published, so few."""
    differences: Counter[str] = field(default_factory=Counter)
    listed: list[Difference] = field(default_factory=list)
    not_compared: list[str] = field(default_factory=list)

    def differ(self, differences: Iterable[Difference]) -> None:
        """Count differences, and list the first."""
        for difference in differences:
            self.differences[difference.kind] += 1
            if len(self.listed) < MAX_LISTED:
                self.listed.append(difference)

    def miss(self, missing: Iterable[Missing]) -> None:
        """Count missing events."""
        for each in missing:
            self.missing[each.event_type] += 1
            self.mended.add(each.key)

    def record(self, problem: str | None) -> Reconciliation:
        """What it came to."""
        return Reconciliation(
            id=self.id,
            started_at=_text(self.started),
            finished_at=_text(datetime.now(UTC)),
            changed_since=_text(self.span.start),
            changed_before=_text(self.span.end),
            applications=self.applications,
            complete=problem is None,
            problem=problem,
            orders=self.orders,
            orders_unheard=self.unheard,
            orders_mended=len(self.mended),
            failed_runs=self.failed_runs,
            checkout_orders=self.checkout_orders,
            published=dict(sorted(self.missing.items())),
            differences=dict(sorted(self.differences.items())),
            listed=[
                SweepDifference(kind=each.kind, key=each.key, item=each.item, ours=each.ours, norce=each.norce)
                for each in self.listed
            ],
            not_compared=self.not_compared,
        )


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
