"""Ids that are made from content, so that the same content has the same id wherever and whenever it is made."""

from __future__ import annotations

import hashlib
import uuid


def content_id(namespace: uuid.UUID, name: bytes) -> str:
    """The UUID version 5 of a name. ``uuid.uuid5`` takes names as text only, and is slower."""
    digits = hashlib.sha1(namespace.bytes + name, usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"
