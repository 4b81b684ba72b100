"""The fields of a batch as integers, and what is wrong with the rows that have none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from connectors.captures.numbers import BadField
from connectors.tables.columns import EARLIEST, LATEST, UNITS, SideMap
from connectors.tables.rows import Batch, NotATable
from connectors.tables.zones import ONCE, TWICE, Zone
from schemas.errors import BadData
from schemas.vocabulary import Side
from streams.numeric import fixed
from streams.numeric.bounds import PRICE_MAX
from streams.numeric.text_fields import (
    GOOD,
    MINUTE_NS,
    NO_ZONE,
    read_decimals,
    read_instants,
    read_words,
)

Array = np.ndarray[Any, Any]
DAY_NS = 24 * 60 * MINUTE_NS


class Fields:
    """The fields of one batch.

    Args:
        implied: by field, the decimals of numbers that are written as integers.

    Attributes:
        bad: by row, the first thing that is wrong with it.
    """

    def __init__(self, batch: Batch, implied: Mapping[str, int] | None = None) -> None:
        self._batch = batch
        self._implied = implied or {}
        self.bad: dict[int, BadField] = {}
        self.count = len(batch.rows)
        has = batch.rows[:, 2]
        for row in np.flatnonzero((has != batch.columns) & (has != 0)).tolist():
            if has[row] < 0:
                self.refuse(row, "truncated_line", "the line is not whole, or holds bytes of 0")
            else:
                self.refuse(row, "wrong_columns", f"it has {has[row]} columns of {batch.columns}")

    def refuse(self, row: int, reason: str, detail: str) -> None:
        """Note what is wrong with a row, unless something was before."""
        self.bad.setdefault(row, BadField(reason, detail))

    def is_good(self) -> Array:
        """True for rows that hold something and have nothing wrong."""
        found: Array = self._batch.rows[:, 2] != 0
        found[list(self.bad)] = False
        return found

    def good_rows(self, mask: Array) -> list[int]:
        """Rows of a mask that are good so far."""
        return np.flatnonzero(mask & self.is_good()).tolist()

    def decimals(self, name: str, precision: int, is_known: Array | bool = False) -> Array:
        """A column of numbers in units of 10^-precision; 0 for none, and for rows ``is_known``."""
        implied = self._implied.get(name, 0)
        if implied <= precision:
            return self._read(name, precision - implied, is_known)
        values, unit = self._read(name, 0, is_known), 10 ** (implied - precision)
        for row in self.good_rows(values % unit != 0):
            text = self._batch.field(name, row)[:40]
            detail = f"{name}: {text} of {implied} decimals has more than {precision}"
            self.refuse(row, "off_precision", detail)
        values //= unit
        return values

    def _read(self, name: str, precision: int, is_known: Array | bool) -> Array:
        batch = self._batch
        values, is_left = np.zeros(self.count, np.int64), np.zeros(self.count, np.bool_)
        read_decimals(batch.text, batch.starts[name], batch.ends[name], precision, values, is_left)
        for row in self.good_rows(is_left & ~np.asarray(is_known)):
            try:
                values[row] = fixed.parse(batch.field(name, row), precision)
            except BadData as problem:
                if name == "time":
                    self._refuse_time(row, next(u for u in UNITS if UNITS[u] == precision))
                else:
                    self.refuse(row, problem.code, f"{name}: {problem}")
        return values

    def _refuse_time(self, row: int, unit: str) -> None:
        text = self._batch.field("time", row)[:40]
        detail = f"{text!r} is no time in {unit}{hint(text, unit)}"
        self.refuse(row, "implausible_time", detail)

    def positive(self, name: str, precision: int) -> Array:
        """The same of a price or a quantity, which is above 0."""
        values = self.decimals(name, precision)
        for row in self.good_rows((values <= 0) | (values > PRICE_MAX)):
            text = self._batch.field(name, row)[:40]
            kind = "zero" if values[row] == 0 else "negative"
            reason = "out_of_range" if values[row] > 0 else f"{kind}_{name}"
            self.refuse(row, reason, f"{name} {text}")
        return values

    def not_negative(self, name: str, precision: int) -> Array:
        """The same of what may be 0, which a blank is too."""
        batch = self._batch
        is_blank = batch.starts[name] >= batch.ends[name]
        values = self.decimals(name, precision, is_blank)
        for row in self.good_rows((values < 0) | (values > PRICE_MAX)):
            text = self._batch.field(name, row)[:40]
            reason = f"negative_{name}" if values[row] < 0 else "out_of_range"
            self.refuse(row, reason, f"{name} {text}")
        return values

    def amounts(self, name: str, precision: int) -> tuple[Array, Array]:
        """A column of sums of money, which may have 38 digits: high and low limbs; a blank is 0."""
        batch = self._batch
        starts, ends = batch.starts[name], batch.ends[name]
        low, is_left = np.zeros(self.count, np.int64), np.zeros(self.count, np.bool_)
        read_decimals(batch.text, starts, ends, precision, low, is_left)
        high, low = np.zeros(self.count, np.int64), low.view(np.uint64)
        for row in self.good_rows(is_left & (starts < ends)):
            try:
                value = fixed.parse_amount(batch.field(name, row), precision)
            except BadData as problem:
                self.refuse(row, problem.code, f"{name}: {problem}")
                continue
            if value < 0:
                self.refuse(row, f"negative_{name}", f"{name} {batch.field(name, row)[:40]}")
                continue
            high[row], low[row] = value >> 64, value & ((1 << 64) - 1)
        return high, low

    def times(self, unit: str, zone: Zone) -> Array:
        """Event times in ns."""
        unit = self._batch.unit or unit
        if self._batch.midnight is not None:
            return self._of_day(self._batch.midnight, unit, zone)
        found = self._instants(zone) if unit == "iso" else self.decimals("time", UNITS[unit])
        for row in self.good_rows((found < EARLIEST) | (found > LATEST)):
            self._refuse_time(row, unit)
        return found

    def _of_day(self, midnight: int, unit: str, zone: Zone) -> Array:
        """The same of times that count from a midnight: what the zone's clock shows."""
        found = self.decimals("time", UNITS[unit])
        for row in self.good_rows((found < 0) | (found >= DAY_NS)):
            text = self._batch.field("time", row)[:40]
            self.refuse(row, "implausible_time", f"{text!r} is no time of a day in {unit}")
        shown = found + midnight
        if not zone.is_place:
            return shown - zone.minutes * MINUTE_NS
        rows = np.flatnonzero(self.is_good())
        shown[rows], often = zone.utc(shown[rows])
        self._refuse_ambiguous(rows, often, zone)
        return shown

    def _refuse_ambiguous(self, rows: Array, often: Array, zone: Zone) -> None:
        for row, count in zip(rows.tolist(), often.tolist(), strict=True):
            if count != ONCE:
                times = "twice" if count == TWICE else "never"
                detail = f"{self._batch.field('time', row)[:40]!r} is {times} in {zone.text}"
                self.refuse(row, "ambiguous_time", f"{detail}; write times in UTC")

    def _instants(self, zone: Zone) -> Array:
        batch = self._batch
        values, codes = np.zeros(self.count, np.int64), np.zeros(self.count, np.int64)
        starts, ends = batch.starts["time"], batch.ends["time"]
        read_instants(batch.text, starts, ends, zone.minutes, values, codes)
        of_place = np.flatnonzero(codes == NO_ZONE) if zone.is_place else np.zeros(0, np.int64)
        if len(of_place):
            shown, found = values[of_place], codes[of_place]
            read_instants(batch.text, starts[of_place], ends[of_place], 0, shown, found)
            values[of_place], often = zone.utc(shown)
            codes[of_place] = found
            self._refuse_ambiguous(of_place, often, zone)
        for row in self.good_rows(codes != GOOD):
            text = batch.field("time", row)[:40]
            if codes[row] == NO_ZONE:
                raise NotATable(
                    f"line {batch.line + row}: time {text!r} names no zone, so its midnight is "
                    'nobody\'s; say it with --map: [time] zone = "UTC" or "+05:30"'
                )
            self._refuse_time(row, "iso")
        return values

    def sides(self, vocabulary: SideMap) -> Array:
        """The aggressor's side of each row."""
        buy, sell = int(Side.BUY), int(Side.SELL)
        if vocabulary.of == "maker":
            buy, sell = sell, buy
        pairs = [(word, buy) for word in vocabulary.buy] + [
            (word, sell) for word in vocabulary.sell
        ]
        words = [word.lower().encode() for word, _ in pairs]
        edges = np.cumsum([0, *map(len, words)]).astype(np.int64)
        batch, values = self._batch, np.zeros(self.count, np.int64)
        read_words(
            batch.text, batch.starts["side"], batch.ends["side"],
            np.frombuffer(b"".join(words), np.uint8), edges,
            np.array([meaning for _, meaning in pairs], np.int64), values,
        )  # fmt: skip
        for row in self.good_rows(values < 0):
            text, known = batch.field("side", row)[:40], ", ".join(word for word, _ in pairs)
            self.refuse(
                row, "unknown_side", f"side {text!r} is none of {known}; see [side] of a map"
            )
        return values


def unit_of(text: str) -> str:
    """The unit that a time is in by its size; empty for none."""
    if len(text) >= 16 and text[4:5] == "-" and text[7:8] == "-":
        return "iso"
    for unit, decimals in UNITS.items():
        try:
            if EARLIEST <= fixed.parse(text, decimals) <= LATEST:
                return unit
        except BadData:
            continue
    return ""


def hint(text: str, unit: str) -> str:
    """Which other unit the time would be in, as words for a detail."""
    other = unit_of(text)
    is_other = other not in ("", unit)
    return f'; it would be one in {other}: [time] unit = "{other}"' if is_other else ""
