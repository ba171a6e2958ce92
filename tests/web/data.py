"""What the stand-in for the query API knows: 100,000 orders made from their number, and some of everything else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from pipeline.web.overview import TITLES

Json = dict[str, Any]

ORDERS: Final = 100_000
CLIENT, SHOP = 103, 1032
REVIEWED: Final = 7
"""Number of the order that has everything: payments, lines, conflicts, an alert, duplicates and calls.

It was delivered and never confirmed."""
CANCELLED: Final = 12
PARKED: Final = 13
NOTHING_YET: Final = 14
"""Number of the order whose very first event could not be joined."""
HOSTILE: Final = '<img src=x onerror="window.hacked=1">'
HOSTILE_KEY: Final = f"{CLIENT}:{SHOP}:{HOSTILE}"

_TRACK = ("received", "confirmed", "partly_delivered", "delivered")
_EVENT = {
    "received": "OrderReceivedEvent",
    "confirmed": "OrderConfirmedEvent",
    "partly_delivered": "OrderPartlyDeliveredEvent",
    "delivered": "OrderDeliveredEvent",
    "cancelled": "OrderCancelledEvent",
}


def rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def id_of(*parts: object) -> str:
    return str(uuid5(NAMESPACE_URL, "/".join(map(str, parts))))


def order_key(number: int) -> str:
    return f"{CLIENT}:{SHOP}:{11_000_000 + number}"


def number_of(key: str) -> int | None:
    """Number of the order with this key, None if there is none."""
    front, _, reference = key.rpartition(":")
    if front != f"{CLIENT}:{SHOP}" or not reference.isdigit():
        return None
    number = int(reference) - 11_000_000
    return number if 0 <= number < ORDERS else None


def statuses_of(number: int) -> list[str]:
    if number == REVIEWED:
        return ["received", "partly_delivered", "delivered"]
    if number == CANCELLED:
        return ["received", "cancelled"]
    return [status for status in _TRACK[: 1 + number % 4] if status != "partly_delivered"] or ["received"]


def order(number: int, now: datetime) -> Json:
    """The enriched record of an order, as on the enriched topic."""
    began = now - timedelta(minutes=90 + number)
    statuses = statuses_of(number)
    timeline = [
        {
            "event_type": _EVENT[status],
            "received_at": rfc3339(began + timedelta(minutes=11 * step, seconds=step)),
            "event_id": id_of(number, status),
            "occurrence": 1,
        }
        for step, status in enumerate(statuses)
    ]
    paid = number % 3 != 0
    return {
        "client_id": CLIENT,
        "application_id": SHOP,
        "client_order_ref": str(11_000_000 + number),
        "order_id": 7_011_000_000 + number,
        "order_no": f"SO{11_000_000 + number}",
        "source": "WEB",
        "status": statuses[-1],
        "statuses": statuses,
        "payment_state": "payment_received" if paid else "no_payment",
        "payments": payments(number, began) if paid else [],
        "paid": {"SEK": "12745.50" if number == REVIEWED else "1249.00"} if paid else {},
        "payments_without_amount": 0,
        "payments_without_currency": 0,
        "subscription_failures": [],
        "drop_points": [],
        "conflicts": conflicts(number),
        "timeline": timeline,
        "timeline_omitted": 0,
        "first_received_at": timeline[0]["received_at"],
        "last_changed_at": timeline[-1]["received_at"],
        "version": len(timeline) + 3,
        **looked_up(number, began),
        "id": id_of("order", number),
    }


def payments(number: int, began: datetime) -> list[Json]:
    sums = ["9245.50", "3500.00"] if number == REVIEWED else ["1249.00"]
    return [
        {
            "payment_code": str(22_000_000 + 10 * number + place),
            "payment_method": ["KLARNA", "GIFTCARD"][place],
            "payment_ref": f"PSP-{22_000_000 + 10 * number + place}",
            "amount": amount,
            "currency": "SEK",
            "erp_order_no": None,
            "first_received_at": rfc3339(began + timedelta(minutes=2 + place)),
        }
        for place, amount in enumerate(sums)
    ]


def conflicts(number: int) -> list[Json]:
    if number != REVIEWED:
        return []
    return [{"field": "order_no", "item": None, "values": ["SO11000007", "SO11000070"], "chosen": "SO11000007"}]


def looked_up(number: int, began: datetime) -> Json:
    if number != REVIEWED:
        return {"totals": None, "lines": [], "lines_omitted": 0, "looked_up_at": None, "lookup_number": 0}
    rows = [
        ("1", "CHAIR-OAK", "Dining chair, oiled oak", "4", "1899.00", "7596.00"),
        ("2", "LAMP-07", "Table lamp, linen shade", "2", "1150.00", "2300.00"),
        ("3", "FREIGHT", "Home delivery", "1", "300.40", "300.40"),
    ]
    lines = [
        {
            "line_no": line_no,
            "part_no": part_no,
            "product_name": name,
            "quantity": quantity,
            "unit_price": price,
            "vat_rate": "25",
            "line_total": total,
        }
        for line_no, part_no, name, quantity, price, total in rows
    ]
    totals = {
        "currency": "SEK",
        "excluding_vat": "10196.40",
        "vat": "2549.10",
        "including_vat": "12745.50",
        "freight_excluding_vat": "300.40",
    }
    at = rfc3339(began + timedelta(minutes=3))
    return {"totals": totals, "lines": lines, "lines_omitted": 0, "looked_up_at": at, "lookup_number": 1}


def hostile_order(now: datetime) -> Json:
    """An order whose references are markup."""
    return order(50, now) | {"client_order_ref": HOSTILE, "order_no": HOSTILE, "source": "javascript:alert(1)"}


_STATES = {event: status for status, event in _EVENT.items()}
CONTENT = {
    "connect": "PaymentState = payment_received, PaidAmount = 12745.50 SEK",
    "checkout": "status = {status}, payment_state = payment_received, version = {version}",
}
"""What an update says, as the timeline of the API has it."""


def timeline(number: int, now: datetime) -> Json:
    """Facts, duplicates, updates, calls and an alert, in order of time."""
    record = order(number, now)
    entries: list[Json] = []
    for version, fact in enumerate(record["timeline"], start=1):
        at = datetime.fromisoformat(fact["received_at"])
        numbered = {} if fact["event_type"] == "OrderReceivedEvent" else {"order_no": record["order_no"]}
        details = {**numbered, "source": "WEB", "event_id": fact["event_id"]}
        said = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in details.items() if name != "event_id")
        entries.append(_entry(at, "fact", fact["event_type"], said, details))
        if number == REVIEWED and fact["event_type"] == "OrderReceivedEvent":
            repeat = at + timedelta(seconds=31)
            again = "a further delivery of something known; nothing changed"
            entries.append(_entry(repeat, "duplicate", fact["event_type"], again, details))
        update = id_of(number, fact["event_id"], "update")
        for target in ("connect", "checkout"):
            derived = {"target": target, "update_id": update, "version": version}
            content = CONTENT[target].format(status=_STATES[fact["event_type"]], version=version)
            entries.append(
                _entry(at + timedelta(seconds=1), "update", f"Update for {target.capitalize()}", content, derived)
            )
            skipped = number == REVIEWED and target == "connect" and fact["event_type"] != "OrderReceivedEvent"
            what, outcome = ("not_sent", "unchanged") if skipped else ("outcome", "delivered")
            text = "Norce was told the same before" if skipped else "Norce took it"
            if not skipped:
                entries += _calls(at + timedelta(seconds=2), derived, failed=number == REVIEWED and version == 1)
            ended = {"target": target, "outcome": outcome, "update_id": update}
            entries.append(_entry(at + timedelta(seconds=3), what, f"{target.capitalize()}: {outcome}", text, ended))
    for payment in record["payments"]:
        at = datetime.fromisoformat(payment["first_received_at"])
        text = f"{payment['amount']} {payment['currency']} by {payment['payment_method']}"
        text += f", payment {payment['payment_code']}"
        entries.append(_entry(at, "fact", "OrderPaymentReceivedEvent", text, {"payment_code": payment["payment_code"]}))
    if number == REVIEWED:
        at = datetime.fromisoformat(record["last_changed_at"]) + timedelta(minutes=1)
        entries.append(_entry(at, "alert", "Alert opened: delivered before confirmed", "", {"severity": "warning"}))
    return {"key": order_key(number), "entries": sorted(entries, key=lambda entry: str(entry["at"])), "complete": True}


OPERATIONS = {"connect": "SendOrderStatus", "checkout": "PatchAttributes"}


def _calls(at: datetime, derived: Json, *, failed: bool) -> Iterator[Json]:
    """The calls for one update: a good one, after a failed one if so."""
    target = derived["target"]
    title = f"{target.capitalize()}: {OPERATIONS[target]}"
    call = {"at": rfc3339(at), "api": target, "operation": OPERATIONS[target]}
    if failed:
        problem = {"status": 503, "reason": "Norce answered 503", "answer": {"message": "try again"}}
        details = {**derived, **call, **problem, "milliseconds": 31}
        yield _entry(at, "call", title, "answered 503 after 31 ms", details)
    later = at + timedelta(milliseconds=560 if failed else 0)
    good = {"at": rfc3339(later), "status": 200, "reason": None, "answer": None, "milliseconds": 18}
    yield _entry(later, "call", title, "answered 200 after 18 ms", {**derived, **call, **good})


def _entry(at: datetime, what: str, title: str, text: str, details: Json) -> Json:
    return {"at": rfc3339(at), "what": what, "title": title, "text": text, "details": details}


def alerts(now: datetime) -> list[Json]:
    """Open alerts of several kinds."""
    seeds: list[tuple[str, str, str, str, Json]] = [
        ("paid_not_confirmed", "critical", "order", order_key(9), {"paid": "SEK 1249.00", "payment_codes": "22000090"}),
        ("cancelled_after_payment", "critical", "order", order_key(CANCELLED), {"paid": "SEK 1249.00"}),
        ("delivered_before_confirmed", "warning", "order", order_key(REVIEWED), {"status": "delivered"}),
        ("below_cost", "warning", "product", f"{CLIENT}:LAMP-07", {"price": "199.00", "cost": "230.00"}),
        ("job_failed", "warning", "job", f"{CLIENT}:4711", {"outcome": "failed"}),
        ("stuck", "notice", "order", order_key(400), {"status": "received"}),
    ]
    return [
        {
            "id": id_of("alert", place),
            "kind": kind,
            "severity": severity,
            "state": "open",
            "subject": subject,
            "subject_key": key,
            "item": "pricelist_id=1,quantity_break=10" if kind == "below_cost" else None,
            "order_key": key if subject == "order" else None,
            "client_id": CLIENT,
            "details": details,
            "opened_at": rfc3339(now - timedelta(hours=3 * place + 1)),
            "opened_by": [id_of("event", place)],
            "closed_at": None,
            "closed_by": None,
        }
        for place, (kind, severity, subject, key, details) in enumerate(seeds)
    ]


def letter_id(place: int) -> str:
    return id_of("letter", place)


def letter(place: int, now: datetime) -> Json:
    """A dead letter in full."""
    found = dead_letters(now)[place]
    body = f'{{"ClientOrderRef": "{found["key"].rsplit(":", 1)[1]}", "Email": "***", "Amount": 1249.00}}'
    headers = {"ce_type": "OrderConfirmedEvent", "ce_id": id_of("event", place)}
    source = {"topic": "norce.events.order", "partition": 3, "offset": place, "value": body, "headers": headers}
    trace = ["reducer.py:88 in fold", "amounts.py:41 in exact", "AmountTooPrecise: payment.amount has 40 digits"]
    record = {"id": found["letter"], "stage": found["stage"], "error": found["error"], "source": source}
    waits = [{"event_type": "OrderDeliveredEvent", "event_id": id_of("wait", each)} for each in range(found["waiting"])]
    more = {"trace": trace} if found["stage"] == "join" else {"attempt": {"status": 400, "answer": "unknown order"}}
    return found | {"tries": 1, "record": record | more, "waits": waits, "resolutions": []}


def dead_letters(now: datetime) -> list[Json]:
    since = rfc3339(now - timedelta(hours=2))
    return [
        {
            "letter": letter_id(place),
            "stage": "join" if place % 2 == 0 else "connect",
            "kind": "order" if place % 2 == 0 else None,
            "key": order_key(PARKED + place),
            "event_type": "OrderConfirmedEvent" if place % 2 == 0 else "",
            "place": f"norce.events.order/3@{place}",
            "releasable": place != 3,
            "error": "AmountTooPrecise" if place % 2 == 0 else "Refused",
            "reason": "payment.amount has 40 digits" if place % 2 == 0 else "Connect answered 400: unknown order",
            "since": since,
            "waiting": 3 if place % 2 == 0 else 0,
            "state": "parked" if place % 2 == 0 else "open",
        }
        for place in range(4)
    ]


def parked(now: datetime) -> Json:
    """What a record tells of the dead letter that it waits behind."""
    names = ("letter", "event_type", "error", "reason", "since", "waiting")
    return {"event_id": id_of("event", PARKED), **{name: dead_letters(now)[0][name] for name in names}}


def quarantine(now: datetime) -> list[Json]:
    return [
        {
            "id": f"{place % 12}:{place}",
            "ce_id": id_of("body", place),
            "bytes": 512 + place,
            "asked_type": ["OrderConfirmedEvent", "OrderRefundedEvent", HOSTILE][place % 3],
            "reason": ["wrong_fields", "unknown_type", "not_json"][place % 3],
            "detail": ["a number was expected", "the catalogue has no such type", HOSTILE][place % 3],
            "where": ["Payment.Amount", "", "byte 17"][place % 3],
            "at": rfc3339(now - timedelta(minutes=17 * place + 4)),
            "state": "retried" if place % 5 == 4 else "waiting",
        }
        for place in range(120)
    ]


BODY = '{"OrderNo": "SO11000009", "Email": "maja@example.com", "Payment": {"Amount": "ten"}}'


def body(place: int, now: datetime) -> Json:
    """All of a body of the list, masked."""
    found = quarantine(now)[place]
    tries = {"by": "anna", "outcome": "still_refused", "event_type": "OrderConfirmedEvent", "event": None}
    refusal = {"reason": "wrong_fields", "detail": "a number was expected", "where": "Payment.Amount"}
    return found | {
        "topic": "norce.quarantine",
        "partition": place % 12,
        "offset": place,
        "headers": {"ce_id": found["ce_id"], "norce_reason": found["reason"], "norce_where": found["where"]},
        "body": "***" if place % 3 == 2 else json.loads(BODY) | {"Email": "***"},
        "retries": [{"at": rfc3339(now), **tries, "refusal": refusal}] if place % 2 == 0 else [],
    }


def sweeps(now: datetime) -> list[Json]:
    def sweep(place: int, **changed: Any) -> Json:
        ended = now - timedelta(hours=1 + 24 * place)
        return {
            "id": id_of("sweep", place),
            "started_at": rfc3339(ended - timedelta(minutes=4)),
            "finished_at": rfc3339(ended),
            "changed_since": rfc3339(ended - timedelta(days=7)),
            "changed_before": rfc3339(ended - timedelta(days=1)),
            "applications": [f"{CLIENT}:{SHOP}"],
            "complete": True,
            "problem": None,
            "orders": 18_204,
            "orders_unheard": 0,
            "orders_mended": 0,
            "failed_runs": None,
            "checkout_orders": None,
            "published": {},
            "differences": {},
            "listed": [],
            "not_compared": ["Invoice captures: Query does not list them."],
        } | changed

    differing = {"kind": "order_no", "key": order_key(REVIEWED), "item": None, "ours": "SO11000007", "norce": "SO7"}
    return [
        sweep(0, orders_unheard=2, orders_mended=5, published={"OrderConfirmedEvent": 4, "OrderReceivedEvent": 2}),
        sweep(1, differences={"order_no": 1}, listed=[differing]),
        sweep(2, complete=False, problem="Query answered 503 for ten minutes."),
        sweep(3),
    ]


def drift(now: datetime) -> list[Json]:
    return [
        {
            "id": id_of("drift"),
            "event_type": "OrderConfirmedEvent",
            "kind": "added",
            "field": "GiftWrap",
            "documented": None,
            "observed": "boolean",
            "rule": None,
            "suggestion": "Add the field GiftWrap: bool | None to OrderConfirmedEvent.",
            "example": {"ClientOrderRef": "string", "GiftWrap": "boolean"},
            "quarantined": False,
            "first_seen_at": rfc3339(now - timedelta(days=2)),
            "source": {"topic": "norce.events.order", "partition": 3, "offset": 88, "event_id": id_of("event")},
        }
    ]


def product(now: datetime) -> Json:
    at = rfc3339(now - timedelta(hours=5))
    price = {"price": "199.00", "cost": "230.00", "below_cost": True}
    return {
        "client_id": CLIENT,
        "part_no": "LAMP-07",
        "name": "Table lamp, linen shade",
        "sale_prices": [price, price | {"price": "249.00", "below_cost": False}],
        "stock": [],
        "suppliers": [],
        "conflicts": [],
        "first_received_at": at,
        "last_changed_at": at,
        "version": 5,
        "id": id_of("product"),
    }


def overview(now: datetime, look: int, silent: bool, balance: Json | None = None) -> Json:
    """The stages at the ``look``-th look; ``silent``: the Checkout sink does not answer."""
    wave = [0, 3, 5, 4, 1, -2, -4, -3][look % 8]

    def stage(name: str, port: int, rates: Json, counts: Json, **more: Any) -> Json:
        process = {"url": f"http://127.0.0.1:{port}", "up": True, "ready": True, "reason": None}
        said = {"name": name, "title": TITLES[name], "processes": [process], "rates": rates, "counts": counts}
        pending = 0 if name.startswith("sink-") else None
        return said | {"lag": 0, "pending": pending, "oldest_seconds": 0.4, "errors": 0, "breakers": {}} | more

    done = 1234 + 24 * look
    stages = [
        stage(
            "webhook",
            8080,
            {"accepted": 24.3 + wave, "quarantined": 0.1, "refused": 0.0},
            {"accepted": done, "quarantined": 3, "refused": 0},
            lag=None,
            oldest_seconds=None,
        ),
        stage(
            "worker",
            8081,
            {"records sent": 31.2 + wave, "events": 23.8 + wave},
            {"events": done, "records sent": done + 700},
            lag=12,
            oldest_seconds=1.2,
            errors=2,
        ),
        stage(
            "sink-connect",
            8082,
            {"delivered": 6.2},
            {"delivered": 311, "superseded": 12, "unchanged": 40},
            breakers={"connect": "closed", "query": "closed"},
        ),
        stage(
            "sink-checkout",
            8083,
            {"delivered": 9.8},
            {"dead": 2, "delivered": 402, "no_order": 22, "superseded": 90},
            errors=2,
            breakers={"checkout": "half_open" if silent else "closed"},
        ),
        stage("lookup", 8088, {"answered": 3.1}, {"answered": 150}, breakers={"query": "closed"}),
        stage("drift", 8086, {"reports": 0.0}, {"reports": 4}),
        stage("privacy", 8087, {"sealed": 5.1}, {"sealed": 206}),
    ]
    if silent:
        address = "http://127.0.0.1:8083"
        stages[3]["processes"] = [{"url": address, "up": False, "ready": False, "reason": "ConnectError"}]
        stages[3] |= {"rates": {"delivered": None}, "lag": None, "oldest_seconds": None}
    return {
        "at": rfc3339(now),
        "stages": stages,
        "ledger": {
            "events": {"applied": done - 40, "duplicate": 37, "ignored": 2, "poison": 2, "parked": 4},
            "updates": {
                stage["name"].removeprefix("sink-"): stage["counts"]
                for stage in stages
                if stage["name"].startswith("sink-")
            },
        },
        "balance": {
            "silent": ["Checkout sink"] if silent else [],
            "waiting": 12,
            "parked": 6,
            "unsent": None if silent else 0,
            "skipped": 0,
        }
        | (balance or {}),
        "parked_keys": 2,
        "parked_events": 6,
        "in_quarantine": 3,
    }
