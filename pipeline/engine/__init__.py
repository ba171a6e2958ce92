"""What the pipeline adds to Faust, each piece with the defect of plain Faust that it answers.

==================  ====================================================================================
piece               plain Faust (0.15.3)
==================  ====================================================================================
``slices``          commits past an event that is still unfinished, loses the event of an agent that raises
``consumer``        one event-loop turn, lock and future per event; skips records that a rebalance dropped
``producer``        sends changelog records without waiting for them; commits although the broker refused them
``store``           the local state can be ahead of or behind the changelog after a crash
``table``           same: the changelog offset is written apart from the state
``recovery``        swallows errors while it restores, can wait for ever for a changelog that was trimmed
``app``             a stop or a rebalance cancels the event in flight and commits it
==================  ====================================================================================

An agent reads whole partition slices (``app.batches(stream)``) and hands back one :class:`Step` per partition;
``app.settle`` then keeps the one order that loses nothing: output acknowledged, changelog acknowledged, state written
together with its changelog offset, slice finished, offset committed.
"""

from pipeline.engine.app import SliceApp, Step
from pipeline.engine.errors import (
    EngineError,
    RecordTooLarge,
    StateAheadOfChangelog,
    StateStoreError,
)
from pipeline.engine.producer import Outgoing
from pipeline.engine.slices import Slice, SliceLedger, StaleSlices
from pipeline.engine.table import SliceTable

__all__ = [
    "EngineError",
    "Outgoing",
    "RecordTooLarge",
    "Slice",
    "SliceApp",
    "SliceLedger",
    "SliceTable",
    "StaleSlices",
    "StateAheadOfChangelog",
    "StateStoreError",
    "Step",
]
