"""Event times of a recording (design section 4): nanoseconds UTC, in the unit that their size
shows, judged by the recording itself.

Seconds, milliseconds, microseconds and nanoseconds of this century differ by a factor of 1,000, so
a time's unit is certain from its size, and is recognised again wherever it changes. Whether a time
is right is judged by the recording's *usual offset* between event and receive time: the recorder's
clock may be wrong, but it is wrong in the same way for all its neighbours. A time that is far ahead
of that offset, or far behind it and behind its instrument, is not believed: the record is kept at
the time that its receipt shows, flagged ESTIMATED_TIME, and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from connectors.captures.numbers import BadField
from schemas.errors import WrongUse

UNITS = {"ms": 1_000_000, "us": 1_000}
SIZES = (("s", 10**9), ("ms", 10**6), ("us", 10**3), ("ns", 1))
EARLIEST = 1_230_768_000 * 10**9
"""2009-01-01: no crypto venue is older."""
LATEST = 4_102_444_800 * 10**9
"""2100-01-01."""
SECOND = 10**9
CLOCK_JUMP_MAX = 3_600 * SECOND
"""An event further than this after its own receive time would poison the clock (design section 5).
"""
AHEAD_MAX = 5 * SECOND
"""ns ahead of the usual offset: no event is received before it happens, and clocks of recorders
wander by less within a recording.
"""
BEHIND_MAX = 60 * SECOND
"""ns behind the usual offset, and behind what its instrument had reached: a recorder that was held
up receives late, but in order.
"""
BLOCK_RECORDS, BLOCK_SECONDS, BLOCKS = 256, 10 * SECOND, 8
"""The usual offset is the highest median of the last blocks: a backlog received at once makes one
block late, and not the rest early.
"""
ADOPTED_RECORDS, ADOPTED_SECONDS = 64, 2 * SECOND
"""So many neighbours that are ahead alike, for so long, are a recorder's clock that was set back.
"""
CHANGES_MAX = 8
"""Changes of the unit that a summary names."""


class BadTimeUnit(WrongUse):
    """A time unit that Binance does not send."""

    code = "bad_time_unit"


class Times:
    """Converts times, judges them, and keeps the range.

    Args:
        spot_unit: unit of spot times, "ms" or "us"; None: by the size of each. USD-M's are always
            told by size.

    Attributes:
        first, last: lowest event time and running maximum, ns; 0 before any.
        ahead, behind: times that were not believed.
        units: times by unit, and ``changes``: (line, unit) where the unit changed.
    """

    def __init__(self, spot_unit: str | None = None) -> None:
        if spot_unit is not None and spot_unit not in UNITS:
            raise BadTimeUnit(
                f"spot times in {spot_unit!r} are not known; say one of {', '.join(UNITS)}"
            )
        self._spot_unit = spot_unit
        self.first = 0
        self.last = 0
        self.ahead = 0
        self.behind = 0
        self.units: Counter[str] = Counter()
        self.changes: list[tuple[int, str]] = []
        self.line = 0
        self._unit: dict[bool, str] = {}
        self._usual: int | None = None
        self._block: list[int] = []
        self._block_began = 0
        self._medians: list[int] = []
        self._run: list[int] = []
        self._run_began = 0

    def receive(self, received: int) -> int:
        """The recorder's time in ns, whatever unit it was written in. Raises BadField
        ``implausible_time``.
        """
        for _, scale in SIZES:
            if EARLIEST <= received * scale <= LATEST:
                return received * scale
        raise BadField("implausible_time", f"receive time {received} is no time in s, ms, us or ns")

    def convert(self, time: int, is_futures: bool) -> int:
        """A venue's time in ns. Raises BadField ``implausible_time``."""
        unit, scale = self._unit_of(time, None if is_futures else self._spot_unit)
        if unit != self._unit.get(is_futures):
            if is_futures in self._unit and len(self.changes) < CHANGES_MAX:
                self.changes.append((self.line, unit))
            self._unit[is_futures] = unit
        self.units[unit] += 1
        return time * scale

    def _unit_of(self, time: int, declared: str | None) -> tuple[str, int]:
        if declared is not None:
            scale = UNITS[declared]
            if EARLIEST <= time * scale <= LATEST:
                return declared, scale
            raise BadField(
                "implausible_time", f"time {time} is no time in {declared}{_hint(time, declared)}"
            )
        for unit, scale in UNITS.items():
            if EARLIEST <= time * scale <= LATEST:
                return unit, scale
        raise BadField("implausible_time", f"time {time} is no time in ms or us{_hint(time, '')}")

    def scaled(self, time: int) -> int:
        """A venue's time in ns, by its size. Raises BadField ``implausible_time``."""
        return time * self._unit_of(time, None)[1]

    def learn(self, samples: Sequence[tuple[int, int]]) -> None:
        """The usual offset from the head of the recording: (event time, receive time), ns. Of two
        in the middle the one nearer to zero.
        """
        offsets = sorted(time - received for time, received in samples)
        if offsets:
            self._usual = min(offsets[(len(offsets) - 1) // 2], offsets[len(offsets) // 2], key=abs)

    def exact(
        self, time: int, received: int, is_futures: bool, reached: int = 0
    ) -> tuple[int, bool]:
        """(the venue's own time in ns, False), or (an estimate, True) where that is not to be
        believed.

        Args:
            reached: the running maximum of the record's instrument, ns.

        Raises:
            BadField: ``implausible_time``; ``clock_jump`` if it lies an hour after its own receipt
                all the same.
        """
        converted = self.convert(time, is_futures)
        offset = converted - received
        usual = self._usual
        if usual is None:
            usual = self._usual = offset
        is_ahead = offset - usual > AHEAD_MAX
        is_behind = usual - offset > BEHIND_MAX and (
            not reached or converted < reached - BEHIND_MAX
        )
        if is_ahead and self._is_adopted(offset, received):
            self._usual, self._medians, self._block, is_ahead = offset, [offset], [], False
        self._note(offset, received)
        if is_ahead or is_behind:
            self.ahead += is_ahead
            self.behind += is_behind
            return self.estimated(received, reached), True
        if offset > CLOCK_JUMP_MAX:
            raise BadField(
                "clock_jump",
                f"time {time} lies more than an hour after its receive time {received} ns",
            )
        return converted, False

    def estimated(self, received: int, reached: int) -> int:
        """The time that a receipt shows, ns, not before what its instrument has reached."""
        return max(reached, received + (self._usual or 0))

    def _is_adopted(self, offset: int, received: int) -> bool:
        """True once enough neighbours are ahead alike."""
        if self._run and abs(offset - self._run[-1]) > SECOND:
            self._run = []
        if not self._run:
            self._run_began = received
        self._run.append(offset)
        if len(self._run) < ADOPTED_RECORDS or received - self._run_began < ADOPTED_SECONDS:
            return False
        self._run = []
        return True

    def _note(self, offset: int, received: int) -> None:
        """Count an offset for the usual one."""
        block = self._block
        if not block:
            self._block_began = received
        block.append(offset)
        if self._usual is not None and offset - self._usual <= AHEAD_MAX:
            self._run = []
        if len(block) >= BLOCK_RECORDS and (
            received - self._block_began >= BLOCK_SECONDS or len(block) >= 16 * BLOCK_RECORDS
        ):
            block.sort()
            self._medians = [*self._medians[1 - BLOCKS :], block[len(block) // 2]]
            self._usual = max(self._medians)
            self._block = []

    def advance(self, time: int) -> None:
        """Note the time of a record that was taken."""
        if time > self.last:
            self.last = time
        if 0 < time < self.first or not self.first:
            self.first = time


def _hint(time: int, unit: str) -> str:
    """Which unit the number would be a time in, as words for the detail."""
    for other, scale in SIZES:
        if other != unit and EARLIEST <= time * scale <= LATEST:
            return f"; it would be one in {other}"
    return ""
