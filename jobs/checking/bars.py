"""Bars: each for itself, each after the one before, and against the bars of md.trades.

The bars of trades are made by the rules of the aggregation stage. At the ends of the trades they
are PARTIAL: such a bar counts where it is equal, for then its trades are all there, and is not
compared where it differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jobs.checking.counting import count
from jobs.checking.hours import Hours
from jobs.checking.reading import Array, TopicReading, slots_of
from schemas.codec import codec
from schemas.records import Instrument
from schemas.vocabulary import Flag
from streams.aggregation import bars as rules
from streams.aggregation.state import MAX_INTERVALS, WEEK, Settings, new_state
from streams.numeric.bar_prices import have_wrong_prices
from streams.numeric.borrowing import borrowing_kernel
from streams.numeric.bounds import PRICE_MAX
from streams.numeric.checking.codes import Code
from streams.numeric.checking.records import LATEST
from streams.numeric.outputs import outputs_type

FIELDS = (
    "open", "high", "low", "close", "volume", "trade_count", "taker_buy_volume",
    "quote_volume_high", "quote_volume_low",
    "taker_buy_quote_volume_high", "taker_buy_quote_volume_low",
)  # fmt: skip
"""What a bar says of its trades: the nine fields of a kline, amounts in two limbs."""
PRICES_AND_VOLUME = FIELDS[:5]
"""What a table of bars says that knows neither counts nor amounts."""
UNFINISHED = int(Flag.PARTIAL)
ROOM = 4096
WAITING_MAX = 1 << 16
"""Bars of trades that wait for a bar to be compared with."""
Key = tuple[int, int, int]


@borrowing_kernel
def take_trades(state: Any, slots: Any, rows: Any, first: Any, out: Any) -> Any:
    """Bars of trades from row ``first`` on, by the rules of the aggregation stage; returns where it
    stopped, for ``out`` is nearly full.
    """
    made, count = out.md_bars
    room = made.shape[0] - rules.BARS_A_CALL - MAX_INTERVALS
    for at in range(first, len(rows)):
        trade, slot = rows[at], slots[at]
        if trade.quantity <= 0 or not 0 < trade.price <= PRICE_MAX:
            continue  # findings of their own
        if not 0 < trade.event_time <= LATEST:
            continue
        state.clock[0] = max(state.clock[0], trade.event_time)
        while state.timer[0] <= state.clock[0]:
            if count[0] > room:
                return at
            state.timer[0] = rules.bars_on_timer(state, state.timer[0], out)
        if count[0] > room:
            return at
        if slot >= state.tops.shape[0]:
            continue
        top = state.tops[slot]
        if top.first_time == 0:
            top.first_time = trade.event_time
        rules.bars_on_trade(state, slot, trade, top.first_time, out)
    return len(rows)


class BarCheck:
    """md.bars by itself.

    Args:
        checks: of the topic.
        reading: the topic. hours: of the instruments' venues.
    """

    def __init__(self, checks: Any, reading: TopicReading, hours: Hours) -> None:
        self.checks = checks
        self._reading = reading
        self._hours = hours
        self._last: dict[tuple[int, int], tuple[int, int, int]] = {}

    def read(self) -> list[tuple[Key, Any, int]] | None:
        """(key, bar, offset) of the next block's bars; None at the end."""
        read = self._reading.rows()
        if read is None:
            return None
        rows, _, offsets = read
        slots = slots_of(self.checks, rows["instrument"])
        wrong = wrong_bars(rows)
        found = []
        for at in range(len(rows)):
            row, slot, offset = rows[at], int(slots[at]), int(offsets[at])
            self._count(slot, row, offset)
            if wrong[at]:
                self._note(slot, Code.BAR_INCONSISTENT, row, offset)
            found.append(((slot, int(row["interval"]), int(row["open_time"])), row, offset))
        return found

    def _note(self, slot: int, code: Code, row: Any, offset: int, amount: int = 0) -> None:
        count(self.checks, slot, code, offset, int(row["open_time"]), amount)

    def _count(self, slot: int, row: Any, offset: int) -> None:
        """A bar's place among those of its series."""
        stream = self.checks.streams[slot]
        names = ("interval", "open_time", "version")
        interval, opened, version = (int(row[name]) for name in names)
        stream["first_time"] = min(int(stream["first_time"]) or opened, opened)
        stream["last_time"] = max(int(stream["last_time"]), int(row["close_time"]))
        stream["rows"] += 1
        if slot == len(self.checks.streams) - 1:
            self._note(slot, Code.UNKNOWN_INSTRUMENT, row, offset)
        if int(row["close_time"]) != opened + interval or interval <= 0:
            self._note(slot, Code.BAR_LENGTH, row, offset)
            return
        if row["volume"] == 0:
            self._note(slot, Code.BAR_ZERO_VOLUME, row, offset)
        last = self._last.get((slot, interval))
        if last is not None:
            before, end, known = last
            if opened == before:
                if version <= known:
                    self._note(slot, Code.BAR_REPEATED, row, offset)
            elif version > 1 and opened < before:
                return  # an amendment of an earlier one
            elif opened < end:
                self._note(slot, Code.BAR_OVERLAP, row, offset, end - opened)
            elif opened > end:
                missing = self._hours.open_intervals(slot, end, opened, interval)
                if missing:
                    self._note(slot, Code.BAR_MISSING, row, offset, missing)
        if last is None or opened >= last[0]:
            self._last[slot, interval] = (opened, opened + interval, version)


def wrong_bars(rows: Array) -> Array:
    """True where a bar's prices or volumes cannot be."""
    wrong: Array = (
        have_wrong_prices(rows)
        | (rows["low"] <= 0)
        | (rows["volume"] < 0)
        | (rows["taker_buy_volume"] < 0)
        | (rows["taker_buy_volume"] > rows["volume"])
        | (rows["trade_count"] < 0)
    )
    return wrong


class BarTruth:
    """Bars of md.trades against those of md.bars, in whose checks they are counted."""

    def __init__(self, bars: BarCheck, instruments: Sequence[Instrument]) -> None:
        self._bars = bars
        self._checks = bars.checks
        self._instruments = list(instruments)
        self._block: list[tuple[Key, Any, int]] | None = bars.read()
        self._at = 0
        self._made: dict[Key, Any] = {}
        self._ends: dict[int, int] = {}
        self._starts: dict[int, int] = {}
        found = sorted({key[1] for key, _, _ in self._block or ()})
        usable = [each for each in found if 10**6 <= each <= WEEK][:MAX_INTERVALS]
        self._state = new_state(self._instruments, Settings(intervals=tuple(usable)))
        self._rows = np.zeros(ROOM, codec("Bar").dtype)
        self._count = np.zeros(1, np.int64)
        self._out = outputs_type(("md.bars",))((self._rows, self._count))

    def take(self, trades: Array) -> None:
        """The next rows of md.trades."""
        slots, first = slots_of(self._checks, trades["instrument"]), 0
        while first < len(trades):
            first = take_trades(self._state, slots, trades, first, self._out)
            self._keep()
        self._compare(int(self._state.clock[0]))

    def _keep(self) -> None:
        made = self._rows[: int(self._count[0])].copy()
        self._count[0] = 0
        slots = slots_of(self._checks, made["instrument"]).tolist()
        for slot, row in zip(slots, made, strict=True):
            self._made[slot, int(row["interval"]), int(row["open_time"])] = row

    def _compare(self, clock: int) -> None:
        """Compare the bars that trades may no longer change: those that closed an interval ago."""
        while self._block is not None:
            while self._at < len(self._block):
                key, bar, offset = self._block[self._at]
                if int(bar["close_time"]) + key[1] > clock:
                    return
                self._judge(key, bar, offset)
                self._at += 1
            self._block, self._at = self._bars.read(), 0

    def _judge(self, key: Key, bar: Any, offset: int) -> None:
        made = self._made.pop(key, None)
        slot, _, opened = key
        if len(self._made) > WAITING_MAX:  # bars that md.bars does not have
            del self._made[next(iter(self._made))]
        if made is None and not self._is_covered(key, bar):
            return
        stream = self._checks.streams[slot]
        if made is None:
            is_equal = bar["volume"] == 0
        else:
            is_plain = bar["trade_count"] == 0 and bar["quote_volume_low"] == 0
            names = PRICES_AND_VOLUME if is_plain else FIELDS
            is_equal = all(made[name] == bar[name] for name in names)
        is_whole = made is None or not made["flags"] & UNFINISHED
        stream["compared"] += is_equal or is_whole
        if is_equal:
            stream["equal"] += 1
        elif is_whole:
            count(self._checks, slot, Code.BAR_DIFFERS, offset, opened)

    def _is_covered(self, key: Key, bar: Any) -> bool:
        """True if the instrument's trades span the interval, though none falls into it."""
        slot, interval, opened = key
        if slot >= len(self._instruments) or interval not in set(self._state.bars["interval"]):
            return False
        first = int(self._state.tops[slot]["first_time"])
        return 0 < first <= opened and int(bar["close_time"]) <= int(self._state.clock[0])

    def close(self, end: int) -> None:
        """The trades end: bars that ended before the recording are compared, the rest is read.

        Args:
            end: event time that other topics have reached, ns.
        """
        clock = max(int(self._state.clock[0]), end)
        self._state.clock[0] = clock
        while self._state.timer[0] <= clock:
            self._state.timer[0] = rules.bars_on_timer(
                self._state, self._state.timer[0], self._out
            )
            self._keep()
        while not rules.bars_on_end(self._state, self._out):
            self._keep()
        self._keep()
        while self._block is not None:
            for key, bar, offset in self._block[self._at :]:
                if int(bar["close_time"]) <= clock or key in self._made:
                    self._judge(key, bar, offset)
            self._block, self._at = self._bars.read(), 0
