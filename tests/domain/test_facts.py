"""What of an event becomes state: documented fields, and nothing personal."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.domain import KINDS, encode, enriched, order_view, version
from pipeline.domain.facts import FACT_TYPES
from pipeline.domain.keys import KEY_OF_EVENT, OrderKey
from pipeline.events import EVENT_TYPES
from tests.domain.events import KEY, PAYMENT, failure, payment, received, state_of, status

SAID_BY_AN_ORDERS_KEY = {"client_id", "application_id", "client_order_ref"}
SAID_BY_THE_KEY = {
    "CompanyChangedNotification": {"client_id", "company_id"},
    "CustomerChangedNotification": {"client_id", "customer_id"},
    "JobCompletedEvent": {"client_id", "job_id"},
    "InvoiceCaptureCompletedEvent": {"client_id"},
}
PERSONAL: dict[str, Any] = {
    "FirstName": "Secretname",
    "LastName": "Secretname",
    "CellPhone": "+46secret",
    "Email": "secret@example.com",
}


@pytest.mark.parametrize("event_type", sorted(FACT_TYPES))
def test_a_fact_holds_every_documented_field_that_is_not_personal_and_not_in_the_key(event_type: str) -> None:
    spec = EVENT_TYPES[event_type]
    documented = set(spec.model.model_fields) - set(spec.personal_data)
    in_key = SAID_BY_THE_KEY.get(event_type, {"client_id", "part_no"})
    if event_type == "SubscriptionFailedEvent" or KEY_OF_EVENT[event_type] is OrderKey:
        in_key = SAID_BY_AN_ORDERS_KEY
    assert set(FACT_TYPES[event_type].__struct_fields__) == documented - in_key


def test_state_is_kept_of_every_documented_event_type_under_a_kind_of_key() -> None:
    assert set(FACT_TYPES) == {name for name, spec in EVENT_TYPES.items() if spec.documented} == set(KEY_OF_EVENT)
    assert set(KEY_OF_EVENT.values()) == set(KINDS)


def test_no_personal_data_gets_into_state_or_records() -> None:
    events = [received(**PERSONAL), status("Confirmed", **PERSONAL), failure(**PERSONAL), payment(**PERSONAL)]
    state = state_of(events)
    assert b"ecret" not in encode(state)
    assert b"ecret" not in enriched(order_view(KEY, state))


def test_unknown_fields_stay_out_of_the_state() -> None:
    assert b"Brandnew" not in encode(state_of([status("Confirmed", NewField="Brandnew")]))


@pytest.mark.parametrize("changed", [{"FirstName": "Test"}, {"CellPhone": None}, {"NewField": {"deep": [1, 2]}}])
def test_bodies_that_differ_in_personal_or_unknown_fields_only_are_one_fact(changed: dict[str, Any]) -> None:
    state = state_of([status("Confirmed", 0), status("Confirmed", 1, **changed)])
    assert len(state.facts) == 1
    assert version(state) == 2


def test_an_absent_field_and_a_null_are_one_fact() -> None:
    assert len(state_of([payment(), payment(PaymentRef=None)]).facts) == 1


@pytest.mark.parametrize("name", ["ErpOrderNo", "PaymentMethodCode", "PaymentRef", "Amount", "CurrencyCode"])
def test_bodies_that_differ_in_a_documented_field_are_two_facts(name: str) -> None:
    other: Any = 1 if name == "Amount" else "other"
    assert PAYMENT.get(name) != other
    assert len(state_of([payment(), payment(**{name: other})]).facts) == 2
