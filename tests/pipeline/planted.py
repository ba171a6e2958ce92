"""A distinctive value for every secret setting, and where none of them may ever be found."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote_plus

from pydantic import SecretStr

from pipeline.settings import GROUPS
from pipeline.settings_report import _is_secret

MARK = "planted"


def environment() -> dict[str, str]:
    """Every secret setting of every group; a new one is planted without anybody thinking of it."""
    return {
        group.variable(name): _value(group.variable(name), info.annotation)
        for group in GROUPS
        for name, info in group.model_fields.items()
        if _is_secret(info.annotation)
    }


def _value(variable: str, annotation: Any) -> str:
    text = f"{MARK}&{variable.lower()} 1"
    if "dict" in str(annotation):
        return json.dumps({"p1" if "PSEUDONYM" in variable else "k1": _key(variable)})
    if annotation in (SecretStr, SecretStr | None):
        return text
    return f"{text}a,{text}b"


def _key(variable: str) -> str:
    """Base64 of 32 bytes."""
    return base64.b64encode(f"{MARK}{variable[-20:].lower():=<25}".encode()).decode()


def needles(planted: Mapping[str, str], users: Mapping[str, str]) -> dict[bytes, str]:
    """What to look for, with the variable that it gives away. ``users`` are those that a password goes with."""
    found: dict[bytes, str] = {}
    for variable, value in planted.items():
        for secret in _parts(value):
            forms = {secret, quote_plus(secret), json.dumps(secret)[1:-1], repr(secret)[1:-1]}
            forms |= {form for user in (None, users.get(variable)) for form in _encoded(user, secret)}
            found |= {form.encode(): variable for form in forms}
            if value.startswith("{"):
                found[base64.b64decode(secret)] = variable
    return found


def _parts(value: str) -> list[str]:
    if value.startswith("{"):
        return list(json.loads(value).values())
    return value.split(",")


def _encoded(user: str | None, secret: str) -> Iterator[str]:
    """As HTTP's Basic, SASL's PLAIN and Kubernetes' Secrets have it."""
    for text in [secret] if user is None else [f"{user}:{secret}", f"\0{user}\0{secret}"]:
        yield base64.b64encode(text.encode()).decode().rstrip("=")
