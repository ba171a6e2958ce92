"""No command and no setting can move money, because no client of Norce knows a call that does."""

from __future__ import annotations

import ast
import re
from pathlib import Path

CLIENTS = ("connect", "checkout", "query", "norce")


def test_the_clients_know_no_call_that_could_move_money(repository: Path) -> None:
    """An operator's release sends an order's newest state again: what it can call is what stands here."""
    written = {
        (path.parent.name, part.strip("/"))
        for room in CLIENTS
        for path in (repository / "connectors" / room).glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "url"
        for part in _texts(keyword.value)
        if part.strip("/")
    }

    assert written == {("connect", "Order/SendOrderStatus"), ("checkout", "attributes")}


def test_the_clients_change_things_at_norce_with_two_calls_only(repository: Path) -> None:
    methods = {
        (path.parent.name, str(keyword.value.value))
        for room in CLIENTS
        for path in (repository / "connectors" / room).glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "method" and isinstance(keyword.value, ast.Constant)
    }

    assert {method for method in methods if method[1] != "GET"} == {
        ("connect", "POST"),
        ("checkout", "PATCH"),
    }


def test_a_call_that_these_tests_would_overlook_cannot_be_written(repository: Path) -> None:
    """All requests are of one class, with method and address by name, and one place opens connections."""
    sources = {path: path.read_text() for room in CLIENTS for path in (repository / "connectors" / room).glob("*.py")}
    made = [
        (path.name, {keyword.arg for keyword in node.keywords}, [ast.unparse(one) for one in node.args])
        for path, source in sources.items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Request"
    ]
    by_place = [call for call in made if not {"operation", "method", "url"} <= call[1]]

    assert len(made) >= 6
    assert by_place == [("identity.py", {"form"}, ["'Token'", "'POST'", "url"])]
    assert [path.name for path, source in sources.items() if "aiohttp.ClientSession(" in source] == ["transport.py"]
    others = re.compile(r"^\s*(?:import|from) (?:httpx|requests|socket|http\.client|urllib\.request)\b", re.MULTILINE)
    assert [path.name for path, source in sources.items() if others.search(source)] == []


def _texts(value: ast.expr) -> list[str]:
    return [
        str(node.value) for node in ast.walk(value) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
