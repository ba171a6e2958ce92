"""What of a free text may stand where everybody reads it.

The rule, written down once:

- a word, up to the next blanks, that has an at sign between other characters becomes ``[e-mail]``;
- seven or more digits become ``[number]``, whatever blanks, dots, dashes, slashes and brackets stand between them. That
  is every phone number without its country, and every longer number: a reference too many is gone, not one too few;
- the names, address and number that the same event has in fields of its own become ``[person]``, as whole words.

Nobody else's name can be told from other words, so a person who is named in the text only stays there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

E_MAIL, NUMBER, PERSON = "[e-mail]", "[number]", "[person]"

_AT = r"@\uff20"
_E_MAIL = re.compile(rf"(?<!\S)\S*?[^\s{_AT}][{_AT}]+[^\s{_AT}]\S*")
_NUMBER = r"(?P<number>[+(]{0,2}\d(?:[\s().\-\u2010-\u2015/]{0,3}\d){6,})"
_KEPT = r"(?P<kept>\[(?:e-mail|number|person)\])"
_RULE = f"{_KEPT}|{_NUMBER}"
_IMPERSONAL = re.compile(_RULE, re.IGNORECASE)


def masked(text: str, persons: Iterable[str] = ()) -> str:
    """The text with what may say who somebody is masked; masking it again changes nothing.

    ``persons`` are the personal values of the event that the text is from.
    """
    words = [word for word in map(str.strip, persons) if word]
    while (seen := _once(text, words)) != text:
        text = seen  # what is masked may leave a name standing by itself that did not before
    return text


def _once(text: str, words: Iterable[str]) -> str:
    without = _E_MAIL.sub(E_MAIL, text)
    held = {re.escape(word) for word in words if _may_hold(without, word)}
    if not held:
        return _IMPERSONAL.sub(_mask, without)
    names = "|".join(sorted(held, key=lambda word: (-len(word), word)))
    return re.sub(rf"{_RULE}|(?<!\w)(?P<person>{names})(?!\w)", _mask, without, flags=re.IGNORECASE)


def _may_hold(text: str, word: str) -> bool:
    """Whether a word can be in a text, which is quicker to tell than to make a rule of every event's own.

    Outside of ASCII there are letters of other cases than ``lower`` knows, so there the rule itself has to tell.
    """
    return not (text.isascii() and word.isascii()) or word.lower() in text.lower()


def _mask(found: re.Match[str]) -> str:
    match found.lastgroup:
        case "kept":
            return found.group()
        case "number":
            return NUMBER
        case _:
            return PERSON
