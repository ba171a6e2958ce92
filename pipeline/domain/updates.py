"""Derived updates: what is to be told to Norce after a change of an order.

An update carries everything its target is to know about the order, not a difference. So the newest stands for all, and
an older one that is still waiting can be left out.
"""

from __future__ import annotations

import uuid

import msgspec

from pipeline.domain.errors import UnreadableUpdate
from pipeline.domain.ids import content_id
from pipeline.domain.keys import OrderKey
from pipeline.domain.policy import CheckoutPolicy, PushPolicies
from pipeline.domain.projection import CheckoutFact
from pipeline.domain.records import CheckoutContent, CheckoutUpdate, ConnectContent, ConnectUpdate, OrderView

Update = ConnectUpdate | CheckoutUpdate

_INT32 = range(-(2**31), 2**31)
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:norce-pipeline:update")
_ENCODER = msgspec.json.Encoder()
_CANONICAL = msgspec.json.Encoder(order="sorted")
_DECODER: msgspec.json.Decoder[Update] = msgspec.json.Decoder(Update)


def derive(before: OrderView | None, after: OrderView, policies: PushPolicies) -> list[Update]:
    """The updates that a change of an order makes necessary: one per target whose content is not what it was.

    A new version alone makes none, and neither does a new policy before the order's next change. Where an order can be
    addressed by its number only, because its reference is no Norce basket, a new number makes one for Connect too.
    """
    policy = policies.of(after.client_id, after.application_id)
    connect, checkout = policy.connect, policy.checkout
    updates: list[Update] = []
    number_counts = before is None or (before.order_no != after.order_no and basket_id(after.client_order_ref) is None)
    if before is None or number_counts or not connect.says_the_same(before, after):
        told = connect.content(after)
        if told is not None and (before is None or number_counts or connect.content(before) != told):
            updates.append(_connect_update(after, told))
    if before is None or not checkout.says_the_same(before, after):
        shown = checkout.content(after)
        if shown is not None and (before is None or checkout.content(before) != shown):
            updates.append(_checkout_update(after, shown, checkout))
    return updates


def encode_update(update: Update) -> bytes:
    """The JSON of an update."""
    return _ENCODER.encode(update)


def decode_update(data: bytes) -> Update:
    """The update that ``encode_update`` wrote. Raises ``UnreadableUpdate``."""
    try:
        return _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UnreadableUpdate(f"{len(data)} bytes that are no update: {error}") from None


def basket_id(client_order_ref: str) -> int | None:
    """The number that Connect knows an order by: its reference, if that is the plain text of an int32."""
    digits = client_order_ref.removeprefix("-")
    if len(digits) > 10 or not (digits.isascii() and digits.isdigit()):
        return None
    number = int(client_order_ref)
    return number if number in _INT32 and str(number) == client_order_ref else None


def _connect_update(view: OrderView, content: ConnectContent) -> ConnectUpdate:
    return ConnectUpdate(
        id=_id("connect", view, content),
        client_id=view.client_id,
        application_id=view.application_id,
        client_order_ref=view.client_order_ref,
        order_no=view.order_no,
        version=view.version,
        content=content,
    )


def _checkout_update(view: OrderView, content: CheckoutContent, policy: CheckoutPolicy) -> CheckoutUpdate:
    if policy.names_version:
        content = CheckoutContent(attributes={**content.attributes, CheckoutFact.VERSION.value: view.version})
    return CheckoutUpdate(
        id=_id("checkout", view, content),
        client_id=view.client_id,
        application_id=view.application_id,
        client_order_ref=view.client_order_ref,
        order_no=view.order_no,
        version=view.version,
        content=content,
    )


def _id(target: str, view: OrderView, content: ConnectContent | CheckoutContent) -> str:
    key = OrderKey(view.client_id, view.application_id, view.client_order_ref).text
    return content_id(_NAMESPACE, _CANONICAL.encode([target, key, view.version, content]))
