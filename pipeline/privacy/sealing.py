"""Private records: values that only the keys of everybody they name can open, all of them together.

A record is locked with the data keys of all addresses and numbers in it. The cipher's key is derived from all of them,
so destroying any one of them closes the record for good.

The record is JSON: ``locks`` (``name`` and ``key_id`` of each data key), ``nonce`` and ``ciphertext``, base64. The
ciphertext is AES-256-GCM over the JSON of the values; the record's key and its locks are authenticated with it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pipeline.privacy.errors import BrokenSeal, Forgotten, MalformedRecord
from pipeline.privacy.personal import Personal
from pipeline.privacy.wrapping import KEY_BYTES, NONCE_BYTES, DataKey, Random

KeyOf = Callable[[str], DataKey | None]
"""The data key kept under a name, if there is one."""


@dataclass(frozen=True, slots=True)
class _Sealed:
    locks: Sequence[tuple[str, str]]
    nonce: bytes
    ciphertext: bytes


def seal(key: str, personal: Personal, locks: Mapping[str, DataKey], random: Random) -> bytes:
    """The private record of the values under a record key, locked with data keys by name."""
    names = [(name, locks[name].id) for name in sorted(locks)]
    nonce = random(NONCE_BYTES)
    cipher = AESGCM(_secret([locks[name] for name, _ in names]))
    ciphertext = cipher.encrypt(nonce, orjson.dumps(personal), _context(key, names))
    return orjson.dumps(
        {
            "locks": [{"name": name, "key_id": key_id} for name, key_id in names],
            "nonce": base64.b64encode(nonce).decode(),
            "ciphertext": base64.b64encode(ciphertext).decode(),
        }
    )


def unseal(key: str, record: bytes, key_of: KeyOf) -> Personal:
    """The values of a private record.

    Raises:
        Forgotten: a data key of it is destroyed.
        BrokenSeal: it was altered.
        MalformedRecord
    """
    sealed = _read(record)
    secrets = [_held(name, key_id, key_of(name)) for name, key_id in sealed.locks]
    try:
        plain = AESGCM(_secret(secrets)).decrypt(sealed.nonce, sealed.ciphertext, _context(key, sealed.locks))
    except InvalidTag:
        raise BrokenSeal(key) from None
    return {attribute: tuple(values) for attribute, values in orjson.loads(plain).items()}


def lock_names(record: bytes) -> list[str]:
    """The names of the data keys that a private record is locked with.

    Raises:
        MalformedRecord
    """
    return [name for name, _ in _read(record).locks]


def _held(name: str, key_id: str, key: DataKey | None) -> DataKey:
    """A person who came back after being forgotten has another key: it opens nothing of before."""
    if key is None or key.id != key_id:
        raise Forgotten(name)
    return key


def _read(record: bytes) -> _Sealed:
    try:
        found: dict[str, Any] = orjson.loads(record)
        locks = [(str(lock["name"]), str(lock["key_id"])) for lock in found["locks"]]
        nonce, ciphertext = (base64.b64decode(found[name], validate=True) for name in ("nonce", "ciphertext"))
    except (ValueError, KeyError, TypeError):
        raise MalformedRecord("private record") from None
    if not locks or len(nonce) != NONCE_BYTES:
        raise MalformedRecord("private record")
    return _Sealed(locks, nonce, ciphertext)


def _secret(keys: Sequence[DataKey]) -> bytes:
    material = b"".join(key.secret for key in keys)
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=b"norce-pipeline private record").derive(material)


def _context(key: str, locks: Sequence[tuple[str, str]]) -> bytes:
    return orjson.dumps([key, [list(lock) for lock in locks]])
