"""The join on Quix Streams: three topics concatenated, one stateful function, its RocksDB store and changelog."""

from __future__ import annotations

import json
import sys
from typing import Any

from quixstreams import Application, State
from quixstreams.models.serializers import BytesSerializer, SerializationContext

from benchmarks.peers import join_work as work


class Sent(BytesSerializer):
    """The value of an output that travels with its topic and its key."""

    def __call__(self, value: tuple[str, bytes, bytes], ctx: SerializationContext) -> bytes:
        return value[2]


def run(options: dict[str, Any]) -> None:
    app = Application(
        broker_address=options["servers"],
        consumer_group=options["group"],
        auto_offset_reset="earliest",
        state_dir=options["folder"],
        auto_create_topics=True,
        loglevel="WARNING",
        producer_extra_config={"acks": "all", "enable.idempotence": True},
    )
    inputs = [app.topic(name, key_deserializer="bytes", value_deserializer="bytes") for name in work.INPUTS]
    outputs = {
        name: app.topic(f"{options['output']}.{name}", key_serializer="bytes", value_serializer=Sent())
        for name in work.OUTPUTS
    }

    def join(value: bytes, name: bytes, timestamp: int, headers: Any, state: State) -> list[tuple[str, bytes, bytes]]:
        found = work.read(headers, name, value)
        if found is None:
            return []
        key, arrival = found
        done = work.join(name, key, arrival, state.get_bytes("state"), state.get_bytes("alerts"))
        if done.state is not None and done.state[1] is not None:
            state.set_bytes("state", done.state[1])
        for change, content in done.alerts:
            if content is None:
                state.delete(change.decode())
            else:
                # State belongs to the message's key, so what is open needs no name of its own; index entries do.
                state.set_bytes("alerts" if change[:1] == b"s" else change.decode(), content)
        return done.sent

    events = app.dataframe(inputs[0])
    for topic in inputs[1:]:
        events = events.concat(app.dataframe(topic))
    sent = events.apply(join, stateful=True, metadata=True, expand=True)
    sent.to_topic(lambda value, key, timestamp, headers: outputs[value[0]], key=lambda value: value[1])
    app.run()


if __name__ == "__main__":
    run(json.loads(sys.argv[1]))
