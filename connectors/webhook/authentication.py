"""The shared secret that Norce sends in a static header: all that its webhooks can carry (Norce docs)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence


class SecretHeader:
    """Tells whether a request carries one of the valid secrets. Several are valid at once while they are rotated."""

    def __init__(self, name: str, secrets: Iterable[str]) -> None:
        self.name = name.lower()
        self.replace(secrets)

    def replace(self, secrets: Iterable[str]) -> None:
        """From now on these are the valid ones."""
        self._digests = [_digest(secret.encode()) for secret in secrets]

    def is_valid(self, values: Sequence[str]) -> bool:
        """Whether these values of the header are one, and a valid secret.

        Takes the same time for any value: all secrets are compared, as digests of one length.
        """
        given = _digest(values[0].encode() if len(values) == 1 else b"")
        matches = [hmac.compare_digest(given, digest) for digest in self._digests]
        return len(values) == 1 and any(matches)


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()
