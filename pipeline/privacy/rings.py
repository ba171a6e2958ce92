"""The key rings of the settings."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pydantic import SecretStr

from pipeline.privacy.pseudonyms import Pseudonyms
from pipeline.privacy.wrapping import Random, Wrapping
from pipeline.settings import PrivacySettings, key_bytes


def pseudonyms_of(settings: PrivacySettings) -> Pseudonyms:
    """The ring that pseudonyms are made with."""
    return Pseudonyms(
        _secrets(settings.pseudonym_keys), settings.pseudonym_key_id, frozenset(settings.retired_pseudonym_keys)
    )


def wrapping_of(settings: PrivacySettings, random: Random = os.urandom) -> Wrapping:
    """The ring that data keys are wrapped with."""
    return Wrapping(_secrets(settings.encryption_keys), settings.encryption_key_id, random)


def _secrets(ring: Mapping[str, SecretStr]) -> dict[str, bytes]:
    return {key_id: key_bytes(secret) for key_id, secret in ring.items()}
