"""From the records of one partition to the changes of the tables and the public pseudonyms. No Kafka in here."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import orjson
import structlog
from pydantic import ValidationError

from pipeline.events import EventSpec, find
from pipeline.events.envelope import UnreadableEnvelope, read_envelope
from pipeline.privacy import metrics
from pipeline.privacy.errors import Forgotten, MalformedRecord
from pipeline.privacy.identifiers import Identifier
from pipeline.privacy.personal import Personal, identifiers, merge, personal_of
from pipeline.privacy.pseudonyms import Pseudonyms
from pipeline.privacy.requests import PUBLISHED, RESERVED, TICK, decode_request
from pipeline.privacy.sealing import seal, unseal
from pipeline.privacy.topics import FORGET
from pipeline.privacy.wrapping import DataKey, Random, Wrapping, new_data_key

log = structlog.get_logger(__name__)

Read = Callable[[Sequence[bytes]], Mapping[bytes, bytes]]
"""Reads the values of a table's keys."""

Scan = Callable[[bytes | None], Iterable[tuple[bytes, bytes]]]
"""Reads a table in the order of its keys, from one on."""

SWEPT_AT_ONCE = 500
"""Orders whose pseudonyms are published anew in one go after a change of keys; more have to wait for the next go."""

_NAMESPACE = uuid.UUID("7f9b6c0e-40f0-5c6e-8a55-0b7f3a3c7a21")


@dataclass
class _View:
    """A table as it will be: what is stored, and what this step changes."""

    read: Read
    changes: dict[bytes, bytes | None] = field(default_factory=dict)

    def get(self, key: bytes) -> bytes | None:
        return self.changes[key] if key in self.changes else self.read([key]).get(key)


@dataclass
class Work:
    """What follows from the records of one partition.

    ``keys`` have to be durable before ``rows``: a row whose key is not kept could never be read.
    """

    keys: dict[bytes, bytes | None]
    rows: dict[bytes, bytes | None]
    buyers: dict[bytes, bytes] = field(default_factory=dict)
    forgets: bool = False
    """Whether keys were destroyed, so that the local state has to be purged of them."""
    unswept: bool = False
    """Whether pseudonyms are left to be published anew."""


class Keeper:
    """Seals the personal values of events, and destroys keys."""

    def __init__(self, pseudonyms: Pseudonyms, wrapping: Wrapping, random: Random) -> None:
        self._pseudonyms = pseudonyms
        self._wrapping = wrapping
        self._random = random

    def step(
        self, records: Iterable[Any], read_keys: Read, read_rows: Read, scan_rows: Scan = lambda begin: ()
    ) -> Work:
        """What follows from the records of one partition, in their order.

        Raises:
            UnknownEncryptionKey, WrongEncryptionKey, BrokenSeal: nothing may be written then.
        """
        keys, rows = _View(read_keys), _View(read_rows)
        work = Work(keys.changes, rows.changes)
        for record in records:
            if record.topic == FORGET and record.key == TICK:
                work.keys[TICK] = work.rows[TICK] = None
                self._sweep(work, keys, rows, scan_rows)
            elif record.topic == FORGET:
                self._request(work, keys, record)
            else:
                metrics.EVENTS.labels(self._event(work, keys, rows, record)).inc()
        return work

    def _request(self, work: Work, keys: _View, record: Any) -> None:
        try:
            names = decode_request(record.value)
        except MalformedRecord:
            metrics.REQUESTS.labels("malformed").inc()
            log.error("a request to forget is malformed", partition=record.partition, offset=record.offset)
            return
        held = [name.encode() for name in names if keys.get(name.encode()) is not None]
        keys.changes.update(dict.fromkeys(held))
        work.forgets = True  # also with none held: a crash may have come between the deletion and the purge
        metrics.FORGOTTEN.inc(len(held))
        metrics.REQUESTS.labels("done").inc()

    def _sweep(self, work: Work, keys: _View, rows: _View, scan: Scan) -> None:
        """Publish pseudonyms anew where they were made with other keys, also of orders that nothing happens to.

        It goes by the order of the keys, some at a time; the mark says how far it came.
        """
        wanted = self._pseudonyms.published_keys
        mark = orjson.loads(rows.get(PUBLISHED) or b"{}")
        if mark.get("keys") == wanted and mark["after"] is None:
            work.unswept = False
            return
        after = mark["after"].encode() if mark.get("keys") == wanted else None
        found = (key for key, _ in scan(after) if key not in RESERVED and key != after)
        chosen = list(islice(found, SWEPT_AT_ONCE + 1))
        for key in chosen[:SWEPT_AT_ONCE]:
            personal = self._before(keys, rows, key)
            if personal is not None:
                work.buyers[key] = self._buyers(int(key.partition(b":")[0]), key.decode(), personal)
                metrics.EVENTS.labels("published again").inc()
        work.unswept = len(chosen) > SWEPT_AT_ONCE
        last = chosen[SWEPT_AT_ONCE - 1].decode() if work.unswept else None
        work.rows[PUBLISHED] = orjson.dumps({"keys": wanted, "after": last})

    def _event(self, work: Work, keys: _View, rows: _View, record: Any) -> str:
        found = _read_event(record)
        if found is None:
            return "unreadable"
        spec, event = found
        new = personal_of(spec, event)
        if not new:
            return "unchanged"
        before = self._before(keys, rows, record.key)
        after = merge(before or {}, new)
        if after == before:
            return "unchanged"
        locks = self._locks(keys, event.client_id, record.key, after)
        rows.changes[record.key] = seal(record.key.decode(), after, locks, self._random)
        work.buyers[record.key] = self._buyers(event.client_id, record.key.decode(), after)
        return "sealed"

    def _before(self, keys: _View, rows: _View, key: bytes) -> Personal | None:
        stored = rows.get(key)
        if stored is None:
            return None
        try:
            return unseal(key.decode(), stored, lambda name: self._held(keys, name))
        except Forgotten:
            return None  # what it said is gone; what comes after starts anew

    def _locks(self, keys: _View, client_id: int, key: bytes, personal: Personal) -> dict[str, DataKey]:
        persons = identifiers(personal) or [Identifier("order", key.decode())]
        return dict(self._lock(keys, self._pseudonyms.names(client_id, person)) for person in persons)

    def _lock(self, keys: _View, names: Sequence[str]) -> tuple[str, DataKey]:
        """The person's data key, by whichever name it is kept, or a new one by the name in use."""
        for name in names:
            key = self._held(keys, name)
            if key is not None:
                return name, key
        made = new_data_key(self._random)
        keys.changes[names[0].encode()] = self._wrapping.wrap(names[0], made)
        return names[0], made

    def _held(self, keys: _View, name: str) -> DataKey | None:
        stored = keys.get(name.encode())
        if stored is None:
            return None
        key, current = self._wrapping.unwrap(name, stored)
        if not current:
            keys.changes[name.encode()] = self._wrapping.wrap(name, key)
        return key

    def _buyers(self, client_id: int, key: str, personal: Personal) -> bytes:
        found: dict[str, list[str]] = {"email": [], "phone": []}
        for person in identifiers(personal):
            found[person.kind] += self._pseudonyms.published(client_id, person)
        record = {"client_id": client_id, **{kind: sorted(pseudonyms) for kind, pseudonyms in found.items()}}
        content = orjson.dumps([key, record], option=orjson.OPT_SORT_KEYS).decode()
        return orjson.dumps({"id": str(uuid.uuid5(_NAMESPACE, content)), **record})


def _read_event(record: Any) -> tuple[EventSpec, Any] | None:
    try:
        spec = find(read_envelope(record.headers).event_type)
        if spec is None or not record.key:
            return None
        record.key.decode()
        return spec, spec.model.model_validate_json(record.value or b"")
    except (UnreadableEnvelope, ValidationError, UnicodeDecodeError):
        return None
