"""hftbacktest's side of ``replay.mm``: a server in its own environment, one JSON command a line in,
one JSON answer a line out.

- ``{"do": "load", "feed": FILE, "tick": .., "lot": ..}`` reads the events, a NumPy file of its own
  row type, into memory; done once, not timed.
- ``{"do": "run", "depth": .., "size": .., "most": .., "begin": .., "feed_latency": .., "entry": ..,
  "response": .., "maker": .., "taker": .., "fills": FILE}`` runs the rule over them and answers the
  seconds of it, what it counted, and what hftbacktest did. The fills go to the file behind that.

The rule is that of ``touching_compiled.py``. Exchange model: partial fills; queue: risk-adverse;
latency: constant; fees: of the traded value. ``depth`` is the kind of book.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import time
from typing import Any

import hftbacktest
import numpy as np
from hftbacktest import (
    BUY,
    CANCELED,
    EXPIRED,
    FILLED,
    GTX,
    LIMIT,
    NEW,
    SELL,
    BacktestAsset,
    HashMapMarketDepthBacktest,
    ROIVectorMarketDepthBacktest,
)
from hftbacktest.order import PARTIALLY_FILLED, REJECTED
from numba import njit

FILL = np.dtype([(name, "i8") for name in ("time", "side", "price", "quantity", "sent")])
"""Prices in ticks and quantities in lots, 0 of a refused order; when the order was sent."""
FILLS_MAX = 4_000_000
FOREVER = 10**18
END = 1
SHORT = 1e-6
"""Of a lot: an order is that much smaller than ours. With partial fills 2.4.4 forgets to take off
an order whose last fill is exactly what was left, and ends with code 14 (its issue 312).
"""
ORDERS, CANCELS, REFUSED, HELD, FILLS, TURNS, CODE = range(7)
BOOKS = {"roi": ROIVectorMarketDepthBacktest, "hash": HashMapMarketDepthBacktest}


@njit  # type: ignore[untyped-decorator]
def taken(
    engine: Any, number: Any, filled: Any, sent: Any, lot: Any, fills: Any, counts: Any
) -> Any:
    """(whether the order has ended, what it has filled), its new fills noted."""
    order = engine.orders(0).get(number)
    now = round((order.qty - order.leaves_qty) / lot)
    status = order.status
    is_refused = status in (EXPIRED, REJECTED)
    if now > filled or is_refused:
        row = fills[counts[FILLS]]
        row.time = order.exch_timestamp
        row.side = order.side
        row.price = order.price_tick
        row.quantity = now - filled
        row.sent = sent
        counts[FILLS] += 1
        counts[HELD] += order.side * (now - filled)
    counts[REFUSED] += is_refused
    return is_refused or status in (FILLED, CANCELED), now


@njit  # type: ignore[untyped-decorator]
def run(
    engine: Any, tick: Any, lot: Any, size: Any, most: Any, begin: Any, fills: Any, counts: Any
) -> None:
    """The rule, asked at every record and every answer, until the data end."""
    ids = np.zeros(2, np.uint64)
    prices = np.zeros(2, np.int64)
    filled = np.zeros(2, np.int64)
    sent = np.zeros(2, np.int64)
    leaving = np.zeros(2, np.bool_)
    sides = np.array([BUY, SELL])
    last = np.uint64(0)
    quantity = (size - SHORT) * lot
    engine.wait_next_feed(True, FOREVER)
    code = engine.elapse(begin - engine.current_timestamp)
    while code == 0 or code == 2 or code == 3:
        counts[TURNS] += 1
        if code == 3:
            has_ended = False
            for at in range(2):
                if ids[at] != 0:
                    is_over, filled[at] = taken(
                        engine, ids[at], filled[at], sent[at], lot, fills, counts
                    )
                    if is_over:
                        ids[at] = 0
                        has_ended = True
            if has_ended:
                engine.clear_inactive_orders(0)
        depth = engine.depth(0)
        for at in range(2):
            side = sides[at]
            wanted = depth.best_bid_tick if side == BUY else depth.best_ask_tick
            if ids[at] == 0:
                if side * counts[HELD] + size <= most:
                    last += np.uint64(1)
                    if side == BUY:
                        engine.submit_buy_order(0, last, wanted * tick, quantity, GTX, LIMIT, False)
                    else:
                        engine.submit_sell_order(
                            0, last, wanted * tick, quantity, GTX, LIMIT, False
                        )
                    ids[at], prices[at], filled[at], leaving[at] = last, wanted, 0, False
                    sent[at] = engine.current_timestamp
                    counts[ORDERS] += 1
            elif prices[at] != wanted and not leaving[at]:
                status = engine.orders(0).get(ids[at]).status
                if status in (NEW, PARTIALLY_FILLED):
                    engine.cancel(0, ids[at], False)
                    leaving[at] = True
                    counts[CANCELS] += 1
        code = engine.wait_next_feed(True, FOREVER)
    counts[CODE] = code


class Loaded:
    """The events in memory."""

    def __init__(self, command: dict[str, Any]) -> None:
        self.feed = np.load(command["feed"])
        self.tick, self.lot = float(command["tick"]), float(command["lot"])
        self.prices = command["prices"]

    def run(self, command: dict[str, Any]) -> dict[str, Any]:
        """One run over them."""
        asset = BacktestAsset().data(self.feed).linear_asset(1.0)
        asset.constant_order_latency(command["entry"], command["response"])
        asset.risk_adverse_queue_model().partial_fill_exchange()
        asset.trading_value_fee_model(command["maker"], command["taker"])
        asset.tick_size(self.tick).lot_size(self.lot).last_trades_capacity(0)
        if command["depth"] == "roi":
            asset.roi_lb(self.prices[0]).roi_ub(self.prices[1])
        engine = BOOKS[command["depth"]]([asset])
        fills, counts = np.zeros(FILLS_MAX, FILL), np.zeros(7, np.int64)
        given = (self.tick, self.lot, command["size"], command["most"], command["begin"])
        gc.collect()
        started = time.perf_counter()
        run(engine, *given, fills, counts)
        seconds = time.perf_counter() - started
        values = engine.state_values(0)
        np.save(command["fills"], fills[: counts[FILLS]])
        found = {
            "seconds": seconds,
            "orders": int(counts[ORDERS]),
            "cancels": int(counts[CANCELS]),
            "refused": int(counts[REFUSED]),
            "fills": int(counts[FILLS] - counts[REFUSED]),
            "held": int(counts[HELD]),
            "turns": int(counts[TURNS]),
            "fee": float(values.fee),
            "version": hftbacktest.__version__,
        }
        engine.close()
        if counts[CODE] != END:
            raise RuntimeError(f"hftbacktest ended with {counts[CODE]} {found}")
        return found


def main() -> None:
    """Answer until the input ends; anything a library prints goes to the standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    loaded: Loaded | None = None
    for line in sys.stdin:
        command = json.loads(line)
        answer: dict[str, Any]
        if command["do"] == "load":
            loaded = Loaded(command)
            answer = {"events": len(loaded.feed)}
        else:
            assert loaded is not None
            answer = loaded.run(command)
        answer["memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
