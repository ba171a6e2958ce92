"""What changed between two states of the contracts, and whether a reader could notice.

Two readers count: one that was built on the published contract and reads what is written from now on, and one that is
built on the new contract and reads what is stored already. The rules:

===========================================================  ==========
change                                                       effect
===========================================================  ==========
topic, or field that may be absent, added                    compatible
event type added to a topic of events                        compatible, readers skip a ``ce_type`` they do not know
records kept longer                                          compatible
text of a description                                        wording
topic, kind of record or field removed                       breaking
field that is always there added                             breaking, stored records lack it
field always there that was optional, or the reverse         breaking
type, value of an enumeration, bound or pattern added        breaking, readers do not expect what may come
type, value, bound or pattern taken away                     breaking, stored records still have it
kind of record added to any other topic                      breaking, nothing in a header tells it apart
layout of the key, clean-up, shorter retention, media type   breaking
private that was public                                      breaking
public that was private                                      compatible
===========================================================  ==========
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pipeline.contracts.documents import Documents, Kind, Topic, read_topics
from pipeline.contracts.inclusion import Gap, Misfit, Schema, alternatives, join, misfits


class Effect(StrEnum):
    """What a change does to readers."""

    BREAKING = "breaking"
    COMPATIBLE = "compatible"
    WORDING = "wording"


@dataclass(frozen=True, slots=True)
class Change:
    """One change. ``where`` is a topic, a kind of record, or a field of one."""

    effect: Effect
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.effect}: {self.where}: {self.what}"


_NEW_FOR_OLD_READER: Mapping[Gap, str] = {
    Gap.ABSENT: "is not always there any more",
    Gap.TYPE: "may now be of type {}",
    Gap.VALUE: "may now be {}",
    Gap.CLOSED: "is new where further fields were excluded",
    Gap.RULE: "keeps no longer to the published {}",
}
_STORED_FOR_NEW_READER: Mapping[Gap, str] = {
    Gap.ABSENT: "is said to be always there, and stored records may lack it",
    Gap.TYPE: "is said never to be of type {}, and stored records may be",
    Gap.VALUE: "is said never to be {}, and stored records may be",
    Gap.CLOSED: "is excluded, and stored records may have it",
    Gap.RULE: "has a stricter {} than stored records keep to",
}


def changes(before: Documents, after: Documents) -> list[Change]:
    """Every change between two states of the contracts."""
    old, new = read_topics(before), read_topics(after)
    found = [Change(Effect.BREAKING, name, "the topic was removed") for name in old if name not in new]
    found += [Change(Effect.COMPATIBLE, name, "new topic") for name in new if name not in old]
    for name, topic in new.items():
        if name in old:
            found += _topic(old[name], topic)
    if before and not found and before != after:
        found.append(Change(Effect.WORDING, "documents", "wording or layout"))
    return found


def schema_changes(old: Schema, new: Schema, where: str = "") -> list[Change]:
    """Every change between two schemas of one kind of record."""
    fields, new_fields = dict(_fields(old, old)), dict(_fields(new, new))
    removed = {path for path in fields if path not in new_fields and _outermost(path, fields, new_fields)}
    for_old_reader = [gap for gap in misfits(new, old) if gap.path not in removed]
    for_new_reader = [gap for gap in misfits(old, new) if gap.path not in removed]
    told = {gap.path for gap in for_new_reader}
    added = [path for path in new_fields if path not in fields and _outermost(path, new_fields, fields)]
    reworded = [path for path, text in new_fields.items() if fields.get(path, text) != text]
    return [
        *(_change(Effect.BREAKING, where, path, "was removed") for path in fields if path in removed),
        *(_change(Effect.BREAKING, where, gap.path, _say(_NEW_FOR_OLD_READER, gap)) for gap in for_old_reader),
        *(_change(Effect.BREAKING, where, gap.path, _say(_STORED_FOR_NEW_READER, gap)) for gap in for_new_reader),
        *(_change(Effect.COMPATIBLE, where, path, "new, may be absent") for path in added if path not in told),
        *(_change(Effect.WORDING, where, path, "description") for path in reworded),
    ]


def _change(effect: Effect, where: str, path: str, what: str) -> Change:
    return Change(effect, join(where, path) if path else where, what)


def _say(words: Mapping[Gap, str], gap: Misfit) -> str:
    return words[gap.gap].format(gap.what)


def _topic(old: Topic, new: Topic) -> Iterator[Change]:
    if old.cleanup != new.cleanup:
        yield Change(Effect.BREAKING, new.name, f"clean-up is {new.cleanup}, was {old.cleanup}")
    elif old.retention_ms != new.retention_ms:
        shorter = new.retention_ms is not None and (old.retention_ms is None or new.retention_ms < old.retention_ms)
        effect = Effect.BREAKING if shorter else Effect.COMPATIBLE
        yield Change(effect, new.name, f"records are kept for {_days(new)}, were {_days(old)}")
    if old.tier != new.tier:
        yield Change(Effect.BREAKING if new.tier == "private" else Effect.COMPATIBLE, new.name, f"is {new.tier} now")
    for name in old.kinds:
        if name not in new.kinds:
            yield Change(Effect.BREAKING, new.name, f"records {name} were removed")
    for name, kind in new.kinds.items():
        if name in old.kinds:
            yield from _kind(f"{new.name} {name}", old.kinds[name], kind)
        else:
            effect = Effect.COMPATIBLE if _told_apart(new) else Effect.BREAKING
            yield Change(effect, new.name, f"new records {name}")


def _kind(where: str, old: Kind, new: Kind) -> Iterator[Change]:
    if old.content_type != new.content_type:
        yield Change(Effect.BREAKING, where, f"value is {new.content_type}, was {old.content_type}")
    if _layout(old.key) != _layout(new.key):
        yield Change(Effect.BREAKING, f"{where} key", f"is {_layout(new.key)}, was {_layout(old.key)}")
    yield from schema_changes(old.headers, new.headers, f"{where} headers")
    if old.value is not None and new.value is not None:
        yield from schema_changes(old.value, new.value, where)
    elif old.value != new.value:
        yield Change(Effect.BREAKING, where, "a schema of the value came or went")


def _layout(key: Schema | None) -> str:
    if key is None:
        return "none"
    return " ".join(str(key[word]) for word in ("title", "pattern") if word in key) or "text"


def _told_apart(topic: Topic) -> bool:
    return all("ce_type" in kind.headers.get("properties", {}) for kind in topic.kinds.values())


def _days(topic: Topic) -> str:
    return "ever" if topic.retention_ms is None else f"{topic.retention_ms / 86_400_000:g} days"


def _fields(schema: Any, root: Schema, path: str = "", within: tuple[int, ...] = ()) -> Iterator[tuple[str, str]]:
    """The path of every field of a record, with its description."""
    if id(schema) in within:
        return
    inside = (*within, id(schema))
    for one in alternatives(schema, root):
        for name, field in one.get("properties", {}).items():
            text = field.get("description", "") if isinstance(field, dict) else ""
            yield join(path, name), text
            yield from _fields(field, root, join(path, name), inside)
        for keyword, mark in (("items", "[]"), ("additionalProperties", "{}")):
            if isinstance(one.get(keyword), dict):
                yield from _fields(one[keyword], root, path + mark, inside)


def _outermost(path: str, own: Mapping[str, str], others: Mapping[str, str]) -> bool:
    """Whether no field around this one is alone on its side, which says enough."""
    return not any(outer not in others and path.startswith((f"{outer}.", f"{outer}[", f"{outer}{{")) for outer in own)
