"""State that is damaged or gone: the worker names it, rebuilds it from the changelog, and goes on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.load import ENDLESS, drained_and_judged
from tests.pipeline.conftest import MakeSystem
from tests.pipeline.system import ALL, System

Damage = Callable[[Path], None]


def cut_short(name: str) -> Damage:
    """Cut every file of that name in half, in every table and partition."""

    def damage(folder: Path) -> None:
        files = [path for path in folder.glob(f"**/{name}") if path.is_file() and path.stat().st_size]
        assert files, f"no {name} in {folder}"
        for path in files:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return damage


DAMAGES: dict[str, tuple[Damage, bool]] = {
    # What, and whether the store can tell: a log that is cut short is what a power cut leaves, and the changelog has
    # the rest of it.
    "MANIFEST cut short": (cut_short("MANIFEST-*"), True),
    "CURRENT cut short": (cut_short("CURRENT"), True),
    "write-ahead log cut short": (cut_short("*.log"), False),
    "volume lost": (shutil.rmtree, False),
}


async def kill_all_but_the_connector(system: System) -> None:
    for name in ("worker", "sink connect", "sink checkout"):
        await system.kill(name)


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_a_worker_rebuilds_state_that_was_corrupted_or_lost(make_system: MakeSystem) -> None:
    system = await make_system(**ENDLESS)
    await system.start(*ALL, "simulator")
    accepted = 0
    for what, (damage, told) in DAMAGES.items():
        await system.until(lambda seen: seen.simulator["events"]["accepted"] > accepted + 150)  # noqa: B023
        await kill_all_but_the_connector(system)
        for folder in ("worker", "sink-connect", "sink-checkout"):
            damage(system.stack.folder / folder)
        before = {name: (system.stack.folder / f"{name}.log").stat().st_size for name in ("worker", "sink-connect")}
        await system.start("worker", "sink connect", "sink checkout")
        for name, size in before.items():
            said = (system.stack.folder / f"{name}.log").read_text()[size:]
            assert ("state is damaged, rebuilding it from the changelog" in said) is told, what
        accepted = (await system.norce())["events"]["accepted"]
    verdict = await drained_and_judged(system)
    assert verdict.good, verdict.as_json()
