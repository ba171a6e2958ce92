"""The commands on personal data, from what an operator types to what is printed."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pipeline import topics
from pipeline.connecting import run_and_close
from pipeline.privacy import PRIVACY_TOPICS, forgetting, identifiers, key_checks, reading
from pipeline.privacy.errors import PrivacyError
from pipeline.settings import KafkaSettings, PrivacySettings

__all__ = ["NobodyNamed", "PrivacyError", "forget", "reveal"]


class NobodyNamed(Exception):
    """There is nothing in the options that identifies anybody."""


def forget(
    kafka: KafkaSettings,
    settings: PrivacySettings,
    emails: Sequence[str] | None,
    phones: Sequence[str] | None,
    pseudonyms: Sequence[str] | None,
    clients: Sequence[int] | None,
    seconds: float,
) -> list[str]:
    """Erase a person; returns what to tell, which names keys and never what was typed.

    Raises:
        NobodyNamed, ChangedKey, ForgetPending, TopicError
    """
    found = [identifiers.email(text) for text in emails or ()] + [identifiers.phone(text) for text in phones or ()]
    persons = {person for person in found if person is not None}
    if len(persons) < len(set(found)) or not (persons or pseudonyms):
        raise NobodyNamed("name a person by --email, --phone or --pseudonym; an empty one names nobody")
    run_and_close(topics.check(kafka, PRIVACY_TOPICS))
    run_and_close(key_checks.confirm(kafka, settings))
    done = run_and_close(forgetting.forget(kafka, settings, persons, pseudonyms or (), clients or (), seconds))
    lines = [f"destroyed  {name}" for name in done.names]
    where = ", ".join(map(str, done.clients)) or "none"
    return lines or [f"no data key was held for that person (clients: {where})"]


def reveal(kafka: KafkaSettings, settings: PrivacySettings, key: str) -> str:
    """The personal values of one order as JSON.

    Raises:
        PrivacyError, TopicError
    """
    run_and_close(topics.check(kafka, PRIVACY_TOPICS))
    run_and_close(key_checks.confirm(kafka, settings))
    return json.dumps(run_and_close(reading.reveal(kafka, settings, key)), ensure_ascii=False, indent=2)
