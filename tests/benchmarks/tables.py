"""Trades, quotes and bars in tables to topics, beside polars reading the same file: rows a second
of wall and of CPU time.

``python tests/benchmarks/tables.py [ROWS]``; the best of three, kernels compiled before.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from connectors.tables.bars import BARS
from connectors.tables.importing import import_table
from connectors.tables.kinds import Kind
from connectors.tables.quotes import QUOTES
from connectors.tables.trades import TRADES

FILES: dict[str, Kind] = {
    "t.csv": TRADES, "doubles.parquet": TRADES, "decimals.parquet": TRADES,
    "quotes.csv": QUOTES, "quotes.parquet": QUOTES, "bars.csv": BARS, "bars.parquet": BARS,
}  # fmt: skip


def table(path: Path, rows: int) -> None:
    """A table of trades in microseconds, with ids and sides, in order of time."""
    draw, at, price = random.Random(1), 1_723_075_200_000_000, 6_100_000
    with path.open("w", encoding="utf-8") as out:
        out.write("timestamp,id,side,price,amount\n")
        for number in range(1, rows + 1):
            at += draw.randrange(2000)
            price += draw.randrange(-3, 4)
            side, size = draw.choice(("buy", "sell")), draw.randrange(1, 500_000) / 1e5
            out.write(f"{at},{number},{side},{price / 100:.2f},{size:.5f}\n")


def others(folder: Path, rows: int) -> None:
    """A table of quotes in microseconds, and one of minutes."""
    draw, at, price = random.Random(2), 1_723_075_200_000_000, 6_100_000
    quotes, bars = folder / "quotes.csv", folder / "bars.csv"
    with quotes.open("w", encoding="utf-8") as first, bars.open("w", encoding="utf-8") as second:
        first.write("timestamp,bid_price,bid_size,ask_price,ask_size\n")
        second.write("open_time,open,high,low,close,volume,quote_volume,count\n")
        for number in range(rows):
            price += draw.randrange(-3, 4)
            bid, ask, size = price / 100, (price + 1) / 100, draw.randrange(1, 500_000) / 1e5
            first.write(f"{at + number * 997},{bid:.2f},{size:.5f},{ask:.2f},{size:.5f}\n")
            start = at // 1000 - (rows - number) * 60_000
            second.write(f"{start},{bid:.2f},{ask:.2f},{bid:.2f},{ask:.2f},{size:.5f},9.5,7\n")


def best(rows: int, work: Callable[[int], Any]) -> str:
    """Millions of rows a second, wall and CPU, of the best of three."""
    walls, shares = [], []
    for turn in range(4):  # the first one compiles
        wall, cpu = time.perf_counter(), time.process_time()
        work(turn)
        walls.append(time.perf_counter() - wall)
        shares.append(time.process_time() - cpu)
    wall, cpu = min(walls[1:]), min(shares[1:])
    return f"{rows / wall / 1e6:6.2f} M rows/s wall  {rows / cpu / 1e6:6.2f} M rows/s of CPU"


def main(rows: int) -> None:
    """Print a line for each form of the table and each reader."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        text = folder / "t.csv"
        table(text, rows)
        typed = pl.read_csv(text)
        typed.write_parquet(folder / "doubles.parquet")
        exact = [pl.col("price").str.to_decimal(scale=2), pl.col("amount").str.to_decimal(scale=5)]
        whole = pl.col("timestamp", "id").cast(pl.Int64)
        untyped = pl.read_csv(text, infer_schema=False)
        untyped.with_columns(exact).with_columns(whole).write_parquet(folder / "decimals.parquet")
        others(folder, rows)
        for name in ("quotes", "bars"):
            pl.read_csv(folder / f"{name}.csv").write_parquet(folder / f"{name}.parquet")
        for file, kind in FILES.items():
            path = folder / file
            read: Any = pl.read_csv if file.endswith("csv") else pl.read_parquet

            def ours(turn: int, path: Path = path, kind: Kind = kind) -> None:
                out = folder / f"{path.name}{turn}"
                import_table(kind, [path], out, instrument="BTCUSDT@binance")

            def theirs(_turn: int, read: Any = read, path: Path = path) -> None:
                read(path)

            print(f"{file:18} to topics     {best(rows, ours)}")
            print(f"{file:18} polars alone  {best(rows, theirs)}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
