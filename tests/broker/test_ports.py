"""Ports for processes that start a moment later, while others look for ports as well."""

from __future__ import annotations

import random
import subprocess
import sys

from pipeline.broker.ports import free_ports
from tests.support.processes import ROOT

_SAME_DRAWS = "import random; from pipeline.broker.ports import free_ports; print(*free_ports(20, random.Random(7)))"


def test_a_port_is_given_once_though_nobody_has_started_on_it_yet() -> None:
    first, second = free_ports(20, random.Random(7)), free_ports(20, random.Random(7))
    assert len({*first, *second}) == 40


def test_two_processes_are_not_given_the_same_port() -> None:
    ours = free_ports(20, random.Random(7))
    done = subprocess.run([sys.executable, "-c", _SAME_DRAWS], cwd=ROOT, capture_output=True, text=True, check=True)
    theirs = {int(port) for port in done.stdout.split()}
    assert len(theirs) == 20
    assert not theirs & set(ours)
