"""When a book may be believed: the state machine as a table, every trap of the venue's rules, and a
gap at every position.

Oracle: exchanges.md 2.3 and quant.md 1.2, rule by rule; for the gap tests the levels themselves (a
plain dictionary).
"""

from __future__ import annotations

import numpy as np
import pytest
from book_harness import DELTA, FIRST, FUTURES, LAST, SNAPSHOT, FastBook, pack

from schemas.vocabulary import Side
from streams.numeric import book, sync
from streams.numeric.sync import (
    APPLY,
    AWAITING,
    DROP,
    GAP,
    IGNORE,
    LOADING,
    REFUSE,
    RESET,
    SYNCED,
    UNSYNCED,
)

# phase, last, flags, first U, final u, previous pu -> verdict, phase
SPOT = {
    "nothing is applied before a snapshot": (UNSYNCED, 0, 1, 1, UNSYNCED, IGNORE),
    "nothing is applied while a snapshot loads": (LOADING, 100, 101, 101, LOADING, IGNORE),
    "after a snapshot: wholly old": (AWAITING, 100, 90, 99, AWAITING, IGNORE),
    "after a snapshot: ends exactly at it": (AWAITING, 100, 95, 100, AWAITING, IGNORE),
    "after a snapshot: begins right after it, where the literal rule never syncs": (
        AWAITING,
        100,
        101,
        105,
        SYNCED,
        APPLY,
    ),
    "after a snapshot: straddles it": (AWAITING, 100, 98, 103, SYNCED, APPLY),
    "after a snapshot: begins one too late": (AWAITING, 100, 102, 105, UNSYNCED, GAP),
    "after a snapshot: snapshot far older than the stream": (
        AWAITING,
        100,
        900,
        905,
        UNSYNCED,
        GAP,
    ),
    "after a snapshot: a single id": (AWAITING, 100, 101, 101, SYNCED, APPLY),
    "in step": (SYNCED, 105, 106, 110, SYNCED, APPLY),
    "one id missing": (SYNCED, 105, 107, 110, UNSYNCED, GAP),
    "a repeated record": (SYNCED, 110, 106, 110, SYNCED, IGNORE),
    "an old record": (SYNCED, 110, 101, 105, SYNCED, IGNORE),
    "an overlap that brings new ids": (SYNCED, 110, 108, 112, SYNCED, APPLY),
    "first id after final id": (SYNCED, 110, 112, 111, SYNCED, REFUSE),
    "a negative id": (AWAITING, 110, -5, -2, AWAITING, REFUSE),
    "ids near the end of int64": (SYNCED, (1 << 62) - 1, 1 << 62, (1 << 62) + 5, SYNCED, APPLY),
}


@pytest.mark.parametrize(
    ("phase", "last", "first", "final", "after", "verdict"), SPOT.values(), ids=SPOT.keys()
)
def test_a_spot_delta_is_judged_by_its_first_and_final_id(
    phase, last, first, final, after, verdict
):
    assert sync.step(phase, last, DELTA, 0, first, final, -1) == (verdict, after)


FUTURES_TABLE = {
    "nothing is applied before a snapshot": (UNSYNCED, 0, 1, 1, 0, UNSYNCED, IGNORE),
    "after a snapshot: u < last": (AWAITING, 100, 90, 99, 89, AWAITING, IGNORE),
    "after a snapshot: u == last is kept, unlike on spot": (
        AWAITING,
        100,
        95,
        100,
        94,
        SYNCED,
        APPLY,
    ),
    "after a snapshot: U <= last < u": (AWAITING, 100, 95, 120, 94, SYNCED, APPLY),
    "after a snapshot: U == last": (AWAITING, 100, 100, 120, 97, SYNCED, APPLY),
    "after a snapshot: pu == last continues it though U > last": (
        AWAITING,
        100,
        104,
        120,
        100,
        SYNCED,
        APPLY,
    ),
    "after a snapshot: U == last + 1 without pu is a gap, the spot rule does not hold": (
        AWAITING,
        100,
        101,
        120,
        99,
        UNSYNCED,
        GAP,
    ),
    "after a snapshot: snapshot older than the stream": (
        AWAITING,
        100,
        900,
        905,
        899,
        UNSYNCED,
        GAP,
    ),
    "in step: U is not u + 1": (SYNCED, 120, 133, 140, 120, SYNCED, APPLY),
    "broken chain though U follows": (SYNCED, 120, 121, 140, 119, UNSYNCED, GAP),
    "broken chain: a record is missing": (SYNCED, 120, 150, 160, 140, UNSYNCED, GAP),
    "an overlap does not excuse a broken chain": (SYNCED, 120, 110, 140, 105, UNSYNCED, GAP),
    "a repeated record": (SYNCED, 120, 95, 120, 94, SYNCED, IGNORE),
    "an old record": (SYNCED, 120, 80, 90, 79, SYNCED, IGNORE),
    "an old record that names our id": (SYNCED, 120, 80, 90, 120, SYNCED, IGNORE),
    "pu missing": (SYNCED, 120, 121, 140, -1, UNSYNCED, GAP),
    "first id after final id": (SYNCED, 120, 141, 140, 120, SYNCED, REFUSE),
}


@pytest.mark.parametrize(
    ("phase", "last", "first", "final", "previous", "after", "verdict"),
    FUTURES_TABLE.values(),
    ids=FUTURES_TABLE.keys(),
)
def test_a_futures_delta_is_judged_by_its_previous_id(
    phase, last, first, final, previous, after, verdict
):
    assert sync.step(phase, last, DELTA, FUTURES, first, final, previous) == (verdict, after)


@pytest.mark.parametrize("phase", [UNSYNCED, LOADING, AWAITING, SYNCED])
@pytest.mark.parametrize("futures", [0, FUTURES])
@pytest.mark.parametrize(
    ("flags", "loading", "otherwise"),
    [(FIRST | LAST, (RESET, AWAITING), (RESET, AWAITING)), (FIRST, (RESET, LOADING),
     (RESET, LOADING)),
     (0, (APPLY, LOADING), IGNORE), (LAST, (APPLY, AWAITING), IGNORE)],
    ids=["whole", "first", "middle", "last"],
)  # fmt: skip
def test_a_snapshot_chunk_in_every_phase(phase, futures, flags, loading, otherwise):
    expected = (
        loading if phase == LOADING else (otherwise, phase) if otherwise == IGNORE else otherwise
    )
    assert sync.step(phase, 100, SNAPSHOT, flags | futures, 100, 100, -1) == expected


@pytest.mark.parametrize("flags", [0, LAST])
def test_a_chunk_with_another_id_drops_what_was_loaded(flags):
    assert sync.step(LOADING, 100, SNAPSHOT, flags, 101, 101, -1) == (DROP, UNSYNCED)


@pytest.mark.parametrize("phase", [UNSYNCED, LOADING, AWAITING, SYNCED])
def test_a_record_of_unknown_kind_is_refused(phase):
    assert sync.step(phase, 100, 0, 0, 101, 101, 100) == (REFUSE, phase)
    assert sync.step(phase, 100, 9, 0, 101, 101, 100) == (REFUSE, phase)


def chain(futures: bool, count: int = 40):
    """A snapshot and ``count`` deltas, another snapshot, and ``count`` more; each delta sets a
    price of its own.
    """
    records, last = [], 1000
    flags = FUTURES if futures else 0
    for half in range(2):
        bids = [(5000 + index, 1) for index in range(half * count)]
        records.append((SNAPSHOT, FIRST | LAST | flags, last, last, -1, bids, [(9000, 1)]))
        for index in range(count):
            first = last + (3 if futures and index else 1) if not (futures and index == 0) else last
            final = first + 2
            records.append((DELTA, flags, first, final,
            last if futures and index else (last - 5 if futures else -1),
                            [(5000 + half * count + index, 1)], []))  # fmt: skip
            last = final
    return records


@pytest.mark.parametrize("futures", [False, True], ids=["spot", "futures"])
def test_a_whole_chain_has_no_gap(futures):
    rows, levels = pack(chain(futures))
    one = FastBook()
    results = [book.apply(one.books, 0, row, levels) for row in rows]
    assert all(result & book.APPLIED for result in results)
    assert not any(result & book.BECAME_STALE for result in results)
    assert len(one.levels(Side.BUY)) == 80


@pytest.mark.parametrize("futures", [False, True], ids=["spot", "futures"])
@pytest.mark.parametrize("lost", [1, 2, 7])
def test_a_gap_at_every_position_makes_one_stale_interval_and_a_right_book_after(futures, lost):
    records = chain(futures)
    for position in range(1, 41 - lost):
        rows, levels = pack(records[:position] + records[position + lost :])
        one = FastBook()
        results = np.array([book.apply(one.books, 0, row, levels) for row in rows])
        stale = np.flatnonzero(results & book.BECAME_STALE)
        synced = np.flatnonzero(results & book.BECAME_SYNCED)
        assert stale.tolist() == [position], "stale at the first record after the hole"
        assert synced.tolist() == [0, 41 - lost], "and synced again at the next snapshot"
        assert (results[position + 1 : 41 - lost] == book.IGNORED).all()
        assert one.levels(Side.BUY) == [(5000 + index, 1) for index in reversed(range(80))]


@pytest.mark.parametrize("futures", [False, True], ids=["spot", "futures"])
def test_records_before_the_snapshot_and_repeats_of_it_do_no_harm(futures):
    """Recorders write the stream first and the snapshot when it arrives; importers may hand over
    deltas it already holds.
    """
    flags = FUTURES if futures else 0
    records = chain(futures)
    old = [
        (DELTA, flags, 900 + 10 * index, 908 + 10 * index, 890 + 10 * index, [(1, 1)], [])
        for index in range(9)
    ]
    rows, levels = pack([*old, records[0], *old, *records[1:3], records[1], *records[3:41]])
    one = FastBook()
    results = [book.apply(one.books, 0, row, levels) for row in rows]
    assert not any(result & (book.BECAME_STALE | book.MALFORMED) for result in results)
    assert one.levels(Side.BUY) == [(5000 + index, 1) for index in reversed(range(40))]


def test_a_snapshot_older_than_the_book_is_believed_and_its_gap_is_seen():
    """Importers put a snapshot before the deltas that continue it, so the newest in the stream is
    the truth, ids reset by the venue included.
    """
    one = FastBook()
    one.apply(SNAPSHOT, FIRST | LAST, 500, 500, -1, 1, [(10, 1)], [])
    one.apply(SNAPSHOT, FIRST | LAST, 20, 20, -1, 2, [(11, 1)], [])
    assert one.apply(DELTA, 0, 501, 501, -1, 3, [(12, 1)], []) == book.BECAME_STALE
    one.apply(SNAPSHOT, FIRST | LAST, 20, 20, -1, 4, [(11, 1)], [])
    assert one.apply(DELTA, 0, 21, 21, -1, 5, [(12, 1)], []) & book.APPLIED
