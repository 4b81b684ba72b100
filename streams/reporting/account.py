"""What the reporting stage's records say of one account, in Python: what metrics and pages read."""

from __future__ import annotations

from typing import Any

import msgspec

from streams.numeric.int128 import join
from streams.reporting.equity import MinuteEquity, Window, beginning, closed_samples, sample_times
from streams.reporting.metrics import Activity, Measure, TripTotals, measure_all


class Account(msgspec.Struct):
    """One account: its equity, and sums over its fills and closed round trips."""

    equity: MinuteEquity
    totals: TripTotals
    activity: Activity
    exposed_since: int = 0
    is_exposed: bool = False
    """True while a round trip is open"""


def new_account() -> Account:
    """An account that has done nothing."""
    return Account(MinuteEquity(), TripTotals(), Activity())


def account_of(row: Any, samples: Any) -> Account:
    """The account of a row, with the rows of its samples."""
    limbs = samples["equity_high"].tolist(), samples["equity_low"].tolist()
    equity = MinuteEquity(
        start=_amount(row, "start") if row["has_start"] else None,
        first_minute=int(row["first_minute"]),
        minute=int(row["minute"]),
        last=_amount(row, "last"),
        priced=bool(row["is_priced"]),
        unpriced=bool(row["is_unpriced"]),
        samples=[(upper << 64) + lower for upper, lower in zip(*limbs, strict=True)],
        carried=int(row["carried"]),
        amount_precision=int(row["equity_precision"]),
    )
    counts = {name: int(row[name]) for name in ("trades", "wins", "losses")}
    sums = {
        name: _amount(row, name)
        for name in ("profit", "loss", "largest_win", "largest_loss", "holding")
    }
    activity = Activity(int(row["fills"]), _amount(row, "volume"), int(row["exposed"]))
    is_exposed = bool(row["open_trips"])
    return Account(
        equity, TripTotals(**counts, **sums), activity, int(row["exposed_since"]), is_exposed
    )


def _amount(row: Any, name: str) -> int:
    return join(row[f"{name}_high"], row[f"{name}_low"])


def measure_account(account: Account, amount_precision: int, window: Window) -> list[Measure]:
    """The metrics of an account over the window; its state stays as it is."""
    series = account.equity
    samples = closed_samples(series, window)
    start = series.start
    scale = 10 ** (amount_precision - series.amount_precision) if start is not None else 1
    exposed = account.activity.exposed + (
        window.ended - account.exposed_since if account.is_exposed else 0
    )
    began = beginning(series, window)
    elapsed = max(0, window.ended - began) if samples else 0
    times = [time - began for time in sample_times(series, window, len(samples))]
    activity = Activity(
        account.activity.fills, account.activity.volume, min(exposed, elapsed), elapsed
    )
    if scale != 1:
        start = None if start is None else start * scale
        samples = [sample * scale for sample in samples]
    return measure_all(start, samples, account.totals, activity, amount_precision, times)
