"""The zone of times that name none: an offset, or a place whose clocks are put forward and back."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from streams.numeric.text_fields import MINUTE_NS, NO_MINUTES

Array = np.ndarray[Any, Any]

ADVICE = "write UTC, an offset such as +05:30, or a place such as Asia/Kolkata"
ONCE, TWICE, NEVER = 0, 1, 2
"""How often a clock shows a time."""
SECOND_NS = 10**9


class Zone:
    """A zone, by its text; none by an empty one. Raises ValueError.

    Attributes:
        minutes: east of UTC; NO_MINUTES for no zone, and for a place, whose offset is of the time.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.minutes = NO_MINUTES
        self._place: ZoneInfo | None = None
        if not text:
            return
        match = re.fullmatch(r"([+-])(\d\d):?(\d\d)", text)
        if text in ("UTC", "Z"):
            self.minutes = 0
        elif match is not None:
            minutes = int(match[2]) * 60 + int(match[3])
            self.minutes = -minutes if match[1] == "-" else minutes
        else:
            self._place = _place(text)

    @property
    def is_place(self) -> bool:
        """True if the offset depends on the time."""
        return self._place is not None

    def utc(self, shown: Array) -> tuple[Array, Array]:
        """What a place's clock shows (ns, as if it were UTC) to UTC, and how often it shows it."""
        minutes, where = np.unique(shown // MINUTE_NS, return_inverse=True)
        offsets, often = np.zeros(len(minutes), np.int64), np.zeros(len(minutes), np.int64)
        assert self._place is not None
        for number, minute in enumerate(minutes.tolist()):
            seconds = minute * MINUTE_NS // SECOND_NS
            offsets[number], often[number] = _offset(self._place, seconds)
        return shown - offsets[where] * SECOND_NS, often[where]


def _place(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(text) from None


@lru_cache(1 << 16)
def _offset(place: ZoneInfo, seconds: int) -> tuple[int, int]:
    """Seconds east of UTC where a clock shows so many from 1970, and how often it does."""
    shown = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=place)
    first, second = shown.utcoffset(), shown.replace(fold=1).utcoffset()
    assert first is not None and second is not None
    # of two offsets the later one is less where clocks were put back, and more where forward
    often = ONCE if first == second else TWICE if second < first else NEVER
    return int(first.total_seconds()), often
