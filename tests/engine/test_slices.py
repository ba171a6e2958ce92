"""The ledger of slices: which offset may be committed, whatever the order things finish in."""

import asyncio
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engine.slices import Slice, SliceLedger, StaleSlices, TopicPartition

TP = TopicPartition("t", 0)


def records(first: int, count: int) -> list[SimpleNamespace]:
    return [SimpleNamespace(offset=offset) for offset in range(first, first + count)]


def opened(ledger: SliceLedger, sizes: list[int], tp: TopicPartition = TP, first: int = 0) -> list[Slice]:
    slices = []
    for size in sizes:
        slices.append(ledger.open(tp, records(first, size)))
        first += size
    return slices


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=12), data=st.data())
def test_nothing_is_committable_past_an_unfinished_slice(sizes: list[int], data: st.DataObject) -> None:
    ledger = SliceLedger()
    slices = ledger.begin(opened(ledger, sizes))
    order = data.draw(st.permutations(slices))
    finished: set[Slice] = set()
    for piece in order[: data.draw(st.integers(0, len(order)))]:
        ledger.finish([piece])
        finished.add(piece)
        prefix = [one for index, one in enumerate(slices) if set(slices[: index + 1]) <= finished]
        expected = {TP: prefix[-1].next_offset} if prefix else {}
        assert ledger.committable() == expected


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4)), min_size=1, max_size=20))
def test_partitions_do_not_hold_each_other_back(plan: list[tuple[int, int]]) -> None:
    ledger = SliceLedger()
    ends: dict[TopicPartition, int] = {}
    for partition, size in plan:
        tp = TopicPartition("t", partition)
        piece = ledger.open(tp, records(ends.get(tp, 0), size))
        ends[tp] = piece.next_offset
        if partition != 0:
            ledger.finish(ledger.begin([piece]))
    assert ledger.committable() == {tp: end for tp, end in ends.items() if tp.partition != 0}


def test_a_slice_that_nobody_began_cannot_be_finished() -> None:
    ledger = SliceLedger()
    (piece,) = opened(ledger, [3])
    ledger.finish([piece])
    assert ledger.committable() == {}


def test_slices_that_wait_when_partitions_are_given_up_are_never_started() -> None:
    ledger = SliceLedger()
    first, second = opened(ledger, [2, 2])
    assert ledger.begin([first]) == [first]
    ledger.stop_starting()
    assert ledger.begin([second]) == []
    ledger.finish([first])
    assert ledger.committable() == {TP: 2}


def test_work_that_outlives_its_assignment_may_not_write_and_commits_nothing() -> None:
    ledger = SliceLedger()
    (piece,) = ledger.begin(opened(ledger, [2]))
    ledger.writable([piece])
    ledger.stop_starting()
    ledger.writable([piece])
    ledger.forget()
    with pytest.raises(StaleSlices):
        ledger.writable([piece])
    ledger.finish([piece])
    assert ledger.committable() == {}
    assert ledger.idle


def test_a_partition_with_enough_unfinished_records_is_full_until_some_are_finished() -> None:
    ledger = SliceLedger(partition_limit=4)
    slices = ledger.begin(opened(ledger, [3, 3]))
    assert ledger.full(TP)
    assert not ledger.full(TopicPartition("t", 1))
    ledger.finish(slices[:1])
    assert not ledger.full(TP)
    assert ledger.unfinished() == {TP: 3}


async def test_waiting_for_idle_ends_when_the_last_slice_is_finished() -> None:
    ledger = SliceLedger()
    slices = ledger.begin(opened(ledger, [1, 1]))
    waiting = asyncio.create_task(ledger.wait_idle(60))
    ledger.finish(slices[:1])
    await asyncio.sleep(0)
    assert not waiting.done()
    ledger.finish(slices[1:])
    assert await waiting is True


async def test_waiting_for_idle_gives_up_after_its_time() -> None:
    ledger = SliceLedger()
    ledger.begin(opened(ledger, [1]))
    assert await ledger.wait_idle(0.01) is False


async def test_work_that_follows_from_no_record_holds_up_a_rebalance_and_commits_nothing() -> None:
    ledger = SliceLedger()
    claim = ledger.claim(TP)
    assert claim is not None
    ledger.writable([claim])
    assert await ledger.wait_idle(0.01) is False
    ledger.release([claim])
    assert ledger.idle
    assert (ledger.committable(), ledger.unfinished()) == ({}, {})


def test_no_such_work_starts_while_partitions_are_given_up_and_what_outlives_that_may_not_write() -> None:
    ledger = SliceLedger()
    claim = ledger.claim(TP)
    assert claim is not None
    ledger.stop_starting()
    assert ledger.claim(TP) is None
    ledger.writable([claim])
    ledger.forget()
    assert not ledger.holds([claim])
    with pytest.raises(StaleSlices):
        ledger.writable([claim])
    assert ledger.claim(TP) is not None


def test_the_oldest_record_of_a_topic_is_the_first_that_is_not_finished_in_any_partition() -> None:
    ledger = SliceLedger()
    first, second = (ledger.open(TP, [SimpleNamespace(offset=n, timestamp=1000 + n)]) for n in (0, 1))
    other = ledger.open(TopicPartition(TP.topic, 7), [SimpleNamespace(offset=0, timestamp=1500)])
    assert ledger.oldest() == {TP.topic: 1000}
    ledger.begin([first, second, other])
    ledger.finish([second])
    assert ledger.oldest() == {TP.topic: 1000}
    ledger.finish([first])
    assert ledger.oldest() == {TP.topic: 1500}
    ledger.finish([other])
    assert ledger.oldest() == {}
