"""What becomes of a record, and why one becomes a dead letter: the words that the runner writes.
Metrics and tools take them from here.
"""

from __future__ import annotations

GOOD, UNKNOWN_INSTRUMENT, CLOCK_JUMP, NOT_SELECTED, BAD_TIME, BAD_FRAMING, MALFORMED, SKIPPED = (
    range(8)
)
UNRESOLVED, PRICE_RANGE, NEIGHBOUR = range(8, 11)
UNSEEN = (NOT_SELECTED, NEIGHBOUR)
"""No stage sees these records, and they are no dead letters. NEIGHBOUR moves the clock: its
instrument is in the recording and not traded.
"""
REASONS = {
    UNKNOWN_INSTRUMENT: "unknown_instrument",
    CLOCK_JUMP: "clock_jump",
    BAD_TIME: "bad_time",
    BAD_FRAMING: "bad_framing",
    MALFORMED: "malformed_record",
    SKIPPED: "skipped",
    PRICE_RANGE: "price_range",
}
"""By what was found; a record that is good, or of an instrument that is not selected, is no dead
letter. ``UNRESOLVED`` has no word: a record of a schema that was not resolved is never consumed,
unless an operator leaves it out.
"""
UNDECODABLE = (REASONS[MALFORMED], REASONS[BAD_FRAMING])
