"""What every engine of the Kafka benchmarks reads: trades as they lie on ``md.trades``, framed for
the registry, and real depth.

Trades are drawn by a seeded generator: ``INSTRUMENTS`` instruments, event times that never go back,
about a hundred trades a minute and instrument, prices that walk in ticks. The last minute holds a
trade of every instrument, so that a bar is closed in every engine: by the clock in ours, by the
instrument's next trade in the peers'.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from schemas.codec import codec
from schemas.records import Instrument
from schemas.vocabulary import Side
from streams.log.kafka.framing import header
from streams.log.local import LocalLog
from tests.benchmarks import recordings

Array = np.ndarray[Any, Any]

INSTRUMENTS = 10
TRADES_A_MINUTE = 1_000
MINUTE = 60 * 10**9
START = 1_704_067_200 * 10**9
SEED = 4
BLOCK = 65_536
SPAN_AFTER = 48 * 60 * MINUTE
"""ns past ``START``, behind the drawn trades of every benchmark."""
assert START % MINUTE == 0


def trade_rows(count: int, seed: int = SEED) -> Array:
    """``count`` trades, at least ``2 * TRADES_A_MINUTE``: rows of Trade in event-time order, times
    from ``START``.
    """
    draws = np.random.Generator(np.random.Philox(seed))
    rows = np.zeros(count, codec("Trade").dtype)
    rows["event_time"] = START + np.sort(
        draws.integers(0, MINUTE * -(-count // TRADES_A_MINUTE), count)
    )
    rows["receive_time"] = rows["event_time"] + draws.integers(1_000_000, 5_000_000, count)
    rows["instrument"] = draws.integers(1, INSTRUMENTS + 1, count)
    last_minute = rows["event_time"][-1] // MINUTE * MINUTE
    if rows["event_time"][-INSTRUMENTS] < last_minute:
        raise ValueError(
            f"{count} trades end within their last minute's first {INSTRUMENTS}; draw another "
            "number"
        )
    rows["instrument"][-INSTRUMENTS:] = np.arange(1, INSTRUMENTS + 1)
    rows["trade_id"] = np.arange(1, count + 1)
    rows["trade_count"] = draws.integers(1, 4, count)
    rows["price"] = np.abs(4_000_000 + np.cumsum(draws.integers(-3, 4, count))) + 1_000
    rows["quantity"] = draws.integers(1, 50_000, count)
    rows["aggressor_side"] = np.where(
        draws.integers(0, 2, count) == 0, int(Side.BUY), int(Side.SELL)
    )
    return rows


def framed(
    name: str, rows: Array, schema_id: int, levels: Array | None = None
) -> Iterator[list[bytes]]:
    """Values of the rows of record ``name``, framed with ``schema_id``, some ten thousand at a
    time.
    """
    prefix, coder = header(schema_id), codec(name)
    for start in range(0, len(rows), BLOCK):
        part = rows[start : start + BLOCK]
        body = (
            coder.encode_rows(part, len(part))
            if levels is None
            else coder.encode_rows(part, len(part), levels)
        )
        content, ends = body.tobytes(), coder.record_ends(body, len(part)).tolist()
        yield [prefix + content[first:last] for first, last in zip([0, *ends], ends, strict=False)]


def instrument(number: int) -> Instrument:
    """Reference data of one drawn instrument: prices to 0.01, quantities to 0.001."""
    name = f"BENCH{number}"
    return msgspec.structs.replace(
        recordings.DENSE_INSTRUMENT, instrument=number, symbol=f"{name}USDT", base=name
    )


def instruments() -> list[Instrument]:
    """Reference data of all that is drawn."""
    return [instrument(number) for number in range(1, INSTRUMENTS + 1)]


def trades_recording(count: int) -> Path:
    """The drawn trades and their instruments as a recording, kept under build/bench."""

    def make(folder: Path) -> None:
        log = LocalLog.create(folder)
        log.writer("ref.instruments").append(
            codec("Instrument").encode_records(instruments()), INSTRUMENTS
        )
        writer, rows = log.writer("md.trades"), trade_rows(count)
        for start in range(0, count, recordings.BLOCK):
            part = rows[start : start + recordings.BLOCK]
            writer.append(
                codec("Trade").encode_rows(part, len(part)), len(part), int(part["event_time"][-1])
            )
        recordings.close(log, folder)

    version = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
    return recordings.kept(f"kafka-trades-{count}-{version}", make)
