"""Metrics as a process shows them, read the way Prometheus reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

Labels = tuple[tuple[str, str], ...]


@dataclass
class Metrics:
    """The metrics of one moment, of one process or of several added up."""

    samples: dict[tuple[str, Labels], float] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, text: str) -> Metrics:
        found = cls()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found.samples[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
        return found

    def add(self, other: Metrics) -> None:
        """Take in another process's."""
        for name, value in other.samples.items():
            self.samples[name] = self.samples.get(name, 0.0) + value

    def values(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        """The samples of a name, with their labels."""
        for (each, labels), value in self.samples.items():
            if each == name:
                yield dict(labels), value

    def total(self, name: str, **labels: str) -> int:
        """The sum over all samples of a name that have these labels."""
        wanted = labels.items()
        return int(sum([value for own, value in self.values(name) if wanted <= own.items()]))

    def by(self, name: str, label: str) -> Counter[str]:
        """The sums by one label."""
        sums: Counter[str] = Counter()
        for labels, value in self.values(name):
            sums[labels.get(label, "")] += int(value)
        return sums
