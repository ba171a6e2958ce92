"""The report: a table of ratios for people, JSON for programs, and a plot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.bars import OURS, Bar
from benchmarks.figures import Runs, Summary
from benchmarks.machine import Machine
from benchmarks.profiles import Profile
from benchmarks.versions import PeerVersions

_UNITS = {
    "rate": "a second",
    "cpu_us": "µs of CPU each",
    "broker_cpu_us": "µs of CPU each, broker",
    "load_cpu_us": "µs of CPU each, load generator",
    "p50_ms": "ms median",
    "p99_ms": "ms p99",
    "worst_ms": "ms worst",
    "memory_mib": "MiB",
}


@dataclass(frozen=True)
class Report:
    """Everything that is reported."""

    runs: Runs
    bars: Sequence[Bar]
    machine: Machine
    peers: PeerVersions
    notes: list[str]
    profiles: list[Profile]
    quick: bool

    @property
    def judged(self) -> list[tuple[Bar, Summary]]:
        """Every bar that was measured, with its ratio."""
        found = [(bar, self.runs.ratio(bar.workload, bar.ours, bar.others, bar.value)) for bar in self.bars]
        return [(bar, ratio) for bar, ratio in found if ratio is not None]

    def clearly_below(self, workload: str | None = None) -> list[Bar]:
        """Bars, of one workload if it is named, that a quick run says are missed clearly."""
        return [
            bar
            for bar, ratio in self.judged
            if bar.quick and workload in (None, bar.workload) and not bar.is_met(ratio.median, quick=True)
        ]

    def write(self, folder: Path) -> list[Path]:
        """Write ``bench.md``, ``bench.json`` and ``bench.svg``; returns their paths."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"bench.{kind}" for kind in ("md", "json", "svg")]
        paths[0].write_text(self.markdown())
        paths[1].write_text(json.dumps(self.as_json(), indent=2) + "\n")
        _plot(paths[2], self.judged, quick=self.quick)
        return paths

    def markdown(self) -> str:
        """For people."""
        lines = ["# Benchmarks", ""]
        if self.quick:
            lines += [
                "A quick run: sizes are small and the repetitions few, so only what is clearly below its bar fails it.",
                "Each ratio is held against that limit, and its bar is beside it.",
                "",
            ]
        lines += _about(self.machine, self.peers)
        lines += ["", "## Bars", ""]
        lines += ["| workload | ours against | value | ratio | spread | bar | met |", "|---" * 7 + "|"]
        lines += [_bar(bar, ratio, quick=self.quick) for bar, ratio in self.judged]
        lines += ["", "A ratio is the median over the repetitions, the spread the lowest and the highest of them."]
        lines += [
            "With two others, it is against the smaller one.",
            "",
            f"![How many times each ratio meets its {'limit' if self.quick else 'bar'}](bench.svg)",
        ]
        for workload in self.runs.workloads():
            lines += ["", f"## {workload}", "", *_workload(self.runs, workload)]
        if self.profiles:
            lines += ["", "## Where our processor time goes", "", *_profiles(self.profiles)]
        if self.notes:
            lines += ["", "## Notes", "", *[f"- {note}" for note in self.notes]]
        return "\n".join(lines) + "\n"

    def as_json(self) -> dict[str, Any]:
        """For programs, with every single run."""
        return {
            "quick": self.quick,
            "machine": self.machine.as_dict(),
            "peers": self.peers,
            "bars": [
                {**asdict(bar), "ratio": asdict(ratio), "met": bar.is_met(ratio.median, quick=self.quick)}
                for bar, ratio in self.judged
            ],
            "runs": [asdict(run) for run in self.runs.runs],
            "profiles": [asdict(profile) for profile in self.profiles],
            "notes": list(self.notes),
        }


def _about(machine: Machine, peers: PeerVersions) -> list[str]:
    ours = ", ".join(f"{name} {version}" for name, version in machine.packages.items())
    theirs = ", ".join(f"{name} {version}" for name, version in peers.items())
    return [
        f"- {machine.processor}, {machine.cores} cores, {machine.memory_gib} GiB, {machine.system}",
        f"- load before the run {machine.load_before}; broker, load generator and contestants share the cores",
        f"- Python {machine.python}, Java {machine.java}, Apache Kafka {machine.kafka}, commit {machine.commit}",
        f"- ours: {ours}",
        f"- peers: {theirs}",
    ]


def _bar(bar: Bar, ratio: Summary, *, quick: bool) -> str:
    against = " / ".join(bar.others)
    ours = "" if bar.ours == OURS else f"{bar.ours} against "
    spread = f"{ratio.lowest:.2f} to {ratio.highest:.2f}"
    met = "✓" if bar.is_met(ratio.median, quick=quick) else "✗"
    wanted = _wanted(bar, quick=quick)
    return f"| {bar.workload} | {ours}{against} | {bar.value} | **{ratio.median:.2f}** | {spread} | {wanted} | {met} |"


def _workload(runs: Runs, workload: str) -> list[str]:
    """Every contestant's values as multiples of the first one's, whose own are given once for scale."""
    contestants = runs.contestants(workload)
    first = contestants[0]
    values = runs.values(workload, first)
    scale = []
    for value in values:
        summary = runs.summary(workload, first, value)
        if summary is not None:
            scale.append(f"{summary.median:,.4g} {_UNITS.get(value, value)} (±{summary.spread / 2:.0%})")
    lines = [f"{first} = 1: {', '.join(scale)}"]
    if len(contestants) > 1:
        lines += ["", f"| | {' | '.join(values)} |", "|---" * (len(values) + 1) + "|"]
        for other in contestants:
            ratios = [runs.ratio(workload, other, (first,), value) for value in values]
            cells = ["" if ratio is None else f"{ratio.median:.2f}" for ratio in ratios]
            lines.append(f"| {other} | {' | '.join(cells)} |")
    return lines


def _profiles(profiles: Sequence[Profile]) -> list[str]:
    """One column for each workload; the parts that take most first."""
    parts = sorted(
        {part for profile in profiles for part in profile.shares},
        key=lambda part: -max(profile.shares.get(part, 0.0) for profile in profiles),
    )
    lines = [f"| | {' | '.join(profile.workload for profile in profiles)} |", "|---" * (len(profiles) + 1) + "|"]
    for part in parts:
        cells = [f"{profile.shares.get(part, 0.0):.0%}" for profile in profiles]
        lines.append(f"| {part} | {' | '.join(cells)} |")
    lines.append(f"| samples | {' | '.join(f'{profile.samples:,}' for profile in profiles)} |")
    lines += ["", "Shares of py-spy's samples in a run of its own, without the start of the process."]
    return lines


def _wanted(bar: Bar, *, quick: bool) -> str:
    limit = bar.limit(quick=quick)
    return f"{bar.sense} {limit:g}" + ("" if limit == bar.bar else f" (bar {bar.bar:g})")


def _plot(path: Path, found: Sequence[tuple[Bar, Summary]], *, quick: bool) -> None:
    """How many times each ratio meets its bar, or the limit of a quick run: right of the one line is good."""
    import matplotlib as mpl  # a second to import, and only needed here

    mpl.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 1 + 0.35 * len(found)), layout="constrained")
    for place, (bar, ratio) in enumerate(found):
        lowest, median, highest = (
            bar.times_met(value, quick=quick) for value in (ratio.lowest, ratio.median, ratio.highest)
        )
        color = "tab:green" if bar.is_met(ratio.median, quick=quick) else "tab:red"
        axes.barh(place, median - 1.0, left=1.0, color=color, alpha=0.6)
        axes.plot([lowest, highest], [place, place], color="black", linewidth=1)
    axes.set_yticks(range(len(found)), [_label(bar, quick=quick) for bar, _ in found], fontsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.axvline(1.0, color="black", linestyle="--", linewidth=1)
    axes.set_xlabel(f"times its {'limit' if quick else 'bar'}; line: lowest to highest")
    figure.savefig(path)
    pyplot.close(figure)


def _label(bar: Bar, *, quick: bool) -> str:
    return f"{bar.workload}: {bar.value} against {' / '.join(bar.others)}, {_wanted(bar, quick=quick)}"
