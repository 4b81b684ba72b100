"""The state of one position, judged over a window in seconds. Pure: a history in, a state out.

In the order in which they are asked, the first that holds is the state:

| state | holds when |
|---|---|
| DATA_LOSS | within the window the position lay below the log start, or, at two looks running, behind the end: the topic was made anew |
| REWOUND | the position is lower than it was within the window, and has not regained it |
| TXN_BLOCKED | everything decided is read, and a transaction holds back more, open for longer than allowed |
| OK | nothing is left to read, or what is left is younger than allowed |
| NO_MEMBERS | records wait, the position does not move, and the group has no members |
| STOPPED | records wait, the position has not moved for the whole window; the group has members and none owns the partition |
| STALLED | the same, though it has an owner |
| CATCHING_UP | records wait, the position moves, and the lag shrinks |
| FALLING_BEHIND | records wait, the position moves, and the lag does not shrink |

No state (None) is unknown: nothing committed, or records wait and the position has been watched for
less than the window without moving. A quiet partition is OK: a state but OK, REWOUND or DATA_LOSS
needs records that wait.

A group that has no members and was seen consuming reads with ``assign()``: each of its partitions
is watched for the window before it is NO_MEMBERS. Whether it was seen consuming is a fact of the
group (``Sample.consumes``), so that its partitions never contradict each other.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import NamedTuple

from jobs.lag.settings import LagSettings

# of what was consumed meanwhile: commits come in steps, so the means of equal lags differ by a
# little
SHRINKS = 0.05


class Sample(NamedTuple):
    """One look at a position.

    ``time`` and the ages are seconds, ``time`` on a monotonic clock; ``position`` None if nothing
    is committed; ``end`` is the last stable offset; ``beyond``: the position lies behind the end;
    ``owned`` None if nobody can own it (no members at all). ``consumes``: a position of the group
    moved while it had no members.
    """

    time: float
    position: int | None
    end: int
    lag_records: int | None
    lag_seconds: float | None
    lost: bool = False
    hold_age: float = 0.0
    owned: bool | None = True
    position_time: float | None = None
    beyond: bool = False
    consumes: bool = False


class History:
    """Samples of one (group, partition): those of the window, and the last one before it, so that
    the whole window is covered.
    """

    def __init__(self) -> None:
        self.samples: deque[Sample] = deque()

    def add(self, sample: Sample, window_seconds: float) -> None:
        """Append, and forget what the window no longer needs."""
        self.samples.append(sample)
        while len(self.samples) > 2 and self.samples[1].time <= sample.time - window_seconds:
            self.samples.popleft()


def lag_state(history: History, settings: LagSettings) -> str | None:
    """The state at the last sample, or None if unknown."""
    samples = history.samples
    now = samples[-1]
    if any(sample.lost for sample in samples) or any(
        pair[0].beyond and pair[1].beyond for pair in pairwise(samples)
    ):
        # behind the end at one look only: after a failover a new leader's end lags for a moment
        return "DATA_LOSS"
    if now.beyond:
        return None
    if now.position is None:
        return None
    if any(sample.position is not None and sample.position > now.position for sample in samples):
        return "REWOUND"
    if not now.lag_records:
        blocked = now.hold_age > settings.txn_blocked_seconds
        return "TXN_BLOCKED" if blocked else "OK"
    if now.lag_seconds is not None and now.lag_seconds <= settings.allowed_lag_seconds:
        return "OK"
    waited = _while_waiting(samples)
    if waited[0].position == now.position:
        return _standing(waited, settings)
    return "CATCHING_UP" if _shrinks(waited) else "FALLING_BEHIND"


def _shrinks(waited: list[Sample]) -> bool:
    """True if the mean lag of the later half is below that of the earlier half, by more than the
    steps of commits explain.

    Samples of a standstill before the position moved are left out: a consumer that goes on after
    one is judged by what it does now.
    """
    while waited[1].position == waited[0].position:
        waited = waited[1:]
    half = len(waited) // 2
    drained = _mean_lag(waited[:half]) - _mean_lag(waited[-half:])
    consumed = (waited[-1].position or 0) - (waited[0].position or 0)
    return drained > SHRINKS * consumed * (len(waited) - half) / (len(waited) - 1)


def _standing(waited: list[Sample], settings: LagSettings) -> str | None:
    now = waited[-1]
    if now.owned is None and not now.consumes:
        return "NO_MEMBERS"
    if now.time - waited[0].time < settings.window_seconds:
        return None
    return "STALLED" if now.owned else "STOPPED" if now.owned is False else "NO_MEMBERS"


def _while_waiting(samples: deque[Sample]) -> list[Sample]:
    """The samples since records began to wait: since the last one that had none."""
    waited: list[Sample] = []
    for sample in reversed(samples):
        if not sample.lag_records or sample.position is None:
            break
        waited.append(sample)
    return waited[::-1]


def _mean_lag(samples: list[Sample]) -> float:
    return sum(sample.lag_records or 0 for sample in samples) / len(samples)


def eta_drain_seconds(history: History) -> float | None:
    """Seconds until the lag is gone at the window's rates: lag / (consume rate - produce rate); 0
    if it is; None if it does not shrink.
    """
    now = history.samples[-1]
    if now.lag_records is None:
        return None
    if now.lag_records == 0:
        return 0.0
    waited = _while_waiting(history.samples)
    first, span = waited[0], now.time - waited[0].time
    if span <= 0 or first.position is None or now.position is None:
        return None
    drained = ((now.position - first.position) - (now.end - first.end)) / span
    return now.lag_records / drained if drained > 0 else None


def replay_speed(history: History) -> float | None:
    """Seconds of log time read per second, over the window; None without two positions that carry a
    time.
    """
    stamped = [sample for sample in history.samples if sample.position_time is not None]
    if len(stamped) < 2 or stamped[-1].time <= stamped[0].time:
        return None
    first, last = stamped[0], stamped[-1]
    assert first.position_time is not None and last.position_time is not None
    return max(0.0, (last.position_time - first.position_time) / (last.time - first.time))


SEVERITY = (
    "OK",
    "CATCHING_UP",
    "REWOUND",
    "FALLING_BEHIND",
    "TXN_BLOCKED",
    "STALLED",
    "NO_MEMBERS",
    "STOPPED",
    "DATA_LOSS",
)
"""From harmless to worst."""


def worst(states: list[str]) -> str | None:
    """The worst of some states; None of none."""
    return max(states, key=SEVERITY.index, default=None)
