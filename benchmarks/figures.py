"""What a run of one contestant came to, and ratios between runs of the same repetition."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


class WrongResult(Exception):
    """A contestant was fast and wrong: its figures mean nothing."""


@dataclass(frozen=True)
class Run:
    """One run of one contestant."""

    workload: str
    """What was done, with what makes it another workload: ``ingress/64``."""
    contestant: str
    repetition: int
    values: Mapping[str, float]
    """Named by what they are and their unit: ``rate`` a second, ``cpu_us`` for each item, ``p99_ms``."""


@dataclass(frozen=True)
class Summary:
    """Median and spread of one value over the repetitions."""

    median: float
    lowest: float
    highest: float
    runs: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Summary:
        return cls(statistics.median(values), min(values), max(values), len(values))

    @property
    def spread(self) -> float:
        """Between the lowest and the highest, as a share of the median."""
        return (self.highest - self.lowest) / self.median if self.median else 0.0


@dataclass
class Runs:
    """All runs so far."""

    runs: list[Run] = field(default_factory=list)

    def add(self, run: Run) -> None:
        self.runs.append(run)

    def workloads(self) -> list[str]:
        return list(dict.fromkeys(run.workload for run in self.runs))

    def contestants(self, workload: str) -> list[str]:
        return list(dict.fromkeys(run.contestant for run in self.runs if run.workload == workload))

    def summary(self, workload: str, contestant: str, value: str) -> Summary | None:
        """``None`` where it was not measured."""
        found = [run.values[value] for run in self._of(workload, contestant) if value in run.values]
        return Summary.of(found) if found else None

    def values(self, workload: str, contestant: str) -> list[str]:
        return list(dict.fromkeys(name for run in self._of(workload, contestant) for name in run.values))

    def ratio(self, workload: str, ours: str, others: Iterable[str], value: str) -> Summary | None:
        """Our value over the smallest of the others', within each repetition; ``None`` where one is missing."""
        by_repetition: dict[int, dict[str, float]] = defaultdict(dict)
        for run in self.runs:
            if run.workload == workload and value in run.values:
                by_repetition[run.repetition][run.contestant] = run.values[value]
        others = tuple(others)
        ratios = [
            found[ours] / min(found[other] for other in others)
            for found in by_repetition.values()
            if ours in found and all(found.get(other) for other in others)
        ]
        return Summary.of(ratios) if ratios else None

    def _of(self, workload: str, contestant: str) -> list[Run]:
        return [run for run in self.runs if run.workload == workload and run.contestant == contestant]
