"""The site that ``make docs`` builds."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.docs.markdown import PAGES, ROOT

FETCHED = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src"}
"""What a browser fetches without being asked to, by element."""


def build(repository: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """Build it with the tools of this environment."""
    return subprocess.run(
        ["make", "--old-file=.venv/.installed-dev", "docs", f"SITE={site}", f"BIN={Path(sys.executable).parent}"],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "site"
    built = build(ROOT, folder)
    assert built.returncode == 0, built.stderr
    return folder


class Fetches(HTMLParser):
    """What a page has a browser fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        place = dict(attrs).get(FETCHED.get(tag, ""))
        if place:
            self.places.append(place)


def test_every_page_is_on_the_site(site: Path) -> None:
    expected = {re.sub(r"README\.md$", "index.html", page).removesuffix(".md") for page in PAGES}

    assert [page for page in expected if not (site / page).with_suffix(".html").is_file()] == []


def test_the_pages_fetch_nothing_from_elsewhere_and_all_they_fetch_is_there(site: Path) -> None:
    for page in site.rglob("*.html"):
        parser = Fetches()
        parser.feed(page.read_text("utf-8"))
        assert parser.places
        for place in parser.places:
            path = place.partition("?")[0].partition("#")[0]
            # The page for what is not found has addresses from the root, because it may stand anywhere.
            target = site / path.lstrip("/") if path.startswith("/") else page.parent / path
            assert target.exists(), f"{page.relative_to(site)}: {place}"
    sheets = [sheet.read_text("utf-8") for sheet in site.rglob("*.css")]
    assert sheets
    assert [
        found for sheet in sheets for found in re.findall(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//\S+", sheet)
    ] == []


def test_links_that_lead_nowhere_on_the_site_fail_the_build(tmp_path: Path) -> None:
    wrong = ["nowhere.md", "data.md#nothing", "../pipeline/topics.py", "/docs/data.md"]
    copy = tmp_path / "repository"
    (copy / "k8s").mkdir(parents=True)
    for name in ("Makefile", "mkdocs.yml", "README.md", "k8s/README.md"):
        shutil.copy(ROOT / name, copy / name)
    shutil.copytree(ROOT / "docs", copy / "docs")
    with (copy / "docs/norce.md").open("a") as page:
        page.writelines(f"\n[A link]({link})\n" for link in wrong)

    built = build(copy, tmp_path / "site")

    assert built.returncode != 0
    warnings = [line for line in built.stderr.splitlines() if line.startswith("WARNING")]
    assert [link for link in wrong if not any(f"'{link}'" in line for line in warnings)] == []
    assert len(warnings) == len(wrong)
