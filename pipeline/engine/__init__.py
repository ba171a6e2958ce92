"""What the pipeline adds to Faust, each piece with the defect of plain Faust (0.15.3) that it answers.

``slices``    commits past an event that is still unfinished (issue 606), and loses the event of an agent that raises
``consumer``  repeats up to a commit interval at every rebalance; never reads again what a stopped fetch had in hand;
              costs an event-loop turn, a lock and four tasks per event; waits for ever when the client left the group
``producer``  sends changelog and output records without waiting, and commits although the broker refused them
``store``,    the local state runs ahead of what the broker has taken, so that after a crash the event that is read
``table``     again changes nothing and its output is never sent
``recovery``  goes on after an error while it restores, on a table that is not complete
``app``       waits for ever at a stop for an event that is never finished

``tests/engine/test_delivery.py`` runs plain Faust beside each of them and expects it to fail.

An agent reads whole partition slices (``app.batches(stream)``) and hands back one :class:`Step` per partition;
``app.settle`` then keeps the one order that loses nothing: output acknowledged, changelog acknowledged, state written
together with its changelog offset, slice finished, offset committed.
"""

from pipeline.engine.app import SliceApp, Step
from pipeline.engine.errors import (
    EngineError,
    GroupLost,
    RecordTooLarge,
    StateAheadOfChangelog,
    StateDamaged,
    StateStoreError,
)
from pipeline.engine.slices import Slice, SliceLedger, StaleSlices
from pipeline.engine.table import SliceTable
from pipeline.outgoing import Outgoing

__all__ = [
    "EngineError",
    "GroupLost",
    "Outgoing",
    "RecordTooLarge",
    "Slice",
    "SliceApp",
    "SliceLedger",
    "SliceTable",
    "StaleSlices",
    "StateAheadOfChangelog",
    "StateDamaged",
    "StateStoreError",
    "Step",
]
