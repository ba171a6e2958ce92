"""Push policies: read from JSON, wrong ones refused with everything that is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from pipeline.domain import DEFAULT_POLICIES, InvalidPolicy, PushPolicies
from pipeline.domain.policy import PushPolicy
from pipeline.events import NorceOrderStatus
from tests.support.norce import norce_document


def parse(document: dict[str, Any]) -> PushPolicies:
    return PushPolicies.parse(json.dumps(document))


def test_an_empty_document_is_the_default() -> None:
    assert parse({}) == DEFAULT_POLICIES
    assert DEFAULT_POLICIES.of(1, 2) == PushPolicy()


def test_the_default_pushes_facts_and_sets_no_status() -> None:
    policy = DEFAULT_POLICIES.of(1, 2)
    assert policy.connect.order_status == "keep"
    assert sorted(policy.connect.infos) == ["paid_amount", "payment_codes", "payment_state", "subscription_failures"]
    assert {"status", "paid", "payment_state", "order_no", "version"} <= set(policy.checkout.attributes)


def test_an_application_overrides_what_it_names_and_keeps_the_rest_of_the_documents_default() -> None:
    policies = parse(
        {
            "default": {"connect": {"infos": {"payment_state": "Paid"}}, "checkout": {"attributes": ["paid"]}},
            "applications": {"1:2": {"connect": {"enabled": False}}},
        }
    )
    assert policies.of(1, 3) == policies.default
    assert not policies.of(1, 2).connect.enabled
    assert policies.of(1, 2).checkout == policies.default.checkout


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"defaults": {}}, "defaults"),
        ({"default": {"connect": {"info": {}}}}, "default.connect.info"),
        ({"default": {"connect": {"infos": {"payment_total": "X"}}}}, "default.connect.infos.payment_total"),
        ({"default": {"connect": {"infos": {"payment_state": ""}}}}, "default.connect.infos.payment_state"),
        ({"default": {"connect": {"infos": {"payment_state": "x" * 51}}}}, "default.connect.infos.payment_state"),
        ({"default": {"connect": {"infos": {"paid_amount": "P{amount}"}}}}, "default.connect.infos.paid_amount"),
        ({"default": {"connect": {"infos": {"payment_state": "A", "payment_codes": "A"}}}}, "default.connect"),
        ({"default": {"connect": {"infos": {"payment_state": "S{currency}"}}}}, "default.connect"),
        ({"default": {"connect": {"order_status": "Delivered"}}}, "default.connect.order_status"),
        ({"default": {"connect": {"order_status": {"delivered": "Posted"}}}}, "default.connect.order_status"),
        ({"default": {"connect": {"order_status": {"shipped": "Delivered"}}}}, "default.connect.order_status"),
        ({"default": {"checkout": {"attributes": ["email"]}}}, "default.checkout.attributes.0"),
        ({"default": {"connect": {"create_invoice": True}}}, "default.connect.create_invoice"),
        ({"applications": {"1": {}}}, "applications.1"),
        ({"applications": {"1:2": {"connect": {"enabled": "maybe"}}}}, "applications.1:2.connect.enabled"),
    ],
)
def test_a_wrong_policy_is_refused_with_the_place_of_the_mistake(document: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidPolicy) as refused:
        parse(document)
    assert any(where.startswith(place) for where, _ in refused.value.problems), refused.value.problems


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(InvalidPolicy) as refused:
        parse({"default": {"connect": {"enabled": 7}, "checkout": {"attributes": ["email", "phone"]}}})
    assert len(refused.value.problems) == 3


def test_text_that_is_no_json_is_refused_by_name() -> None:
    with pytest.raises(InvalidPolicy):
        PushPolicies.parse("{")


def test_a_policy_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        DEFAULT_POLICIES.default = PushPolicy()  # type: ignore[misc]


def test_a_policy_that_was_used_is_equal_to_one_that_was_not() -> None:
    used = parse({"applications": {"1:2": {"connect": {"enabled": False}}}})
    used.of(1, 2)
    assert used == parse({"applications": {"1:2": {"connect": {"enabled": False}}}})


def test_the_statuses_are_those_of_the_connect_contract() -> None:
    contract = norce_document("connect-order-service.openapi.yaml")
    document = yaml.safe_load(contract.read_text(encoding="utf-8"))
    request = document["components"]["schemas"]["SendOrderStatusRequest"]
    assert set(request["properties"]["OrderStatus"]["enum"]) == {status.value for status in NorceOrderStatus}
