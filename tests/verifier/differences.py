"""Comparing what the pipeline put out with what it must put out. No difference is good news."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from tests.verifier.expected import Expected

Json = Mapping[str, Any]

FAILURE_FIELDS = (
    "subscription_id",
    "recurring_order_id",
    "recurring_order_schedule_id",
    "basket_id",
    "error_message",
)
DEFAULT_CODES = {
    "payment_state": "PaymentState",
    "paid_amount": "PaidAmount",
    "payment_codes": "PaymentCodes",
    "subscription_failures": "SubscriptionFailures",
}


class Difference(NamedTuple):
    """One thing that is not as it must be."""

    order: str
    what: str
    expected: Any
    found: Any


def in_orders(expected: Mapping[str, Expected], records: Mapping[str, Json]) -> list[Difference]:
    """Compare the newest enriched record of each order key with what it must say."""
    differences = missing_and_unexpected(expected, records, "order")
    for key in expected.keys() & records.keys():
        differences += in_order(key, expected[key], records[key])
    return differences


def in_order(key: str, expected: Expected, record: Json) -> list[Difference]:
    differences: list[Difference] = []

    def compare(what: str, must: Any, found: Any) -> None:
        if must != found:
            differences.append(Difference(key, what, must, found))

    client_id, application_id, reference = key.split(":", 2)
    compare("client_id", int(client_id), record["client_id"])
    compare("application_id", int(application_id), record["application_id"])
    compare("client_order_ref", reference, record["client_order_ref"])
    compare("status", expected.status, record["status"])
    compare("order_id", expected.order_id, record["order_id"])
    compare("order_no", expected.order_no, record["order_no"])
    compare("paid", expected.paid, amounts(record["paid"]))
    compare("payment_codes", expected.payment_codes, [payment["payment_code"] for payment in record["payments"]])
    compare("subscription_failures", expected.failures, failures(record))
    compare("version", expected.version, record["version"])
    timeline = record["timeline"]
    compare("timeline length", sum(expected.happened.values()), len(timeline) + record["timeline_omitted"])
    if record["timeline_omitted"] == 0:
        compare("timeline event types", expected.happened, Counter(entry["event_type"] for entry in timeline))
        compare("timeline event ids", expected.first_ids, {entry["event_id"] for entry in timeline})
    return differences


def in_connect(
    expected: Mapping[str, Expected], infos: Mapping[str, Mapping[str, str]], codes: Mapping[str, str] = DEFAULT_CODES
) -> list[Difference]:
    """Compare the Infos that Connect ended up with: order key to code to value. An order without any is left out."""
    wanted = {key: connect_infos(order, codes) for key, order in expected.items()}
    wanted = {key: order for key, order in wanted.items() if order}
    differences = missing_and_unexpected(wanted, infos, "order in Connect")
    for key in wanted.keys() & infos.keys():
        for code in sorted(wanted[key].keys() | infos[key].keys()):
            if wanted[key].get(code) != infos[key].get(code):
                differences.append(Difference(key, f"Info {code}", wanted[key].get(code), infos[key].get(code)))
    return differences


def in_checkout(expected: Mapping[str, Expected], attributes: Mapping[str, Json]) -> list[Difference]:
    """Compare what Checkout orders ended up with under our key: order key to attributes."""
    differences = missing_and_unexpected(expected, attributes, "order in Checkout")
    for key in expected.keys() & attributes.keys():
        order, found = expected[key], attributes[key]
        checks = (
            ("status", order.status, found.get("status")),
            ("order_no", order.order_no, found.get("order_no")),
            ("payment_state", payment_state(order), found.get("payment_state")),
            ("paid", order.paid, amounts(found.get("paid", {}))),
            ("subscription_failures", sum(order.failures.values()), found.get("subscription_failures", 0)),
            # The version of the last change that Checkout is told of; later events may have changed other things.
            ("version", True, 0 < found.get("version", 0) <= order.version),
        )
        differences += [Difference(key, f"attribute {what}", must, was) for what, must, was in checks if must != was]
    return differences


def in_lookups(held: Mapping[str, Json], records: Mapping[str, Json]) -> list[Difference]:
    """Compare what enriched records show of Norce's own data with what Norce holds: 25 % VAT on every line."""
    differences = []
    for key in sorted(held.keys() & records.keys()):
        must, shown = held[key], records[key]["totals"] or {}
        amounts = [Decimal(line["amount"]) for line in must["lines"]]
        lines = [
            (line["part_no"], line["product_name"], amount(line["quantity"]), amount(line["line_total"]))
            for line in records[key]["lines"]
        ]
        wanted = [
            (line["part_no"], line["name"], Decimal(line["quantity"]), Decimal(line["amount"]))
            for line in must["lines"]
        ]
        checks = (
            ("currency", must["currency"], shown.get("currency")),
            ("total without VAT", sum(amounts), amount(shown.get("excluding_vat"))),
            ("total with VAT", sum(amounts) * Decimal("1.25"), amount(shown.get("including_vat"))),
            ("lines", wanted, lines),
        )
        differences += [
            Difference(key, what, is_held, is_shown) for what, is_held, is_shown in checks if is_held != is_shown
        ]
    return differences


def last_contents(updates: Iterable[Json]) -> tuple[dict[str, dict[str, str]], dict[str, Json]]:
    """What the newest update of each order says, for ``in_connect`` and for ``in_checkout``."""
    newest: dict[tuple[str, str], Json] = {}
    for update in updates:
        key = f"{update['client_id']}:{update['application_id']}:{update['client_order_ref']}"
        known = newest.get((update["target"], key))
        if known is None or known["version"] <= update["version"]:
            newest[update["target"], key] = update
    infos: dict[str, dict[str, str]] = {}
    attributes: dict[str, Json] = {}
    for (target, key), update in newest.items():
        if target == "connect":
            infos[key] = {info["code"]: info["value"] for info in update["content"]["infos"]}
        else:
            attributes[key] = update["content"]["attributes"]
    return infos, attributes


def missing_and_unexpected(expected: Iterable[str], found: Iterable[str], what: str) -> list[Difference]:
    must, are = set(expected), set(found)
    missing = [Difference(key, f"missing {what}", True, False) for key in sorted(must - are)]
    return missing + [Difference(key, f"unexpected {what}", False, True) for key in sorted(are - must)]


def connect_infos(order: Expected, codes: Mapping[str, str]) -> dict[str, str]:
    paid = ", ".join(sorted(f"{two_decimals(amount)} {currency}" for currency, amount in order.paid.items()))
    values = {
        "payment_state": payment_state(order) if order.payment_codes else "",
        "paid_amount": paid,
        "payment_codes": ", ".join(order.payment_codes),
        "subscription_failures": str(sum(order.failures.values()) or ""),
    }
    return {codes[fact]: value for fact, value in values.items() if value}


def payment_state(order: Expected) -> str:
    return "payment_received" if order.payment_codes else "no_payment"


def failures(record: Json) -> dict[tuple[Any, ...], int]:
    found = record["subscription_failures"]
    return {tuple(failure[name] for name in FAILURE_FIELDS): failure["occurrences"] for failure in found}


def amounts(texts: Mapping[str, Any]) -> dict[str, Decimal | str]:
    return {currency: amount(text) for currency, text in texts.items()}


def amount(text: Any) -> Decimal | str:
    """The number, or what is wrong with the text."""
    if not isinstance(text, str) or "e" in text.lower():
        return f"not a plain decimal text: {text!r}"
    try:
        return Decimal(text)
    except InvalidOperation:
        return f"not a number: {text!r}"


def two_decimals(number: Decimal) -> str:
    """All its digits, and at least two of them after the point."""
    whole, _, fraction = f"{number:f}".partition(".")
    return f"{whole}.{fraction.rstrip('0'):0<2}"
