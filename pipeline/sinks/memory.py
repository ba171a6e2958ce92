"""What was sent to Norce, per order, so that a redelivery or an echo sends nothing."""

from __future__ import annotations

import hashlib
from typing import Self

import msgspec

from pipeline.domain import UnknownStateLayout, Update
from pipeline.ledger import UpdateOutcome


def digest(update: Update) -> str:
    """Stands for everything in an update that Norce gets to see."""
    content = msgspec.json.encode([update.client_order_ref, update.order_no, update.content], order="sorted")
    return hashlib.blake2b(content, digest_size=16).hexdigest()


class Sent(msgspec.Struct, frozen=True, tag_field="v", tag=1, omit_defaults=True):
    """The newest update of an order that Norce took."""

    id: str
    version: int
    digest: str
    replay: str = ""
    """Id of the last command by which an update of the order was sent although Norce was told the same."""

    @classmethod
    def of(cls, update: Update, replay: str = "") -> Self:
        return cls(id=update.id, version=update.version, digest=digest(update), replay=replay)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """What ``encode`` wrote. Raises ``UnknownStateLayout``, if another version of this program wrote it."""
        try:
            return msgspec.json.decode(data, type=cls)
        except msgspec.ValidationError as error:
            raise UnknownStateLayout(f"what was sent cannot be read: {error}") from None

    def encode(self) -> bytes:
        return msgspec.json.encode(self)

    def judge(self, update: Update, replay: str = "") -> UpdateOutcome | None:
        """Why an update need not be sent any more, or ``None`` if it must be.

        Two updates of one version can differ: after a crash the worker may read its topics in another interleaving. The
        later of them on the topic stands then, so an equal version is no reason to leave one out.

        ``replay`` is the id of a command that wants the same sent again. It is once, however often the update is read.
        """
        if update.version < self.version:
            return UpdateOutcome.SUPERSEDED
        if replay and replay != self.replay:
            return None
        return UpdateOutcome.UNCHANGED if digest(update) == self.digest else None
