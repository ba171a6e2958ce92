"""The connector's producer and nothing else: as many records in flight as there would be connections.

``python -m benchmarks.ingress.bare_producer OPTIONS`` prints one JSON object.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
import uuid
from collections import Counter

import uvloop

from benchmarks.events import TOPICS, events
from benchmarks.ingress.load import Options, quantile
from connectors.webhook.producer import Producer
from pipeline.settings import KafkaSettings, load


async def run(options: Options) -> dict[str, object]:
    """Send for a while, each sender waiting for the acknowledgement before its next record."""
    (kafka,) = load(KafkaSettings)
    producer = Producer(kafka, 65_536)
    await producer.start(TOPICS)
    now = time.time_ns() // 1000
    records = itertools.cycle(
        [
            (event.topic, event.record(str(uuid.uuid4()), now))
            for event in itertools.islice(events(options.bodies), options.bodies)
        ]
    )
    latencies: list[float] = []
    answers: Counter[str] = Counter()
    timed = ending = False

    async def sender() -> None:
        while not ending:
            topic, record = next(records)
            sent = time.perf_counter()
            await (await producer.send(topic, record.value, record.key, headers=list(record.headers)))
            answers["200"] += 1
            if timed:
                latencies.append(time.perf_counter() - sent)

    senders = [asyncio.create_task(sender()) for _ in range(options.connections)]
    await asyncio.sleep(options.warm)
    timed, began, cpu = True, time.perf_counter(), time.process_time()
    await asyncio.sleep(options.seconds)
    timed, seconds, cpu = False, time.perf_counter() - began, time.process_time() - cpu
    ending = True
    await asyncio.gather(*senders)
    await producer.close(10.0)
    latencies.sort()
    return {
        "answers": dict(answers),
        "timed": len(latencies),
        "seconds": seconds,
        "cpu": cpu,
        "p50_ms": quantile(latencies, 0.5) * 1000,
        "p99_ms": quantile(latencies, 0.99) * 1000,
        "worst_ms": quantile(latencies, 1.0) * 1000,
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(run(Options(**json.loads(sys.argv[1]))))))
