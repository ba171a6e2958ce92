"""The engine on a real broker, each promise beside plain Faust, which breaks it.

The plain variants are expected to fail, strictly: one that passes says that upstream has mended the defect and that our
piece for it can go.
"""

import re
import subprocess
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from faust.types import TP

from pipeline.broker import KafkaCluster
from tests.engine.programs import MAKERS, Options
from tests.support.kafka import create_topics, delete_before, drained, lag, produce, read_all, until
from tests.support.processes import Process

BREAKS = pytest.mark.xfail(strict=True, reason="plain Faust breaks this promise")
BOTH = pytest.mark.parametrize("engine", ["sliced", pytest.param("plain", marks=BREAKS)])
SLOWLY_BREAKS = pytest.mark.parametrize("engine", ["sliced", pytest.param("plain", marks=[BREAKS, pytest.mark.long])])
"""Where plain Faust breaks the promise by hanging or after long; 'make faults' has these."""


@pytest.fixture
async def options(kafka: Any, tmp_path: Path) -> Options:
    name = f"e{uuid.uuid4().hex[:8]}"
    made = Options(
        "sliced", kafka.bootstrap_servers, name, [f"{name}.a", f"{name}.b"], f"{name}.out", str(tmp_path / "w")
    )
    await create_topics(made.bootstrap_servers, [*made.inputs, made.output])
    await create_topics(made.bootstrap_servers, [f"{name}-seen-changelog"], config={"cleanup.policy": "compact,delete"})
    return made


def worker(options: Options, **changes: Any) -> Process:
    changed = Options(**{**vars(options), **changes})
    return Process(*changed.arguments(), log=Path(f"{changed.data_dir}.log"))


@asynccontextmanager
async def consuming(options: Options, engine: str) -> AsyncIterator[Any]:
    """The consumer of a worker in this process whose tables are ready."""
    app = MAKERS[engine](options)
    app.finalize()
    await app.start()
    try:
        await until(_value(lambda: cast(Any, app.tables).actives_ready), bool)
        yield app.consumer
    finally:
        await app.stop()


def values(first: int, count: int, keys: int = 7) -> list[tuple[bytes, bytes]]:
    return [(b"k%d" % (n % keys), b"v%05d" % n) for n in range(first, first + count)]


async def collections(options: Options, topic: str) -> dict[bytes, set[bytes]]:
    return {r.key: set(r.value.split(b",")) for r in await read_all(options.bootstrap_servers, topic)}


async def expected(options: Options) -> dict[bytes, set[bytes]]:
    found: dict[bytes, set[bytes]] = {}
    for record in await read_all(options.bootstrap_servers, *options.inputs):
        found.setdefault(record.key, set()).add(record.value)
    return found


async def assert_complete(options: Options) -> None:
    """Output and changelog hold exactly what the inputs hold."""
    everything = await expected(options)
    assert await collections(options, options.output) == everything
    assert await collections(options, f"{options.group}-seen-changelog") == everything


@BOTH
async def test_no_offset_is_committed_past_an_unfinished_event(options: Options, engine: str) -> None:
    topic = options.inputs[0]
    await produce(options.bootstrap_servers, topic, [(b"k", b"hold")], partition=0)
    with worker(options, engine=engine, hold="hold", wait_empty=False) as process:
        process.until_output("Worker ready")
        await produce(options.bootstrap_servers, topic, values(0, 50, keys=1), partition=1)
        for n in range(5):  # in pieces, so that some surely come in a later fetch than the held one
            await produce(options.bootstrap_servers, topic, values(100 * n, 10, keys=1), partition=0)
            await drained(options.bootstrap_servers, options.group, options.inputs[1])
        await until(
            lambda: lag(options.bootstrap_servers, options.group, topic),
            lambda seen: not seen[topic, 1] and process.running,
        )
        process.terminate()
    assert (await lag(options.bootstrap_servers, options.group, topic))[topic, 0] == 51


@BOTH
async def test_an_event_whose_agent_raises_is_read_again_by_the_next_worker(options: Options, engine: str) -> None:
    before, after = values(0, 20), values(20, 20)
    await produce(options.bootstrap_servers, options.inputs[0], [*before, (b"k0", b"poison"), *after], partition=0)
    with worker(options, engine=engine, poison="poison") as process:
        if engine == "sliced":
            assert process.wait() == 1
        else:
            await drained(options.bootstrap_servers, options.group, *options.inputs)
            process.terminate()
    with worker(options, engine=engine) as process:
        await drained(options.bootstrap_servers, options.group, *options.inputs)
        process.terminate()
    await assert_complete(options)


@BOTH
async def test_offsets_are_not_committed_when_the_broker_refuses_the_output(options: Options, engine: str) -> None:
    name = options.output + ".tiny"
    await create_topics(options.bootstrap_servers, [name], config={"max.message.bytes": "50"})
    await produce(options.bootstrap_servers, options.inputs[0], values(0, 10, keys=1), partition=0)
    with worker(options, engine=engine, output=name) as process:
        if engine == "sliced":
            assert process.wait() == 1
            assert "MessageSizeTooLargeError" in process.output
        else:
            await drained(options.bootstrap_servers, options.group, *options.inputs)
    assert (await lag(options.bootstrap_servers, options.group, options.inputs[0]))[options.inputs[0], 0] == 10


async def test_a_worker_killed_in_mid_flight_loses_and_doubles_nothing(options: Options) -> None:
    """Each kill but the first finds what the one before left; twice the volume is lost as well."""
    written = 0
    for volume in (0, 0, 1, 1, 2):
        folder = f"{options.data_dir}{volume}"
        with worker(options, data_dir=folder, delay=0.01, instance_id="only") as process:
            for _ in range(2):
                for topic in options.inputs:
                    await produce(options.bootstrap_servers, topic, values(written, 300, keys=40))
                    written += 300
            topic = options.output
            already = len(await read_all(options.bootstrap_servers, topic))
            await until(lambda: read_all(options.bootstrap_servers, topic), lambda seen: len(seen) > already)  # noqa: B023
            process.kill()
    with worker(options, instance_id="only") as process:
        await drained(options.bootstrap_servers, options.group, *options.inputs)
        process.terminate()
    await assert_complete(options)


async def test_workers_that_come_and_go_lose_nothing(options: Options) -> None:
    workers = [worker(options, data_dir=f"{options.data_dir}{n}", delay=0.02) for n in range(2)]
    written = 0
    with workers[0], workers[1]:
        for turn in range(4):
            for topic in options.inputs:
                await produce(options.bootstrap_servers, topic, values(written, 200, keys=40))
                written += 200
            gone = workers[turn % 2]
            gone.until_output("Worker ready")
            assert gone.terminate() == 0
            gone.start()
        await drained(options.bootstrap_servers, options.group, *options.inputs)
        assert all(one.running for one in workers)
    await assert_complete(options)


@SLOWLY_BREAKS
async def test_a_rebalance_repeats_nothing_that_was_finished(options: Options, engine: str) -> None:
    rare = {"engine": engine, "commit_seconds": 600.0}
    with worker(options, **rare) as first:
        first.until_output("Worker ready")
        await produce(options.bootstrap_servers, options.inputs[0], values(0, 200))
        await until(lambda: collections(options, options.output), lambda seen: sum(map(len, seen.values())) == 200)
        with worker(options, **rare, data_dir=options.data_dir + "2") as second:
            second.until_output("Worker ready")
            await produce(options.bootstrap_servers, options.inputs[0], values(200, 50))
            await until(lambda: collections(options, options.output), lambda seen: sum(map(len, seen.values())) == 250)
            second.terminate()
        first.terminate()
    fetched = sum(int(number) for number in re.findall(r"fetched (\d+)", first.output + second.output))
    assert fetched == 250


async def test_a_worker_that_is_stopped_commits_what_it_finished(options: Options) -> None:
    await produce(options.bootstrap_servers, options.inputs[0], values(0, 500))
    with worker(options) as process:
        await until(lambda: collections(options, options.output), lambda seen: sum(map(len, seen.values())) == 500)
        assert process.terminate() == 0
    assert not any((await lag(options.bootstrap_servers, options.group, *options.inputs)).values())


async def test_a_table_is_restored_complete_from_a_compacted_changelog(options: Options) -> None:
    await produce(options.bootstrap_servers, options.inputs[0], values(0, 400))
    with worker(options) as process:
        await drained(options.bootstrap_servers, options.group, *options.inputs)
        process.terminate()
    changelog = f"{options.group}-seen-changelog"
    for partition in (0, 1):
        records = [r for r in await read_all(options.bootstrap_servers, changelog) if r.partition == partition]
        newest = {r.key: r.offset for r in records}
        await delete_before(options.bootstrap_servers, changelog, partition, min(newest.values(), default=0))
    await produce(options.bootstrap_servers, options.inputs[1], values(1000, 70))
    with worker(options, data_dir=options.data_dir + "-new") as process:
        await drained(options.bootstrap_servers, options.group, *options.inputs)
        process.terminate()
    await assert_complete(options)


async def test_state_that_knows_more_than_its_changelog_stops_the_worker_with_a_named_error(options: Options) -> None:
    await produce(options.bootstrap_servers, options.inputs[0], values(0, 20))
    with worker(options) as process:
        await drained(options.bootstrap_servers, options.group, *options.inputs)
        process.terminate()
    other = f"{options.group}x"
    await create_topics(options.bootstrap_servers, [f"{other}-seen-changelog"])
    with worker(options, group=other) as process:  # on the folder of the first
        assert process.wait() == 1
    assert "StateAheadOfChangelog" in process.output


async def test_records_that_expired_unread_are_reported_and_the_rest_is_read(options: Options) -> None:
    topic = options.inputs[0]
    await produce(options.bootstrap_servers, topic, values(0, 30, keys=1), partition=0)
    with worker(options) as process:
        await drained(options.bootstrap_servers, options.group, *options.inputs)
        process.terminate()
    await produce(options.bootstrap_servers, topic, values(30, 30, keys=1), partition=0)
    await delete_before(options.bootstrap_servers, topic, 0, 50)
    with worker(options) as process:
        await drained(options.bootstrap_servers, options.group, *options.inputs)
        process.terminate()
    assert "records are gone before they were read" in process.output
    (seen,) = (await collections(options, options.output)).values()
    assert seen == {value for _, value in [*values(0, 30, keys=1), *values(50, 10, keys=1)]}


@SLOWLY_BREAKS
async def test_records_that_a_stopped_fetch_dropped_are_read_again(options: Options, engine: str) -> None:
    topic = options.inputs[0]
    async with consuming(options, engine) as consumer:
        consumer.stop_flow()
        await produce(options.bootstrap_servers, topic, values(0, 20), partition=0)
        await consumer.seek_wait({TP(topic, 0): 7})  # as a fetch does whose records are then not delivered
        consumer.resume_flow()
        await drained(options.bootstrap_servers, options.group, topic)
    await assert_complete(options)


@BOTH
async def test_offsets_of_partitions_that_were_given_up_meanwhile_are_not_committed_and_end_no_worker(
    options: Options, engine: str
) -> None:
    async with consuming(options, engine) as consumer:
        # As when a rebalance comes between the look at what is owned, in one thread, and the commit in another.
        committed = await consumer._commit({TP(f"{options.inputs[0]}.gone", 0): 7})
        crashed = consumer._thread.crashed
    assert (committed, crashed) == (False, False)


@SLOWLY_BREAKS
async def test_a_stop_does_not_wait_for_ever_for_an_event_that_is_never_finished(options: Options, engine: str) -> None:
    await produce(options.bootstrap_servers, options.inputs[0], [(b"k", b"hold")], partition=0)
    with worker(options, engine=engine, hold="hold", drain_seconds=1.0) as process:
        process.until_output("fetched")
        try:
            process.terminate(15)
        except subprocess.TimeoutExpired:
            pytest.fail("the worker did not stop")


@SLOWLY_BREAKS
async def test_a_changelog_record_that_cannot_be_restored_stops_the_worker(options: Options, engine: str) -> None:
    other = f"{options.group}r"
    await create_topics(
        options.bootstrap_servers, [f"{other}-seen-changelog"]
    )  # not compacted: takes records without keys
    broken = cast(Any, [(None, b"a record without a key"), (b"k", b"a")])
    await produce(options.bootstrap_servers, f"{other}-seen-changelog", broken, partition=0)
    with worker(options, engine=engine, group=other) as process:
        try:
            assert process.wait(25) == 1
        except subprocess.TimeoutExpired:
            pytest.fail("the worker went on with a table that is not complete")


@SLOWLY_BREAKS
async def test_a_worker_killed_while_the_broker_was_silent_leaves_out_nothing(
    fresh_kafka: KafkaCluster, tmp_path: Path, engine: str
) -> None:
    """State, changelog and output agree although the broker took neither of the last two before the crash."""
    made = Options(
        engine, fresh_kafka.bootstrap_servers, "g", ["in"], "out", str(tmp_path / "w"), delay=1.0, instance_id="only"
    )
    await create_topics(made.bootstrap_servers, ["in", "out", "g-seen-changelog"])
    await produce(made.bootstrap_servers, "in", [(b"k", b"first")], partition=0)
    with worker(made) as process:
        await drained(made.bootstrap_servers, made.group, "in")
        await produce(made.bootstrap_servers, "in", [(b"k", b"second")], partition=0)
        await until(_value(lambda: process.output.count("fetched")), lambda seen: seen == 2)
        fresh_kafka.pause_node(1)
        await until(_value(lambda: process.output.count("written")), lambda seen: seen == 2)
        process.kill()
    fresh_kafka.resume_node(1)
    with worker(made, delay=0.0) as process:
        await drained(made.bootstrap_servers, made.group, "in")
        process.terminate()
    await assert_complete(made)


@BOTH
async def test_a_worker_whose_client_left_the_group_for_good_ends_and_does_not_wait_for_ever(
    options: Options, engine: str
) -> None:
    with worker(options, engine=engine, unlisted=True) as process:
        process.until_output("Unexpected error in coordinator routine", seconds=90)
        try:
            assert process.wait(30) == 1
        except subprocess.TimeoutExpired:
            pytest.fail(f"the worker waits although nothing can come:\n{process.output[-4000:]}")
        if engine == "sliced":
            assert "GroupLost" in process.output


def _value(get: Any) -> Any:
    async def look() -> Any:
        return get()

    return look
