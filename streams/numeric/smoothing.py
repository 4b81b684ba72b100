"""Indicators that keep a mean and forget slowly: EMA, and Wilder's RSI and ATR.

A step takes the indicator's state and an input and answers with its value, ``nan`` until it has
seen enough. In a kernel the state is a row of ``new_ema(...)`` and so on; in plain Python an object
of ``streams.signals.indicators``, with the same fields. An input that is no finite number changes
nothing, and its answer is ``nan``. Every operation is one rounded operation in the order written
here, so all callers agree on every bit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from streams.numeric.periods import check_period
from streams.numeric.shared import shared_step

NAN = math.nan

EMA = np.dtype(
    [("alpha", np.float64), ("mean", np.float64), ("count", np.int64), ("period", np.int64)]
)
RSI = np.dtype(
    [
        ("gain", np.float64),
        ("loss", np.float64),
        ("last", np.float64),
        ("count", np.int64),
        ("period", np.int64),
    ]
)
ATR = np.dtype(
    [("mean", np.float64), ("last", np.float64), ("count", np.int64), ("period", np.int64)]
)


def ema_alpha(period: int) -> float:
    """Weight of a new input in an exponential mean over ``period`` inputs."""
    return 2.0 / (period + 1)


def new_ema(rows: int, period: int) -> Any:
    """EMAs before their first input, one for each instrument. Raises BadPeriod."""
    found = np.zeros(rows, EMA)
    found["period"], found["alpha"] = check_period(period), ema_alpha(period)
    return found


def new_rsi(rows: int, period: int) -> Any:
    """RSIs before their first input. Raises BadPeriod."""
    found = np.zeros(rows, RSI)
    found["period"] = check_period(period)
    return found


def new_atr(rows: int, period: int) -> Any:
    """ATRs before their first bar. Raises BadPeriod."""
    found = np.zeros(rows, ATR)
    found["period"] = check_period(period)
    return found


@shared_step
def smoothed(mean: Any, alpha: Any, x: Any) -> Any:
    """An exponential mean after one more input."""
    return mean + alpha * (x - mean)


@shared_step
def wilder(mean: Any, x: Any, seen: Any, period: Any) -> Any:
    """Wilder's mean after input number ``seen``: the plain mean of the first ``period``, each later
    one counts 1 / period.

    Until ``period`` inputs were seen it is their sum.
    """
    if seen > period:
        return (mean * (period - 1) + x) / period
    return (mean + x) / period if seen == period else mean + x


@shared_step
def ema_update(ema: Any, x: Any) -> Any:
    """Take an input; the mean from input number ``period`` on. It begins at the first input."""
    x = float(x)
    if not math.isfinite(x):
        return NAN
    ema.mean = smoothed(ema.mean, ema.alpha, x) if ema.count > 0 else x
    ema.count += 1
    return ema_value(ema)


@shared_step
def ema_value(ema: Any) -> Any:
    """The mean, nan before ``period`` inputs."""
    return ema.mean if ema.count >= ema.period else NAN


@shared_step
def rsi_update(rsi: Any, x: Any) -> Any:
    """Take a price; the index, 0 to 100, from input number ``period + 1`` on (Wilder 1978)."""
    x = float(x)
    if not math.isfinite(x):
        return NAN
    change = x - rsi.last if rsi.count > 0 else 0.0
    rsi.last = x
    if rsi.count > 0:
        rsi.gain = wilder(rsi.gain, max(change, 0.0), rsi.count, rsi.period)
        rsi.loss = wilder(rsi.loss, max(-change, 0.0), rsi.count, rsi.period)
    rsi.count += 1
    return rsi_value(rsi)


@shared_step
def rsi_value(rsi: Any) -> Any:
    """The index, nan before ``period`` changes; 50 where nothing moved."""
    if rsi.count <= rsi.period:
        return NAN
    moved = rsi.gain + rsi.loss
    return 100.0 * rsi.gain / moved if moved > 0.0 else 50.0


@shared_step
def atr_update(atr: Any, high: Any, low: Any, close: Any) -> Any:
    """Take a bar; the average true range from bar number ``period`` on (Wilder 1978).

    The first bar's range is high - low.
    """
    high, low, close = float(high), float(low), float(close)
    if not (math.isfinite(high) and math.isfinite(low) and math.isfinite(close)):
        return NAN
    before = atr.last if atr.count > 0 else low
    span = max(high, before) - min(low, before)
    atr.last = close
    atr.count += 1
    atr.mean = wilder(atr.mean, span, atr.count, atr.period)
    return atr_value(atr)


@shared_step
def atr_value(atr: Any) -> Any:
    """The average true range, nan before ``period`` bars."""
    return atr.mean if atr.count >= atr.period else NAN
