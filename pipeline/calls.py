"""The record of the calls that were made to Norce for one update."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from pipeline.dead_letters.masking import masked
from pipeline.dead_letters.records import JSON_HEADERS
from pipeline.domain.times import rfc3339
from pipeline.outgoing import Outgoing

if TYPE_CHECKING:  # whoever only reads records needs no HTTP client
    from connectors.norce import CallLog, MadeCall
    from pipeline.domain import CheckoutUpdate, ConnectUpdate


class NorceCall(msgspec.Struct, frozen=True, kw_only=True):
    """One request to Norce and what came back. A token that was asked for on the way is not one of them."""

    at: Annotated[str, Meta(description="When it was sent, RFC 3339, UTC, by the sink's clock; whole milliseconds")]
    api: Annotated[str, Meta(description="connect, checkout or query; Query is read for the status that Connect wants")]
    operation: Annotated[str, Meta(description="What was called, as SendOrderStatus")]
    status: Annotated[int | None, Meta(description="HTTP status of the answer; null without a complete answer")]
    reason: Annotated[str | None, Meta(description="Why it was no success; null for one that was")]
    answer: Annotated[
        dict[str, Any] | str | None,
        Meta(
            description="Beginning of an answer that was no success, with known personal data hidden; *** for what is "
            "no JSON object; null where nothing was answered, and for a good answer, which may hold a buyer's data"
        ),
    ]
    milliseconds: Annotated[int, Meta(description="How long it took, until the whole answer was there")]


class UpdateCalls(msgspec.Struct, frozen=True, kw_only=True):
    """The calls that a sink made for one update. After a crash the update may have another record, of later calls."""

    update_id: Annotated[str, Meta(description="Id of the update")]
    version: Annotated[int, Meta(description="Version of the order's state that the update says")]
    target: Annotated[str, Meta(description="connect or checkout")]
    outcome: Annotated[
        str | None,
        Meta(
            description="How the update ended, as in the ledger; null where the sink stopped before it did, "
            "and its next owner says more in a record of its own"
        ),
    ]
    calls: Annotated[list[NorceCall], Meta(description="In the order in which they ended")]
    left_out: Annotated[int, Meta(description="How many are not in the list: after the first 5 only the last 15 are")]


_DECODER = msgspec.json.Decoder(UpdateCalls)


def encode_calls(
    key: bytes, update: ConnectUpdate | CheckoutUpdate, target: str, outcome: str | None, log: CallLog
) -> Outgoing | None:
    """The record of an update's calls, under the order's key; None if there was none."""
    if not log.made:
        return None
    record = UpdateCalls(
        update_id=update.id,
        version=update.version,
        target=target,
        outcome=outcome,
        calls=[_call(made) for made in log],
        left_out=log.left_out,
    )
    return Outgoing(key, msgspec.json.encode(record), JSON_HEADERS)


def decode_calls(value: bytes) -> UpdateCalls:
    """What ``encode_calls`` wrote.

    Raises:
        msgspec.DecodeError: it is something else.
    """
    return _DECODER.decode(value)


def _call(made: MadeCall) -> NorceCall:
    return NorceCall(
        # As exact as the timestamps of Kafka's records, so that no end seems to come before the call that led to it.
        at=rfc3339(int(made.at * 1000) * 1000),
        api=made.api,
        operation=made.operation,
        status=made.status,
        reason=made.reason or None,
        answer=masked(made.answer or None),
        milliseconds=round(made.seconds * 1000),
    )
