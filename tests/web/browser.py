"""A real browser that looks at the page, and what it complained about."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 900}
expect.set_options(timeout=15_000)  # milliseconds; the page looks again every five seconds at the latest
_VIOLATIONS = "addEventListener('securitypolicyviolation', (v) => console.error('CSP: ' + v.violatedDirective));"


def chromium() -> str:
    """Path of the machine's Chromium. Without one the test fails in CI, and is skipped elsewhere."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    message = 'NO CHROMIUM: "make browser" installs it; the console\'s page is unchecked'
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@contextmanager
def started() -> Iterator[Browser]:
    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Complaints:
    """What the browser complained about. Answers that a test asked for are named in ``expected``, as HTTP statuses."""

    origin: str
    expected: set[int] = field(default_factory=set)
    said: list[str] = field(default_factory=list)

    def on_console(self, message: ConsoleMessage) -> None:
        text = message.text
        asked_for = any(f"status of {status}" in text for status in self.expected) or (
            0 in self.expected and "net::ERR_" in text
        )
        if message.type in ("error", "warning") and not asked_for:
            self.said.append(f"{message.type}: {text}")

    def on_request(self, request: Request) -> None:
        if not request.url.startswith((self.origin, "data:")):
            self.said.append(f"asked another host: {request.url}")


def open_page(context: BrowserContext, complaints: Complaints) -> Page:
    """A page of its own whose every complaint is written down."""
    context.add_init_script(_VIOLATIONS)
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.on("console", complaints.on_console)
    page.on("pageerror", lambda error: complaints.said.append(f"thrown: {error}"))
    page.on("request", complaints.on_request)
    return page


def context(browser: Browser, **options: Any) -> BrowserContext:
    given = {"viewport": DESK, "locale": "en-GB", "timezone_id": "Europe/Stockholm"} | options
    return browser.new_context(**given)
