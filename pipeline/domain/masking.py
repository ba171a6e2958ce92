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


def masked(text: str, persons: Iterable[str] = ()) -> str:
    """The text with what may say who somebody is masked; masking it again changes nothing.

    ``persons`` are the personal values of the event that the text is from.
    """
    rule = f"{_KEPT}|{_NUMBER}"
    words = sorted({re.escape(word) for word in map(str.strip, persons) if word}, key=lambda word: (-len(word), word))
    if words:
        rule += rf"|(?<!\w)(?P<person>{'|'.join(words)})(?!\w)"
    return re.sub(rule, _mask, _E_MAIL.sub(E_MAIL, text), flags=re.IGNORECASE)


def _mask(found: re.Match[str]) -> str:
    match found.lastgroup:
        case "kept":
            return found.group()
        case "number":
            return NUMBER
        case _:
            return PERSON
