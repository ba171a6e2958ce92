"""No command and no setting can move money, because no client of Norce knows a call that does."""

from __future__ import annotations

import ast
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


def _texts(value: ast.expr) -> list[str]:
    return [
        str(node.value) for node in ast.walk(value) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
