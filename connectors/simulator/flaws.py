"""Bodies that do not fit: what a sender can get wrong, made from an event that was right."""

import json
from collections.abc import Callable
from random import Random
from types import MappingProxyType

from connectors.simulator.script import Draft

UNKNOWN_TYPE = "NotAnEvent"


def spoil(draft: Draft, rng: Random) -> tuple[str, str, bytes]:
    """One of the flaws, drawn at random: its name, the event type and the body."""
    flaw = rng.choice(sorted(FLAWS))
    event_type = UNKNOWN_TYPE if flaw == "unknown_type" else draft.event_type
    return flaw, event_type, FLAWS[flaw](json.dumps(draft.fields).encode())


def _with(member: bytes) -> Callable[[bytes], bytes]:
    """One more member at the end of the object."""
    return lambda body: body[:-1] + b"," + member + b"}"


def _without_client(body: bytes) -> bytes:
    fields = json.loads(body)
    del fields["ClientId"]
    return json.dumps(fields).encode()


def _text_for_number(body: bytes) -> bytes:
    fields = json.loads(body)
    return json.dumps({**fields, "ClientId": str(fields["ClientId"])}).encode()


def _nested(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


FLAWS: MappingProxyType[str, Callable[[bytes], bytes]] = MappingProxyType(
    {
        "array": lambda body: b"[" + body + b"]",
        "deep_nesting": _with(b'"Extra":' + _nested(20)),
        "empty": lambda body: b"",
        "key_twice": _with(b'"ClientId":1'),
        "missing_field": _without_client,
        "not_a_number": _with(b'"Extra":NaN'),
        "not_utf8": _with(b'"Extra":"\xff\xfe"'),
        "text_for_number": _text_for_number,
        "truncated": lambda body: body[: len(body) // 2],
        "unknown_type": lambda body: body,
    }
)
