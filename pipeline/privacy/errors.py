"""What can go wrong with personal data, by name. No message holds a value, a key or anything made of one but names.

::

    PrivacyError
    ├── UnknownEncryptionKey    a data key is wrapped with a key that the settings do not have
    ├── WrongEncryptionKey      the settings have a key of that name, and it is another one
    ├── ChangedKey              the same, seen at the start, before anything was read or written with it
    ├── Forgotten               the key of a person was destroyed: the record can never be read again
    ├── BrokenSeal              a record or its key was altered after it was sealed
    ├── MalformedRecord         bytes that are no record of ours
    ├── NothingHeld             there is no private record under a key
    └── ForgetPending           the privacy process has not carried out a request to forget yet
"""

from collections.abc import Sequence


class PrivacyError(Exception):
    """Base of the errors about personal data."""


class UnknownEncryptionKey(PrivacyError):
    """Data keys stay unreadable until the key-encryption key is back in the ring."""

    def __init__(self, key_id: str) -> None:
        self.key_id = key_id
        super().__init__(f"NORCE_PRIVACY_ENCRYPTION_KEYS has no key {key_id!r}, with which a data key is wrapped")


class WrongEncryptionKey(PrivacyError):
    """Taken for forgotten, such a key would cost every person's data; so it stops whoever meets it."""

    def __init__(self, key_id: str) -> None:
        self.key_id = key_id
        super().__init__(
            f"the key {key_id!r} of NORCE_PRIVACY_ENCRYPTION_KEYS is not the one that data keys were wrapped with"
        )


class ChangedKey(PrivacyError):
    """With another secret under a known id everybody would get new pseudonyms, and nobody could be found or read."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        super().__init__(
            f"not the secrets that were first used under these ids: {', '.join(names)}. "
            "Put the first ones back, or give new secrets ids of their own"
        )


class Forgotten(PrivacyError):
    """The data key that a record was locked with is destroyed."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"the key of {name} is destroyed: what it locked cannot be read any more")


class BrokenSeal(PrivacyError):
    """The right keys do not open the record."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"the private record of {key} was altered after it was sealed")


class MalformedRecord(PrivacyError):
    """Bytes on a private topic that are no record of ours."""

    def __init__(self, what: str) -> None:
        super().__init__(f"not a {what}")


class NothingHeld(PrivacyError):
    """No private record stands under the key."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"no private record is held under {key}")


class ForgetPending(PrivacyError):
    """The request is on its topic and will be carried out, but was not within the time given."""

    def __init__(self, group: str, seconds: float) -> None:
        super().__init__(
            f"asked, and not carried out within {seconds:g} s: is 'norce-pipeline privacy' running "
            f"(consumer group {group})? It will carry the request out when it runs; ask again to see it done"
        )
