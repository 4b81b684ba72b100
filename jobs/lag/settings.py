"""What the lag exporter may be told."""

from __future__ import annotations

import msgspec

REPLAY_GROUPS = ("*replay*", "*backtest*", "*what-if*")


class LagSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of one watch.

    Attributes:
        groups: glob of the groups to watch.
        replay_groups: globs of groups that replay on purpose: their lag is progress, not a fault.
        window_seconds: how far back states, rates and estimates look.
        allowed_lag_seconds: lag up to this is OK: consumers commit every 1 to 5 s.
        txn_blocked_seconds: a transaction open for longer blocks its readers
            (``transaction.timeout.ms`` of our producers is 10 s).
        exact_lag_records: lags of at most so many offsets are counted record by record.
        recount_seconds: a count of a compacted topic's records is made anew after so long.
        look_seconds: time for one collection's looks at records.
        look_bytes: a count that meets more bytes than this ends there; the rest counts in offsets.
        request_seconds: time for one request to the cluster.
    """

    groups: str = "*"
    replay_groups: tuple[str, ...] = REPLAY_GROUPS
    window_seconds: float = 60.0
    allowed_lag_seconds: float = 10.0
    txn_blocked_seconds: float = 10.0
    exact_lag_records: int = 2_000
    recount_seconds: float = 15.0
    look_seconds: float = 3.0
    look_bytes: int = 8_000_000
    request_seconds: float = 10.0
