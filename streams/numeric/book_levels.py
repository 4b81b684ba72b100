"""Books as plain data, on the Python side: sorted levels, and canonical bytes that do not depend on
window or tail.

Bytes of a snapshot, all little-endian int64: version, number of slots; then per slot: instrument,
bids, asks, the levels (price, quantity, printed since its last update) bids first, each side best
first, then phase, sequence, time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from schemas.errors import BadData, CapacityExceeded
from schemas.vocabulary import Side
from streams.numeric import book_side
from streams.numeric.book_state import Books

VERSION = 2
LEVEL = np.dtype([("price", "<i8"), ("quantity", "<i8"), ("printed", "<i8")])


def levels_of(books: Books, slot: int, side: int) -> NDArray[np.int64]:
    """All levels of a side, best first: (levels, 2) int64 of price and quantity. ``side``: Side.BUY
    for bids, Side.SELL for asks.
    """
    return _levels_and_prints(books, slot, side)[:, :2]


def _levels_and_prints(books: Books, slot: int, side: int) -> NDArray[np.int64]:
    record = books.books[slot]["asks" if side == Side.SELL else "bids"]
    row, sign, tick, count = (int(record[name]) for name in ("row", "sign", "tick", "tail_count"))
    places = np.flatnonzero(books.quantity[row])
    dense = np.stack(
        [
            sign * (record["first_key"] + places) * tick,
            books.quantity[row][places],
            books.printed[row][places],
        ],
        axis=1,
    )
    sparse = books.tail[row, :count].view(np.int64).reshape(count, 3)
    levels = np.concatenate([dense, sparse])
    return levels[np.argsort(-sign * levels[:, 0], kind="stable")]


def snapshot(books: Books) -> bytes:
    """Canonical bytes of all books."""
    parts: list[NDArray[np.int64]] = [np.array([VERSION, len(books.books)], np.int64)]
    for slot, instrument in enumerate(books.books["instrument"].tolist()):
        bids, asks = (
            _levels_and_prints(books, slot, Side.BUY),
            _levels_and_prints(books, slot, Side.SELL),
        )
        parts.append(np.array([instrument, len(bids), len(asks)], np.int64))
        parts.extend((bids.reshape(-1), asks.reshape(-1)))
        parts.append(
            np.array([books.books[slot][name] for name in ("phase", "sequence", "time")], np.int64)
        )
    return np.concatenate(parts).astype("<i8").tobytes()


def restore(books: Books, stored: bytes) -> None:
    """Put the books into the state of a snapshot of the same instruments, whatever window it was
    taken with.

    Raises BadData for bytes that are not such a snapshot, CapacityExceeded where this tail cannot
    hold it; the books are then unusable.
    """
    try:
        _restore(books, np.frombuffer(stored, "<i8"))
    except (IndexError, ValueError) as error:
        raise BadData(
            "stored books are cut short or damaged; restore from an older snapshot"
        ) from error


def _restore(books: Books, words: NDArray[np.int64]) -> None:
    if words[0] != VERSION or words[1] != len(books.books):
        raise BadData(
            "stored books have another version or number of instruments; start from a snapshot of "
            "this run"
        )
    position = 2
    for slot, instrument in enumerate(books.books["instrument"].tolist()):
        stored_instrument, bids, asks = words[position : position + 3].tolist()
        position += 3
        end = position + LEVEL.itemsize // 8 * (bids + asks)
        if stored_instrument != instrument or min(bids, asks) < 0 or end + 3 > len(words):
            raise BadData(
                f"stored books do not hold instrument {instrument} in slot {slot}; start from a "
                "snapshot of this run"
            )
        levels = words[position:end].copy().view(LEVEL)
        phase, sequence, time = words[end : end + 3].tolist()
        if not book_side.load(books, slot, phase, sequence, time, levels, bids):
            raise CapacityExceeded("book.tail_capacity", books.tail.shape[1])
        position = end + 3
    if position != len(words):
        raise BadData("stored books are followed by foreign bytes; restore from an older snapshot")
