"""Event times of a recording (design section 4): nanoseconds UTC, each in the unit its venue declares, none scaled on a guess."""

from __future__ import annotations

from connectors.captures.numbers import BadField
from schemas.errors import WrongUse

UNITS = {"ms": 1_000_000, "us": 1_000}
EARLIEST = 1_230_768_000 * 10**9
"""2009-01-01: no crypto venue is older."""
LATEST = 4_102_444_800 * 10**9
"""2100-01-01."""
CLOCK_JUMP_MAX = 3_600 * 10**9
"""An event further than this after its own receive time would poison the clock (design section 5)."""


class BadTimeUnit(WrongUse):
    """A time unit that Binance does not send."""

    code = "bad_time_unit"


class Times:
    """Judges and converts times, and keeps the running maximum.

    Args:
        spot_unit: unit of spot times, "ms" (Binance's default) or "us" (streams opened with ``timeUnit=MICROSECOND``). USD-M sends ms only.

    Attributes:
        start: event time of the first record that had one. first, last: lowest event time and running maximum. All in ns, 0 before any.
    """

    def __init__(self, spot_unit: str) -> None:
        if spot_unit not in UNITS:
            raise BadTimeUnit(f"spot times in {spot_unit!r} are not known; say one of {', '.join(UNITS)}")
        self._spot_unit = spot_unit
        self.start = 0
        self.first = 0
        self.last = 0

    def receive(self, received: int) -> int:
        """The recorder's time, if it can be nanoseconds. Raises BadField ``implausible_time``."""
        if EARLIEST <= received <= LATEST:
            return received
        raise BadField("implausible_time", f"receive time {received} is no time in ns{_hint(received, 'ns')}")

    def exact(self, time: int, received: int, is_futures: bool) -> int:
        """The venue's own time in ns. Raises BadField ``implausible_time``, ``clock_jump``."""
        unit = "ms" if is_futures else self._spot_unit
        converted = time * UNITS[unit]
        if not EARLIEST <= converted <= LATEST:
            raise BadField("implausible_time", f"time {time} is no time in {unit}{_hint(time, unit)}")
        if converted - received > CLOCK_JUMP_MAX:
            raise BadField("clock_jump", f"time {time} {unit} lies more than an hour after its receive time {received} ns")
        return converted

    def advance(self, time: int) -> None:
        """Note the time of a record that was taken."""
        if not self.start:
            self.start = time
        if time > self.last:
            self.last = time
        if 0 < time < self.first or not self.first:
            self.first = time


def _hint(time: int, unit: str) -> str:
    """Which unit the number would be a time in, as words for the detail; it is never used by itself."""
    for other, scale in (("s", 10**9), ("ms", 10**6), ("us", 10**3), ("ns", 1)):
        if other != unit and EARLIEST <= time * scale <= LATEST:
            return f"; it would be one in {other}"
    return ""
