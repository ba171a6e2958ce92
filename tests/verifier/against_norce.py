"""Comparing the pipeline's orders with how Norce's orders ended, whatever way the pipeline came to know.

Like the rest of the verifier it shares no code with the pipeline. What it compares with is read off the script of the
simulated Norce.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from connectors.simulator import ExpectedOrder
from tests.verifier.differences import Difference, Json, amounts, missing_and_unexpected


def from_norce(expected: Mapping[str, ExpectedOrder], records: Mapping[str, Json]) -> list[Difference]:
    """What the newest enriched record of each order says otherwise than Norce."""
    differences = missing_and_unexpected(expected, records, "order")
    for key in expected.keys() & records.keys():
        differences += _in_order(key, expected[key], records[key])
    return differences


def _in_order(key: str, norce: ExpectedOrder, record: Json) -> list[Difference]:
    paid: dict[str, Decimal | str] = dict(norce.paid)
    # The first event of an order names no number, and nor does a failed run.
    named = norce.status != "received" or norce.payments > 0
    checks: tuple[tuple[str, Any, Any], ...] = (
        ("status", norce.status, record["status"]),
        ("placed", True, "received" in record["statuses"]),
        ("paid", paid, amounts(record["paid"])),
        ("payments", norce.payments, len(record["payments"])),
        ("order_no", norce.order_no if named else None, record["order_no"]),
        ("failures", norce.subscription_failures, sum(one["occurrences"] for one in record["subscription_failures"])),
        ("conflicts", [], record["conflicts"]),
    )
    return [Difference(key, what, must, found) for what, must, found in checks if must != found]
