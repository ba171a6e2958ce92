"""The command ``doctor``."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console

from pipeline import logs
from pipeline.connecting import run_and_close
from pipeline.console import FAILED, OK, Json, table
from pipeline.doctor.findings import Finding, Verdict
from pipeline.settings import LogSettings, load

NAMES = "webhook, worker, sink-connect, sink-checkout, lookup, drift, privacy, reconcile, console"
ORDER = (Verdict.WRONG, Verdict.WARNING, Verdict.SKIPPED, Verdict.OK)


def _names(incomplete: str) -> list[str]:
    """Processes for a shell to complete."""
    return [name for name in NAMES.split(", ") if name.startswith(incomplete)]


def command(
    processes: Annotated[
        list[str] | None,
        typer.Option(
            "--for", metavar="PROCESS", help=f"Only for this process; repeatable: {NAMES}.", autocompletion=_names
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check the surroundings and say what to do. Look at all that a process needs where this runs.

    Settings, brokers, topics, rights, the APIs of Norce, tokens, clock and disk. Without --for, of all processes of
    which anything is set. Each process asks Identity for one token, which allows three a minute. Nothing is changed.
    Exit code 1 if anything is wrong.

    Example: norce-pipeline doctor --for worker
    """
    from pipeline.doctor.checks import PROCESSES, examine

    unknown = [name for name in processes or () if name not in PROCESSES]
    if unknown:
        raise typer.BadParameter(f"there is no process {', '.join(unknown)}", param_hint="--for")
    (log,) = load(LogSettings)
    logs.configure(log)
    with Console(stderr=True).status("") as status:
        found = run_and_close(examine(processes or (), lambda text: status.update(f"looking at {text}")))
    found.sort(key=lambda finding: ORDER.index(finding.verdict))
    if as_json:
        print(json.dumps([finding.json() for finding in found], indent=2))
    else:
        _show(found)
    raise SystemExit(FAILED if any(finding.verdict is Verdict.WRONG for finding in found) else OK)


def _show(found: list[Finding]) -> None:
    rows = [
        {
            "": finding.verdict.value,
            "check": finding.check,
            "process": finding.process or "all",
            "found": finding.says,
            "what to do": finding.do,
        }
        for finding in found
    ]
    table(rows, "", "check", "process", "found", "what to do")
    counts = {verdict: sum(finding.verdict is verdict for finding in found) for verdict in ORDER}
    print(", ".join(f"{count} {verdict.value}" for verdict, count in counts.items() if count))
