"""The command ``audit`` with what it cannot work with: named before anything is read."""

import pytest

from tests.cli.test_commands import command

NOWHERE = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "NORCE_KAFKA_REQUEST_TIMEOUT": "1"}


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--from", "yesterday"], "yesterday is neither a time nor an age"),
        (["--to", "2026-13-01"], "2026-13-01 is neither a time nor an age"),
        (["--bucket", "1 hour"], "1 hour is no length of time"),
        (["--type", "NonsenseEvent"], "there is no event type NonsenseEvent"),
        (["--temp-dir", "/nowhere"], "/nowhere"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_option_that_makes_no_sense_is_wrong_usage(options: list[str], named: str) -> None:
    done = command("audit", *options, COLUMNS="300", **NOWHERE)
    assert done.returncode == 2
    assert named in done.stderr


def test_a_broker_that_does_not_answer_is_named() -> None:
    done = command("audit", **NOWHERE)
    assert done.returncode == 3
    assert "BrokerUnreachable: no Kafka broker answers at 127.0.0.1:1" in done.stderr
