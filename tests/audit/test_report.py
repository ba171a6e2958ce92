"""What an audit prints: the balance, every id that does not fit, and the same for programs."""

import json
from io import StringIO
from pathlib import Path

import pytest

from pipeline.audit.database import database
from pipeline.audit.report import Report
from pipeline.audit.tally import Tally

HOUR = 3_600_000


@pytest.fixture
def tallies() -> tuple[Tally, Tally]:
    events, updates = Tally(HOUR), Tally(HOUR)
    for time, ended in ((0, "applied"), (HOUR - 1, "unbalanced"), (HOUR, "pending"), (HOUR, "quarantined")):
        events.count("OrderReceivedEvent", time, ended)
    updates.count("connect", 0, "delivered")
    return events, updates


def test_each_bucket_is_a_row_and_each_id_that_does_not_fit_a_line(
    tmp_path: Path, tallies: tuple[Tally, Tally], capsys: pytest.CaptureFixture[str]
) -> None:
    with database(tmp_path) as rows:
        rows.problem("OrderReceivedEvent", 5, "e1", "norce.events.order/0@7", "has no outcome")
        for number in range(30):
            rows.wait_for("connect", number, f"u{number}", "norce.updates/0@1")
        Report(rows, *tallies, now=2 * HOUR).print()
    out = capsys.readouterr().out
    assert "1970-01-01T01:00:00Z" in out
    assert "OrderReceivedEvent e1 at norce.events.order/0@7 (1970-01-01T00:00:00Z) has no outcome" in out
    assert "connect u0 at norce.updates/0@1 (1970-01-01T00:00:00Z) is pending for 2 h" in out
    assert "and 10 more are pending" in out
    assert out.splitlines()[-1] == "4 events and 1 updates, 30 pending; the ledger does not balance: 1 problem(s)"


def test_programs_get_all_of_it_as_one_object(tmp_path: Path, tallies: tuple[Tally, Tally]) -> None:
    out = StringIO()
    with database(tmp_path) as rows:
        rows.problem("order states", None, "1:2:3", "state of order 1:2:3", "is unreadable")
        rows.wait_for("connect", 0, "u", "norce.updates/0@1")
        Report(rows, *tallies, now=1000).write_json(out)
    found = json.loads(out.getvalue())
    assert (found["balanced"], found["pending"]) == (False, 1)
    assert [row["received"] for row in found["events"]] == [2, 2]
    assert found["events"][1]["quarantined"] == found["updates"][0]["delivered"] == 1
    (problem,) = found["problems"]
    assert problem == {
        "about": "order states",
        "at": None,
        "id": "1:2:3",
        "where": "state of order 1:2:3",
        "problem": "is unreadable",
    }
    assert found["waiting"][0]["problem"] == "is pending for 1 s"


@pytest.mark.parametrize(
    ("problems", "pending", "settled", "balanced"),
    [
        (0, 0, True, True),
        (0, 1, False, True),
        (0, 1, True, False),
        (1, 0, False, False),
    ],
)
def test_pending_fails_only_if_everything_has_to_be_settled(
    tmp_path: Path, tallies: tuple[Tally, Tally], problems: int, pending: int, settled: bool, balanced: bool
) -> None:
    with database(tmp_path) as rows:
        for _ in range(problems):
            rows.problem("connect", 0, "u", "p", "q")
        for _ in range(pending):
            rows.wait_for("connect", 0, "u", "p")
        assert Report(rows, *tallies, now=0).balanced(settled=settled) is balanced


def test_nothing_stays_in_the_folder_when_it_is_interrupted(tmp_path: Path) -> None:
    def interrupted() -> None:
        with database(tmp_path):
            assert list(tmp_path.iterdir()) != []
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
