"""The flood guard's count. Oracle: a plain loop over every record that looks back over the whole
history.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from schemas.reasons import BAD_FRAMING, GOOD, MALFORMED, NOT_SELECTED, SKIPPED, UNKNOWN_INSTRUMENT
from streams.runtime.order.flood import LETTERS_MAX, BadFloodLimit, FloodGuard, FloodLimit

LETTERS = (BAD_FRAMING, MALFORMED, UNKNOWN_INSTRUMENT)


@dataclass
class Rows:
    """What the guard looks at of a feed."""

    status: Any
    first: int = 0


def first_too_many(statuses: list[int], limit: FloodLimit) -> int:
    """Index of the first record that makes more letters than the limit in the window that ends with
    it; -1 if none does.
    """
    for last in range(len(statuses)):
        window = statuses[max(0, last + 1 - limit.records) : last + 1]
        if (
            statuses[last] in LETTERS
            and sum(status in LETTERS for status in window) > limit.letters
        ):
            return last
    return -1


def guarded(statuses: list[int], limit: FloodLimit, source: random.Random) -> int:
    """The same by the guard, the records cut into batches at random, and the guard taken down and
    up between them now and then.
    """
    guard, rows = FloodGuard(), Rows(np.array(statuses, np.uint8))
    while rows.first < len(statuses):
        count = min(source.choice((1, 2, 7, 40)), len(statuses) - rows.first)
        before = guard.excess(rows, count, limit)  # type: ignore[arg-type]
        if before >= 0:
            return rows.first + before
        guard.note(rows, count)  # type: ignore[arg-type]
        rows.first += count
        if source.random() < 0.2:
            state, guard = guard.state(), FloodGuard()
            guard.restore(state)
    return -1


def test_the_guard_stops_at_the_record_a_plain_count_stops_at_however_batches_are_cut() -> None:
    stopped = 0
    for seed in range(400):
        source = random.Random(seed)
        share = source.choice((0.02, 0.1, 0.5, 1.0))
        statuses = [
            source.choice((*LETTERS, SKIPPED))
            if source.random() < share
            else source.choice((GOOD, NOT_SELECTED))
            for _ in range(200)
        ]
        letters = source.choice((0, 1, 3, 10))
        limit = FloodLimit(letters, letters + source.choice((1, 5, 50, 1000)))
        expected = first_too_many(statuses, limit)
        stopped += expected >= 0
        assert guarded(statuses, limit, source) == expected, seed
    assert 100 < stopped < 390


def test_what_an_operator_leaves_out_and_what_nobody_selected_are_no_flood() -> None:
    rows = Rows(np.array([SKIPPED, NOT_SELECTED] * 500, np.uint8))
    assert FloodGuard().excess(rows, 1000, FloodLimit(0, 1)) == -1  # type: ignore[arg-type]


def test_a_guard_that_is_off_counts_and_never_stops() -> None:
    guard, rows = FloodGuard(), Rows(np.full(300, MALFORMED, np.uint8))
    assert guard.excess(rows, 300, FloodLimit(0, 0)) == -1  # type: ignore[arg-type]
    guard.note(rows, 300)  # type: ignore[arg-type]
    assert guard.excess(rows, 1, FloodLimit(299, 1000)) == 0, (
        "switched on again, it knows what there was"
    )  # type: ignore[arg-type]


def test_what_is_remembered_is_bounded_and_does_not_depend_on_the_limit() -> None:
    guard, rows = FloodGuard(), Rows(np.full(LETTERS_MAX + 500, MALFORMED, np.uint8))
    guard.note(rows, LETTERS_MAX + 500)  # type: ignore[arg-type]
    assert guard.state()[0] == LETTERS_MAX + 500 and len(guard.state()) == LETTERS_MAX + 1
    assert guard.excess(rows, 1, FloodLimit(LETTERS_MAX, LETTERS_MAX + 1)) == 0  # type: ignore[arg-type]


@pytest.mark.parametrize(("letters", "records"), [(10, 10), (-1, 10), (LETTERS_MAX + 1, 1 << 40)])
def test_a_limit_that_cannot_be_counted_is_refused(letters: int, records: int) -> None:
    with pytest.raises(BadFloodLimit, match="give 0 to"):
        FloodLimit(letters, records)
