"""Recordings for benchmarks: the real one tiled to ten million rows, and a generated one that
trades densely.

Both are kept under ``build/bench`` and made again when this file or the codec's schemas change.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from connectors.captures.importer import import_binance
from connectors.captures.tiling import read_tile, tile
from schemas.catalogue import topic as topic_of
from schemas.codec import LEVEL, codec
from schemas.vocabulary import DepthKind, Flag, InstrumentKind
from streams.log.digest import topic_digest
from streams.log.local import LocalLog
from streams.log.manifest import write_manifest
from streams.log.verify import file_entries
from streams.runtime.order.sample_instrument import MADE_UP

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "bench"
BLOCK = 16_384
START = 1_704_067_200_000_000_000
SPACING = 10_000_000
MIDDLE = 600_000
DENSE_INSTRUMENT = msgspec.structs.replace(
    MADE_UP,
    instrument=1,
    venue="bench",
    symbol="DENSEUSDT",
    kind=int(InstrumentKind.PERPETUAL),
    base="DENSE",
    flags=int(Flag.SIMULATED),
)


def kept(name: str, make: Any) -> Path:
    """The folder of this name, made by ``make(folder)`` when it is not there in this version."""
    version = hashlib.sha256(
        Path(__file__).read_bytes() + codec("DepthUpdate").fingerprint + codec("Trade").fingerprint
    ).hexdigest()[:12]
    folder = FOLDER / f"{name}-{version}"
    if not (folder / "log.json").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        make(folder)
    return folder


def close(log: LocalLog, folder: Path) -> None:
    """Close a log with its manifest."""
    topics = {}
    for name in log.topics():
        reader = log.reader(name)
        topics[name] = {
            "count": reader.end_offset,
            "digest": topic_digest(reader, codec(topic_of(name).record)).hex(),
        }
    log.close()
    write_manifest(folder / "log.json", {"topics": topics, "files": file_entries(folder)})


def market_data() -> Path:
    """Folder of recorded market data."""
    return Path(os.environ.get("SQ_DATA", ROOT.parent / "shared" / "data"))


def tiled(rows: int = 10_000_000) -> Path:
    """The recorded USD-M BTCUSDT depth and trades, imported and repeated until there are at least
    ``rows`` rows.

    Raises:
        FileNotFoundError: the recording is not there.
    """
    raw = market_data() / "binance" / "usdm" / "btcusdt_20240808.gz"
    if not raw.is_file():
        raise FileNotFoundError(
            f"{raw} is not there; set SQ_DATA to the folder of recorded market data"
        )

    def make(folder: Path) -> None:
        single = folder.with_name(folder.name + "-single")
        shutil.rmtree(single, ignore_errors=True)
        import_binance([raw], single)
        copies = -(-rows // read_tile(single).row_count)
        tile(single, folder, copies)
        shutil.rmtree(single)

    return kept(f"tiled-{rows}", make)


def top_of_book(quotes: int, seed: int = 7) -> dict[str, np.ndarray[Any, Any]]:
    """A seeded walk of the best bid and ask, one change a quote: times, prices (10^-2) and
    quantities (10^-3).
    """
    generator = np.random.Generator(np.random.Philox(seed))
    steps = generator.integers(-2, 3, quotes)
    middle = MIDDLE + np.cumsum(steps)
    middle = np.abs(middle - 1000) + 1000
    sizes = generator.integers(100, 5_000, (2, quotes))
    times = START + SPACING * np.arange(1, quotes + 1, dtype=np.int64)
    return {
        "time": times,
        "bid": middle.astype(np.int64),
        "ask": middle.astype(np.int64) + 1,
        "bid_quantity": sizes[0],
        "ask_quantity": sizes[1],
    }


def dense(quotes: int = 1_000_000, kind: InstrumentKind = InstrumentKind.PERPETUAL) -> Path:
    """A recording whose book changes its best prices ``quotes`` times; every update sets one level
    a side and clears the one before.
    """
    instrument = msgspec.structs.replace(DENSE_INSTRUMENT, kind=int(kind))

    def make(folder: Path) -> None:
        top = top_of_book(quotes)
        log = LocalLog.create(folder)
        log.writer("ref.instruments").append(codec("Instrument").encode_records([instrument]), 1)
        writer, encoder = log.writer("md.depth"), codec("DepthUpdate")
        rows = np.zeros(quotes, encoder.dtype)
        levels = np.zeros(4 * quotes, LEVEL)
        rows["instrument"] = 1
        rows["event_time"] = top["time"]
        rows["receive_time"] = top["time"]
        ids = np.arange(1, quotes + 1)
        rows["first_update_id"], rows["final_update_id"], rows["previous_update_id"] = (
            ids,
            ids,
            ids - 1,
        )
        rows["kind"] = int(DepthKind.DELTA)
        rows["flags"] = int(Flag.FUTURES_CHAIN | Flag.SIMULATED)
        rows["kind"][0] = int(DepthKind.SNAPSHOT)
        rows["flags"][0] |= int(Flag.FIRST_OF_SNAPSHOT | Flag.LAST_OF_SNAPSHOT)
        rows["first_level"] = 4 * np.arange(quotes)
        rows["bid_count"] = rows["ask_count"] = 2
        for side, first in (("bid", 0), ("ask", 2)):
            price, quantity = top[side], top[f"{side}_quantity"]
            before = np.concatenate([price[:1] + (-50 if side == "bid" else 50), price[:-1]])
            same = before == price
            levels["price"][first::4] = np.where(
                same, price - 50 if side == "bid" else price + 50, before
            )
            levels["quantity"][first::4] = 0
            levels["price"][first + 1 :: 4] = price
            levels["quantity"][first + 1 :: 4] = quantity
        for start in range(0, quotes, BLOCK):
            part = rows[start : start + BLOCK]
            writer.append(
                encoder.encode_rows(part, len(part), levels), len(part), int(part["event_time"][-1])
            )
        close(log, folder)

    name = "dense" if kind == InstrumentKind.PERPETUAL else f"dense-{kind.name.lower()}"
    return kept(f"{name}-{quotes}", make)
