"""One server and one browser for the tests of a module; a window of its own for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.web.browser import Complaints, context, open_page, started
from tests.web.server import Console


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started() as browser:
        yield browser


@pytest.fixture(scope="module")
def running_console() -> Iterator[Console]:
    with Console() as console:
        yield console


@pytest.fixture
def console(running_console: Console) -> Console:
    running_console.reset()
    return running_console


@pytest.fixture
def complaints(console: Console) -> Iterator[Complaints]:
    """Fails the test if the browser complained: an error, a warning, a forbidden request, another host."""
    complaints = Complaints(console.address)
    yield complaints
    assert complaints.said == []


Open = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser, console: Console, complaints: Complaints) -> Iterator[Open]:
    """Opens an address of the page, such as ``visit("#/alerts", token=..., viewport=...)``."""
    contexts = []

    def open_(place: str = "", token: str | None = None, **options: Any) -> Page:
        window = context(browser, **options)
        contexts.append(window)
        if token:
            window.add_init_script(f"sessionStorage.setItem('norce-console-token', '{token}')")
        page = open_page(window, complaints)
        page.goto(console.address + place)
        return page

    yield open_
    for window in contexts:
        window.close()
