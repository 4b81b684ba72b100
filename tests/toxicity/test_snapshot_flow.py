"""Order flow across a snapshot: the book is replaced, nobody ordered. Oracle: the definition, by
hand.
"""

from __future__ import annotations

import numpy as np

from schemas.codec import codec
from schemas.records import Instrument
from schemas.vocabulary import Flag, InstrumentKind
from streams.numeric.book import new_books
from streams.numeric.outputs import outputs_type
from streams.toxicity import stage

INSTRUMENT = Instrument(
    1,
    "t",
    "T",
    int(InstrumentKind.SPOT),
    "A",
    "B",
    2,
    3,
    1,
    1,
    1,
    10**9,
    0,
    1,
    True,
    0,
    None,
    0,
    0,
    0,
)


def flow_of(flags: list[int]) -> int:
    """Order-flow imbalance of the bucket after three quotes with these flags and rising bids."""
    state, books = stage.new_state([INSTRUMENT], stage.Settings()), new_books([INSTRUMENT])
    rows = {
        topic: np.zeros(64, codec(record).dtype)
        for topic, record in (("md.features", "MarketFeatures"), ("md.toxicity", "Toxicity"))
    }
    out = outputs_type(stage.OUTPUTS)(
        *((rows[topic], np.zeros(1, np.int64)) for topic in stage.OUTPUTS)
    )
    quotes = np.zeros(3, codec("Quote").dtype)
    for at, flag in enumerate(flags):
        quotes[at] = (1, 10**9 + at, at + 1, 100 + at, 5, 110, 5, flag)
        state.clock[0] = 10**9 + at
        stage.on_quote(state, books, quotes[at], out)
    return int(state.flows[0]["bucket_ofi_low"])


def test_a_snapshot_is_no_order_flow() -> None:
    assert flow_of([0, 0, 0]) == 10  # two higher bids of 5
    # the jump of the snapshot is left out, the change after it counts
    assert flow_of([0, int(Flag.LAST_OF_SNAPSHOT), 0]) == 5
