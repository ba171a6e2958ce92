"""The worker with a defect, as long as a file is there: events with ``POISON`` in their body make the reducer raise."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterable
from pathlib import Path
from threading import Timer
from typing import Any

from pipeline import domain
from pipeline.agents import app, commands, folding
from pipeline.cli import main
from pipeline.domain import Advance, Arrival, Key
from pipeline.engine import Step

DEFECT = Path(os.environ["TEST_DEFECT"])
STEPS = int(os.environ.get("TEST_STEPS", "0"))
"""Steps of commands after which the worker is killed, while it writes one."""


class DefectOfOurs(Exception):
    """The message repeats the event, as the message of a real one may."""


def advance(key: Key, stored: bytes | None, arrivals: Iterable[Arrival], **options: Any) -> Advance:
    arrivals = list(arrivals)
    for arrival in arrivals:
        if DEFECT.exists() and b"POISON" in bytes(arrival.body):  # type: ignore[arg-type]
            raise DefectOfOurs(arrival.body)
    return domain.advance(key, stored, arrivals, **options)


class FatalCommands(commands.Commands):
    """Ends the worker as a power cut would, in the middle of a command."""

    left = STEPS

    def step(self, partition: int, record: Any) -> tuple[Step, Step | None]:
        self.left -= 1
        if self.left == 0:
            Timer(random.uniform(0, 0.02), os.kill, (os.getpid(), signal.SIGKILL)).start()
        return super().step(partition, record)


if __name__ == "__main__":
    folding.advance = advance  # type: ignore[attr-defined]
    if STEPS:
        commands.EVENTS_PER_STEP = 5
        app.Commands = FatalCommands  # type: ignore[attr-defined]
    main()
