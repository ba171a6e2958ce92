"""Free text that everybody may read: no address, no number, nothing that the event itself says of a person."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.domain.masking import masked

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20)
local = st.from_regex(r"[a-z0-9._%+'-]{1,20}", fullmatch=True)
addresses = st.tuples(local, st.from_regex(r"[a-z0-9-]{1,10}(\.[a-z]{2,6}){0,2}", fullmatch=True)).map("@".join)
separators = st.sampled_from(["", " ", "-", ".", " - ", ") ", "/", "\u2011", "\u00a0"])


@st.composite
def numbers(draw: st.DrawFn) -> str:
    digits = draw(st.text("0123456789", min_size=7, max_size=15))
    return draw(st.sampled_from(["", "+", "(", "(+"])) + "".join(d + draw(separators) for d in digits[:-1]) + digits[-1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("card expired", "card expired"),
        ("Charge 12 of 3 was declined: 51", "Charge 12 of 3 was declined: 51"),
        ("ask anna@example.com, now", "ask [e-mail] now"),
        ("mailto:anna@example.com", "[e-mail]"),
        ("call +46 70-174 06 05 or (070) 174 06 05!", "call [number] or [number]!"),
        ("+46(0)701740605", "[number]"),
        ("paid 1 234.50 SEK", "paid 1 234.50 SEK"),
        ("", ""),
    ],
)
def test_addresses_and_long_numbers_are_masked_and_other_words_are_not(text: str, expected: str) -> None:
    assert masked(text) == expected


@given(words, addresses, words)
def test_no_address_stays_whatever_stands_around_it(before: str, address: str, after: str) -> None:
    assert address not in masked(f"{before} {address} {after}")


@given(
    st.from_regex(r"[a-zåäö :;,!?]{0,20}", fullmatch=True),
    numbers(),
    st.from_regex(r"[a-zåäö :;,!?]{0,20}", fullmatch=True),
)
def test_no_number_stays_however_it_is_written(before: str, number: str, after: str) -> None:
    seen = masked(before + number + after)
    assert not any(character.isdigit() for character in seen)
    assert before.strip() in seen
    assert after.strip() in seen


@given(words, st.lists(words.filter(lambda word: bool(word.strip())), min_size=1, max_size=3), words)
def test_nothing_that_the_event_says_of_a_person_stays_as_a_word(before: str, persons: list[str], after: str) -> None:
    said = [person.strip() for person in persons]
    seen = masked(f"{before} {' '.join(said)} {after}", persons)
    left = seen.replace("[e-mail]", " ").replace("[number]", " ").replace("[person]", " ").split()
    assert not [person for person in said if person.isalpha() and person in left]


@given(
    st.lists(words | addresses | numbers() | st.sampled_from(["[e-mail]", "[number]", "[person]", "@"])),
    st.lists(words),
)
@example([":", "0000000"], [":"])
@example([":", "0000000"], [":[number]"])
def test_masking_again_changes_nothing(parts: list[str], persons: list[str]) -> None:
    once = masked("".join(parts), persons)
    assert masked(once, persons) == once
    assert masked(once) == once  # as in a copy, which does not say who the persons are


@pytest.mark.parametrize("part", ["a", "1 ", "a@", "@", "+(", "1-", "[e-mail", " "])
def test_a_long_text_takes_time_in_proportion_to_its_length(part: str) -> None:
    def seconds(length: int) -> float:
        text = part * (length // len(part))
        return min(_timed(text) for _ in range(3))

    assert seconds(256_000) < 128 * max(seconds(8_000), 1e-4)  # 32 times as long; 1024 times if it were quadratic


def _timed(text: str) -> float:
    began = time.thread_time()
    masked(text, ["Anna"])
    return time.thread_time() - began


CASED = st.text("iI\u0131\u0130sS\u017fkK\u212a\u00e5\u00c5", min_size=1, max_size=2)
"""Letters that are the same as others without regard to case, some of them in ways that ``lower`` does not know."""


@given(st.lists(CASED, max_size=6).map(" ".join), CASED)
def test_a_name_is_masked_in_every_case_in_which_a_rule_without_regard_to_case_finds_it(text: str, name: str) -> None:
    everywhere = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "[person]", text, flags=re.IGNORECASE)
    assert masked(text, [name]) == everywhere
