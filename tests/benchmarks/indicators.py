"""What an indicator costs: ns for each update in compiled code, beside polars over the whole
column; exp, log, pow and erfc beside libm.

``python -m tests.benchmarks.indicators`` prints the rows; ``run()`` returns them. Ours answers
after each input, as a strategy needs it, and is the same on every machine; polars sees the whole
column at once, on the threads it takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from streams.numeric import rolling, smoothing, vwap
from streams.numeric.borrowing import borrowing_kernel
from streams.numeric.elementary import exp, log
from streams.numeric.elementary import pow as power
from streams.numeric.error_function import erfc
from streams.numeric.rolling import (
    bollinger,
    ranked_push,
    window_greatest,
    window_mean,
    window_push,
    window_quantile,
)
from streams.numeric.smoothing import atr_update, ema_update, rsi_update
from streams.numeric.vwap import vwap_update
from tests.benchmarks.timing import alternating, row, seconds

COUNT = 1_000_000
PERIOD = 20
Arrays = dict[str, np.ndarray[Any, Any]]


@borrowing_kernel
def ema_over(state: Any, close: Any, found: Any) -> None:
    for at in range(len(close)):
        found[at] = ema_update(state[0], close[at])


@borrowing_kernel
def rsi_over(state: Any, close: Any, found: Any) -> None:
    for at in range(len(close)):
        found[at] = rsi_update(state[0], close[at])


@borrowing_kernel
def atr_over(state: Any, high: Any, low: Any, close: Any, found: Any) -> None:
    for at in range(len(close)):
        found[at] = atr_update(state[0], high[at], low[at], close[at])


@borrowing_kernel
def sma_over(window: Any, values: Any, close: Any, found: Any) -> None:
    for at in range(len(close)):
        window_push(window[0], values[0], close[at])
        found[at] = window_mean(window[0], values[0])


@borrowing_kernel
def greatest_over(window: Any, values: Any, close: Any, found: Any) -> None:
    for at in range(len(close)):
        window_push(window[0], values[0], close[at])
        found[at] = window_greatest(window[0], values[0])


@borrowing_kernel
def bands_over(window: Any, values: Any, close: Any, found: Any) -> None:
    for at in range(len(close)):
        window_push(window[0], values[0], close[at])
        found[at] = bollinger(window[0], values[0], 2.0)[2]


@borrowing_kernel
def median_over(window: Any, values: Any, ranking: Any, close: Any, found: Any) -> None:
    for at in range(len(close)):
        ranked_push(window[0], values[0], ranking[0], close[at])
        found[at] = window_quantile(window[0], ranking[0], 0.5)


@borrowing_kernel
def vwap_over(state: Any, close: Any, quantity: Any, found: Any) -> None:
    for at in range(len(close)):
        found[at] = vwap_update(state[0], 1, close[at], quantity[at])


@borrowing_kernel
def exp_over(x: Any, found: Any) -> None:
    for at in range(len(x)):
        found[at] = exp(x[at])


@borrowing_kernel
def exp_of_libm(x: Any, found: Any) -> None:
    for at in range(len(x)):
        found[at] = math.exp(x[at])


@borrowing_kernel
def log_over(x: Any, found: Any) -> None:
    for at in range(len(x)):
        found[at] = log(x[at])


@borrowing_kernel
def log_of_libm(x: Any, found: Any) -> None:
    for at in range(len(x)):
        found[at] = math.log(x[at])


@borrowing_kernel
def pow_over(x: Any, found: Any) -> None:
    for at in range(len(x)):
        found[at] = power(x[at], 1.7)


@borrowing_kernel
def pow_of_libm(x: Any, found: Any) -> None:
    for at in range(len(x)):
        found[at] = math.pow(x[at], 1.7)


@borrowing_kernel
def erfc_over(x: Any, found: Any) -> None:
    for at in range(len(x)):
        found[at] = erfc(x[at])


@borrowing_kernel
def erfc_of_libm(x: Any, found: Any) -> None:
    for at in range(len(x)):
        found[at] = math.erfc(x[at])


def _indicators(data: Arrays, found: Any) -> list[tuple[str, Callable[[], Any], pl.Expr]]:
    """(name, ours, the same in polars)."""
    high, low, close, quantity = (data[name] for name in ("high", "low", "close", "quantity"))
    ema, rsi, atr = (
        make(1, PERIOD) for make in (smoothing.new_ema, smoothing.new_rsi, smoothing.new_atr)
    )
    windows = [rolling.new_window(1, PERIOD) for _ in range(4)]
    ranking = rolling.new_ranking(1, PERIOD)
    total = vwap.new_vwap(1)
    column = pl.col("close")
    wilder = {"alpha": 1 / PERIOD, "adjust": False}
    gain, loss = column.diff().clip(0, None), (-column.diff()).clip(0, None)
    before = column.shift()
    span = pl.max_horizontal("high", before) - pl.min_horizontal("low", before)
    money = pl.col("close").cast(pl.Float64) * pl.col("quantity")
    return [
        ("ema", lambda: ema_over(ema, close, found), column.ewm_mean(span=PERIOD, adjust=False)),
        ("sma", lambda: sma_over(*windows[0], close, found), column.rolling_mean(PERIOD)),
        ("maximum", lambda: greatest_over(*windows[1], close, found), column.rolling_max(PERIOD)),
        (
            "bollinger",
            lambda: bands_over(*windows[2], close, found),
            column.rolling_mean(PERIOD) + 2 * column.rolling_std(PERIOD, ddof=0),
        ),
        (
            "median",
            lambda: median_over(*windows[3], ranking, close, found),
            column.rolling_median(PERIOD),
        ),
        (
            "rsi",
            lambda: rsi_over(rsi, close, found),
            100 - 100 / (1 + gain.ewm_mean(**wilder) / loss.ewm_mean(**wilder)),
        ),
        ("atr", lambda: atr_over(atr, high, low, close, found), span.ewm_mean(**wilder)),
        (
            "vwap",
            lambda: vwap_over(total, close, quantity, found),
            money.cum_sum() / pl.col("quantity").cum_sum(),
        ),
    ]


def run() -> list[dict[str, Any]]:
    """The rows."""
    draw = np.random.default_rng(7)
    close = 5_000_000 + np.cumsum(draw.integers(-5, 6, COUNT))
    data: Arrays = {
        "close": close,
        "high": close + draw.integers(0, 9, COUNT),
        "low": close - draw.integers(0, 9, COUNT),
        "quantity": draw.integers(1, 10**6, COUNT),
    }
    frame, found, rows = pl.DataFrame(data), np.zeros(COUNT), []
    for name, ours, theirs in _indicators(data, found):
        rows.append(
            _row(f"indicators.{name}", "polars", ours, lambda theirs=theirs: frame.select(theirs))
        )
    positive, wide = draw.uniform(0.01, 100.0, COUNT), draw.uniform(-5.0, 5.0, COUNT)
    for name, ours_of, theirs_of, x in (
        ("exp", exp_over, exp_of_libm, wide),
        ("log", log_over, log_of_libm, positive),
        ("pow", pow_over, pow_of_libm, positive),
        ("erfc", erfc_over, erfc_of_libm, wide),
    ):
        rows.append(
            _row(
                f"mathematics.{name}",
                "libm",
                lambda f=ours_of, x=x: f(x, found),
                lambda f=theirs_of, x=x: f(x, found),
            )
        )
    return rows


def _row(
    name: str, peer: str, ours: Callable[[], Any], theirs: Callable[[], Any]
) -> dict[str, Any]:
    ours()  # compiles
    theirs()
    taken = alternating(lambda: COUNT / seconds(ours), lambda: COUNT / seconds(theirs))
    found = row(name, "updates/s" if peer == "polars" else "values/s", taken[0], peer, taken[1])
    return found | {"ns": 1e9 / found["value"], "peer_ns": 1e9 / found["peer_value"]}


def main() -> None:
    """Print the rows."""
    for each in run():
        print(f"{each['name']:24} {each['ns']:8.1f} ns   {each['peer']} {each['peer_ns']:8.1f} ns")


if __name__ == "__main__":
    main()
