"""Streams of depth records for the book tests: a seeded generator, and one face for the fast book
and the reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from schemas.compiled.depth_update import DTYPE, LEVEL
from schemas.kernel import kernel
from schemas.vocabulary import DepthKind, Flag, Side
from streams.numeric import book
from streams.numeric.reference_book import ReferenceBook

DELTA, SNAPSHOT = int(DepthKind.DELTA), int(DepthKind.SNAPSHOT)
FIRST, LAST, FUTURES = (
    int(Flag.FIRST_OF_SNAPSHOT),
    int(Flag.LAST_OF_SNAPSHOT),
    int(Flag.FUTURES_CHAIN),
)


def instrument(number: int = 1, tick: int = 1) -> Any:
    return SimpleNamespace(instrument=number, tick_size=tick)


def pack(
    records: list[tuple[int, int, int, int, int, list, list]],
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and levels of (kind, flags, first, final, previous, bids, asks)."""
    rows = np.zeros(len(records), DTYPE)
    levels: list[tuple[int, int]] = []
    for row, (kind, flags, first, final, previous, bids, asks) in zip(rows, records, strict=True):
        row["instrument"], row["event_time"] = 1, 1000 + final
        row["kind"], row["flags"] = kind, flags
        row["first_update_id"], row["final_update_id"], row["previous_update_id"] = (
            first,
            final,
            previous,
        )
        row["first_level"], row["bid_count"], row["ask_count"] = len(levels), len(bids), len(asks)
        levels += [*bids, *asks]
    return rows, np.array(levels, LEVEL)


def top_of(books: book.Books, slot: int = 0) -> tuple[int, int, int, int]:
    """Best bid, its quantity, best ask, its quantity."""
    bids, asks = books.books[slot]["bids"], books.books[slot]["asks"]
    return int(bids["price"]), int(bids["quantity"]), int(asks["price"]), int(asks["quantity"])


def printed_levels(books: book.Books, slot: int = 0) -> list[int]:
    """Bid and ask levels that printed since their last update."""
    return [int(books.books[slot][side]["printed_levels"]) for side in ("bids", "asks")]


class FastBook:
    """The fast book behind the reference's methods."""

    def __init__(self, window: int = 64, tick: int = 1, tail_capacity: int = 4096) -> None:
        self.books = book.new_books(
            [instrument(1, tick)], window=window, tail_capacity=tail_capacity
        )

    def apply(self, kind, flags, first, final, previous, time, bids, asks) -> int:
        rows, levels = pack([(kind, flags, first, final, previous, list(bids), list(asks))])
        rows[0]["event_time"] = time
        return int(book.apply(self.books, 0, rows[0], levels))

    @property
    def phase(self) -> int:
        return int(self.books.books["phase"][0])

    @property
    def synced(self) -> bool:
        return bool(self.books.books["synced"][0])

    @property
    def sequence(self) -> int:
        return int(self.books.books["sequence"][0])

    @property
    def time(self) -> int:
        return int(self.books.books["time"][0])

    @property
    def top(self) -> tuple[int, int, int, int]:
        return top_of(self.books)

    def levels(self, side: int) -> list[tuple[int, int]]:
        return [
            (price, quantity) for price, quantity in book.levels_of(self.books, 0, side).tolist()
        ]

    def quantity_at(self, side: int, price: int) -> int:
        return int(book.quantity_at(self.books, 0, side, price))

    def next_level(self, side: int, price: int) -> int:
        return int(book.next_level(self.books, 0, side, price))

    def clear(self) -> None:
        book.clear(self.books, 0)


THE_BEST = -1_000_000
"""Stands for the best price of the side at that moment: ``run_reference`` puts it in, so that other
books get the same stream.
"""


@dataclass(frozen=True)
class Regime:
    """How generated commands look. Prices in ticks around a walking centre; shares are
    probabilities.
    """

    name: str
    spread: int = 20
    """Prices lie within this many ticks of the centre, bids mostly below it and asks above."""
    best: float = 0.3
    """Share of levels that delete whatever is the best then: so the touch moves at every other
    record.
    """
    jump: int = 0
    """Now and then the centre jumps by up to this many ticks."""
    far: float = 0.0
    """Share of levels anywhere from 1 to 200,000 ticks."""
    delete: float = 0.3
    tick: int = 1
    off_tick: float = 0.0
    futures: bool = False
    lost: float = 0.0
    """Share of records that never arrive."""
    repeated: float = 0.0
    bad: float = 0.0
    snapshot_every: int = 5000
    chunks_max: int = 1


REGIMES = [
    Regime("near the touch"),
    Regime("a moving touch", spread=40, jump=30, far=0.02, best=0.15),
    Regime("jumps past both window edges", spread=60, jump=20_000, delete=0.1, best=0.2),
    Regime("a far tail", far=0.5, delete=0.45, best=0.1),
    Regime("deletes of unknown levels", spread=400, delete=0.75, far=0.1, best=0.03),
    Regime("levels off the tick", tick=7, off_tick=0.2, jump=50, far=0.05),
    Regime("snapshots in chunks", chunks_max=4, snapshot_every=60, far=0.05, repeated=0.02),
    Regime(
        "gaps on spot",
        lost=0.004,
        repeated=0.02,
        bad=0.004,
        snapshot_every=150,
        chunks_max=2,
        best=0.1,
    ),
    Regime(
        "gaps on futures",
        futures=True,
        lost=0.004,
        repeated=0.02,
        bad=0.004,
        snapshot_every=150,
        chunks_max=2,
        jump=500,
        best=0.1,
    ),
]


def generate(regime: Regime, count: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """About ``count`` depth records, and their levels."""
    random = np.random.default_rng([seed, REGIMES.index(regime)])
    size = random.integers(1, 5, count)
    final = 1000 + np.cumsum(size)
    rows = np.zeros(count, DTYPE)
    rows["kind"] = DELTA
    rows["first_update_id"], rows["final_update_id"], rows["previous_update_id"] = (
        final - size + 1,
        final,
        final - size,
    )
    if regime.futures:
        rows["flags"] = FUTURES
        rows["first_update_id"] += random.integers(0, 2, count) * (size > 1)
    snapshot = random.random(count) < 1.0 / regime.snapshot_every
    snapshot[0] = True
    arrives = random.random(count) >= regime.lost
    arrives[0] = True
    copies = np.where(arrives, 1 + (random.random(count) < regime.repeated), 0)
    copies[snapshot] = random.integers(1, regime.chunks_max + 1, snapshot.sum())
    origin = np.repeat(np.arange(count), copies)
    rows, snapshot = rows[origin], snapshot[origin]
    begins = np.diff(origin, prepend=-1) > 0
    ends = np.diff(origin, append=count) > 0
    rows["kind"][snapshot] = SNAPSHOT
    rows["flags"][snapshot] |= (begins * FIRST | ends * LAST)[snapshot]
    rows["previous_update_id"][snapshot] = -1
    foreign = snapshot & ~begins & (random.random(len(rows)) < 0.05)
    rows["final_update_id"][foreign] += 1
    rows["first_update_id"][snapshot] = rows["final_update_id"][snapshot]
    rows["event_time"] = 1_000_000 * np.arange(len(rows))
    rows["instrument"] = 1
    rows["bid_count"] = random.integers(0, 3, len(rows)) + snapshot * 8
    rows["ask_count"] = random.integers(0, 3, len(rows)) + snapshot * 8
    levels = _levels(regime, random, rows, snapshot)
    backwards = random.random(len(rows)) < regime.bad / 2
    rows["first_update_id"][backwards] += 100
    return rows, levels


def _levels(
    regime: Regime, random: np.random.Generator, rows: np.ndarray, snapshot: np.ndarray
) -> np.ndarray:
    counts = rows["bid_count"].astype(np.int64) + rows["ask_count"]
    rows["first_level"] = np.cumsum(counts) - counts
    total = int(counts.sum())
    walk = np.cumsum(random.integers(-1, 2, len(rows)))
    jumps = np.cumsum(
        np.where(
            random.random(len(rows)) < 0.003,
            random.integers(-regime.jump, regime.jump + 1, len(rows)),
            0,
        )
    )
    centre = np.repeat(np.abs(50_000 + walk + jumps) + regime.spread + 1, counts)
    is_ask = np.arange(total) - np.repeat(rows["first_level"] + rows["bid_count"], counts) >= 0
    outwards = np.where(random.random(total) < 0.05, -1, 1) * np.where(is_ask, 1, -1)
    price = centre + outwards * random.integers(0, regime.spread + 1, total)
    anywhere = random.random(total) < regime.far
    price[anywhere] = random.integers(1, 200_000, anywhere.sum())
    price *= regime.tick
    off = random.random(total) < regime.off_tick
    price[off] += random.integers(0, regime.tick, off.sum())
    levels = np.zeros(total, LEVEL)
    levels["price"] = price
    levels["quantity"] = np.where(
        random.random(total) < regime.delete, 0, random.integers(1, 100, total)
    )
    bad = random.random(total) < regime.bad / 4
    levels["quantity"][bad] = -1
    bad = random.random(total) < regime.bad / 4
    levels["price"][bad] = 0
    best = (random.random(total) < regime.best) & ~np.repeat(snapshot, counts)
    levels["price"][best] = THE_BEST
    levels["quantity"][best] = 0
    return levels


OUTPUT_FIELDS = (
    "result",
    "phase",
    "sequence",
    "time",
    "bid_price",
    "bid_quantity",
    "ask_price",
    "ask_quantity",
    "quantity_at",
    "next_level",
)


@kernel
def drive_fast(books, rows, levels, output):
    """Apply all rows to slot 0 and write OUTPUT_FIELDS after each; queries probe the record's first
    level.
    """
    for i in range(rows.shape[0]):
        output[i, 0] = book.apply(books, 0, rows[i], levels)
        first = books.books[0]
        output[i, 1] = first.phase
        output[i, 2] = first.sequence
        output[i, 3] = first.time
        output[i, 4] = first.bids.price
        output[i, 5] = first.bids.quantity
        output[i, 6] = first.asks.price
        output[i, 7] = first.asks.quantity
        price = (
            levels[rows[i].first_level].price if rows[i].bid_count + rows[i].ask_count > 0 else 0
        )
        side = 1 + (i & 1)
        output[i, 8] = book.quantity_at(books, 0, side, price)
        output[i, 9] = book.next_level(books, 0, side, price)


def run_fast(
    rows: np.ndarray, levels: np.ndarray, window: int, tick: int = 1, tail_capacity: int = 1 << 15
) -> tuple[np.ndarray, book.Books]:
    books = book.new_books([instrument(1, tick)], window=window, tail_capacity=tail_capacity)
    output = np.zeros((len(rows), len(OUTPUT_FIELDS)), np.int64)
    drive_fast(books, rows, levels, output)
    assert books.fault[0] == 0
    return output, books


def run_reference(rows: np.ndarray, levels: np.ndarray) -> tuple[np.ndarray, ReferenceBook]:
    """Apply all rows to a reference book: OUTPUT_FIELDS after each, as ``drive_fast``. Resolves
    THE_BEST in ``levels``, in place.
    """
    reference = ReferenceBook()
    output = []
    pairs = levels.tolist()
    names = [rows.dtype.names.index(name) for name in (
        "kind", "flags", "first_update_id", "final_update_id", "previous_update_id", "event_time",
        "first_level", "bid_count", "ask_count"
    )]  # fmt: skip
    for i, row in enumerate(rows.tolist()):
        kind, flags, first, final, previous, time, start, bids, asks = (row[name] for name in names)
        middle = start + bids
        for place in range(start, middle + asks):
            if pairs[place][0] == THE_BEST:
                best = (reference.bids if place < middle else reference.asks).best()[0] or 1
                pairs[place] = (best, 0)
                levels[place] = (best, 0)
        result = reference.apply(
            kind,
            flags,
            first,
            final,
            previous,
            time,
            pairs[start:middle],
            pairs[middle : middle + asks],
        )
        price = pairs[start][0] if bids + asks > 0 else 0
        side = 1 + (i & 1)
        output.append((
            result, reference.phase, reference.sequence, reference.time, *reference.top,
            reference.quantity_at(side, price),
            reference.next_level(side, price),
        ))  # fmt: skip
    return np.array(output, np.int64), reference


def assert_same_levels(books: book.Books, reference: ReferenceBook) -> None:
    for side in (Side.BUY, Side.SELL):
        assert [
            tuple(level) for level in book.levels_of(books, 0, side).tolist()
        ] == reference.levels(side)
