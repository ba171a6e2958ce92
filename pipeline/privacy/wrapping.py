"""Data keys, one per person, wrapped with a key-encryption key from the settings.

A wrapped key is a JSON record: ``id`` tells one data key from a later one of the same person, ``kek`` names the
key-encryption key, ``key`` is base64 of a nonce, the encrypted key and its tag (AES-256-GCM).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pipeline.privacy.errors import MalformedRecord, UnknownEncryptionKey, WrongEncryptionKey

KEY_BYTES = 32
NONCE_BYTES = 12

Random = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class DataKey:
    """A person's data key."""

    id: str
    secret: bytes = field(repr=False)


def new_data_key(random: Random) -> DataKey:
    """A data key that nobody has had before."""
    return DataKey(random(8).hex(), random(KEY_BYTES))


class Wrapping:
    """The ring of key-encryption keys. New data keys are wrapped with the one in use."""

    def __init__(self, keys: Mapping[str, bytes], in_use: str, random: Random) -> None:
        self._ciphers = {key_id: AESGCM(secret) for key_id, secret in keys.items()}
        self._in_use = in_use
        self._random = random

    def wrap(self, name: str, key: DataKey) -> bytes:
        """The record that keeps a data key under a name."""
        nonce = self._random(NONCE_BYTES)
        sealed = self._ciphers[self._in_use].encrypt(nonce, key.secret, _context(name, key.id))
        wrapped = base64.b64encode(nonce + sealed).decode()
        return orjson.dumps({"id": key.id, "kek": self._in_use, "key": wrapped})

    def unwrap(self, name: str, record: bytes) -> tuple[DataKey, bool]:
        """The data key of a record, and whether it is wrapped with the key in use.

        Raises:
            UnknownEncryptionKey, WrongEncryptionKey, MalformedRecord
        """
        try:
            found = orjson.loads(record)
            key_id, kek, wrapped = str(found["id"]), str(found["kek"]), base64.b64decode(found["key"], validate=True)
        except (ValueError, KeyError, TypeError):
            raise MalformedRecord("wrapped data key") from None
        cipher = self._ciphers.get(kek)
        if cipher is None:
            raise UnknownEncryptionKey(kek)
        try:
            secret = cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], _context(name, key_id))
        except InvalidTag:
            raise WrongEncryptionKey(kek) from None
        return DataKey(key_id, secret), kek == self._in_use


def _context(name: str, key_id: str) -> bytes:
    """Binds a wrapped key to its name: moved to another one it does not open."""
    return f"norce-pipeline data key {key_id} of {name}".encode()
