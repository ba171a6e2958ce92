"""Ending tasks."""

from __future__ import annotations

import asyncio
from typing import Any

AGAIN_SECONDS = 1.0
"""After which a task that was cancelled and goes on is cancelled again."""


async def cancel(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and return when all are over; raises what the first of them failed with, if one did.

    Awaiting a cancelled task under ``suppress(CancelledError)`` would hide that the caller was cancelled meanwhile.
    Once is not enough: aiokafka, when it closes, takes the end of the task that closes it for that of its own.
    """
    while left := [task for task in tasks if not task.done()]:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=AGAIN_SECONDS)
    for task in tasks:
        if not task.cancelled():
            task.result()
