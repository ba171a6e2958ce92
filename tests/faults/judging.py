"""The verdict on a run of any length: what Norce was answered, what the topics hold and what Norce was told, by ids.

Orders are judged one partition number at a time: whatever is about one order is in partitions of one number, so the
memory that a verdict takes is that of the largest partition and not of the whole run. The other tables hear of far
fewer events and are judged at once, because a failed subscription run may be keyed by its basket.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import httpx

from tests.support.kafka import each_record
from tests.verifier import differences, expected_groups
from tests.verifier.differences import Difference
from tests.verifier.expected import ORDER_TOPICS, Expected, RawRecord, expected_orders

OTHER_TOPICS = (
    "norce.events.invoice",
    "norce.events.customer",
    "norce.events.product",
    "norce.events.supplier",
    "norce.events.system",
)
QUARANTINE, UPDATES, DEAD_LETTERS = "norce.quarantine", "norce.updates", "norce.dead-letters"
ENRICHED = "norce.{}.enriched"

AT_ONCE = 32
"""Orders that Norce is asked for at the same time."""
SHOWN = 20
"""Findings of a kind that are kept word for word; all are counted."""


@dataclass
class Verdict:
    """What was found. Good only if nothing is lost, doubled, different, dead or against Norce's rules."""

    posted: int = 0
    """Events that Norce posted, repeats of one not counted."""
    accepted: int = 0
    """Of them: answered 2xx at least once."""
    given_up: int = 0
    """Of them: not accepted, and not tried any more."""
    on_topics: int = 0
    quarantined: int = 0
    orders: int = 0
    deliveries: int = 0
    """Ids on the event topics that are about an order."""
    applied: int = 0
    """Of them: those that brought something new, by the independent recomputation; the others repeat one."""
    groups: int = 0
    told: int = 0
    """Orders whose Infos and attributes at Norce were compared."""
    lost: list[str] = field(default_factory=list)
    """Bodies that were answered 2xx and are on no topic, and ids on a topic that no order counts."""
    doubled: list[str] = field(default_factory=list)
    """Bodies on a topic more often than they were posted, and ids that an order counts and must not."""
    different: list[str] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    violations: Mapping[str, int] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        return not (self.lost or self.doubled or self.different or self.dead or self.violations or self.given_up)

    def as_json(self) -> dict[str, Any]:
        findings = {name: getattr(self, name) for name in ("lost", "doubled", "different", "dead")}
        counts = {name: value for name, value in vars(self).items() if name not in findings}
        return {
            "good": self.good,
            **counts,
            **{name: len(found) for name, found in findings.items()},
            "findings": {name: found[:SHOWN] for name, found in findings.items() if found},
        }


class Judge:
    """Judges one run: the brokers, their partitions per topic, and where the simulated Norce tells what it saw."""

    def __init__(self, bootstrap_servers: str, partitions: int, simulator_url: str, client: httpx.AsyncClient) -> None:
        self._servers = bootstrap_servers
        self._partitions = range(partitions)
        self._simulator = simulator_url
        self._client = client
        self._found: Counter[str] = Counter()
        self.verdict = Verdict()

    async def judge(self) -> Verdict:
        """Read everything once; the pipeline must have nothing left to do."""
        infos, attributes = await self._told()
        for partition in self._partitions:
            await self._judge_partition(partition, infos, attributes)
        await self._judge_groups()
        await self._judge_bodies()
        state = await self._get("/simulator/state")
        self.verdict.violations = {name: count for name, count in state["violations"].items() if count}
        return self.verdict

    # -- one partition number ------------------------------------------------------------------------------------

    async def _judge_partition(
        self, partition: int, infos: Mapping[str, dict[str, str]], attributes: Mapping[str, Any]
    ) -> None:
        verdict = self.verdict
        raw = [self._raw(record) async for record in self._read(*ORDER_TOPICS, partition=partition)]
        expected = expected_orders(raw)
        verdict.on_topics += len(raw)
        verdict.orders += len(expected)
        verdict.deliveries += sum(order.version for order in expected.values())
        verdict.applied += sum(len(order.first_ids) for order in expected.values())
        records = await self._newest(ENRICHED.format("orders"), partition)
        self._judge_orders(expected, records)
        self._judge_norce(expected, infos, attributes)
        await self._judge_updates(partition, expected)
        for topic in (QUARANTINE, DEAD_LETTERS):
            async for record in self._read(topic, partition=partition):
                self._keep_aside(topic, record)

    def _judge_orders(self, expected: Mapping[str, Expected], records: Mapping[str, Any]) -> None:
        for key, order in expected.items():
            record = records.get(key)
            if record is None or record["timeline_omitted"]:
                continue
            counted = [entry["event_id"] for entry in record["timeline"]]
            self.verdict.lost += [f"order {key} does not count event {each}" for each in order.first_ids - {*counted}]
            self.verdict.doubled += [f"order {key} counts event {each}" for each in {*counted} - order.first_ids]
            self.verdict.doubled += [f"order {key} counts {each} {n} times" for each, n in _several(counted)]
        self._differ(differences.in_orders(as_of(expected, records), records))

    def _judge_norce(
        self, expected: Mapping[str, Expected], infos: Mapping[str, dict[str, str]], attributes: Mapping[str, Any]
    ) -> None:
        here = {key: infos[key] for key in expected.keys() & infos.keys()}
        known = {key: order for key, order in expected.items() if key in attributes}
        self.verdict.told += len(here) + len(known)
        self._differ(differences.in_connect(expected, here))
        self._differ(differences.in_checkout(known, {key: attributes[key] for key in known}))

    async def _judge_updates(self, partition: int, expected: Mapping[str, Expected]) -> None:
        updates = [json.loads(record.value) async for record in self._read(UPDATES, partition=partition)]
        connect, checkout = differences.last_contents(updates)
        self._differ(differences.in_connect(expected, connect))
        self._differ(differences.in_checkout(expected, checkout))

    # -- all of it -----------------------------------------------------------------------------------------------

    async def _judge_groups(self) -> None:
        raw = [self._raw(record) async for record in self._read(*OTHER_TOPICS)]
        self.verdict.on_topics += len(raw)
        raw += [_raw(record) async for record in self._read("norce.events.subscription")]
        by_table: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        for (table, key), group in expected_groups.expected_groups(raw).items():
            by_table[table][key] = group
        for table, groups in by_table.items():
            records = await self._newest(ENRICHED.format(table))
            self.verdict.groups += len(groups)
            self._differ(differences.missing_and_unexpected(groups, records, f"record of {table}"))
            for key in groups.keys() & records.keys():
                shown = expected_groups.shown(table, records[key])
                if shown != groups[key]:
                    self._differ([Difference(key, table, groups[key], shown)])

    async def _judge_bodies(self) -> None:
        """What was answered 2xx is on a topic, and nothing more often than it was posted."""
        taken: Counter[str] = Counter()
        tried: Counter[str] = Counter()
        async for event in self._pages("/simulator/events", "events"):
            self.verdict.posted += 1
            self.verdict.accepted += event["fate"] == "accepted"
            self.verdict.given_up += event["fate"] != "accepted"
            taken[event["sha256"]] += event["taken"]
            tried[event["sha256"]] += len(event["attempts"])
        self.verdict.lost += [f"body {digest[:12]} was answered 2xx" for digest in (taken - self._found).elements()]
        self.verdict.doubled += [f"body {digest[:12]} was not posted" for digest in (self._found - tried).elements()]

    async def _told(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What Norce holds of what it was told, by order key: Infos, and our attribute."""
        infos: dict[str, Any] = {}
        attributes: dict[str, Any] = {}
        references = [each["client_order_ref"] async for each in self._pages("/simulator/orders", "orders")]
        for first in range(0, len(references), AT_ONCE):
            asked = (self._get(f"/simulator/orders/{each}") for each in references[first : first + AT_ONCE])
            self._tell(await asyncio.gather(*asked), infos, attributes)
        return infos, attributes

    def _tell(self, orders: Iterable[Any], infos: dict[str, Any], attributes: dict[str, Any]) -> None:
        for order in orders:
            key = f"{order['client_id']}:{order['application_id']}:{order['client_order_ref']}"
            if order["infos"]:
                infos[key] = order["infos"]
            for each in order["checkout_orders"]:
                if "norcePipeline" in (each.get("attributes") or {}):
                    attributes[key] = each["attributes"]["norcePipeline"]

    def _raw(self, record: Any) -> RawRecord:
        self._found[sha256(record.value).hexdigest()] += 1
        return _raw(record)

    def _keep_aside(self, topic: str, record: Any) -> None:
        if topic == QUARANTINE:
            self._found[sha256(record.value).hexdigest()] += 1
            self.verdict.quarantined += 1
        else:
            self.verdict.dead.append(f"{record.key!r}: {json.loads(record.value)['reason']}")

    def _differ(self, found: Iterable[Difference]) -> None:
        self.verdict.different += [str(difference) for difference in found]

    def _read(self, *topics: str, partition: int | None = None) -> AsyncIterator[Any]:
        return each_record(self._servers, *topics, partition=partition)

    async def _newest(self, topic: str, partition: int | None = None) -> dict[str, Any]:
        newest: dict[str, bytes] = {}
        async for record in self._read(topic, partition=partition):
            newest[record.key.decode()] = record.value
        return {key: json.loads(value) for key, value in newest.items()}

    async def _pages(self, path: str, name: str) -> AsyncIterator[Mapping[str, Any]]:
        seen = 0
        while True:
            page = await self._get(f"{path}?offset={seen}&limit=1000")
            for each in page[name]:
                yield each
            seen += len(page[name])
            if not page[name] or seen >= page["total"]:
                return

    async def _get(self, path: str) -> Any:
        return (await self._client.get(self._simulator + path)).raise_for_status().json()


def as_of(expected: Mapping[str, Expected], records: Mapping[str, Mapping[str, Any]]) -> dict[str, Expected]:
    """What is expected, with the version of the record where that can be right.

    A repeat that changes nothing raises the version of the state and is not sent on, so a record's version lies between
    the number of things that happened and the number of deliveries. The number of the look-up is on top.
    """
    fitting = dict(expected)
    for key, record in records.items():
        if (
            key in expected
            and sum(expected[key].happened.values())
            <= record.get("version", 0) - record.get("lookup_number", 0)
            <= expected[key].version
        ):
            fitting[key] = expected[key]._replace(version=record["version"])
    return fitting


def _raw(record: Any) -> RawRecord:
    return RawRecord(
        record.topic, record.partition, record.offset, record.timestamp, record.key, record.value, record.headers
    )


def _several(ids: Iterable[str]) -> list[tuple[str, int]]:
    return [(each, count) for each, count in Counter(ids).items() if count > 1]
