"""Payments: upserted by ``PaymentCode`` and summed per currency. Never a sum over events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal

from pipeline.domain.amounts import total
from pipeline.domain.conflicts import report
from pipeline.domain.facts import PaymentReceived
from pipeline.domain.records import Conflict, Payment
from pipeline.domain.state import Receipts
from pipeline.domain.times import rfc3339

Stated = tuple[PaymentReceived, Receipts]


def payments_of(stated: Iterable[Stated], client_order_ref: str, found: list[Conflict]) -> tuple[Payment, ...]:
    """One payment per ``PaymentCode``, sorted by it. Contradictions are appended to ``found``."""
    by_code: defaultdict[str, list[Stated]] = defaultdict(list)
    for entry in stated:
        by_code[entry[0].payment_code].append(entry)
    return tuple(
        [
            _stated_once(*entries[0]) if len(entries) == 1 else _restated(code, entries, client_order_ref, found)
            for code, entries in sorted(by_code.items())
        ]
    )


def paid(payments: Iterable[Payment]) -> dict[str, str]:
    """Currency to the exact sum of its payments, sorted by currency."""
    amounts: defaultdict[str, list[str]] = defaultdict(list)
    for payment in payments:
        if payment.amount is not None and payment.currency is not None:
            amounts[payment.currency].append(payment.amount)
    return {currency: total(amounts[currency]) for currency in sorted(amounts)}


def _stated_once(fact: PaymentReceived, receipts: Receipts) -> Payment:
    return Payment(
        payment_code=fact.payment_code,
        payment_method=fact.payment_method_code or None,
        payment_ref=fact.payment_ref or None,
        amount=fact.amount,
        currency=fact.currency_code or None,
        erp_order_no=fact.erp_order_no or None,
        first_received_at=rfc3339(receipts[0].received_at),
    )


def _restated(code: str, stated: Sequence[Stated], client_order_ref: str, found: list[Conflict]) -> Payment:
    facts = [fact for fact, _ in stated]
    numbers = {fact.erp_order_no for fact in facts}
    numbers = numbers - {client_order_ref, ""} or numbers
    amount, currency = _money(code, facts, found)
    return Payment(
        payment_code=code,
        payment_method=_greatest(code, "payment_method", [fact.payment_method_code for fact in facts], found),
        payment_ref=_greatest(code, "payment_ref", [fact.payment_ref for fact in facts], found),
        amount=amount,
        currency=currency,
        erp_order_no=_greatest(code, "erp_order_no", numbers, found),
        first_received_at=rfc3339(min([receipts[0].received_at for _, receipts in stated])),
    )


def _money(code: str, facts: Sequence[PaymentReceived], found: list[Conflict]) -> tuple[str | None, str | None]:
    amounts = [fact.amount for fact in facts if fact.amount is not None]
    currencies = [fact.currency_code for fact in facts if fact.currency_code]
    pairs = [(fact.amount, fact.currency_code) for fact in facts if fact.amount is not None and fact.currency_code]
    amount, currency = max(amounts, key=Decimal, default=None), max(currencies, default=None)
    if pairs:
        amount, currency = max(pairs, key=lambda pair: (Decimal(pair[0]), pair[1]))
    report("payment.amount", amounts, amount or "", found, item=code)
    report("payment.currency", currencies, currency or "", found, item=code)
    return amount, currency


def _greatest(code: str, field: str, values: Iterable[str | None], found: list[Conflict]) -> str | None:
    stated = [value for value in values if value]
    chosen = max(stated, default=None)
    report(f"payment.{field}", stated, chosen or "", found, item=code)
    return chosen
