"""Measures of microstructure for strategies in plain Python: state and rule in one object, as the
indicators (``streams.signals.indicators``).

The rules are those of ``streams.numeric.measures``, which kernels call: both kinds agree on every
bit. Before a measure is ``ready``, and where it is not defined, it is nan. All fields are plain
data.
"""

from __future__ import annotations

import math

import msgspec

from streams.numeric import rolling
from streams.numeric.measures import amihud, hasbrouck, hawkes, kyle, roll, variance_ratio
from streams.numeric.periods import WINDOW_MAX, check_period


class Kyle(msgspec.Struct):
    """Kyle's lambda over the last ``period`` intervals: the price's move for a unit of volume."""

    period: int
    count: int = 0
    oldest: int = 0
    volumes: list[float] = msgspec.field(default_factory=list)
    changes: list[float] = msgspec.field(default_factory=list)

    def __post_init__(self) -> None:
        check_period(self.period, WINDOW_MAX, kyle.POINTS_MIN)
        self.volumes = self.volumes or [0.0] * self.period
        self.changes = self.changes or [0.0] * self.period

    def update(self, signed_volume: float, change: float) -> float:
        """Take an interval's volume bought less sold and the mid's change; lambda."""
        kyle.kyle_push(self, self.volumes, self.changes, signed_volume, change)
        return self.value

    @property
    def value(self) -> float:
        """Lambda."""
        return self.line[0]

    @property
    def line(self) -> tuple[float, float, float]:
        """(lambda, its standard error, R squared)."""
        slope, error, share = kyle.kyle_lambda(self, self.volumes, self.changes)
        return float(slope), float(error), float(share)

    @property
    def ready(self) -> bool:
        """True from interval number ``period`` on."""
        return self.count == self.period


class Amihud(msgspec.Struct):
    """Amihud's illiquidity over the last ``period`` intervals with turnover, per million."""

    period: int
    count: int = 0
    oldest: int = 0
    skipped: int = 0
    ratios: list[float] = msgspec.field(default_factory=list)

    def __post_init__(self) -> None:
        check_period(self.period, WINDOW_MAX)
        self.ratios = self.ratios or [0.0] * self.period

    def update(self, change: float, turnover: float) -> float:
        """Take an interval's return and turnover in currency; the measure."""
        amihud.amihud_push(self, self.ratios, change, turnover)
        return self.value

    @property
    def value(self) -> float:
        """The measure."""
        return float(amihud.amihud_value(self, self.ratios))

    @property
    def ready(self) -> bool:
        """True from the ``period``-th interval with turnover on."""
        return self.count == self.period


class Changes(msgspec.Struct):
    """The last ``period`` changes of a price: Roll's spread and variance ratios."""

    period: int
    count: int = 0
    oldest: int = 0
    last: float = math.nan
    values: list[float] = msgspec.field(default_factory=list)

    def __post_init__(self) -> None:
        check_period(self.period, WINDOW_MAX, roll.CHANGES_MIN)
        self.values = self.values or [0.0] * self.period

    def push(self, price: float) -> bool:
        """Take a price; True once there were ``period`` changes."""
        price = float(price)
        if not math.isfinite(price):
            return False
        rolling.window_push(self, self.values, price - self.last)  # nan at the first: no change
        self.last = price
        return self.ready

    @property
    def ready(self) -> bool:
        """True from price number ``period + 1`` on."""
        return self.count == self.period

    @property
    def roll_spread(self) -> float:
        """Roll's spread, by the sample's covariance; nan where that is not negative."""
        return float(roll.roll_spread(self, self.values, 1))

    def variance_ratio(self, q: int) -> float:
        """Variance of q changes over q times that of one: 1 for a random walk."""
        return float(variance_ratio.variance_ratio(self, self.values, q))


class Hasbrouck(msgspec.Struct):
    """What of a trade's move of the mid stays, by a vector autoregression over ``period`` trades.
    """

    period: int
    lags: int = 5
    count: int = 0
    oldest: int = 0
    changes: list[float] = msgspec.field(default_factory=list)
    signs: list[float] = msgspec.field(default_factory=list)

    def __post_init__(self) -> None:
        check_period(self.lags, hasbrouck.LAGS_MAX)
        check_period(self.period, WINDOW_MAX, 3 * self.lags + 2)
        self.changes = self.changes or [0.0] * self.period
        self.signs = self.signs or [0.0] * self.period

    def push(self, sign: int, change: float) -> bool:
        """Take a trade's sign and the mid's change up to the next; True once it is ready."""
        if math.isfinite(change):
            self.signs[self.count if self.count < self.period else self.oldest] = float(sign)
            rolling.window_push(self, self.changes, change)
        return self.ready

    @property
    def ready(self) -> bool:
        """True from trade number ``period`` on."""
        return self.count == self.period

    def impact(self, steps: int = 20) -> float:
        """The move of ``steps`` trades after one buy more, in the changes' unit."""
        size = 2 * self.lags + 1
        matrix = [[0.0] * size for _ in range(size)]
        of_r, of_x = ([[0.0] for _ in range(size)] for _ in range(2))
        answers = [[0.0] * steps for _ in range(2)]
        return float(
            hasbrouck.hasbrouck_impact(
                self, self.changes, self.signs, self.lags, steps, matrix, of_r, of_x, answers
            )
        )


class Hawkes(msgspec.Struct):
    """Intensities of buys and sells that excite each other; parameters a second, given."""

    mu: float
    same: float
    other: float
    beta: float
    buys: float = 0.0
    sells: float = 0.0
    time: int = 0
    count: int = 0

    def __post_init__(self) -> None:
        hawkes.check_hawkes(self.mu, self.same, self.other, self.beta)

    def update(self, time: int, sign: int) -> float:
        """Take a buy (1) or a sell (-1) at an event time, ns; its side's intensity just before."""
        return float(hawkes.hawkes_event(self, time, sign))

    def at(self, time: int) -> tuple[float, float]:
        """(buys, sells) a second at a time, which it is advanced to."""
        hawkes.hawkes_advance(self, time)
        buy, sell = hawkes.hawkes_intensities(self)
        return float(buy), float(sell)

    @property
    def branching_ratio(self) -> float:
        """The share of events that others caused."""
        return (self.same + self.other) / self.beta
