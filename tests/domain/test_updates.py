"""Derived updates: what Norce is told, when, and under which id."""

from __future__ import annotations

import json
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain import (
    DEFAULT_POLICIES,
    Arrival,
    CheckoutUpdate,
    ConnectUpdate,
    OrderKey,
    OrderView,
    PushPolicies,
    UnreadableUpdate,
    Update,
    basket_id,
    decode_update,
    derive,
    encode_update,
    order_view,
)
from pipeline.domain.ids import content_id
from pipeline.domain.limits import MAX_INFO_VALUE
from pipeline.domain.projection import CheckoutFact, ConnectFact
from tests.domain.events import (
    HOUR,
    KEY,
    SECOND,
    event_sequences,
    failure,
    payment,
    received,
    state_of,
    status,
    view_of,
)


def connect(updates: list[Update]) -> ConnectUpdate | None:
    return next((update for update in updates if isinstance(update, ConnectUpdate)), None)


def checkout(updates: list[Update]) -> CheckoutUpdate | None:
    return next((update for update in updates if isinstance(update, CheckoutUpdate)), None)


def policies(**connect_or_checkout: object) -> PushPolicies:
    return PushPolicies.parse(json.dumps({"default": connect_or_checkout}))


WITHOUT_VERSION = policies(checkout={"attributes": ["status", "order_no", "paid", "subscription_failures"]})


def infos(view: OrderView, wanted: dict[str, str]) -> dict[str, str]:
    update = connect(derive(None, view, policies(connect={"infos": wanted})))
    return {} if update is None else {info.code: info.value for info in update.content.infos}


def test_an_update_reads_as_the_contract_says() -> None:
    view = view_of(received(), payment(HOUR), failure(2 * HOUR))
    documents = [json.loads(encode_update(update)) for update in derive(None, view, DEFAULT_POLICIES)]
    for document in documents:
        assert uuid.UUID(document.pop("id")).version == 5
    address = {"client_id": 1, "application_id": 2, "client_order_ref": "1001", "order_no": "ERP-1", "version": 3}
    assert documents == [
        {
            "target": "connect",
            **address,
            "content": {
                "infos": [
                    {"code": "PaymentState", "value": "payment_received"},
                    {"code": "PaidAmount", "value": "249.50 SEK"},
                    {"code": "PaymentCodes", "value": "P1"},
                    {"code": "SubscriptionFailures", "value": "1"},
                ],
                "order_status": None,
            },
        },
        {
            "target": "checkout",
            **address,
            "content": {
                "attributes": {
                    "status": "received",
                    "order_no": "ERP-1",
                    "payment_state": "payment_received",
                    "paid": {"SEK": "249.50"},
                    "subscription_failures": 1,
                    "version": 3,
                }
            },
        },
    ]


def test_connect_is_not_told_of_an_order_with_nothing_to_say() -> None:
    updates = derive(None, view_of(received(), status("Confirmed")), DEFAULT_POLICIES)
    assert connect(updates) is None
    assert checkout(updates) is not None


def test_each_target_gets_an_update_only_if_its_own_content_changed() -> None:
    paid = view_of(received(), payment())
    delivered = view_of(received(), payment(), status("Delivered"))
    updates = derive(paid, delivered, DEFAULT_POLICIES)
    assert connect(updates) is None
    update = checkout(updates)
    assert update is not None
    assert update.content.attributes["status"] == "delivered"


def test_a_new_version_alone_makes_no_update() -> None:
    events = [received(), payment()]
    before, after = view_of(*events), view_of(*events, received(SECOND), payment(SECOND))
    assert after.version > before.version
    assert derive(before, after, DEFAULT_POLICIES) == []


def test_an_update_says_everything_and_not_only_what_changed() -> None:
    update = connect(derive(view_of(payment()), view_of(payment(), failure()), DEFAULT_POLICIES))
    assert update is not None
    assert len(update.content.infos) == 4


@given(event_sequences())
def test_the_last_update_of_each_target_says_what_the_final_state_says(events: list[Arrival]) -> None:
    last: dict[type[Update], Update] = {}
    before = None
    for number in range(1, len(events) + 1):
        after = order_view(KEY, state_of(events[:number]))
        last.update({type(update): update for update in derive(before, after, WITHOUT_VERSION)})
        before = after
    assert before is not None
    final = {type(update): update for update in derive(None, before, WITHOUT_VERSION)}
    assert {target: update.content for target, update in last.items()} == {
        target: update.content for target, update in final.items()
    }


def test_the_id_of_an_update_is_made_from_target_key_version_and_content() -> None:
    def ids(key: OrderKey, *events: Arrival) -> list[str]:
        view = order_view(key, state_of(events))
        return [update.id for update in derive(None, view, DEFAULT_POLICIES)]

    events = [received(), payment()]
    assert ids(KEY, *events) == ids(KEY, *reversed(events))
    all_ids = [
        *ids(KEY, *events),
        *ids(KEY, *events, received(SECOND)),
        *ids(KEY, received(), payment(Amount=1)),
        *ids(OrderKey(1, 2, "1002"), *events),
        *ids(OrderKey(1, 3, "1001"), *events),
    ]
    assert len(set(all_ids)) == len(all_ids)


def test_ids_do_not_change_from_one_version_of_the_program_to_the_next() -> None:
    update = connect(derive(None, view_of(payment()), DEFAULT_POLICIES))
    assert update is not None
    assert update.id == "9428e6a7-c2f9-5709-aff7-0112f8e79d28"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
def test_content_ids_are_standard_uuids_of_version_5(name: str) -> None:
    assert content_id(uuid.NAMESPACE_URL, name.encode()) == str(uuid.uuid5(uuid.NAMESPACE_URL, name))


@given(event_sequences())
def test_an_update_reads_back(events: list[Arrival]) -> None:
    for update in derive(None, order_view(KEY, state_of(events)), DEFAULT_POLICIES):
        assert decode_update(encode_update(update)) == update


def test_an_older_version_leaves_out_what_a_newer_one_adds_to_an_update() -> None:
    for update in derive(None, view_of(received(), payment(HOUR)), DEFAULT_POLICIES):
        newer = json.loads(encode_update(update)) | {"added": {"a": [1]}}
        newer["content"] |= {"added": "b"}
        assert decode_update(json.dumps(newer).encode()) == update


@pytest.mark.parametrize("data", [b"", b"{}", b'{"target":"fax"}', b'{"target":"connect"}', b"\xff"])
def test_bytes_that_are_no_update_are_refused_by_name(data: bytes) -> None:
    with pytest.raises(UnreadableUpdate):
        decode_update(data)


def test_a_new_number_is_told_to_connect_only_where_the_number_is_the_address() -> None:
    def after_renumbering(reference: str) -> ConnectUpdate | None:
        key = OrderKey(1, 2, reference)
        before = order_view(key, state_of([payment(ErpOrderNo="")]))
        after = order_view(key, state_of([payment(ErpOrderNo=""), status("Confirmed", OrderNo="ERP-1")]))
        assert (before.order_no, after.order_no) == (None, "ERP-1")
        return connect(derive(before, after, DEFAULT_POLICIES))

    assert after_renumbering("1001") is None
    update = after_renumbering("marketplace-1")
    assert update is not None
    assert update.order_no == "ERP-1"


@pytest.mark.parametrize(
    ("reference", "number"),
    [
        ("1001", 1001),
        ("-5", -5),
        ("2147483647", 2147483647),
        ("2147483648", None),
        ("0", 0),
        ("007", None),
        ("-0", None),
        ("1_0", None),
        (" 1", None),
        ("١", None),  # noqa: RUF001  a digit, but not one of Norce's
        ("", None),
        ("-", None),
        ("--1", None),
        ("A-1", None),
        ("9" * 5000, None),
    ],
)
def test_only_the_plain_text_of_an_int32_is_a_basket_id(reference: str, number: int | None) -> None:
    assert basket_id(reference) == number


def test_amounts_go_out_per_currency_where_the_code_names_the_currency() -> None:
    view = view_of(payment(), payment(PaymentCode="P2", Amount=10, CurrencyCode="EUR"))
    assert infos(view, {"paid_amount": "Paid"}) == {"Paid": "10.00 EUR, 249.50 SEK"}
    assert infos(view, {"paid_amount": "Paid{currency}"}) == {"PaidEUR": "10.00", "PaidSEK": "249.50"}


def test_every_fact_that_connect_can_be_told_of() -> None:
    view = view_of(
        received(),
        payment(PaymentMethodCode="CARD", PaymentRef="r1"),
        payment(PaymentCode="P2", PaymentMethodCode="CARD", PaymentRef="r2", Amount=None),
        failure(0),
        failure(HOUR),
        failure(0, ErrorMessage="no stock"),
        status("ReadyForPickup", DropPointCode="D1", OrderId=6),
        status("Confirmed"),
    )
    facts = ["status", "payment_count", "payment_methods", "payment_refs", "subscription_failures"]
    facts += ["subscription_errors", "drop_points", "conflicts"]
    assert infos(view, {fact: fact for fact in facts}) == {
        "status": "ready_for_pickup",
        "payment_count": "2",
        "payment_methods": "CARD",
        "payment_refs": "r1, r2",
        "subscription_failures": "3",
        "subscription_errors": "card expired, no stock",
        "drop_points": "D1",
        "conflicts": "order_id",
    }


def test_a_fact_that_has_nothing_to_say_is_left_out() -> None:
    everything = {fact.value: fact.value for fact in ConnectFact}
    assert infos(view_of(status("Confirmed")), everything) == {"status": "confirmed"}
    assert infos(view_of(failure()), {"status": "Status"}) == {}


def test_a_list_that_does_not_fit_counts_what_it_leaves_out() -> None:
    view = view_of(*[payment(PaymentCode=f"{number:03}-" + "x" * 96) for number in range(30)])
    value = infos(view, {"payment_codes": "Codes"})["Codes"]
    assert len(value) <= MAX_INFO_VALUE
    kept = value.split(", ")
    assert kept[-1] == f"+{30 - len(kept) + 1}"
    assert all(len(code) == 100 for code in kept[:-1])


def test_the_status_of_norce_is_kept_unless_the_policy_maps_it() -> None:
    mapped = policies(connect={"infos": {}, "order_status": {"delivered": "Delivered"}})
    update = connect(derive(None, view_of(status("Delivered")), mapped))
    assert update is not None
    assert (update.content.order_status, update.content.infos) == ("Delivered", ())
    assert connect(derive(None, view_of(status("Confirmed")), mapped)) is None
    default = connect(derive(None, view_of(status("Delivered"), payment()), DEFAULT_POLICIES))
    assert default is not None
    assert default.content.order_status is None


def test_a_target_that_is_off_gets_nothing() -> None:
    off = policies(connect={"enabled": False}, checkout={"enabled": False})
    assert derive(None, view_of(received(), payment(), failure()), off) == []


def test_checkout_gets_the_named_attributes_and_no_unknown_ones() -> None:
    def attributes(view: OrderView, *names: str) -> dict[str, object]:
        update = checkout(derive(None, view, policies(checkout={"attributes": names})))
        return {} if update is None else dict(update.content.attributes)

    everything = [fact.value for fact in CheckoutFact]
    assert attributes(view_of(payment(ErpOrderNo="", Amount=None)), *everything) == {
        "status": "unknown",
        "payment_state": "payment_received",
        "payment_codes": ["P1"],
        "version": 1,
    }
    full = view_of(status("ReadyForPickup", DropPointCode="D1"), status("Confirmed", OrderId=6), payment(), failure())
    assert attributes(full, *everything) == {
        "status": "ready_for_pickup",
        "statuses": ["confirmed", "ready_for_pickup"],
        "order_id": "5",
        "order_no": "ERP-1",
        "payment_state": "payment_received",
        "paid": {"SEK": "249.50"},
        "payment_codes": ["P1"],
        "subscription_failures": 1,
        "drop_points": ["D1"],
        "conflicts": ["order_id"],
        "version": 4,
    }
    assert attributes(full, "version") == {}
    assert attributes(full, "status") == {"status": "ready_for_pickup"}
