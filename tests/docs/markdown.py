"""What stands on the pages of the documentation: blocks of code, commands, links and headings."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = ("README.md", "k8s/README.md", *sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/**/*.md")))

SHELLS = ("console", "sh")
"""The languages of blocks whose lines are commands. A block with prompts has output between them."""
PROMPT = "$ "
PROGRAMS = ("norce-pipeline", "make", "docker", "python", "kubectl")
"""What a piece of code within a sentence begins with if it is a command."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block."""

    language: str
    text: str


@cache
def tokens(page: str) -> tuple[Token, ...]:
    """Blocks with their inline parts, flat."""
    parsed = MarkdownIt("commonmark").enable("table").parse((ROOT / page).read_text("utf-8"))
    return tuple(part for token in parsed for part in (token, *(token.children or ())))


def blocks(page: str) -> list[Block]:
    return [Block(token.info, token.content) for token in tokens(page) if token.type == "fence"]


def inline(page: str) -> list[str]:
    """Pieces of code within sentences, each as one line."""
    return [" ".join(token.content.split()) for token in tokens(page) if token.type == "code_inline"]


def commands(page: str) -> list[tuple[str, ...]]:
    """Every command as its words, without comments and variables set before it."""
    lines = [line for block in blocks(page) if block.language in SHELLS for line in _lines(block.text)]
    lines += [code for code in inline(page) if code.split()[0] in PROGRAMS or _sets_variables(code)]
    return [words for line in lines if (words := _words(line))]


def _lines(text: str) -> list[str]:
    lines = text.replace("\\\n", " ").splitlines()
    prompted = [line.removeprefix(PROMPT) for line in lines if line.startswith(PROMPT)]
    return prompted or lines


def _sets_variables(code: str) -> bool:
    return re.match(r"([A-Z_]+=\S+ )+(" + "|".join(PROGRAMS) + ") ", code) is not None


def _words(line: str) -> tuple[str, ...]:
    words = shlex.split(line, comments=True)
    while words and re.match(r"[A-Z_]+=", words[0]):
        del words[0]
    return tuple(words)


def links(page: str) -> Iterator[str]:
    """Where links and pictures lead."""
    for token in tokens(page):
        place = token.attrGet("href") or token.attrGet("src")
        if place is not None:
            yield str(place)


@cache
def anchors(page: str) -> frozenset[str]:
    """What links may name of a page: its headings, as forges and site generators write them."""
    found = tokens(page)
    titles = [after.content for token, after in pairwise(found) if token.type == "heading_open"]
    return frozenset(re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles)
