"""The shared secret that Norce sends in a static header: all that its webhooks can carry (Norce docs)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from connectors.webhook.asgi import Scope, header_values


class SecretHeader:
    """Tells whether a request carries one of the valid secrets. Several are valid at once while they are rotated."""

    def __init__(self, name: str, secrets: Iterable[str]) -> None:
        self._name = name.lower().encode("latin-1")
        self.replace(secrets)

    def replace(self, secrets: Iterable[str]) -> None:
        """From now on these are the valid ones."""
        self._digests = [_digest(secret.encode()) for secret in secrets]

    def is_valid(self, scope: Scope) -> bool:
        """Takes the same time for any value: all secrets are compared, as digests of one length."""
        values = header_values(scope, self._name)
        given = _digest(values[0] if len(values) == 1 else b"")
        matches = [hmac.compare_digest(given, digest) for digest in self._digests]
        return len(values) == 1 and any(matches)


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()
