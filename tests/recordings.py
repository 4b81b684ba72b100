"""Recorded Binance frames as records: a plain reader for tests, independent of the connectors. Sync
rules: reference/exchanges.md 2.3.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from schemas.records import DepthUpdate, Instrument, Trade
from schemas.vocabulary import DepthKind, Flag, InstrumentKind, Side

SNAPSHOT = int(Flag.FIRST_OF_SNAPSHOT | Flag.LAST_OF_SNAPSHOT)
CHAIN = int(Flag.FUTURES_CHAIN)
MILLISECOND = 1_000_000
COINBASE = """
[instrument]
symbol = "BTC-USD"
venue = "coinbase"
kind = "spot"
tick = "0.01"
lot = "0.00000001"
quote = "USD"
"""
"""A map of what LEAN's files of Coinbase do not say of their instrument."""


def plain_instrument(
    number: int = 1, price_precision: int = 2, quantity_precision: int = 3, tick: int = 1
) -> Instrument:
    """A spot instrument TESTn with lot 1."""
    kind = int(InstrumentKind.SPOT)
    return Instrument(
        number,
        "test",
        f"TEST{number}",
        kind,
        "TEST",
        "USDT",
        price_precision,
        quantity_precision,
        tick,
        1,
        1,
        10**15,
        0,
        1,
        False,
        0,
        None,
        0,
        0,
        0,
    )


def to_units(text: str, precision: int) -> int:
    whole, _, part = text.partition(".")
    assert not part[precision:].strip("0"), text
    return int(whole) * 10**precision + int((part + "0" * precision)[:precision] or 0)


def _frames(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt") as lines:
        for line in lines:
            yield json.loads(line.split(" ", 1)[1])


@cache
def usdm(
    path: Path, price_precision: int = 2, quantity_precision: int = 3
) -> tuple[tuple[Any, ...], tuple[tuple[int, int, int, int, int], ...]]:
    """(trades and depth updates in order of event time, book tickers) of a USD-M recording.

    The snapshot comes first, as one record, followed by the updates that continue it; a book ticker
    is (u, bid, bid size, ask, ask size).
    """
    trades: list[Trade] = []
    updates: list[tuple[int, dict[str, Any]]] = []
    tickers: list[tuple[int, int, int, int, int]] = []
    snapshot: dict[str, Any] = {}

    def price(text: str) -> int:
        return to_units(text, price_precision)

    def quantity(text: str) -> int:
        return to_units(text, quantity_precision)

    for frame in _frames(path):
        if "lastUpdateId" in frame:
            snapshot = frame
            continue
        body = frame["data"]
        if body["e"] == "trade":
            side = Side.SELL if body["m"] else Side.BUY
            time = body["T"] * MILLISECOND
            trades.append(
                Trade(1, time, 0, body["t"], 1, price(body["p"]), quantity(body["q"]), int(side), 0)
            )
        elif body["e"] == "depthUpdate":
            updates.append((body["u"], body))
        elif body["e"] == "bookTicker":
            tickers.append(
                (
                    body["u"],
                    price(body["b"]),
                    quantity(body["B"]),
                    price(body["a"]),
                    quantity(body["A"]),
                )
            )

    def levels(rows: list[list[str]]) -> list[tuple[int, int]]:
        return [(price(level), quantity(size)) for level, size in rows]

    last = snapshot["lastUpdateId"]
    kept = [body for final, body in updates if final >= last]
    first_time = min(kept[0]["T"], snapshot["T"]) * MILLISECOND
    depth = [
        DepthUpdate(
            1,
            first_time,
            0,
            last,
            last,
            -1,
            int(DepthKind.SNAPSHOT),
            SNAPSHOT | CHAIN,
            levels(snapshot["bids"]),
            levels(snapshot["asks"]),
        )
    ]
    for body in kept:
        time = body["T"] * MILLISECOND
        depth.append(
            DepthUpdate(
                1,
                time,
                0,
                body["U"],
                body["u"],
                body["pu"],
                int(DepthKind.DELTA),
                CHAIN,
                levels(body["b"]),
                levels(body["a"]),
            )
        )
    # trades first, so that a stable sort puts them before depth of the same time
    merged: list[Any] = [*trades, *depth]
    merged.sort(key=lambda record: record.event_time)
    return tuple(merged), tuple(sorted(tickers))
