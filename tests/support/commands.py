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
_FORKS.set_forkserver_preload(["pipeline.cli"])


def run_command(
    arguments: Sequence[str], environment: Mapping[str, str], seconds: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run the command with exactly these variables; what it prints, and its exit code.

    Raises:
        subprocess.TimeoutExpired: it was killed.
    """
    with tempfile.TemporaryDirectory() as folder:
        outputs = [Path(folder, name) for name in ("stdout", "stderr")]
        child = _FORKS.Process(target=_main, args=(list(arguments), dict(environment), [str(o) for o in outputs]))
        child.start()
        child.join(seconds)
        if child.exitcode is None:
            child.kill()
            child.join()
            raise subprocess.TimeoutExpired(list(arguments), seconds)
        said = [output.read_text() if output.exists() else "" for output in outputs]
        return subprocess.CompletedProcess(list(arguments), child.exitcode, *said)


def _main(arguments: list[str], environment: dict[str, str], outputs: list[str]) -> None:
    for descriptor, path in enumerate(outputs, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["norce-pipeline", *arguments]
    from pipeline.cli import main

    main()
