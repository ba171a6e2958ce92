"""The worker with a defect, as long as a file is there: events with ``POISON`` in their body make the reducer raise."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline import domain
from pipeline.agents import commands, folding
from pipeline.cli import main
from pipeline.domain import Advance, Arrival, Key
from pipeline.engine import Step

DEFECT = Path(os.environ["TEST_DEFECT"])
SECONDS_PER_STEP = float(os.environ.get("TEST_SECONDS_PER_STEP", "0"))


class DefectOfOurs(Exception):
    """The message repeats the event, as the message of a real one may."""


def advance(key: Key, stored: bytes | None, arrivals: Iterable[Arrival], **options: Any) -> Advance:
    arrivals = list(arrivals)
    for arrival in arrivals:
        if DEFECT.exists() and b"POISON" in bytes(arrival.body):  # type: ignore[arg-type]
            raise DefectOfOurs(arrival.body)
    return domain.advance(key, stored, arrivals, **options)


class SlowCommands(commands.Commands):
    """Little is done at a time, so that there is a middle in which the worker can be killed."""

    def step(self, partition: int, record: Any) -> tuple[Step, bool]:
        time.sleep(SECONDS_PER_STEP)
        return super().step(partition, record)


if __name__ == "__main__":
    folding.advance = advance  # type: ignore[attr-defined]
    if SECONDS_PER_STEP:
        commands.EVENTS_PER_STEP = 5
        import pipeline.agents.app as app

        app.Commands = SlowCommands  # type: ignore[attr-defined]
    main()
