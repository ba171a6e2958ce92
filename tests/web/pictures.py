"""Pictures of the console for the documents: python -m tests.web.pictures [FOLDER] [--all]

Two go to docs/pictures, with a list of the digests of what they show and of themselves; with --all every view is taken,
light and dark, wide and narrow, to be looked at.
"""

from __future__ import annotations

import argparse
import hashlib
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.support.processes import ROOT
from tests.web import data
from tests.web.browser import DESK, PHONE, Complaints, context, open_page, started
from tests.web.server import STATIC, Console

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
WIDTH = 1240
HEIGHTS = {"overview": 956, "order": 2260}
"""Of the pictures of the documents, as far as their views are worth showing."""
ORDER = f"#/orders/{data.order_key(data.REVIEWED)}"
LETTER = f"#/dead-letters/{data.letter_id(0)}"
VIEWS = {
    "overview": "#/",
    "order": ORDER,
    "cancelled": f"#/orders/{data.order_key(data.CANCELLED)}",
    "orders": "#/orders",
    "product": f"#/products/{data.CLIENT}:LAMP-07",
    "alerts": "#/alerts",
    "dead-letters": "#/dead-letters",
    "letter": LETTER,
    "quarantine": "#/quarantine",
    "body": "#/quarantine/0:0",
    "reconciliation": "#/reconciliation",
    "drift": "#/drift",
    "nothing": "#/search?q=SO-404",
    "several": "#/search?q=several",
    "sign-in": "#/sign-in",
}


FOLDER = ROOT / "docs" / "pictures"
DIGESTS = FOLDER / "console.sha256"
"""As sha256sum writes and checks it: "sha256sum --check docs/pictures/console.sha256" from the root."""
SHOWN = (*STATIC.rglob("*"), *(ROOT / "tests/web" / name for name in ("data.py", "pictures.py", "server.py")))
"""What the pictures are made from: the page, and what it is given to show."""


def digests() -> str:
    """Of what the pictures are made from and of the pictures, as they are now."""
    files = sorted(path for path in (*SHOWN, *FOLDER.glob("console-*.png")) if path.is_file())
    return "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(ROOT).as_posix()}\n" for path in files
    )


def take(
    browser: Browser,
    console: Console,
    place: str,
    file: Path,
    dialog: bool = False,
    whole: bool = True,
    **options: object,
) -> None:
    window = context(browser, **{"viewport": DESK, "reduced_motion": "reduce", **options})
    if dialog:
        window.add_init_script("sessionStorage.setItem('norce-console-token', 'operator-token')")
    page = open_page(window, Complaints(console.address))
    page.clock.set_fixed_time(NOW)
    page.goto(console.address + place)
    page.locator("h1, .state").first.wait_for()
    if place == "#/":
        _several_looks(page)
    page.wait_for_load_state("networkidle")
    if dialog:
        page.get_by_role("button", name="Release").click()
    page.screenshot(path=file, full_page=whole and not dialog)
    window.close()


def _several_looks(page: Page) -> None:
    """So that the small curves have something to show."""
    for _ in range(60):
        with page.expect_response("**/overview"):
            page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--only", default="", help="with --all: part of the names")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    with Console(lambda: NOW) as console, started() as browser:
        if not given.all:
            for name, height in HEIGHTS.items():
                file = given.folder / f"console-{name}.png"
                take(browser, console, VIEWS[name], file, whole=False, viewport={"width": WIDTH, "height": height})
            if given.folder == FOLDER:
                DIGESTS.write_text(digests())
            return
        for scheme in ("light", "dark"):
            for width, viewport in (("desk", DESK), ("phone", PHONE)):
                for name, place in VIEWS.items():
                    if given.only not in name:
                        continue
                    file = given.folder / f"{name}-{scheme}-{width}.png"
                    take(browser, console, place, file, color_scheme=scheme, viewport=viewport)
                take(
                    browser,
                    console,
                    LETTER,
                    given.folder / f"dialog-{scheme}-{width}.png",
                    dialog=True,
                    color_scheme=scheme,
                    viewport=viewport,
                )
        console.silent = True
        take(browser, console, "#/", given.folder / "silent-light-desk.png")


if __name__ == "__main__":
    main()
