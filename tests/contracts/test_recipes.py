"""The recipes that docs/data.md shows are the files that the tests run."""

from __future__ import annotations

from pathlib import Path

import pytest

RECIPES = Path(__file__).parent / "recipes"


@pytest.mark.parametrize("name", [path.name for path in sorted(RECIPES.iterdir()) if path.is_file()])
def test_the_page_shows_the_recipe_as_it_is_run(repository: Path, name: str) -> None:
    assert (RECIPES / name).read_text().strip() in (repository / "docs/data.md").read_text()
