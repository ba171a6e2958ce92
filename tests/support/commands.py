"""``norce-pipeline`` as a process of its own, forked from one that has loaded it already: a start costs little."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

_FORKS = multiprocessing.get_context("forkserver")
# What many commands load beside the command line itself.
_FORKS.set_forkserver_preload(["pipeline.cli", "pipeline.contracts", "pipeline.doctor.checks", "pipeline.rights"])


def run_command(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    stdin: str = "",
    terminal: str | None = None,
    seconds: float = 60,
) -> subprocess.CompletedProcess[str]:
    """Run the command with exactly these variables and this input; what it prints, and its exit code.

    Standard error goes to the ``terminal`` of that path, if there is one, and is nothing here then.

    Raises:
        subprocess.TimeoutExpired: it was killed.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, *outputs = (Path(folder, name) for name in ("stdin", "stdout", "stderr"))
        given.write_text(stdin)
        places = [str(place) for place in (given, outputs[0], terminal or outputs[1])]
        child = _FORKS.Process(target=_main, args=(list(arguments), dict(environment), places))
        child.start()
        child.join(seconds)
        if child.exitcode is None:
            child.kill()
            child.join()
            raise subprocess.TimeoutExpired(list(arguments), seconds)
        said = [output.read_text() if output.exists() else "" for output in outputs]
        return subprocess.CompletedProcess(list(arguments), child.exitcode, *said)


def _main(arguments: list[str], environment: dict[str, str], places: list[str]) -> None:
    for descriptor, (path, way) in enumerate(zip(places, (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY), strict=True)):
        os.dup2(os.open(path, way | os.O_CREAT | os.O_NOCTTY), descriptor)
    sys.stdin = os.fdopen(0, closefd=False)  # multiprocessing puts /dev/null there
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["norce-pipeline", *arguments]
    from pipeline.cli import main

    main()
