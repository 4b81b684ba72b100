"""Spreads and markouts of trades once a horizon has passed, by event time (MIC-5, TOX-4).

A trade waits with its effective spread and the mid it met. For each horizon tau its spreads are
added as soon as an event later than t + tau comes, with the mid that stood at t + tau: the last one
known by then. What waits at the end of the input is never measured; nor is a trade whose later mid
is not known. Trades of one side that come at one time and meet one mid, as those of one large order
do, wait together. Where there is no room for more, newer trades are refused and counted. Sums are
two limbs, exact, so effective = realised + impact holds for them, too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.errors import WrongUse
from streams.numeric import wide
from streams.numeric.borrowing import inner_kernel
from streams.numeric.measures.spreads import effective_spread, price_impact

MILLISECOND = 1_000_000
HORIZONS = tuple(each * MILLISECOND for each in (100, 1_000, 5_000, 30_000, 60_000))
"""100 ms, 1 s, 5 s, 30 s and 60 s, in ns."""
WAITING_MAX = 1 << 20

WAITING = np.dtype(
    [(name, np.int64) for name in ("time", "sign", "doubled_mid", "trades", "effective_high")]
    + [("effective_low", np.uint64)]
)
"""Trades that wait together: how many, and their effective spreads, summed."""
QUEUE = np.dtype([("written", np.int64), ("refused", np.int64)])
HORIZON = np.dtype(
    [("span", np.int64), ("done", np.int64), ("trades", np.int64)]
    + [(f"{name}_high", np.int64) for name in ("effective", "realised", "impact")]
    + [(f"{name}_low", np.uint64) for name in ("effective", "realised", "impact")]
)
"""``done``: places of the queue that passed this horizon; the rest is since the last reset."""


class BadQueue(WrongUse):
    """Room for waiting trades that cannot be had."""

    code = "bad_markout_queue"


def new_markouts(rows: int, room: int) -> tuple[Any, Any, Any]:
    """(queues, waiting trades, horizons), a row each for an instrument. Raises BadQueue."""
    if not 1 <= room <= WAITING_MAX:
        raise BadQueue(f"room for {room} waiting trades; give 1 to {WAITING_MAX}")
    horizons = np.zeros((rows, len(HORIZONS)), HORIZON)
    horizons["span"] = HORIZONS
    return np.zeros(rows, QUEUE), np.zeros((rows, room), WAITING), horizons


@inner_kernel
def markouts_wait(
    queue: Any, waiting: Any, horizons: Any, time: Any, sign: Any, price: Any, doubled_mid: Any
) -> None:
    """Enter a trade whose aggressor and mid are known. Its horizons count from ``time``."""
    last = waiting[(queue.written - 1) % len(waiting)]
    is_same = last.time == time and last.sign == sign and last.doubled_mid == doubled_mid
    if queue.written == 0 or not is_same:
        slowest = queue.written
        for at in range(len(horizons)):
            slowest = min(slowest, horizons[at].done)
        if queue.written - slowest >= len(waiting):
            queue.refused += 1
            return
        last = waiting[queue.written % len(waiting)]
        last.time, last.sign, last.doubled_mid = time, sign, doubled_mid
        last.trades = last.effective_high = 0
        last.effective_low = 0
        queue.written += 1
    last.trades += 1
    last.effective_high, last.effective_low = wide.add(
        last.effective_high,
        last.effective_low,
        *wide.widen(effective_spread(sign, price, doubled_mid)),
    )


@inner_kernel
def markouts_due(
    queue: Any, waiting: Any, horizons: Any, now: Any, is_known: Any, doubled_mid: Any
) -> None:
    """Add what passed its horizon before ``now``, at the mid that stood until then."""
    for at in range(len(horizons)):
        horizon = horizons[at]
        while horizon.done < queue.written:
            trades = waiting[horizon.done % len(waiting)]
            if trades.time + horizon.span >= now:
                break
            if is_known:
                add_trades(horizon, trades, doubled_mid)
            horizon.done += 1


@inner_kernel
def add_trades(horizon: Any, trades: Any, doubled_mid_later: Any) -> None:
    """Add the spreads of trades that waited together to the sums of a horizon: what is realised is
    what is left of the effective spreads.
    """
    impact = price_impact(trades.sign, trades.doubled_mid, doubled_mid_later)
    impact_high, impact_low = wide.mul(trades.trades, impact)
    realised_high, realised_low = wide.sub(
        trades.effective_high, trades.effective_low, impact_high, impact_low
    )
    horizon.effective_high, horizon.effective_low = wide.add(
        horizon.effective_high, horizon.effective_low, trades.effective_high, trades.effective_low
    )
    horizon.realised_high, horizon.realised_low = wide.add(
        horizon.realised_high, horizon.realised_low, realised_high, realised_low
    )
    horizon.impact_high, horizon.impact_low = wide.add(
        horizon.impact_high, horizon.impact_low, impact_high, impact_low
    )
    horizon.trades += trades.trades


@inner_kernel
def markouts_reset(horizons: Any) -> None:
    """Begin new sums; what waits goes on waiting."""
    for at in range(len(horizons)):
        horizon = horizons[at]
        horizon.trades = horizon.effective_high = horizon.realised_high = horizon.impact_high = 0
        horizon.effective_low = horizon.realised_low = horizon.impact_low = 0
