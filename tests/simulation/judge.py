"""What must hold at every commit and in the end. Expected states come from ``tests.verifier``, never from the core."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pipeline import topics
from pipeline.engine.slices import TopicPartition
from tests.faults.judging import OTHER_TOPICS, as_of
from tests.simulation.brokers import Record
from tests.simulation.norce import told
from tests.verifier import differences, expected_groups
from tests.verifier.expected import ORDER_TOPICS, RawRecord, expected_orders

if TYPE_CHECKING:
    from tests.simulation.process import Process
    from tests.simulation.world import World


class Judge:
    """Looks at the brokers and at Norce, at nothing else."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._kept: dict[bytes, set[str]] = {}
        """Order key to the ids that a changelog record of it ever held."""
        world.brokers.appended.append(self._remember)

    def _remember(self, record: Record) -> None:
        if record.topic == "norce-orders-orders-changelog" and record.value is not None:
            text = record.value.decode("latin-1")
            ids = {text[at : at + 12] for at in _places(text, "event-")}
            missing = self._kept.get(record.key, set()) - ids
            if missing:
                self._world.fail(f"the state of {record.key!r} lost {sorted(missing)}")
            self._kept[record.key] = ids

    # -- at every commit -----------------------------------------------------------------------------------------

    def committed(self, process: Process, tp: TopicPartition, before: int, after: int) -> None:
        """Everything that follows from what is committed now is on the brokers, or at Norce and written down."""
        for record in self._world.brokers.read(tp, before):
            if record.offset >= after:
                return
            if tp.topic in ORDER_TOPICS:
                self._joined(process, record)
            elif tp.topic == topics.UPDATES:
                self._delivered(process, record)

    def _joined(self, process: Process, record: Record) -> None:
        headers = dict(record.headers)
        if headers["ce_type"] == b"io.norce.ExternalOrderReceivedEvent" or b"=" in record.key:
            return
        event = headers["ce_id"].decode()
        if (
            record.key.count(b":") >= 2
            and event not in self._kept.get(record.key, set())
            and not self._about_none(record)
        ):
            self._world.fail(f"{process.name} commits past {event} of {record.key!r}, which no changelog holds")

    def _about_none(self, record: Record) -> bool:
        return record.key.endswith(b":unidentified")

    def _delivered(self, process: Process, record: Record) -> None:
        update = json.loads(record.value or b"{}")
        target = process.group.name.rpartition("-")[2]
        if update["target"] != target:
            return
        known = self._world.norce.known.get((target, record.key))
        if known is not None and known.version >= update["version"]:
            return
        if known is not None and _content(known) == update["content"] and known.order_no == update["order_no"]:
            return
        if update["id"] in self._buried():
            return
        if self._newer_waits(record, update):
            return
        self._world.fail(f"{process.name} commits past update {update['id']} of {record.key!r}, which nobody sent")

    def _buried(self) -> set[str]:
        return {_source(record)["id"] for record in self._world.brokers.all(topics.DEAD_LETTERS)}

    def _newer_waits(self, record: Record, update: dict[str, Any]) -> bool:
        """Superseded: a newer update of the order stands behind it on the topic."""
        later = self._world.brokers.read(TopicPartition(record.topic, record.partition), record.offset + 1)
        return any(
            other.key == record.key
            and (found := json.loads(other.value or b"{}"))["target"] == update["target"]
            and found["version"] >= update["version"]
            for other in later
        )

    # -- in the end ----------------------------------------------------------------------------------------------

    def end(self) -> Iterator[str]:
        """What is wrong when nothing is left to do."""
        yield from self._orders()
        yield from self._calls()
        yield from self._groups()
        yield from self._alerts()
        yield from self._tables()

    def _orders(self) -> Iterator[str]:
        brokers = self._world.brokers
        expected = expected_orders(_raw(record) for topic in ORDER_TOPICS for record in brokers.all(topic))
        records = _decoded(brokers.newest(topics.ORDERS_ENRICHED))
        yield from map(str, differences.in_orders(as_of(expected, records), records))
        updates = [json.loads(record.value or b"") for record in brokers.all(topics.UPDATES)]
        connect, checkout = differences.last_contents(updates)
        yield from map(str, differences.in_connect(expected, connect))
        yield from map(str, differences.in_checkout(expected, checkout))
        yield from self._newest_at_norce(updates)

    def _newest_at_norce(self, updates: list[dict[str, Any]]) -> Iterator[str]:
        """Norce holds the newest update of every order, unless it refused that one."""
        newest: dict[tuple[str, bytes], dict[str, Any]] = {}
        for update in updates:
            key = f"{update['client_id']}:{update['application_id']}:{update['client_order_ref']}".encode()
            known = newest.get((update["target"], key))
            if known is None or known["version"] <= update["version"]:
                newest[update["target"], key] = update
        buried = self._buried()
        for place, update in newest.items():
            held = self._world.norce.held.get(place)
            if (held is None or _content(held) != update["content"]) and update["id"] not in buried:
                yield f"{place}: Norce holds {None if held is None else told(held)}, not version {update['version']}"

    def _calls(self) -> Iterator[str]:
        """Of every update that ended at Norce the calls are known that led to its end."""
        told = [json.loads(record.value or b"") for record in self._world.brokers.all(topics.CALLS)]
        known = {each["update_id"] for each in told if each["outcome"] in ("delivered", "dead") and each["calls"]}
        for missing in sorted((self._world.norce.ended | self._buried_updates()) - known):
            yield f"no call is known of update {missing}"

    def _buried_updates(self) -> set[str]:
        letters = self._world.brokers.all(topics.DEAD_LETTERS)
        return {_source(each)["id"] for each in letters if json.loads(each.value or b"")["stage"] != "join"}

    def _groups(self) -> Iterator[str]:
        brokers = self._world.brokers
        heard = (*OTHER_TOPICS, "norce.events.subscription")
        found = expected_groups.expected_groups(_raw(record) for topic in heard for record in brokers.all(topic))
        for table in expected_groups.DESCRIBE:
            records = _decoded(brokers.newest(topics.ENRICHED[table]))
            expected = {key: group for (name, key), group in found.items() if name == table}
            yield from map(str, differences.missing_and_unexpected(expected, records, table))
            for key in expected.keys() & records.keys():
                if (shown := expected_groups.shown(table, records[key])) != expected[key]:
                    yield f"{table} {key}: {shown} is not {expected[key]}"

    def _alerts(self) -> Iterator[str]:
        """Whoever closes an alert knows of it: what the topic tells to be open is what the workers keep as open."""
        told = _decoded(self._world.brokers.newest(topics.ALERTS))
        rows = self._world.brokers.newest(f"norce-orders-{topics.ALERTS_TABLE}-changelog").items()
        subjects = [json.loads(row) for name, row in rows if name.startswith(b"s")]
        kept = {alert["id"] for subject in subjects for alert in subject["open"]}
        told_open = {key for key, alert in told.items() if alert["state"] == "open"}
        for key in told_open - kept:
            yield f"alert {told[key]['kind']} of {told[key]['subject_key']} is told to be open, and nobody knows of it"
        for key in kept - told_open:
            yield f"alert {key} is kept as open and told of as {told.get(key, {}).get('state')}"

    def _tables(self) -> Iterator[str]:
        """The state on the disk of whoever owns a partition is what its changelog says."""
        for group in self._world._groups.values():
            for partition, owner in group.owners.items():
                for table in owner.tables.values():
                    records = self._world.brokers.read(TopicPartition(table.changelog_topic_name, partition), 0)
                    newest = {record.key: record.value for record in records}
                    says = {key: value for key, value in newest.items() if value is not None}
                    if dict(table.items_of(partition)) != says:
                        yield f"{owner.name}: table {table.table_name}/{partition} is not what its changelog says"


def _raw(record: Record) -> RawRecord:
    return RawRecord(
        record.topic, record.partition, record.offset, record.timestamp, record.key, record.value, record.headers
    )


def _decoded(newest: dict[bytes, bytes]) -> dict[str, Any]:
    return {key.decode(): json.loads(value) for key, value in newest.items()}


def _content(update: Any) -> Any:
    from pipeline.domain import encode_update

    return json.loads(encode_update(update))["content"]


def _source(letter: Record) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.loads(letter.value or b"{}")["source"]["value"])
    return found


def _places(text: str, what: str) -> Iterator[int]:
    at = text.find(what)
    while at >= 0:
        yield at
        at = text.find(what, at + 1)
