"""Cheap coins: quantities whose sums leave int64, and VPIN buckets that fit them. Oracle: sums of
Python integers over what the lines say.

The cases are public reports of other systems (nautilus_trader#789, #1174), through import and
backtest.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.vocabulary import Flag
from tests.scenario import records_in

T0 = 1_722_470_400_000
"""Milliseconds: 2024-08-01T00:00:00Z, the beginning of a day."""
LARGEST = 2**63 - 1
UNIT = 10**8
TABLE = """
[[instrument]]
instrument = 101
venue = "binance"
symbol = "PEPEUSDT"
kind = "spot"
base = "PEPE"
quote = "USDT"
price_precision = 8
quantity_precision = 8
tick_size = "0.00000001"
lot_size = "1"
minimum_quantity = "1"
maximum_quantity = "90000000000"
minimum_notional = "1"
valid_from = 2024-08-01T00:00:00Z
"""
SETTINGS = """
[toxicity]
bucket_volumes = { PEPEUSDT = "900000000" }
[aggregation]
intervals = [60_000_000_000, 86_400_000_000_000]
"""


def line(milliseconds: int, message: Any) -> str:
    return f"{(T0 + milliseconds + 5) * 10**6} {json.dumps(message)}"


def trade(milliseconds: int, number: int, quantity: int, is_sell: bool) -> str:
    time = T0 + milliseconds
    data = {
        "e": "trade",
        "E": time,
        "s": "PEPEUSDT",
        "t": number,
        "p": "0.00001001",
        "q": f"{quantity}.0",
        "T": time,
        "m": is_sell,
        "M": True,
    }
    return line(milliseconds, {"stream": "pepeusdt@trade", "data": data})


def depth(milliseconds: int, update: int, bids: Any) -> str:
    data = {
        "e": "depthUpdate",
        "E": T0 + milliseconds,
        "s": "PEPEUSDT",
        "U": update,
        "u": update,
        "b": bids,
        "a": [],
    }
    return line(milliseconds, {"stream": "pepeusdt@depth@100ms", "data": data})


def levels(price: int, sign: int, quantity: int) -> list[list[str]]:
    return [[f"{(price + sign * at) / 10**8:.8f}", f"{quantity}.0"] for at in range(10)]


QUANTITIES = [12_000_000_000] * 12


@pytest.fixture
def recording(sq: Callable[..., Any], tmp_path: Path) -> Callable[[list[int]], Path]:
    """Imports a book of 12 against 8 thousand million coins on each of ten levels, and trades two
    seconds apart.
    """

    def build(quantities: list[int]) -> Path:
        snapshot = {
            "lastUpdateId": 5000,
            "bids": levels(1000, -1, 12_000_000_000),
            "asks": levels(1001, 1, 8_000_000_000),
        }
        lines = [line(0, snapshot), depth(100, 5001, [["0.00000500", "1"]])]
        lines += [
            trade(1000 + 2000 * at, 1001 + at, each, bool(at % 2))
            for at, each in enumerate(quantities)
        ]
        lines += [depth(70_000, 5002, [["0.00000500", "2"]]), trade(70_100, 2000, 1, True)]
        (tmp_path / "in.txt").write_text("\n".join(lines) + "\n")
        (tmp_path / "table.toml").write_text(TABLE)
        ended = sq(
            "import",
            "binance",
            tmp_path / "in.txt",
            "--instruments",
            tmp_path / "table.toml",
            "--out",
            tmp_path / "log",
        )
        assert ended.code == 0, ended.err
        return tmp_path / "log"

    return build


def test_volumes_and_imbalances_of_a_cheap_coin_are_exact(
    sq: Callable[..., Any], recording: Callable[..., Path], tmp_path: Path
) -> None:
    """The volume wrapped to a negative number, the bar of the day with it, and imbalances were
    outside [-1, 1].
    """
    (tmp_path / "settings.toml").write_text(SETTINGS)
    market = recording(QUANTITIES)
    ended = sq(
        "backtest",
        market,
        "--strategy",
        "ema-cross",
        "--config",
        tmp_path / "settings.toml",
        "--out",
        tmp_path / "run",
    )
    assert ended.code == 0, ended.err
    minute, *_ = bars = records_in(tmp_path / "run", "md.bars")
    day = next(bar for bar in bars if bar["interval"] == 86_400 * 10**9)
    volume, bought = sum(QUANTITIES) * UNIT, sum(QUANTITIES[::2]) * UNIT
    assert [int(minute[name]) for name in ("volume_wide", "taker_buy_volume_wide", "volume",
    "taker_buy_volume")] == [
        volume, bought, LARGEST, min(bought, LARGEST)
    ]  # fmt: skip
    assert minute["flags"] & int(Flag.OVERFLOW)
    assert (int(day["volume_wide"]), day["trade_count"], day["flags"] & int(Flag.PARTIAL)) == (
        volume + UNIT,
        13,
        int(Flag.PARTIAL),
    )
    features = records_in(tmp_path / "run", "md.features")
    assert {features[0][f"imbalance_{number}"] for number in (1, 3, 5, 10)} == {0.2}
    assert (
        sum(int(row["buy_volume_wide"]) + int(row["sell_volume_wide"]) for row in features)
        == volume + UNIT
    )
    assert sq("verify", tmp_path / "run").code == 0


def test_the_default_bucket_fits_the_instrument_and_one_too_large_is_wrong_use(
    sq: Callable[..., Any], recording: Callable[..., Path], tmp_path: Path
) -> None:
    """Ten coins a bucket filled the memory with buckets of one trade. By default PEPEUSDT has 45
    million coins a bucket (decision 21).
    """
    market = recording([50_000_000])
    ended = sq("backtest", market, "--strategy", "ema-cross", "--out", tmp_path / "run")
    assert ended.code == 0, ended.err
    assert [row["bucket_size"] for row in records_in(tmp_path / "run", "md.toxicity")] == [
        45_000_000 * UNIT
    ]
    (tmp_path / "large.toml").write_text(
        '[toxicity]\nbucket_volumes = { PEPEUSDT = "1000000000" }\n'
    )
    ended = sq(
        "backtest",
        market,
        "--strategy",
        "ema-cross",
        "--config",
        tmp_path / "large.toml",
        "--out",
        tmp_path / "large",
    )
    assert ended.code == 2
    assert "[toxicity] bucket_volumes of PEPEUSDT is '1000000000'" in ended.err
    assert not (tmp_path / "large" / "run.json").exists()
