"""Pseudonyms: the same for the same person, and nothing to anybody without the key.

``p1:<43 characters>`` is the HMAC-SHA256 of an identifier under the key ``p1``, base64url. Each client (tenant) has a
key of its own, derived from the ring's by HKDF-SHA256: two clients' pseudonyms for one person have nothing in common.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Collection, Mapping
from functools import lru_cache

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pipeline.privacy.identifiers import Identifier


class Pseudonyms:
    """The key ring. A new key is added and made the one in use; an old one stays for what was named with it.

    Arguments:
        keys: key id to secret bytes.
        in_use: the key id that new names are made with.
        retired: key ids that are only looked up and forgotten by, not published any more.
    """

    def __init__(self, keys: Mapping[str, bytes], in_use: str, retired: Collection[str] = ()) -> None:
        self._keys = keys
        self._order = [in_use, *sorted(set(keys) - {in_use})]
        self._published = [key_id for key_id in self._order if key_id not in retired]
        self._client_key = lru_cache(maxsize=1024)(self._derive)

    @property
    def published_keys(self) -> list[str]:
        """The ids of the keys that public records carry pseudonyms of, the one in use first."""
        return list(self._published)

    def published(self, client_id: int, identifier: Identifier) -> list[str]:
        """The pseudonyms that public records carry, one for each key that is not retired, the one in use first."""
        return [self._pseudonym(key_id, client_id, identifier) for key_id in self._published]

    def names(self, client_id: int, identifier: Identifier) -> list[str]:
        """The names that a person's data key may be kept under, the one in use first."""
        return [name(client_id, self._pseudonym(key_id, client_id, identifier)) for key_id in self._order]

    def _pseudonym(self, key_id: str, client_id: int, identifier: Identifier) -> str:
        message = f"{identifier.kind}:{identifier.text}".encode("utf-8", "surrogatepass")
        digest = hmac.digest(self._client_key(key_id, client_id), message, "sha256")
        return f"{key_id}:{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"

    def _derive(self, key_id: str, client_id: int) -> bytes:
        info = f"norce-pipeline pseudonyms of client {client_id}".encode()
        return HKDF(SHA256(), 32, salt=None, info=info).derive(self._keys[key_id])


def name(client_id: int, pseudonym: str) -> str:
    """The name of a person's data key."""
    return f"{client_id}:{pseudonym}"
