"""Selections that make no sense."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from pipeline.cli import app


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ([], "say what is meant"),
        (["--topic", "norce.updates"], "norce.updates has no events"),
        (["--type", "NonsenseEvent"], "there is no event type NonsenseEvent"),
        (["--order", "77"], "77 is not the key of an order"),
        (["--type", "OrderConfirmedEvent", "--from", "10"], "an offset is one of a partition"),
        (["--type", "OrderConfirmedEvent", "--partition", "1"], "a partition is one of a topic"),
        (["--type", "OrderConfirmedEvent", "--from", "tomorrow"], "neither a time nor an age"),
        (["--type", "OrderConfirmedEvent", "--topic", "norce.events.payment"], "is on norce.events.order"),
        (["--type", "OrderConfirmedEvent", "--target", "erp"], "there is no target erp"),
        (["--topic", "norce.events.order", "--partition", "99"], "has no partition 99"),
    ],
)
def test_what_is_wrong_with_a_selection_is_named_before_any_broker_is_asked(
    monkeypatch: pytest.MonkeyPatch, words: list[str], wrong: str
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    done = CliRunner().invoke(app, ["replay", *words, "--dry-run"])
    assert done.exit_code == 2, done.output
    assert wrong in " ".join(done.stderr.split())
