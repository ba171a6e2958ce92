"""Times and lengths of time as operators write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import typer

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([1-9][0-9]{0,5})([smhd])")


def moment(text: str | None, now: datetime, option: str) -> int | None:
    """Milliseconds since 1970 of a time, UTC if it has no offset, or of so long ago, such as ``24h``.

    Raises:
        typer.BadParameter: naming the option.
    """
    if text is None:
        return None
    if _DURATION.fullmatch(text):
        found = now - timedelta(seconds=duration(text, option))
    else:
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            raise typer.BadParameter(f"{text} is neither a time nor an age such as 24h", param_hint=option) from None
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return int(found.timestamp() * 1000)


def duration(text: str, option: str) -> int:
    """Seconds of a length of time such as ``15m``.

    Raises:
        typer.BadParameter: naming the option.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise typer.BadParameter(f"{text} is no length of time such as 15m, 1h or 7d", param_hint=option)
    return int(match[1]) * _UNITS[match[2]]
