"""One small market for every test of the runtime: generated once a session, about 20,000 input
records, and its expected digests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fastavro
import msgspec
import numpy as np

from jobs.configuration import Configuration, build
from jobs.runs import Backtest, Run
from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.records import BookTicker, DepthUpdate, Instrument, Trade
from schemas.vocabulary import DepthKind, Flag, InstrumentKind, Side
from streams.log.digest import topic_digest
from streams.log.local import LocalLog
from streams.log.manifest import write_manifest
from streams.log.verify import file_entries
from streams.runtime.order.sample_instrument import MADE_UP

UPDATES = 8_000
TRADES = 12_000
SEED = 20
START = 1_704_067_200_000_000_000
MIDDLE = 5_000_000
INSTRUMENT = msgspec.structs.replace(
    MADE_UP,
    instrument=1,
    venue="test",
    symbol="TESTUSDT",
    kind=int(InstrumentKind.PERPETUAL),
    base="TEST",
    tick_size=10,
    maximum_quantity=10_000_000,
)


class Killed(BaseException):
    """Stands for the process's end: nothing of ours catches it."""


def make_recording(
    folder: Path,
    updates: int = UPDATES,
    trades: int = TRADES,
    seed: int = SEED,
    gap_at: int = -1,
    has_tickers: bool = False,
) -> Path:
    """A seeded recording of one instrument: see :func:`make_market` and :func:`tickers_of`."""
    prints, depth = make_market(updates, trades, seed, gap_at)
    return write_recording(
        folder, [INSTRUMENT], prints, depth, tickers=tickers_of(depth) if has_tickers else ()
    )


def tickers_of(depth: Sequence[DepthUpdate]) -> list[BookTicker]:
    """A venue's best bid and ask 2 ms behind each update, by an update id that the book has not
    seen yet: a tick worse, half the size.
    """
    book: tuple[dict[int, int], dict[int, int]] = ({}, {})
    found = []
    for number, update in enumerate(depth):
        for side, levels in zip(book, (update.bids, update.asks), strict=True):
            side.update(levels)
        bid, ask = (
            best(price for price, quantity in side.items() if quantity)
            for best, side in zip((max, min), book, strict=True)
        )
        sizes, worse, time = (
            (max(1, book[0][bid] // 2), max(1, book[1][ask] // 2)),
            10 * (number % 2),
            update.event_time + 2_000_000,
        )
        best_bid, best_ask = (bid - worse, sizes[0]), (ask + worse, sizes[1])
        found.append(
            BookTicker(
                1, time, time + 1_000_000, update.final_update_id + 1, *best_bid, *best_ask, 0
            )
        )
    return found


def make_market(
    updates: int, trades: int, seed: int, gap_at: int = -1
) -> tuple[list[Trade], list[DepthUpdate]]:
    """A wandering book with far levels, a gap where asked, trades at the touch; ordered in time,
    ties included.
    """
    draw = np.random.Generator(np.random.Philox(seed))
    middle = MIDDLE + 10 * np.cumsum(draw.integers(-3, 4, updates))
    times = START + np.cumsum(draw.integers(0, 3, updates)) * 50_000_000
    depth: list[DepthUpdate] = []
    book: dict[int, dict[int, int]] = {1: {}, -1: {}}
    for i in range(updates):
        changes: dict[int, dict[int, int]] = {1: {}, -1: {}}
        for side in (1, -1):
            touch = int(middle[i]) - 10 * (side == 1)
            for price in [p for p in book[side] if (p - touch) * side > 0]:
                changes[side][price] = 0
            for far in (
                0,
                *draw.integers(1, 40, 3),
                int(draw.integers(0, 200_000)) if i % 7 == 0 else 2,
            ):
                changes[side][touch - 10 * side * int(far)] = int(
                    draw.integers(0 if far else 1, 5_000)
                )
            for price, quantity in changes[side].items():
                if quantity:
                    book[side][price] = quantity
                else:
                    book[side].pop(price, None)
        first = 1_000 + 3 * i + (5 if i == gap_at else 0)
        kind, flags = (
            (DepthKind.SNAPSHOT, Flag.FIRST_OF_SNAPSHOT | Flag.LAST_OF_SNAPSHOT)
            if i == 0
            else (DepthKind.DELTA, Flag(0))
        )
        depth.append(
            DepthUpdate(
                1,
                int(times[i]),
                int(times[i]) + 1_000_000,
                first,
                1_000 + 3 * i + 2,
                1_000 + 3 * i - 1,
                int(kind),
                int(flags | Flag.FUTURES_CHAIN),
                sorted(changes[1].items(), reverse=True),
                sorted(changes[-1].items()),
            )
        )
    places = np.sort(draw.integers(0, updates, trades))
    prints = []
    for number, place in enumerate(places.tolist()):
        side = int(Side.BUY) if draw.integers(0, 2) else int(Side.SELL)
        price = int(middle[place]) - (10 if side == int(Side.SELL) else 0)
        moment = int(times[place]) + int(draw.integers(0, 2)) * 10_000_000
        prints.append(
            Trade(
                1,
                moment,
                moment + 900_000,
                500 + number,
                1,
                price,
                int(draw.integers(1, 2_000)),
                side,
                0,
            )
        )
    return prints, depth


def write_recording(
    folder: Path,
    instruments: list[Instrument],
    trades: list[Trade],
    depth: list[DepthUpdate],
    block: int = 1_000,
    tickers: Sequence[BookTicker] = (),
) -> Path:
    """A closed log of these records."""
    log = LocalLog.create(folder)
    topics_held: dict[str, Sequence[Any]] = {
        "ref.instruments": instruments,
        "md.trades": trades,
        "md.depth": depth,
    }
    for topic, found in (topics_held | ({"md.book_tickers": tickers} if tickers else {})).items():
        writer, encoder = log.writer(topic), codec(topic_of(topic).record)
        for start in range(0, len(found), block):
            part = found[start : start + block]
            writer.append(
                encoder.encode_records(part), len(part), max(record.event_time for record in part)
            )
    close_recording(log, folder)
    return folder


def close_recording(log: LocalLog, folder: Path) -> None:
    """Close a log with the manifest that makes it a recording."""
    topics = {}
    for name in log.topics():
        reader = log.reader(name)
        digest = topic_digest(reader, codec(topic_of(name).record)).hex()
        topics[name] = {"count": reader.end_offset, "digest": digest}
    log.close()
    write_manifest(folder / "log.json", {"topics": topics, "files": file_entries(folder)})


def configuration(strategy: str = "ema-cross", **options: object) -> Configuration:
    """A configuration as the command line would make it."""
    return build({"strategy": strategy, "set": {}, **options})


def backtest(recording: Path, folder: Path, strategy: str = "ema-cross", **options: object) -> Run:
    """Run a backtest."""
    return Backtest(configuration(strategy, **options), recording, folder).run()


def digests(run: Run) -> dict[str, str]:
    """Topic digests of a run, journals and snapshots left out: they are compared by what they
    prove.
    """
    return {
        name: facts["digest"]
        for name, facts in run.manifest["topics"].items()
        if not name.endswith((".journal", ".snapshots"))
    }


def records_in(folder: Path, topic: str) -> list[dict[str, Any]]:
    """A topic's records, read by fastavro."""
    found: list[dict[str, Any]] = []
    for path in sorted((folder / topic / "0").glob("*.avro")):
        with path.open("rb") as file:
            found += [record for record in fastavro.reader(file) if isinstance(record, dict)]
    return found


def bytes_of(folder: Path, topic: str) -> str:
    """SHA-256 over a topic's bodies, read from the log itself: the digests' own oracle."""
    log = LocalLog.open(folder)
    digest = hashlib.sha256()
    for block in log.reader(topic).blocks():
        digest.update(block.body.tobytes())
    log.close()
    return digest.hexdigest()
