"""The join as plain Faust agents, the way its documentation shows: one event at a time, tables in RocksDB.

What the pipeline promises and this does not: see ``pipeline/engine/__init__.py``.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import faust

from benchmarks.peers import join_work as work


def make(options: dict[str, Any]) -> faust.App:
    app = faust.App(
        options["group"],
        broker=f"kafka://{options['servers']}",
        datadir=options["folder"],
        store="rocksdb://?driver=rocksdict",
        topic_partitions=options["partitions"],
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        web_enabled=False,
    )
    # Faust's default block cache is 2 GiB for each partition of each table.
    limits = {"block_cache_size": 64 << 20}
    orders = app.Table("orders", key_type=bytes, value_type=bytes, partitions=options["partitions"], options=limits)
    alerts = app.Table("alerts", key_type=bytes, value_type=bytes, partitions=options["partitions"], options=limits)
    raw: dict[str, Any] = {"key_type": bytes, "key_serializer": "raw", "value_type": bytes, "value_serializer": "raw"}
    outputs = {name: app.topic(f"{options['output']}.{name}", **raw) for name in work.OUTPUTS}

    @app.agent(app.topic(*work.INPUTS, **raw))
    async def join(stream: Any) -> None:
        async for event in stream.events():
            found = work.read(event.headers.items(), event.key, event.value)
            if found is None:
                continue
            name, (key, arrival) = event.key, found
            done = work.join(name, key, arrival, orders.get(name), alerts.get(work.alert_name(name)))
            for output, output_key, value in done.sent:
                await outputs[output].send(key=output_key, value=value)
            if done.state is not None:
                orders[name] = done.state[1]
            for change, content in done.alerts:
                if content is None:
                    alerts.pop(change, None)
                else:
                    alerts[change] = content

    return app


if __name__ == "__main__":
    faust.Worker(make(json.loads(sys.argv[1])), loglevel="info", redirect_stdouts=False).execute_from_commandline()
