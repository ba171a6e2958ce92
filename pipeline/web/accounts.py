"""Who asks, and what they may do. Tokens are kept as digests; they are random and long, so a digest is enough."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta


class Role(StrEnum):
    """What an account may do beyond reading."""

    OPERATOR = "operator"
    """Release and drop dead letters, retry what is in quarantine."""
    PRIVACY = "privacy"
    """See what buyers are called and how to reach them."""


class UnusableAccounts(Exception):
    """The accounts file is not what it has to be."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")


class Account(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One account, as the file has it."""

    token_sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    roles: frozenset[Role] = frozenset()


class Caller(msgspec.Struct, frozen=True):
    """Who makes a request; nobody in particular has no name and no roles."""

    name: str | None = None
    roles: frozenset[Role] = frozenset()


NOBODY = Caller()


class Accounts:
    """The accounts of a file, ``{name: {"token_sha256": ..., "roles": [...]}}``."""

    def __init__(self, accounts: Mapping[str, Account]) -> None:
        self._accounts = accounts

    @classmethod
    def read(cls, path: Path | None) -> Accounts:
        """Raises ``UnusableAccounts``."""
        if path is None:
            return cls({})
        try:
            return cls(msgspec.json.decode(path.read_bytes(), type=dict[str, Account]))
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise UnusableAccounts(path, str(error)) from error

    def __len__(self) -> int:
        return len(self._accounts)

    def caller(self, token: str) -> Caller | None:
        """Whose token it is. Every account is compared, in constant time, so the time tells nothing."""
        given, found = hashlib.sha256(token.encode()).hexdigest(), None
        for name, account in self._accounts.items():
            if hmac.compare_digest(given, account.token_sha256):
                found = Caller(name, account.roles)
        return found
