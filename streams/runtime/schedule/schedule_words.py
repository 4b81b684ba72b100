"""Places of the schedule's fields, which Python reads and writes as words; outcomes as integers."""

from __future__ import annotations

from streams.numeric.stage_records import words
from streams.runtime.schedule import records as r

_WORDS = words(
    "outcome position total is_last before records length clock sequence limit limit_clock "
    "emissions_used frames_used stored is_draining short_topic short_length timer_value "
    "called_stage called_reader called_topic called_row code events clocks "
    "kept_clock kept_sequence kept_limit kept_limit_clock"
)
(
    OUTCOME, POSITION, TOTAL, IS_LAST, BEFORE, RECORDS, LENGTH, CLOCK, SEQUENCE, LIMIT, LIMIT_CLOCK,
    EMISSIONS_USED, FRAMES_USED, STORED, IS_DRAINING, SHORT_TOPIC, SHORT_LENGTH, TIMER_VALUE,
    CALLED_STAGE, CALLED_READER, CALLED_TOPIC, CALLED_ROW, CODE, EVENTS, CLOCKS,
    KEPT_CLOCK, KEPT_SEQUENCE, KEPT_LIMIT, KEPT_LIMIT_CLOCK,
) = (r.SCHEDULE.names.index(name) for name, _ in _WORDS)  # type: ignore[union-attr]  # fmt: skip
"""Words of the schedule."""
DONE, WINDOW, PYTHON_READER, PYTHON_TIMER, LIST, SETTLE, ROOM, FLUSH, VENUE_STOPPED, STUCK = map(
    int,
    (
        r.DONE, r.WINDOW, r.PYTHON_READER, r.PYTHON_TIMER, r.LIST, r.SETTLE, r.ROOM, r.FLUSH,
        r.VENUE_STOPPED, r.STUCK,
    ),
)  # fmt: skip
