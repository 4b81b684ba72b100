"""The order of inputs, against a plain-Python merge (brute-force twin) and against its own journal.
"""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.runtime.order.merge import END, SKIP, InputBatch, Merger

FOREVER = 2**63 - 1


class Heads:
    """A feed of given event times, with all rows decoded."""

    def __init__(
        self, code: int, times: list[int], bad: set[int], is_market_data: bool = True
    ) -> None:
        self.code = code
        self.topic = f"feed {code}"
        self.is_market_data = is_market_data
        self.keys = np.maximum.accumulate(np.array(times or [0], np.int64))[: len(times)]
        self.status = np.array([int(i in bad) for i in range(len(times))], np.uint8)
        self.count = self.usable = len(times)
        self.first = 0
        self.offset_of_zero = 100 * code
        self.offsets = None
        self.must_wait = False
        self.is_bounded = True
        self.ahead: dict[int, int] = {}

    def compact(self) -> None:
        self.keys = self.keys[self.first :]
        self.status = self.status[self.first :]
        self.offset_of_zero += self.first
        self.count = self.usable = self.count - self.first
        self.first = 0

    def refill(self) -> bool:
        return False


def twin(feeds: list[Heads]) -> list[tuple[int, int, int]]:
    """(feed, offset, clock) in merge order: the lowest key first, the lower rank on a tie; only
    good market data moves the clock.
    """
    heads = [0] * len(feeds)
    clock, found = 0, []
    while True:
        waiting = [
            (int(f.keys[h]), c)
            for c, (f, h) in enumerate(zip(feeds, heads, strict=True))
            if h < f.count
        ]
        if not waiting:
            return found
        key, code = min(waiting)
        feed = feeds[code]
        if feed.status[heads[code]] == 0 and feed.is_market_data:
            clock = max(clock, key)
        found.append((code, feed.offset_of_zero + heads[code], clock))
        heads[code] += 1


def taken(
    feeds: list[Heads], sizes: list[int]
) -> tuple[list[tuple[int, int, int]], list[np.ndarray]]:
    merger, input_batch = Merger(feeds, FOREVER), InputBatch(64)
    found: list[tuple[int, int, int]] = []
    elements: list[np.ndarray] = []
    present, turn = 0, 0
    while True:
        wanted = sizes[turn % len(sizes)]
        turn += 1
        merger.take(input_batch, wanted, present)
        for i in range(input_batch.count):
            feed = feeds[input_batch.origin[i]]
            offset = int(feed.offset_of_zero + input_batch.index[i])
            found.append((int(input_batch.origin[i]), offset, int(input_batch.clock[i])))
            assert input_batch.source[i] == (
                SKIP if feed.status[input_batch.index[i]] else input_batch.origin[i]
            )
        elements.append(merger.elements(input_batch).copy())
        for feed in feeds:
            feed.first += int((input_batch.origin[: input_batch.count] == feed.code).sum())
        if input_batch.ended:
            assert input_batch.source[input_batch.count] == END
            return found, elements
        present = int(input_batch.clock[input_batch.count - 1])


times = st.lists(st.integers(0, 12), max_size=25)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(times, min_size=1, max_size=4),
    st.lists(st.integers(1, 40), min_size=1, max_size=3),
    st.sets(st.integers(0, 24), max_size=3),
)
def test_the_merge_equals_its_twin_for_every_batch_size(
    columns: list[list[int]], sizes: list[int], bad: set[int]
) -> None:
    """Oracle: the brute-force merge above."""
    expected = twin([Heads(code, column, bad, code != 0) for code, column in enumerate(columns)])
    found, _ = taken(
        [Heads(code, column, bad, code != 0) for code, column in enumerate(columns)], sizes
    )
    assert found == expected


@settings(max_examples=100, deadline=None)
@given(
    st.lists(times, min_size=1, max_size=3), st.lists(st.integers(1, 40), min_size=1, max_size=3)
)
def test_elements_repeat_the_same_order(columns: list[list[int]], sizes: list[int]) -> None:
    """Property: repeating the journal's runs gives the merge's own slices."""
    found, elements = taken(
        [Heads(code, column, set()) for code, column in enumerate(columns)], sizes
    )
    feeds = [Heads(code, column, set()) for code, column in enumerate(columns)]
    merger, input_batch = Merger(feeds, FOREVER), InputBatch(4)
    repeated, present = [], 0
    for batch in elements:
        merger.repeat(input_batch, batch, present)
        for i in range(input_batch.count):
            offset = int(feeds[input_batch.origin[i]].offset_of_zero + input_batch.index[i])
            repeated.append((int(input_batch.origin[i]), offset, int(input_batch.clock[i])))
        for feed in feeds:
            feed.first += int((input_batch.origin[: input_batch.count] == feed.code).sum())
        if input_batch.count:
            present = int(input_batch.clock[input_batch.count - 1])
    assert repeated == found
    assert input_batch.ended


def test_records_from_the_end_time_on_stay_unread() -> None:
    feeds = [Heads(0, [1, 5, 9], set()), Heads(1, [2, 5, 6], set())]
    merger, input_batch = Merger(feeds, 6), InputBatch(16)
    merger.take(input_batch, 16, 0)
    assert input_batch.count == 4
    assert input_batch.ended
    assert input_batch.clock[: input_batch.count + 1].tolist() == [1, 2, 5, 5, 5]


def test_a_control_record_applies_at_the_present_clock() -> None:
    feeds = [Heads(0, [7], set(), is_market_data=False), Heads(1, [2, 9], set())]
    merger, input_batch = Merger(feeds, FOREVER), InputBatch(8)
    merger.take(input_batch, 8, 0)
    assert input_batch.origin[:3].tolist() == [1, 0, 1]
    assert input_batch.clock[:3].tolist() == [2, 2, 9]


def test_equal_times_go_by_rank() -> None:
    feeds = [Heads(0, [5, 5], set()), Heads(1, [5], set())]
    merger, input_batch = Merger(feeds, FOREVER), InputBatch(8)
    merger.take(input_batch, 8, 0)
    assert input_batch.origin[:3].tolist() == [0, 0, 1]
