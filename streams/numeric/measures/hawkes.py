"""Hawkes intensities of buys and sells with exponential kernels (MIC-17).

    lambda_buy(t)  = mu + same A_buy + other A_sell
    lambda_sell(t) = mu + same A_sell + other A_buy
    A(t) = sum over earlier events of exp(-beta (t - t_i))

by the recursion A(t) = exp(-beta dt) A, then + 1 at an event (Ogata 1981). Events of one time are
each other's past in the order they came: no jitter. The branching ratio, the share of events
that others caused, is (same + other) / beta and lies below 1, or the process would explode. The
parameters are estimated elsewhere and given; times are seconds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.errors import WrongUse
from streams.numeric.elementary import exp
from streams.numeric.shared import shared_step

HAWKES = np.dtype(
    [(name, np.float64) for name in ("mu", "same", "other", "beta", "buys", "sells")]
    + [("time", np.int64), ("count", np.int64)]
)
"""``buys``, ``sells``: A of either side at ``time``, ns."""
SECOND = 1e9


class UnstableHawkes(WrongUse):
    """Parameters of a process that explodes, or of none."""

    code = "unstable_hawkes"


def check_hawkes(mu: float, same: float, other: float, beta: float) -> float:
    """The branching ratio. Raises UnstableHawkes."""
    if not (mu > 0.0 and same >= 0.0 and other >= 0.0 and 0.0 < beta < 1e9):
        raise UnstableHawkes(
            f"hawkes parameters mu = {mu}, same = {same}, other = {other}, beta = {beta}: give mu "
            "and beta above 0, same and other of at least 0"
        )
    ratio = (same + other) / beta
    if not ratio < 1.0:
        raise UnstableHawkes(
            f"(same + other) / beta is {ratio}, and the process explodes from 1 on; "
            "give a larger beta"
        )
    return ratio


def new_hawkes(rows: int, mu: float, same: float, other: float, beta: float) -> Any:
    """Processes before their first event. Raises UnstableHawkes."""
    check_hawkes(mu, same, other, beta)
    found = np.zeros(rows, HAWKES)
    found["mu"], found["same"], found["other"], found["beta"] = mu, same, other, beta
    return found


@shared_step
def hawkes_advance(hawkes: Any, time: Any) -> None:
    """Let the excitement fade up to a time, ns; a time before the last changes nothing."""
    if hawkes.count > 0 and time > hawkes.time:
        fade = exp(-hawkes.beta * (float(time - hawkes.time) / SECOND))
        hawkes.buys *= fade
        hawkes.sells *= fade
    if time > hawkes.time:
        hawkes.time = time


@shared_step
def hawkes_intensities(hawkes: Any) -> Any:
    """(buys, sells) a second, at the time it was advanced to."""
    buy = hawkes.mu + hawkes.same * hawkes.buys + hawkes.other * hawkes.sells
    return buy, hawkes.mu + hawkes.same * hawkes.sells + hawkes.other * hawkes.buys


@shared_step
def hawkes_event(hawkes: Any, time: Any, sign: Any) -> Any:
    """Take a buy (sign 1) or a sell (-1); the intensity of its side just before it."""
    hawkes_advance(hawkes, time)
    buy, sell = hawkes_intensities(hawkes)
    hawkes.count += 1
    if sign > 0:
        hawkes.buys += 1.0
        return buy
    hawkes.sells += 1.0
    return sell
