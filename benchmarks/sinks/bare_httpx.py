"""The same calls with httpx alone: as many in flight, one at a time per order, and nothing is remembered of them.

``python -m benchmarks.sinks.bare_httpx OPTIONS`` prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

import httpx
import orjson
import uvloop
from aiokafka import AIOKafkaConsumer

from connectors.norce.order_status import status_numbered


@dataclass
class Options:
    servers: str
    target: str
    simulator: str
    count: int
    warm: int
    """Updates that are not timed."""
    concurrency: int
    merchant: str
    channel: str

    def arguments(self) -> tuple[str, ...]:
        return ("-m", "benchmarks.sinks.bare_httpx", json.dumps(asdict(self)))


async def connect(client: httpx.AsyncClient, options: Options, update: dict[str, Any]) -> None:
    """Read the status that the order has, and send it back with the Infos."""
    reference = update["client_order_ref"]
    read = await client.get(
        f"{options.simulator}/commerce/query/3.0/Orders/Orders",
        params={"$filter": f"ClientOrderRef eq '{reference}'", "$top": "1"},
        headers={"ApplicationId": str(update["application_id"])},
    )
    (order,) = orjson.loads(read.raise_for_status().content)["value"]
    body = {
        "ClientOrderRef": int(reference),
        "OrderStatus": status_numbered(order["StatusId"]),
        "Infos": [{"Code": info["code"], "Value": info["value"]} for info in update["content"]["infos"]],
    }
    sent = await client.post(
        f"{options.simulator}/commerce/connect/4.0/Order/SendOrderStatus",
        content=orjson.dumps(body),
        headers={"content-type": "application/json"},
    )
    sent.raise_for_status()


async def checkout(client: httpx.AsyncClient, options: Options, update: dict[str, Any]) -> None:
    """Find the order of the basket, and write its attribute."""
    url = f"{options.simulator}/checkout/order/api/v1/checkout/orders"
    headers = {"x-merchant": options.merchant, "x-channel": options.channel}
    found = await client.get(
        url, params={"cart_reference": update["client_order_ref"], "limit": "100", "offset": "0"}, headers=headers
    )
    order = _only(orjson.loads(found.raise_for_status().content))
    sent = await client.patch(
        f"{url}/{order['id']}/attributes",
        content=orjson.dumps({"norcePipeline": update["content"]["attributes"]}),
        headers={**headers, "content-type": "application/json"},
    )
    sent.raise_for_status()


def _only(page: Any) -> Any:
    (order,) = page if isinstance(page, list) else next(value for value in page.values() if isinstance(value, list))
    return order


async def run(options: Options) -> dict[str, float]:
    """Send every update of the topic that is for the target."""
    consumer = AIOKafkaConsumer(
        "norce.updates", bootstrap_servers=options.servers, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    call = {"connect": connect, "checkout": checkout}[options.target]
    slots = asyncio.Semaphore(options.concurrency)
    turns: dict[bytes, asyncio.Lock] = defaultdict(asyncio.Lock)
    done = 0
    began = cpu = 0.0
    async with httpx.AsyncClient(
        headers={"authorization": f"Bearer {await _token(options)}"}, trust_env=False
    ) as client:

        async def send(key: bytes, update: dict[str, Any]) -> None:
            nonlocal done, began, cpu
            async with turns[key], slots:
                await call(client, options, update)
            done += 1
            if done == options.warm:
                began, cpu = time.perf_counter(), time.process_time()

        async with asyncio.TaskGroup() as group:
            read = 0
            while read < options.count:
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    for record in records:
                        update = orjson.loads(record.value or b"")
                        if update["target"] == options.target:
                            group.create_task(send(record.key or b"", update))
                            read += 1
    timed = options.count - options.warm
    seconds, used = time.perf_counter() - began, time.process_time() - cpu
    await consumer.stop()
    return {"rate": timed / seconds, "cpu_us": used / timed * 1e6}


async def _token(options: Options) -> str:
    if options.target == "checkout":
        return "simulator-primary"
    form = {
        "grant_type": "client_credentials",
        "client_id": "simulator",
        "client_secret": "simulator",
        "scope": "playground",
    }
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{options.simulator}/identity/1.0/connect/token", data=form)
    token: str = answer.raise_for_status().json()["access_token"]
    return token


if __name__ == "__main__":
    print(json.dumps(uvloop.run(run(Options(**json.loads(sys.argv[1]))))))
