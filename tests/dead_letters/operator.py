"""Runs ``norce-pipeline`` for each line of words, so that a test pays for the start of an interpreter once."""

from __future__ import annotations

import json
import sys

from typer.testing import CliRunner

from pipeline.cli import app

if __name__ == "__main__":
    for line in sys.stdin:
        done = CliRunner().invoke(app, json.loads(line))
        trouble = "" if isinstance(done.exception, SystemExit | None) else repr(done.exception)
        print(json.dumps([done.exit_code, done.stdout, done.stderr + trouble]), file=sys.__stdout__, flush=True)
