"""Ending tasks: none goes on, and nobody who waits for it is held."""

from __future__ import annotations

import asyncio

import pytest

from pipeline import cancelling
from pipeline.cancelling import cancel


async def test_a_task_that_takes_its_end_for_that_of_another_is_ended_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cancelling, "AGAIN_SECONDS", 0.01)
    swallowed = 0

    async def deaf() -> None:
        nonlocal swallowed
        while swallowed < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1
        await asyncio.Event().wait()

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    await cancel(task)
    assert (task.cancelled(), swallowed) == (True, 3)


async def test_whoever_is_cancelled_while_he_waits_for_the_end_of_tasks_is_cancelled() -> None:
    closing, closed = asyncio.Event(), asyncio.Event()

    async def slow_to_close() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            closing.set()
            await closed.wait()

    task = asyncio.create_task(slow_to_close())
    await asyncio.sleep(0)
    waiting = asyncio.create_task(cancel(task))
    await closing.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    closed.set()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_what_a_task_failed_with_is_raised_once_all_are_over() -> None:
    async def fail() -> None:
        raise LookupError("as it does")

    tasks = [asyncio.create_task(fail()), asyncio.create_task(asyncio.Event().wait())]
    await asyncio.sleep(0)
    with pytest.raises(LookupError, match="as it does"):
        await cancel(*tasks)
    assert tasks[1].cancelled()
