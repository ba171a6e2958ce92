"""What is kept of each thing: what was asked and answered, and when it is due. Pure; times are in microseconds."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from pipeline.domain import Said
from pipeline.lookup.questions import Question


class Source(msgspec.Struct, frozen=True, array_like=True):
    """The enriched record that gave reason to ask."""

    topic: str
    partition: int
    offset: int
    timestamp: int


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of one thing's look-ups."""

    question: Question
    source: Source
    number: int
    """The highest number that was reserved for an answer."""
    due: int | None
    """When to ask; ``None``: not before there is news."""
    answered_at: int | None = None
    digest: str | None = None
    """Of the answer that was published last."""
    unknown: int = 0
    """How often in a row Query did not know it."""
    v: Literal[1] = 1


class Rule(msgspec.Struct, frozen=True):
    """When something is asked about again."""

    age: int | None
    """After which news of any kind makes an answer stale; ``None``: never."""
    unknown_wait: int
    unknown_wait_max: int
    unknown_tries: int


def seen(entry: Entry | None, question: Question, source: Source, now: int, rule: Rule) -> Entry | None:
    """What is to be kept after a record was read; ``None`` if it gives no reason to ask.

    A record that is not newer than the one that was asked for last says nothing new: it was delivered again.
    """
    if entry is None:
        return Entry(question=question, source=source, number=question.lookup_number, due=now)
    if question.version <= entry.question.version:
        return None
    stale = question.basis != entry.question.basis
    if not stale and entry.due is None and rule.age is not None and entry.answered_at is not None:
        stale = now - entry.answered_at >= rule.age
    if not stale:
        return None
    number = max(entry.number, question.lookup_number)
    return msgspec.structs.replace(entry, question=question, source=source, number=number, due=now, unknown=0)


def reserved(entry: Entry) -> Entry:
    """With a number for the answer that is about to be asked for, which no other answer will have."""
    return msgspec.structs.replace(entry, number=entry.number + 1)


def answered(entry: Entry, asked: Entry, said: Said, now: int) -> tuple[Entry, bool]:
    """What is to be kept after an answer, and whether the answer is news. What became due meanwhile stays due."""
    content = digest(said)
    return _settled(entry, asked, answered_at=now, digest=content, unknown=0), content != entry.digest


def unknown(entry: Entry, asked: Entry, now: int, rule: Rule) -> Entry:
    """What is to be kept when Query knew no such thing: it is asked again, later each time, and then left alone."""
    times = asked.unknown + 1
    if times >= rule.unknown_tries:
        return _settled(entry, asked, unknown=times)
    wait = min(rule.unknown_wait * 2 ** (times - 1), rule.unknown_wait_max)
    return _settled(entry, asked, unknown=times, due=now + wait)


def refused(entry: Entry, asked: Entry) -> Entry:
    """What is to be kept when the look-up failed for good: nothing is asked before there is news."""
    return _settled(entry, asked)


def _settled(entry: Entry, asked: Entry, *, due: int | None = None, **changes: object) -> Entry:
    if entry.question != asked.question:  # news came while Norce was asked
        return msgspec.structs.replace(entry, **{**changes, "unknown": 0})
    return msgspec.structs.replace(entry, **changes, due=due)


def digest(said: Said) -> str:
    """Stands for what an answer says, whatever its number."""
    content = msgspec.json.encode(msgspec.structs.replace(said, number=1))
    return hashlib.blake2b(content, digest_size=16).hexdigest()
