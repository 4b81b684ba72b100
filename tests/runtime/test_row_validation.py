"""Which records reach the stages, and their keys: the compiled loops against the rule written out
record by record (a brute-force twin).
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import codec
from schemas.reasons import (
    BAD_TIME,
    CLOCK_JUMP,
    GOOD,
    NEIGHBOUR,
    NOT_SELECTED,
    PRICE_RANGE,
    SKIPPED,
    UNKNOWN_INSTRUMENT,
)
from streams.numeric.bounds import PRICE_MAX
from streams.runtime.order.row_validation import (
    INSTRUMENTS_LIMIT,
    LATEST,
    Validator,
    places_of,
    set_keys,
)

JUMP = 10**9
STATUSES = st.sampled_from([GOOD, NEIGHBOUR, BAD_TIME, SKIPPED])
KNOWN, SELECTED = (3, 4, 7), (3, 7)
INSTRUMENTS = st.sampled_from(
    [-(2**31), -1, 0, 3, 4, 7, 8, INSTRUMENTS_LIMIT - 1, INSTRUMENTS_LIMIT, 2**31 - 1]
)
TIMES = st.sampled_from(
    [-(2**63), -1, 0, 1, JUMP, JUMP + 1, 2 * JUMP + 1, LATEST, LATEST + 1, 2**63 - 1]
)


class Rows:
    """What a feed shows of itself to the validator."""

    is_market_data = True

    def __init__(self, name: str, found: list[tuple[int, int, int]]) -> None:
        self.rows = np.zeros(len(found), codec(name).dtype)
        for row, values in zip(self.rows, found, strict=True):
            row["instrument"], row["event_time"], row["receive_time"] = values
        self.status = np.zeros(len(found), np.uint8)
        self.keys = np.zeros(len(found), np.int64)
        self.running_maximum = 0


def rule(instrument: int, event_time: int, receive_time: int, has_neighbours: bool) -> int:
    """The status of one record, as the documentation has it."""
    if instrument not in (*KNOWN, INSTRUMENTS_LIMIT - 1):  # the last id is the canary's
        return UNKNOWN_INSTRUMENT
    if instrument not in SELECTED:
        is_right = (
            instrument in KNOWN and rule(SELECTED[0], event_time, receive_time, False) == GOOD
        )
        return NEIGHBOUR if has_neighbours and is_right else NOT_SELECTED
    if not 0 <= event_time <= LATEST:
        return BAD_TIME
    return CLOCK_JUMP if receive_time > 0 and event_time - receive_time > JUMP else GOOD


@settings(derandomize=True, deadline=None)
@given(
    st.sampled_from(["Trade", "DepthUpdate", "BookTicker"]),
    st.lists(st.tuples(INSTRUMENTS, TIMES, TIMES), min_size=1, max_size=40),
    st.data(),
)
def test_every_row_is_judged_by_the_rule_and_no_other_is_touched(
    name: str, found: list[tuple[int, int, int]], data: Any
) -> None:
    first = data.draw(st.integers(0, len(found)))
    stop = data.draw(st.integers(first, len(found)))
    feed: Any = Rows(name, found)
    feed.status[:] = 99
    has_neighbours = data.draw(st.booleans())
    Validator(KNOWN, SELECTED, JUMP, has_neighbours)(feed, first, stop)
    expected = [
        rule(*each, has_neighbours) if first <= place < stop else 99
        for place, each in enumerate(found)
    ]
    assert feed.status.tolist() == expected


@pytest.mark.parametrize(
    "price", [-(2**63), -PRICE_MAX - 1, -PRICE_MAX, 0, PRICE_MAX, PRICE_MAX + 1, 2**63 - 1]
)
def test_a_trade_whose_doubled_price_leaves_int64_reaches_no_stage(price: int) -> None:
    feed: Any = Rows("Trade", [(3, 1, 0)])
    feed.rows["price"] = price
    Validator(KNOWN, SELECTED, JUMP)(feed, 0, 1)
    assert feed.status.tolist() == [
        GOOD if -(2**63) <= 2 * price < 2**63 and price != -(2**62) else PRICE_RANGE
    ]


@settings(derandomize=True, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, LATEST), STATUSES), max_size=40),
    st.integers(0, LATEST),
    st.data(),
)
def test_keys_are_the_running_maximum_of_good_times(
    found: list[tuple[int, int]], before: int, data: Any
) -> None:
    first = data.draw(st.integers(0, len(found)))
    feed: Any = Rows("Trade", [(3, time, 0) for time, _ in found])
    feed.status[:] = [status for _, status in found]
    feed.running_maximum = before
    set_keys(feed, first, len(found))
    good = [time if status in (GOOD, NEIGHBOUR) else 0 for time, status in found[first:]]
    expected = list(itertools.accumulate(good, max, initial=before))[1:]
    assert feed.keys[first:].tolist() == expected and not feed.keys[:first].any()
    assert feed.running_maximum == (expected[-1] if expected else before)


def test_a_record_without_a_field_of_the_right_width_is_refused() -> None:
    with pytest.raises(TypeError, match="event_time is int32"):
        places_of(np.dtype([("instrument", "i4"), ("event_time", "i4"), ("receive_time", "i8")]))
