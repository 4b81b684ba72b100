"""Indicators for strategies in plain Python: state and rule in one object, which a strategy's
``State`` may hold.

    class State(StrategyState):
        mean: dict[int, Ema] = msgspec.field(default_factory=dict)

    def on_bar(self, bar, context):
        mean = self.state.mean.setdefault(bar.instrument, Ema(20))
        if mean.update(bar.close) > bar.close: ...

``update`` answers with the value, which is nan until there were enough inputs; ``ready`` and
``value`` say it again. A comparison with nan is false, so an indicator that is not ready moves
nothing. The rules are those of ``streams.numeric.smoothing``, ``rolling`` and ``vwap``, which
kernels call: both kinds agree on every bit. All fields are plain data, as a snapshot needs it.
"""

from __future__ import annotations

import msgspec

from streams.numeric import rolling, smoothing, vwap
from streams.numeric.periods import WINDOW_MAX, check_period


class Ema(msgspec.Struct):
    """Exponential mean: each input counts 2 / (period + 1), the first is where it begins."""

    period: int
    mean: float = 0.0
    count: int = 0
    alpha: float = 0.0

    def __post_init__(self) -> None:
        self.alpha = smoothing.ema_alpha(check_period(self.period))

    def update(self, x: float) -> float:
        """Take an input; the mean."""
        return float(smoothing.ema_update(self, x))

    @property
    def value(self) -> float:
        """The mean."""
        return float(smoothing.ema_value(self))

    @property
    def ready(self) -> bool:
        """True from input number ``period`` on."""
        return self.count >= self.period


class Rsi(msgspec.Struct):
    """Wilder's relative strength index of prices, 0 to 100."""

    period: int = 14
    gain: float = 0.0
    loss: float = 0.0
    last: float = 0.0
    count: int = 0

    def __post_init__(self) -> None:
        check_period(self.period)

    def update(self, x: float) -> float:
        """Take a price; the index."""
        return float(smoothing.rsi_update(self, x))

    @property
    def value(self) -> float:
        """The index."""
        return float(smoothing.rsi_value(self))

    @property
    def ready(self) -> bool:
        """True from input number ``period + 1`` on."""
        return self.count > self.period


class Atr(msgspec.Struct):
    """Wilder's average true range of bars."""

    period: int = 14
    mean: float = 0.0
    last: float = 0.0
    count: int = 0

    def __post_init__(self) -> None:
        check_period(self.period)

    def update(self, high: float, low: float, close: float) -> float:
        """Take a bar; the average."""
        return float(smoothing.atr_update(self, high, low, close))

    @property
    def value(self) -> float:
        """The average."""
        return float(smoothing.atr_value(self))

    @property
    def ready(self) -> bool:
        """True from bar number ``period`` on."""
        return self.count >= self.period


class Window(msgspec.Struct):
    """The last ``period`` inputs and what can be said of them. Its mean is the SMA."""

    period: int
    count: int = 0
    oldest: int = 0
    values: list[float] = msgspec.field(default_factory=list)

    def __post_init__(self) -> None:
        check_period(self.period, WINDOW_MAX)
        self.values = self.values or [0.0] * self.period

    def push(self, x: float) -> bool:
        """Take an input; True once the window is full."""
        return bool(rolling.window_push(self, self.values, x))

    def update(self, x: float) -> float:
        """Take an input; the mean."""
        self.push(x)
        return self.mean

    @property
    def ready(self) -> bool:
        """True from input number ``period`` on."""
        return self.count == self.period

    @property
    def mean(self) -> float:
        """The simple mean."""
        return float(rolling.window_mean(self, self.values))

    @property
    def deviation(self) -> float:
        """The standard deviation of a sample (divided by period - 1)."""
        return float(rolling.window_deviation(self, self.values, 1))

    @property
    def spread(self) -> float:
        """The standard deviation of the values themselves (divided by period)."""
        return float(rolling.window_deviation(self, self.values, 0))

    @property
    def least(self) -> float:
        """The smallest value."""
        return float(rolling.window_least(self, self.values))

    @property
    def greatest(self) -> float:
        """The greatest value."""
        return float(rolling.window_greatest(self, self.values))

    def bands(self, width: float = 2.0) -> tuple[float, float, float]:
        """Bollinger bands (lower, middle, upper), ``width`` times ``spread`` beside the mean."""
        lower, middle, upper = rolling.bollinger(self, self.values, width)
        return float(lower), float(middle), float(upper)


class RankedWindow(msgspec.Struct):
    """The last ``period`` inputs, sorted: their median and other quantiles."""

    period: int
    count: int = 0
    oldest: int = 0
    values: list[float] = msgspec.field(default_factory=list)
    ranking: list[float] = msgspec.field(default_factory=list)

    def __post_init__(self) -> None:
        check_period(self.period, WINDOW_MAX)
        self.values = self.values or [0.0] * self.period
        self.ranking = self.ranking or [0.0] * self.period

    def push(self, x: float) -> bool:
        """Take an input; True once the window is full."""
        return bool(rolling.ranked_push(self, self.values, self.ranking, x))

    def update(self, x: float) -> float:
        """Take an input; the median."""
        self.push(x)
        return self.quantile(0.5)

    @property
    def ready(self) -> bool:
        """True from input number ``period`` on."""
        return self.count == self.period

    def quantile(self, q: float) -> float:
        """The quantile for q from 0 to 1, linear between neighbours."""
        return float(rolling.window_quantile(self, self.ranking, q))


class Vwap(msgspec.Struct):
    """Volume-weighted average price since the session's day began, in the price's unit."""

    session: int = 0
    high: int = 0
    middle: int = 0
    low: int = 0
    volume: int = 0

    def update(self, day: int, price: int, quantity: int) -> float:
        """Take a trade of the day (``session_day``); the average."""
        return float(vwap.vwap_update(self, day, price, quantity))

    @property
    def value(self) -> float:
        """The average."""
        return float(vwap.vwap_value(self))

    @property
    def ready(self) -> bool:
        """True from a day's first trade on."""
        return self.volume > 0
