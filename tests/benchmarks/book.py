"""How fast the L2 book takes recorded depth, next to a dictionary and sortedcontainers' SortedDict
doing the same in Python.

    python -m tests.benchmarks.book

The recording is USD-M BTCUSDT (about 446,000 level rows, snapshot included); a row is one level.
Every run starts from an empty book; all three end with the same top, or the row is void. The
dictionary looks its best price up with max() and min() after every record.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
from sortedcontainers import SortedDict

from schemas.compiled.depth_update import DTYPE, LEVEL
from schemas.vocabulary import Side
from streams.numeric import book
from streams.numeric.borrowing import borrowing_kernel
from streams.numeric.sync import AWAITING
from tests.benchmarks.codec import RECORDING, market_data, recorded_updates
from tests.benchmarks.timing import alternating, row, seconds

PASSES = 5
"""Passes of ours in one timed run: a single one lasts 4 ms."""
SELL = int(Side.SELL)


def recording() -> tuple[Any, Any, int]:
    """Rows and levels of the recorded deltas, and the id the chain begins after."""
    updates = recorded_updates(market_data() / RECORDING)
    rows = np.zeros(len(updates), DTYPE)
    levels: list[tuple[int, int]] = []
    for target, update in zip(rows, updates, strict=True):
        target["instrument"], target["kind"], target["flags"] = 1, update.kind, update.flags
        target["first_update_id"], target["final_update_id"] = (
            update.first_update_id,
            update.final_update_id,
        )
        target["previous_update_id"] = update.previous_update_id
        target["first_level"], target["bid_count"], target["ask_count"] = (
            len(levels),
            len(update.bids),
            len(update.asks),
        )
        levels += [*update.bids, *update.asks]
    return rows, np.array(levels, LEVEL), updates[0].previous_update_id


@borrowing_kernel
def drive(books: Any, rows: Any, levels: Any) -> Any:
    """Apply all rows to slot 0; returns how many were applied."""
    applied = 0
    for number in range(rows.shape[0]):
        applied += book.apply(books, 0, rows[number], levels) & book.APPLIED
    return applied


def _python(updates: list[tuple[list[Any], list[Any]]], make: Any, best: Any) -> tuple[int, int]:
    """The same deltas on two mappings; the best prices are read after every record. Returns the
    last ones.
    """
    bids, asks = make(), make()
    top = (0, 0)
    for record in updates:
        for side, levels in zip((bids, asks), record, strict=True):
            for price, quantity in levels:
                if quantity:
                    side[price] = quantity
                else:
                    side.pop(price, None)
        top = best(bids, asks)
    return top


def _best_of_dict(bids: Any, asks: Any) -> tuple[int, int]:
    return max(bids, default=0), min(asks, default=0)


def _best_of_sorted(bids: Any, asks: Any) -> tuple[int, int]:
    return bids.peekitem(-1)[0] if bids else 0, asks.peekitem(0)[0] if asks else 0


def run() -> list[dict[str, Any]]:
    """Rows ``book.apply`` against each peer; none, with a reason, without the recording."""
    if not (market_data() / RECORDING).exists():
        return [
            row(
                "book.apply",
                "rows/s",
                [0.0],
                reason=f"{RECORDING} not found; set SQ_DATA to the folder of recorded market data",
            )
        ]
    rows, levels, last = recording()
    pairs = levels.tolist()
    updates = []
    for start, bids, asks in zip(
        rows["first_level"].tolist(),
        rows["bid_count"].tolist(),
        rows["ask_count"].tolist(),
        strict=True,
    ):
        updates.append((pairs[start : start + bids], pairs[start + bids : start + bids + asks]))
    books = book.new_books([SimpleNamespace(instrument=1, tick_size=10)])
    empty = np.frombuffer(book.snapshot(books), "<i8").copy()
    empty[-3:] = AWAITING, last, 0  # what the first delta continues

    def ours() -> float:
        total = 0.0
        for _ in range(PASSES):
            book.restore(books, empty.tobytes())
            total += seconds(lambda: drive(books, rows, levels))
        return PASSES * len(levels) / total

    ours()
    found = []
    for peer, make, best in (
        ("sortedcontainers", SortedDict, _best_of_sorted),
        ("dict", dict, _best_of_dict),
    ):
        top = _python(updates, make, best)
        ended = tuple(int(books.books[0][side]["price"]) for side in ("bids", "asks"))
        if top != ended:
            raise AssertionError(f"book.apply ends at {ended}, {peer} at {top}")

        def theirs(make: Any = make, best: Any = best) -> float:
            return len(levels) / seconds(lambda: _python(updates, make, best))

        mine, peers = alternating(ours, theirs)
        found.append(
            row(
                "book.apply",
                "rows/s",
                mine,
                peer,
                peers,
                rows=len(levels),
                updates=len(rows),
                passes=PASSES,
            )
        )
    return found


if __name__ == "__main__":
    for line in run():
        print(json.dumps(line))
