"""The topics of personal data: which are private, and how soon what is deleted from them is gone.

The private topics are the changelogs of the process's tables: what a table holds, its topic holds, and nothing else.
Both keep every key's newest record in the partition of the events it came from, so a person who ordered in several
partitions has a data key in each of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from pipeline.settings import KafkaSettings
from pipeline.topics import Cleanup, Tier, TopicSpec

ORDERS_PRIVATE = "norce.orders.private"
PERSON_KEYS = "norce.person-keys"
ORDERS_BUYERS = "norce.orders.buyers"
FORGET = "norce.persons.forget"
KEY_CHECKS = "norce.person-keys.checks"

COMPACTION_LAG = timedelta(hours=1)
"""How long an overwritten or deleted record may escape compaction."""


@dataclass(frozen=True, slots=True)
class ErasableTopic(TopicSpec):
    """A compacted topic in which what was deleted has to be gone from the disks soon.

    A broker compacts no segment that is still written to, and begins a new one only when a record comes. So segments
    are short, and the process writes a tombstone of nothing to every partition from time to time.
    """

    def configuration(self, kafka: KafkaSettings) -> dict[str, str]:
        lag = str(int(COMPACTION_LAG.total_seconds() * 1000))
        return {**TopicSpec.configuration(self, kafka), "max.compaction.lag.ms": lag, "segment.ms": lag}


PRIVACY_TOPICS: tuple[TopicSpec, ...] = (
    ErasableTopic(
        name=ORDERS_PRIVATE,
        purpose="private: the personal values of each order, encrypted with the keys of the persons in it",
        key="partition key of the order's events",
        value="private record, JSON: locks, nonce and ciphertext",
        cleanup=Cleanup.COMPACT,
        retention=None,
        tier=Tier.PRIVATE,
        readers="the privacy process, and people who may reveal a buyer and have the keys to",
    ),
    ErasableTopic(
        name=PERSON_KEYS,
        purpose="private: the data key of each person, wrapped with a key from the settings",
        key="ClientId:Pseudonym",
        value="wrapped key, JSON; a tombstone means that the person is forgotten",
        cleanup=Cleanup.COMPACT,
        retention=None,
        tier=Tier.PRIVATE,
        readers="the privacy process, and people who may reveal a buyer and have the keys to",
    ),
    TopicSpec(
        name=ORDERS_BUYERS,
        purpose="who bought, as pseudonyms: equal for the same person within one client",
        key="partition key of the order's events",
        value="pseudonyms of e-mail addresses and phone numbers, JSON",
        cleanup=Cleanup.COMPACT,
        retention=None,
    ),
    TopicSpec(
        name=KEY_CHECKS,
        purpose="private: check values that tell whether a key is the one that was first used under its id",
        key="ring:key id",
        value="check value, JSON",
        cleanup=Cleanup.COMPACT,
        retention=None,
        tier=Tier.PRIVATE,
        readers="the privacy process alone",
    ),
    TopicSpec(
        name=FORGET,
        purpose="requests to forget persons, one copy in each partition",
        key="forget, or tick",
        value="names of data keys to destroy, JSON",
        retention=timedelta(days=7),
        tier=Tier.PRIVATE,
        readers="the privacy process; people who may forget a person write to it",
    ),
)

TABLE_TOPICS = {"person-keys": PERSON_KEYS, "private": ORDERS_PRIVATE}
"""The process's tables with the topics that are their changelogs."""
