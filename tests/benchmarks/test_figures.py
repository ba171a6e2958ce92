"""Ratios and bars: what a benchmark says must follow from its runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise

import pytest

from benchmarks.bars import BARS, FAUST, LOOP, OURS, STARLETTE, Bar, Sense, bars
from benchmarks.events import events
from benchmarks.figures import Run, Runs
from benchmarks.ingress.load import quantile
from benchmarks.looks import Look, reached
from benchmarks.machine import look
from benchmarks.report import Report
from benchmarks.runner import compete, until_clear
from benchmarks.versions import peer_versions


class Counting:
    """A workload whose contestants say in which turn they came."""

    name = "join"
    contestants: Sequence[str] = (OURS, FAUST)

    def __init__(self) -> None:
        self.turns: list[str] = []

    async def prepare(self) -> None:
        self.turns.clear()

    async def run(self, contestant: str, repetition: int) -> Run:
        self.turns.append(contestant)
        return Run(self.name, contestant, repetition, {"rate": 1000.0 if contestant == OURS else 100.0})


def runs(*rates: tuple[str, int, float]) -> Runs:
    return Runs([Run("join", contestant, repetition, {"rate": rate}) for contestant, repetition, rate in rates])


def test_a_ratio_is_made_within_a_repetition_so_that_a_slow_phase_of_the_machine_does_not_count() -> None:
    found = runs((OURS, 1, 1200), (FAUST, 1, 100), (OURS, 2, 120), (FAUST, 2, 10)).ratio("join", OURS, [FAUST], "rate")
    assert found is not None
    assert (found.median, found.lowest, found.highest, found.runs) == (12.0, 12.0, 12.0, 2)


def test_with_several_others_the_smallest_counts() -> None:
    found = runs((OURS, 1, 100), (FAUST, 1, 50), (LOOP, 1, 200)).ratio("join", OURS, [FAUST, LOOP], "rate")
    assert found is not None
    assert found.median == 2.0


@pytest.mark.parametrize("others", [[STARLETTE], [FAUST, STARLETTE]])
def test_there_is_no_ratio_to_a_contestant_that_did_not_run(others: list[str]) -> None:
    assert runs((OURS, 1, 100), (FAUST, 1, 50)).ratio("join", OURS, others, "rate") is None


@pytest.mark.parametrize(
    ("sense", "met"), [(Sense.AT_LEAST, [False, True, True]), (Sense.AT_MOST, [True, True, False])]
)
def test_a_bar_is_met_on_its_good_side_and_exactly_at_it(sense: Sense, met: list[bool]) -> None:
    bar = Bar("join", OURS, (FAUST,), "rate", sense, 1.5)
    assert [bar.is_met(ratio) for ratio in (1.4, 1.5, 1.6)] == met


def test_the_quick_run_is_never_stricter_than_the_bar() -> None:
    judged = [bar for bar in BARS if bar.quick is not None]
    assert judged
    for bar in judged:
        assert bar.quick is not None
        assert bar.is_met(bar.bar, quick=True), bar


def test_growth_is_judged_between_the_fewest_and_the_most_orders() -> None:
    assert bars(()) == BARS
    assert bars((10, 20, 5_000))[-1].others == ("10 orders",)
    assert bars((10, 20, 5_000))[-1].ours == "5,000 orders"


async def test_contestants_take_turns_in_an_order_that_turns_around_and_the_warm_up_is_not_kept() -> None:
    workload, found = Counting(), Runs()
    await compete(workload, 2, (), found, lambda line: None)
    assert workload.turns == [FAUST, OURS, OURS, FAUST, FAUST, OURS]
    assert sorted((run.contestant, run.repetition) for run in found.runs) == [
        (OURS, 1),
        (OURS, 2),
        (FAUST, 1),
        (FAUST, 2),
    ]


@pytest.mark.parametrize(("clear_after", "repetitions"), [(1, 1), (2, 2), (9, 3)])
async def test_what_looks_clearly_too_slow_is_measured_again_before_it_is_called_so(
    clear_after: int, repetitions: int
) -> None:
    workload, found = Counting(), Runs()
    await compete(workload, 1, (), found, lambda line: None)
    await until_clear(workload, lambda: len(found.runs) >= 2 * clear_after, 3, found, lambda line: None)
    assert {run.repetition for run in found.runs} == set(range(1, repetitions + 1))


async def test_who_cannot_run_here_is_left_out() -> None:
    found = Runs()
    await compete(Counting(), 1, {FAUST}, found, lambda line: None)
    assert [run.contestant for run in found.runs] == [OURS]


def test_the_report_says_what_was_met_and_on_which_hardware() -> None:
    found = runs((OURS, 1, 1300), (FAUST, 1, 100), (LOOP, 1, 4000))
    report = Report(found, BARS, look(), peer_versions(), ["a note"], [], quick=False)
    text, data = report.markdown(), json.loads(json.dumps(report.as_json()))
    assert f"| join | {FAUST} | rate | **13.00** | 13.00 to 13.00 | at least 12 | ✓ |" in text
    assert f"| join | {LOOP} | rate | **0.33** | 0.33 to 0.33 | at least 0.6 | ✗ |" in text
    assert report.machine.processor in text
    assert "a note" in text
    assert [bar["met"] for bar in data["bars"]] == [True, False]
    assert len(data["runs"]) == 3
    assert [bar.others for bar in report.clearly_below("join")] == [(LOOP,)]
    assert report.clearly_below("sink/connect") == []


def test_the_report_of_a_quick_run_marks_what_fails_it_and_tells_the_bar_beside() -> None:
    found = runs((OURS, 1, 400), (FAUST, 1, 100), (LOOP, 1, 1000))
    report = Report(found, BARS, look(), peer_versions(), [], [], quick=True)
    text = report.markdown()
    assert f"| join | {FAUST} | rate | **4.00** | 4.00 to 4.00 | at least 3 (bar 12) | ✓ |" in text
    assert f"| join | {LOOP} | rate | **0.40** | 0.40 to 0.40 | at least 0.45 (bar 0.6) | ✗ |" in text
    assert [bar.others for bar in report.clearly_below()] == [(LOOP,)]
    assert [bar["met"] for bar in report.as_json()["bars"]] == [True, False]


def test_every_peer_is_pinned() -> None:
    assert {
        "fastapi",
        "quixstreams",
        "faust-streaming",
        "fastify",
        "franz-go",
        "kafka-streams",
    } <= peer_versions().keys()


def test_quantiles_are_values_that_were_measured() -> None:
    assert quantile([], 0.5) == 0.0
    assert [quantile([1.0, 2.0, 3.0, 4.0], share) for share in (0.0, 0.5, 0.99, 1.0)] == [1.0, 3.0, 4.0, 4.0]


def test_progress_is_read_at_the_first_look_that_saw_it() -> None:
    looks = [Look(float(at), outputs, 0.0, 0) for at, outputs in enumerate((0, 10, 10, 30))]
    assert [reached(looks, outputs).at for outputs in (0, 5, 10, 11, 30)] == [0.0, 1.0, 1.0, 3.0, 3.0]


def test_the_events_of_the_benchmark_are_the_same_every_time_and_far_apart() -> None:
    first, second = list(events(300, interleaved=100)), list(events(300, interleaved=100))
    assert first == second
    neighbours = [left.key == right.key for left, right in pairwise(first)]
    assert sum(neighbours) < 0.05 * len(first)
