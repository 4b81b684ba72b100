"""How fast depth updates with their levels become bytes and rows, next to fastavro one record at a
time.

    python -m tests.benchmarks.codec

The updates are the recorded USD-M BTCUSDT ones where ``SQ_DATA`` (by default ``../shared/data``)
has them, else generated ones of the same shape; the row says which. A row is one order-book level;
an update without levels counts as one. Both sides work on the same bytes: fastavro reads each
record with ``schemaless_reader`` and writes it with ``schemaless_writer``; ours reads and writes
the whole block. Runs alternate.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro

from schemas.codec import codec
from schemas.general import plain_schema
from schemas.records import DepthUpdate
from schemas.vocabulary import DepthKind, Flag

RECORDING = Path("binance") / "usdm" / "btcusdt_20240808.gz"
RUNS = 9
TILES = 2  # copies of the recording in the body, so that a run lasts long enough to time


def market_data() -> Path:
    """Folder of recorded market data."""
    return Path(
        os.environ.get("SQ_DATA", Path(__file__).resolve().parents[2].parent / "shared" / "data")
    )


def _levels(found: list[list[str]]) -> list[tuple[int, int]]:
    """Levels of a frame as integers of the published digits: two decimals of price, three of
    quantity.
    """
    return [
        (int(price.replace(".", "")), int(quantity.replace(".", ""))) for price, quantity in found
    ]


def recorded_updates(path: Path) -> list[DepthUpdate]:
    """Every depth update of a USD-M recording."""
    updates = []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            if '"depthUpdate"' not in line:
                continue
            received, _, text = line.partition(" ")
            frame = json.loads(text)["data"]
            ids = (frame["U"], frame["u"], frame["pu"])
            kind = int(DepthKind.DELTA)
            flags = int(Flag.FUTURES_CHAIN)
            updates.append(
                DepthUpdate(
                    1,
                    frame["T"] * 1_000_000,
                    int(received),
                    *ids,
                    kind,
                    flags,
                    _levels(frame["b"]),
                    _levels(frame["a"]),
                )
            )
    return updates


def generated_updates(count: int = 6_500, seed: int = 7) -> list[DepthUpdate]:
    """Updates of about the recorded shape, for a machine without the recording."""
    chance = random.Random(seed)
    updates = []
    for index in range(count):
        sides = [
            [
                (6_000_000 + chance.randrange(90_000), chance.randrange(20_000))
                for _ in range(chance.randrange(60))
            ]
            for _ in range(2)
        ]
        at = 1_723_161_256_298_000_000 + index * 60_000_000
        ids = (
            5_123_107_832_006 + 3 * index,
            5_123_107_832_008 + 3 * index,
            5_123_107_832_005 + 3 * index,
        )
        updates.append(
            DepthUpdate(1, at, at, *ids, int(DepthKind.DELTA), int(Flag.FUTURES_CHAIN), *sides)
        )
    return updates


def _timed(work: Callable[[], Any]) -> float:
    """Seconds that one call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _row(
    name: str, ours: Callable[[], Any], peers: Callable[[], Any], rows: int, source: str
) -> dict[str, Any]:
    """One line of the table: medians of alternating runs over the same rows."""
    ours()
    mine, theirs = [], []
    for _ in range(RUNS):
        mine.append(rows / _timed(ours))
        theirs.append(rows / _timed(peers))
    value, peer_value = statistics.median(mine), statistics.median(theirs)
    return {
        "name": name,
        "peer": "fastavro",
        "value": value,
        "unit": "rows/s",
        "peer_value": peer_value,
        "ratio": value / peer_value,
        "runs": mine,
        "peer_runs": theirs,
        "source": source,
    }


def run() -> list[dict[str, Any]]:
    """The rows ``codec.decode`` and ``codec.encode``; the bytes of both sides are compared first.
    """
    path = market_data() / RECORDING
    updates = recorded_updates(path) if path.is_file() else generated_updates()
    source = "recorded USD-M BTCUSDT depth" if path.is_file() else "generated depth"
    updates *= TILES
    count = len(updates)
    total = sum(max(1, len(update.bids) + len(update.asks)) for update in updates)
    depth = codec("DepthUpdate")
    parsed = fastavro.parse_schema(plain_schema(depth.schema))
    body = depth.encode_records(updates)
    rows, levels = depth.decode_rows(body, count)

    def read_by_peer() -> None:
        stream = io.BytesIO(body)
        for _ in range(count):
            fastavro.schemaless_reader(stream, parsed, None)

    stream = io.BytesIO(body)
    records: list[Any] = [fastavro.schemaless_reader(stream, parsed, None) for _ in range(count)]

    def write_by_peer() -> bytes:
        stream = io.BytesIO()
        for record in records:
            fastavro.schemaless_writer(stream, parsed, record)
        return stream.getvalue()

    if write_by_peer() != body or depth.encode_rows(rows, count, levels).tobytes() != body:
        raise AssertionError("both sides must write the same bytes")
    return [
        _row("codec.decode", lambda: depth.decode_rows(body, count), read_by_peer, total, source),
        _row(
            "codec.encode",
            lambda: depth.encode_rows(rows, count, levels),
            write_by_peer,
            total,
            source,
        ),
    ]


if __name__ == "__main__":
    for row in run():
        print(json.dumps(row))
