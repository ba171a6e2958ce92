"""Settings of the privacy process."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from pipeline.settings.base import Port, ProcessSettings, Seconds


def key_bytes(secret: SecretStr) -> bytes:
    """The bytes of a key that stands in the settings as base64.

    Raises:
        ValueError: it is no base64, or fewer than 32 bytes.
    """
    key = base64.b64decode(secret.get_secret_value(), validate=True)
    if len(key) < 32:
        raise ValueError("fewer than 32 bytes")
    return key


class PrivacySettings(ProcessSettings):
    """The privacy process: pseudonyms on public topics, encrypted values on private ones."""

    model_config = SettingsConfigDict(env_prefix="NORCE_PRIVACY_")

    pseudonym_keys: dict[str, SecretStr] = Field(
        description='JSON: key id to base64 of 32 random bytes, {"p1": ...}; every key that was ever in use',
        min_length=1,
    )
    pseudonym_key_id: str = Field(default="p1", description="The pseudonym key in use")
    retired_pseudonym_keys: Annotated[list[str], NoDecode] = Field(
        default=[],
        description="Key ids, comma separated, whose pseudonyms are not published any more; persons are found by them",
    )
    encryption_keys: dict[str, SecretStr] = Field(
        description='JSON: key id to base64 of 32 random bytes, {"k1": ...}; they wrap the data keys of persons',
        min_length=1,
    )
    encryption_key_id: str = Field(default="k1", description="The key-encryption key in use")
    group: str = Field(default="norce-privacy", description="Consumer group", min_length=1)
    data_dir: Path = Field(
        default=Path("data/privacy"), description="Folder of the RocksDB state; emptied at each start and stop"
    )
    port: Port = Field(default=8087, description="Port of /livez, /readyz and /metrics")
    slice_records: int = Field(default=500, ge=1, le=100_000, description="Most records sealed as one step")
    stall_timeout: Seconds = Field(
        default=300.0, description="Seconds with work waiting and none finished after which /livez fails"
    )
    tick_interval: Seconds = Field(
        default=900.0, description="Seconds between two records that let the private topics begin new segments"
    )

    @field_validator("retired_pseudonym_keys", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",")] if isinstance(value, str) else value

    @field_validator("pseudonym_keys", "encryption_keys")
    @classmethod
    def _usable(cls, ring: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for key_id, secret in ring.items():
            if not re.fullmatch(r"[A-Za-z0-9_-]{1,20}", key_id):
                raise ValueError("a key id has 1 to 20 letters, digits, - or _")
            try:
                key_bytes(secret)
            except ValueError:
                raise ValueError(f"key {key_id!r} is not base64 of at least 32 bytes") from None
        return ring

    @model_validator(mode="after")
    def _in_the_ring(self) -> Self:
        if self.pseudonym_key_id not in self.pseudonym_keys:
            raise ValueError(f"NORCE_PRIVACY_PSEUDONYM_KEYS has no key {self.pseudonym_key_id!r}")
        if self.encryption_key_id not in self.encryption_keys:
            raise ValueError(f"NORCE_PRIVACY_ENCRYPTION_KEYS has no key {self.encryption_key_id!r}")
        if self.pseudonym_key_id in self.retired_pseudonym_keys:
            raise ValueError(f"the pseudonym key in use, {self.pseudonym_key_id!r}, is among the retired ones")
        if any(len(key_bytes(secret)) != 32 for secret in self.encryption_keys.values()):
            raise ValueError("NORCE_PRIVACY_ENCRYPTION_KEYS: a key of AES-256 has 32 bytes")
        return self
