"""EMA cross, the kernel: follow the faster of two exponential means of the doubled mid.
``ema_cross_python.py`` is its twin in plain Python.

The rule, word for word what the twin does, in the same order of operations, so that both agree on
every bit:

1. Input is mid2 = bid + ask of each quote that is not STALE and has both sides.
2. alpha = 2 / (n + 1), computed once, in Python. The first input seeds both means; afterwards f = f
   + alpha * (mid2 - f).
3. From input number ``slow`` on the direction is +1 if fast > slow, -1 if fast < slow, unchanged if
   equal.
4. A signal is published when the direction differs from the last published one, at most one per
   ``cooldown`` of the clock. A change seen during the cool-down is not lost: the first input after
   it is judged by the same rule, so it is published then if it still holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from schemas.records import Instrument
from schemas.vocabulary import Flag
from streams.numeric.borrowing import borrowing_kernel
from streams.numeric.smoothing import ema_alpha, smoothed

NAME = "ema-cross"
INPUTS = ("md.quotes",)
OUTPUTS = ("signals",)
STATE_VERSION = 1
RESERVE = {"signals": 1}
FAULTS: dict[int, str] = {}

NEVER = 2**63 - 1
MAX_PERIOD = 1_000_000
MAX_COOLDOWN = 86_400_000_000_000
MAX_SIZE = 2**60
MAX_INSTRUMENTS = 4096
STRATEGY = 1
NO_MID = int(Flag.STALE | Flag.ONE_SIDED)


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """fast, slow: periods of the means, in inputs. size: target position in quantity units, 0
    leaves it to sizing. cooldown: ns of the clock.
    """

    fast: int = 20
    slow: int = 50
    size: int = 0
    cooldown: int = 1_000_000_000

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("fast", self.fast, 1, MAX_PERIOD),
            ("slow", self.slow, 1, MAX_PERIOD),
            ("size", self.size, 0, MAX_SIZE),
            ("cooldown", self.cooldown, 0, MAX_COOLDOWN),
        ):
            if not low <= value <= high:
                raise ValueError(f"{name}: from {low} to {high}, not {value}")
        if self.fast >= self.slow:
            raise ValueError(f"fast must be below slow, not {self.fast} and {self.slow}")


MEANS = np.dtype(
    [("fast", np.float64), ("slow", np.float64)]
    + [(name, np.int64) for name in ("inputs", "direction", "quiet_until")]
)


class State(NamedTuple):
    """All the strategy remembers."""

    clock: Any  # int64[1], set by the runtime before each call
    timer: Any  # int64[1], always NEVER
    fault: Any  # int64[4], unused
    alphas: Any  # float64[2], fast and slow
    slow: Any  # int64[1], inputs before the first decision
    size: Any  # int64[1]
    cooldown: Any  # int64[1]
    slots: Any  # int32[4096], slot of an instrument id, -1 unknown
    means: Any  # MEANS[instruments]


def alpha(period: int) -> float:
    """Weight of a new input in an exponential mean over ``period`` inputs."""
    return ema_alpha(period)


def new_state(instruments: Sequence[Instrument], settings: Settings) -> State:
    """State before the first record."""
    slots = np.full(MAX_INSTRUMENTS, -1, np.int32)
    for slot, instrument in enumerate(instruments):
        slots[instrument.instrument] = slot
    return State(
        clock=np.zeros(1, np.int64),
        timer=np.full(1, NEVER, np.int64),
        fault=np.zeros(4, np.int64),
        alphas=np.array([alpha(settings.fast), alpha(settings.slow)]),
        slow=np.array([settings.slow], np.int64),
        size=np.array([settings.size], np.int64),
        cooldown=np.array([settings.cooldown], np.int64),
        slots=slots,
        means=np.zeros(len(instruments), MEANS),
    )


@borrowing_kernel
def on_quote(state: Any, quote: Any, out: Any) -> None:
    """Update the means and publish a changed direction."""
    slot = state.slots[quote.instrument]
    if slot < 0 or quote.flags & NO_MID:
        return
    means = state.means[slot]
    mid2 = np.float64(quote.bid_price + quote.ask_price)
    if means.inputs == 0:
        means.fast = mid2
        means.slow = mid2
    else:
        means.fast = smoothed(means.fast, state.alphas[0], mid2)
        means.slow = smoothed(means.slow, state.alphas[1], mid2)
    means.inputs += 1
    if means.inputs < state.slow[0]:
        return
    direction = means.direction
    if means.fast > means.slow:
        direction = 1
    elif means.fast < means.slow:
        direction = -1
    if direction == means.direction or state.clock[0] < means.quiet_until:
        return
    means.direction = direction
    means.quiet_until = state.clock[0] + state.cooldown[0]
    rows, count = out.signals
    row = rows[count[0]]
    row.instrument = quote.instrument
    row.event_time = state.clock[0]
    row.sequence = quote.sequence
    row.strategy = STRATEGY
    row.direction = direction
    row.strength = 1.0
    row.size = state.size[0]
    row.fast = means.fast
    row.slow = means.slow
    row.flags = quote.flags
    count[0] += 1
