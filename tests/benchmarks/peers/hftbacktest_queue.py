"""What hftbacktest says of queue positions: measured by running it, in an environment of its own.

hftbacktest has no function that tells the position of an order. So each sequence of updates and
prints is run up to each of its steps, and then one large print is sent: what it does not fill was
ahead. A lot of 1e-12 makes that exact to half of a lot. Other sequences are run once, with ordinary
lots, and what they fill is noted after each step.

    build/peers/hftbacktest/bin/python tests/benchmarks/peers/hftbacktest_queue.py SEED COUNT

writes JSON to standard output. ``tests/venue/hftbacktest_positions.json`` is that of seed 1, 40.
"""

from __future__ import annotations

import json
import random
import sys
from importlib.metadata import version
from typing import Any

import numpy as np
from hftbacktest import (
    BUY_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    GTC,
    LIMIT,
    LOCAL_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    BacktestAsset,
    HashMapMarketDepthBacktest,
)
from hftbacktest.types import event_dtype

MODELS = {"log-prob": "log_prob_queue_model", "log-prob-2": "log_prob_queue_model2"}
"""Our name: the method of its ``BacktestAsset``."""
PRICE = 100.0
ORDER = 1000.0
PROBE = 64.0
"""A print that is larger than every size below, and exact in binary."""
FINEST = "0.000000000001"
LOTS = ("0.001", "0.010", "0.100", "1.000")
STEP = 100
"""Nanoseconds between two steps."""


def event(at: int, kind: int, side: int, price: float, quantity: float) -> tuple[Any, ...]:
    """A row of its feed, seen at once by both sides."""
    return (kind | side | EXCH_EVENT | LOCAL_EVENT, at, at, price, quantity, 0, 0, 0.0)


def run(model: str, lot: str, displayed: str, steps: list[list[str]]) -> tuple[list[float], float]:
    """What filled after each step of an order that joins behind ``displayed``; the last fill."""
    rows = [
        event(1, DEPTH_EVENT, BUY_EVENT, PRICE, float(displayed)),
        event(1, DEPTH_EVENT, BUY_EVENT, PRICE - 1, 10.0),
        event(1, DEPTH_EVENT, SELL_EVENT, PRICE + 2, 10.0),
    ]
    for at, (kind, quantity) in enumerate(steps, 1):
        side = BUY_EVENT if kind == "size" else SELL_EVENT
        what = DEPTH_EVENT if kind == "size" else TRADE_EVENT
        rows.append(event(at * STEP, what, side, PRICE, float(quantity)))
    rows.append(event((len(steps) + 2) * STEP, TRADE_EVENT, BUY_EVENT, PRICE + 2, 1.0))
    feed = np.array(rows, event_dtype)  # it keeps the address alone: the array must outlive the run
    asset = BacktestAsset().data(feed).linear_asset(1.0)
    asset.constant_order_latency(0, 0).partial_fill_exchange().trading_value_fee_model(0.0, 0.0)
    getattr(asset, MODELS[model])().tick_size(1.0).lot_size(float(lot))
    engine = HashMapMarketDepthBacktest([asset])
    engine.elapse(STEP // 2)
    engine.submit_buy_order(0, 1, PRICE, ORDER, GTC, LIMIT, False)
    filled = []
    for _ in steps:
        engine.elapse(STEP)
        filled.append(ORDER - engine.orders(0).get(1).leaves_qty)
    last = engine.orders(0).get(1).exec_qty
    engine.close()
    return filled, last


def sequence(
    draws: random.Random, largest: int, prints: float, lot: int
) -> tuple[str, list[list[str]]]:
    """A displayed size, then updates of it and prints, some of which the next update contains.

    Sizes in thousandths, up to ``largest``, in whole lots, for its book drops what is below half a
    lot; prints may be off the lot. ``prints``: the part of the steps that are prints.
    """
    size = draws.randint(0, largest) // lot * lot
    displayed, steps = size, []
    for _ in range(draws.randint(6, 14)):
        choice = draws.random()
        if choice < prints:
            traded = draws.randint(1, max(1, min(size, largest // 3)))
            steps.append(["print", text(traded)])
            size = max(0, size - traded) if draws.random() < 0.7 else size
        elif choice >= prints + 0.15:
            other = draws.randint(0, largest)
            size = min(largest, draws.choice((size // 2, size * 3 // 4, size + 1000, other, 0)))
        size = size // lot * lot
        if choice >= prints:
            steps.append(["size", text(size)])
    return text(displayed), steps


def text(thousandths: int) -> str:
    """A quantity as a decimal number."""
    return f"{thousandths // 1000}.{thousandths % 1000:03d}"


def measured(seed: int, count: int) -> dict[str, Any]:
    """``count`` sequences of positions and ``count`` of fills, for each model."""
    draws = random.Random(seed)
    positions, fills = [], []
    for number in range(count):
        displayed, steps = sequence(draws, 40_000, 0.35, 1)
        case: dict[str, Any] = {"displayed": displayed, "steps": steps, "ahead": {}}
        for model in MODELS:
            ahead = []
            for end in range(len(steps) + 1):
                probed = [*steps[:end], ["print", str(PROBE)]]
                ahead.append(PROBE - run(model, FINEST, displayed, probed)[1])
            case["ahead"][model] = ahead
        positions.append(case)
        lot = LOTS[number % len(LOTS)]
        displayed, steps = sequence(draws, 8_000, 0.7, round(1000 * float(lot)))
        filled = {model: run(model, lot, displayed, steps)[0] for model in MODELS}
        fills.append({"lot": lot, "displayed": displayed, "steps": steps, "filled": filled})
    peer = version("hftbacktest")
    return {"hftbacktest": peer, "seed": seed, "positions": positions, "fills": fills}


if __name__ == "__main__":
    json.dump(measured(int(sys.argv[1]), int(sys.argv[2])), sys.stdout, separators=(",", ":"))
    sys.stdout.write("\n")
