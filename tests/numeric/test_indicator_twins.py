"""Indicators: one rule in kernels and in plain Python, through snapshots, and input that is none.

Oracle: the compiled steps for the plain ones, bit by bit.
"""

from __future__ import annotations

import math
import struct
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from schemas.kernel import kernel
from streams.numeric import rolling, smoothing, vwap
from streams.numeric.rolling import (
    bollinger,
    ranked_push,
    window_deviation,
    window_greatest,
    window_least,
    window_mean,
    window_push,
)
from streams.numeric.rolling import window_quantile as quantile
from streams.numeric.smoothing import atr_update, ema_update, rsi_update
from streams.numeric.vwap import vwap_update
from streams.signals.indicators import Atr, Ema, RankedWindow, Rsi, Vwap, Window

COLUMNS = 13


@kernel
def batch(
    rows: Any,
    emas: Any,
    rsis: Any,
    atrs: Any,
    windows: Any,
    values: Any,
    ranked: Any,
    ranked_values: Any,
    ranking: Any,
    vwaps: Any,
    found: Any,
) -> None:
    """Every indicator over a whole column, compiled."""
    for at in range(len(rows)):
        session, high, low, close, quantity = rows[at]
        found[at, 0] = ema_update(emas[1], close)
        found[at, 1] = rsi_update(rsis[1], close)
        found[at, 2] = atr_update(atrs[1], high, low, close)
        window_push(windows[1], values[1], close)
        found[at, 3] = window_mean(windows[1], values[1])
        found[at, 4] = window_deviation(windows[1], values[1], 1)
        found[at, 5] = window_deviation(windows[1], values[1], 0)
        found[at, 6] = window_least(windows[1], values[1])
        found[at, 7] = window_greatest(windows[1], values[1])
        found[at, 8], _, found[at, 9] = bollinger(windows[1], values[1], 2.0)
        ranked_push(ranked[1], ranked_values[1], ranking[1], close)
        found[at, 10] = quantile(ranked[1], ranking[1], 0.5)
        found[at, 11] = quantile(ranked[1], ranking[1], 0.3)
        found[at, 12] = vwap_update(vwaps[1], session, close, quantity)


class Together(msgspec.Struct):
    """Every indicator, as a strategy's state holds them."""

    ema: Ema
    rsi: Rsi
    atr: Atr
    window: Window
    ranked: RankedWindow
    vwap: Vwap

    def update(self, session: int, high: int, low: int, close: int, quantity: int) -> list[float]:
        found = [self.ema.update(close), self.rsi.update(close), self.atr.update(high, low, close)]
        window = self.window
        window.push(close)
        found += [
            window.mean,
            window.deviation,
            window.spread,
            window.least,
            window.greatest,
            *window.bands()[::2],
        ]
        found += [self.ranked.update(close), self.ranked.quantile(0.3)]
        return [*found, self.vwap.update(session, close, quantity)]


def together(period: int) -> Together:
    return Together(
        Ema(period), Rsi(period), Atr(period), Window(period), RankedWindow(period), Vwap()
    )


def tables(period: int) -> tuple[Any, ...]:
    """The same as rows of two instruments; the second is used."""
    ranking = rolling.new_ranking(2, period)
    kept = smoothing.new_ema(2, period), smoothing.new_rsi(2, period), smoothing.new_atr(2, period)
    return (
        *kept,
        *rolling.new_window(2, period),
        *rolling.new_window(2, period),
        ranking,
        vwap.new_vwap(2),
    )


ROWS = some.lists(
    some.tuples(
        some.integers(0, 2),
        some.integers(0, 500),
        some.integers(0, 500),
        some.integers(-(2**60), 2**60),
        some.integers(-1, 2**40),
    ),
    min_size=1,
    max_size=30,
)


@settings(deadline=None, max_examples=60)
@given(ROWS, some.integers(1, 9), some.integers(0, 30))
def test_streaming_equals_batch_on_every_bit_over_a_snapshot(
    rows: list[tuple[int, ...]], period: int, stop: int
) -> None:
    """One input at a time in Python, its state written and read on the way; one compiled pass."""
    bars = [
        (session, close + up, close - down, close, quantity)
        for session, up, down, close, quantity in rows
    ]
    found = np.zeros((len(bars), COLUMNS))
    batch(np.array(bars, np.int64), *tables(period), found)
    state, streamed = together(period), []
    for at, bar in enumerate(bars):
        if at == stop:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=Together)
        streamed.append(state.update(*bar))
    assert struct.pack(f"<{found.size}d", *found.ravel()) == struct.pack(
        f"<{found.size}d", *(value for row in streamed for value in row)
    )


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_changes_nothing(bad: float) -> None:
    state = together(2)
    for close in (5, 7, 6):
        state.update(0, close, close, close, 1)
    before = msgspec.msgpack.encode(state)
    answers = [
        state.ema.update(bad),
        state.rsi.update(bad),
        state.atr.update(9, bad, 8),
        state.atr.update(9, 8, bad),
    ]
    assert all(math.isnan(answer) for answer in answers)
    assert not state.window.push(bad) and not state.ranked.push(bad)
    assert msgspec.msgpack.encode(state) == before
