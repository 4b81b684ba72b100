"""Tiny synthetic recorder lines in the shapes of Binance's documentation (reference/exchanges.md
2.2), and readers of what an import wrote.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import fastavro

T0 = 1_723_161_255_000
"""Milliseconds: 2024-08-08T23:54:15Z."""
MS = 1_000_000


def line(message: Any, received_ms: int = T0) -> bytes:
    return f"{received_ms * MS} {json.dumps(message, separators=(',', ':'))}".encode()


def stream(name: str, data: dict[str, Any], received_ms: int = T0) -> bytes:
    return line({"stream": name, "data": data}, received_ms)


def spot_trade(
    number: int,
    time: int = T0,
    price: str = "61837.63000000",
    quantity: str = "0.02000000",
    **more: Any,
) -> bytes:
    data = {
        "e": "trade",
        "E": time,
        "s": "BTCUSDT",
        "t": number,
        "p": price,
        "q": quantity,
        "T": time,
        "m": True,
        "M": True,
        **more,
    }
    return stream("btcusdt@trade", data, max(time, T0))


def usdm_trade(
    number: int, time: int = T0, price: str = "61800.30", quantity: str = "0.006", **more: Any
) -> bytes:
    data = {
        "e": "trade",
        "E": time,
        "T": time,
        "s": "BTCUSDT",
        "t": number,
        "p": price,
        "q": quantity,
        "X": "MARKET",
        "m": False,
        **more,
    }
    return stream("btcusdt@trade", data, max(time, T0))


def spot_depth(
    first: int,
    final: int,
    bids: Any = (("61837.63000000", "1.00000000"),),
    asks: Any = (),
    time: int = T0,
    **more: Any,
) -> bytes:
    data = {
        "e": "depthUpdate",
        "E": time,
        "s": "BTCUSDT",
        "U": first,
        "u": final,
        "b": list(bids),
        "a": list(asks),
        **more,
    }
    return stream("btcusdt@depth@100ms", data, max(time, T0))


def usdm_depth(
    first: int,
    final: int,
    previous: int,
    bids: Any = (("61800.20", "1.000"),),
    asks: Any = (),
    time: int = T0,
    **more: Any,
) -> bytes:
    data = {
        "e": "depthUpdate",
        "E": time + 1,
        "T": time,
        "s": "BTCUSDT",
        "U": first,
        "u": final,
        "pu": previous,
        "b": list(bids),
        "a": list(asks),
    }
    return stream("btcusdt@depth@0ms", {**data, **more}, max(time, T0))


def spot_ticker(
    update: int, bid: str = "61837.63000000", ask: str = "61837.64000000", **more: Any
) -> bytes:
    return stream(
        "btcusdt@bookTicker",
        {
            "u": update,
            "s": "BTCUSDT",
            "b": bid,
            "B": "3.78826000",
            "a": ask,
            "A": "1.54698000",
            **more,
        },
    )


def usdm_ticker(
    update: int, bid: str = "61800.20", ask: str = "61800.30", time: int = T0, **more: Any
) -> bytes:
    data = {
        "e": "bookTicker",
        "u": update,
        "s": "BTCUSDT",
        "b": bid,
        "B": "2.507",
        "a": ask,
        "A": "2.510",
        "T": time,
        "E": time,
        **more,
    }
    return stream("btcusdt@bookTicker", data)


def snapshot(
    last: int, bids: Any = (("61837.63", "3.7"),), asks: Any = (("61837.64", "1.5"),), **more: Any
) -> bytes:
    return line({"lastUpdateId": last, **more, "bids": list(bids), "asks": list(asks)})


def write(path: Path, lines: list[bytes]) -> Path:
    """The lines as a file, gzip by its name; line ends behind each."""
    text = b"".join(each + b"\n" for each in lines)
    path.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)
    return path


def records(log: Path, topic: str) -> list[dict[str, Any]]:
    """What fastavro, knowing nothing of us, reads from a topic."""
    found: list[dict[str, Any]] = []
    for path in sorted((log / topic / "0").glob("*.avro")):
        with path.open("rb") as file:
            found.extend(fastavro.reader(file))  # type: ignore[arg-type]
    return found
