"""The proof of what goes on beside the stream: drift and personal data, compared with what Norce posted.

What was posted is read as JSON by Norce's own field names; no rule of the drift watch or the privacy process is used.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from pipeline.contracts import CATALOGUE
from pipeline.drift import DRIFT
from pipeline.privacy import ORDERS_BUYERS
from pipeline.run.verdict import Check, Evidence, read
from pipeline.topics import Tier

PUBLIC = tuple(topic.name for topic in CATALOGUE if topic.tier is Tier.PUBLIC)

PLANTED: Mapping[str, tuple[str, str]] = {
    "missing_field": ("missing", "ClientId"),
    "text_for_number": ("retyped", "ClientId"),
    "unknown_type": ("unknown_type", "*"),
}
"""The simulator's flaws that are drift, and not plain damage: kind and field of the report."""

PERSONAL = ("Email", "CellPhone", "FirstName", "LastName")
IDENTIFYING = {"email": "Email", "phone": "CellPhone"}
TOO_COMMON = {"Test"}
"""A first name that the simulator gives to everybody; as a word it says nothing."""

Person = tuple[int, str]
"""ClientId, and an address or number of somebody."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What the processes beside the stream have published."""

    public: Mapping[str, list[Any]]
    """Every record of every public topic."""


async def gather(bootstrap_servers: str) -> Beside:
    """Read the public topics from first to last record."""
    return Beside(await read(bootstrap_servers, PUBLIC))


def judge(evidence: Evidence, beside: Beside) -> list[Check]:
    """Every statement that a right run makes true."""
    bodies = list(_bodies(evidence))
    named = {key for key, body in bodies if any(body.get(name) for name in PERSONAL)}
    drift = [json.loads(record.value) for record in beside.public[DRIFT]]
    planted = _planted(evidence)
    return [
        Check(
            f"drift: {len(drift)} shapes are reported, as planted by the simulated Norce's bad bodies",
            tuple(_drift(planted, drift)),
        ),
        Check(
            f"the buyers of all {len(named)} orders and subscriptions that name a person are published as pseudonyms",
            tuple(_buyers(bodies, named, beside.public[ORDERS_BUYERS])),
        ),
        Check(
            f"none of {len(PUBLIC)} public topics holds a name, an e-mail address or a phone number that was posted",
            tuple(_leaks(_words(evidence), beside.public)),
        ),
    ]


def _bodies(evidence: Evidence) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for record in evidence.events:
        yield record.key.decode(), json.loads(record.value)


def _planted(evidence: Evidence) -> set[tuple[str, str, str]]:
    taken = [event for event in evidence.posted if event["taken"] and event["flaw"] in PLANTED]
    return {(event["event_type"], *PLANTED[event["flaw"]]) for event in taken}


def _drift(planted: set[tuple[str, str, str]], reports: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    told = [(report["event_type"], report["kind"], report["field"]) for report in reports]
    yield from (f"{' '.join(shape)} is not reported" for shape in sorted(planted - set(told)))
    yield from (f"{' '.join(shape)} was not planted" for shape in sorted(set(told) - planted))
    yield from (f"{' '.join(shape)} is reported twice" for shape in sorted({s for s in told if told.count(s) > 1}))


def _buyers(bodies: Iterable[tuple[str, Mapping[str, Any]]], named: set[str], records: Iterable[Any]) -> Iterator[str]:
    """One record for each; and one pseudonym for one person within a client, everywhere and for nobody else."""
    found = {record.key.decode(): json.loads(record.value) for record in records}
    yield from (f"{key} is missing" for key in sorted(named - set(found)))
    yield from (f"{key} names nobody" for key in sorted(set(found) - named))
    posted: dict[str, dict[str, set[Person]]] = defaultdict(lambda: defaultdict(set))
    for key, body in bodies:
        for kind, name in IDENTIFYING.items():
            if body.get(name):
                posted[key][kind].add((body["ClientId"], body[name]))
    meant: dict[str, Person] = {}
    pseudonyms: dict[Person, str] = {}
    for key in sorted(named & set(found)):
        for kind in IDENTIFYING:
            persons, called = posted[key][kind], found[key][kind]
            if len(persons) != len(called):
                yield f"{key}: {len(called)} pseudonyms of {kind} for {len(persons)}"
            elif len(persons) == 1:
                (person,), (pseudonym,) = persons, called
                one_person = meant.setdefault(pseudonym, person) == person
                if not one_person or pseudonyms.setdefault(person, pseudonym) != pseudonym:
                    yield f"{key}: the pseudonym of {kind} is another person's"


def _words(evidence: Evidence) -> dict[bytes, str]:
    """Everything that says who somebody is, as it may stand in bytes, with the field it was posted in."""
    words: dict[bytes, str] = {}
    for record in chain(evidence.events, evidence.quarantine):
        try:
            body = json.loads(record.value)
        except ValueError:
            continue  # what was posted whole in an event was also posted in these
        for name in PERSONAL if isinstance(body, dict) else ():
            value = body.get(name)
            if isinstance(value, str) and value not in {"", *TOO_COMMON}:
                words[value.encode()] = name
                words[value.removeprefix("+").encode()] = name
    return words


def _leaks(words: Mapping[bytes, str], topics: Mapping[str, list[Any]]) -> Iterator[str]:
    for topic, records in topics.items():
        written = b"\n".join(
            part
            for record in records
            for part in (record.key or b"", record.value or b"", *(content for _, content in record.headers))
        )
        for name in sorted({name for word, name in words.items() if word in written}):
            yield f"{topic} holds a posted {name}"
