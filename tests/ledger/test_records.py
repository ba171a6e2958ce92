"""Offsets as ranges: every offset is in exactly one, and neighbours are together."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipeline.ledger import ranges


@given(st.sets(st.integers(0, 60)))
def test_ranges_hold_the_offsets_and_no_others_in_as_few_ranges_as_can_be(offsets: set[int]) -> None:
    found = ranges(sorted(offsets))
    assert [offset for first, last in found for offset in range(first, last + 1)] == sorted(offsets)
    assert all(later[0] > earlier[1] + 1 for earlier, later in pairwise(found))
