"""Import of tables: CSV or Parquet to a closed local log. For each kind of table, in these steps:

1. The columns are found, by the map or by well-known names; the summary says what was assumed.
2. A batch of rows becomes integers; a row that cannot be used is a dead letter with file and line.
3. Where the first rows hold nothing at all, the import ends and says why: a unit, a column.
4. Rows that do not lie in order of time are sorted.
5. Where a trade's id does not follow the one before, the trade is flagged GAP.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from connectors.blocks import TopicBlocks, close_log
from connectors.captures.importer import DETAIL_LENGTH_MAX, remove_made
from connectors.captures.lines import Damage, Progress
from connectors.captures.summary import FeedSummary, ImportSummary
from connectors.instruments import Tables, loaded
from connectors.ordering import ORDER
from connectors.tables.batches import Table
from connectors.tables.columns import BadColumnMap, ColumnMap, read_map
from connectors.tables.fields import Fields, unit_of
from connectors.tables.instrument import instrument_of
from connectors.tables.kinds import Kind, Source
from connectors.tables.repeated import Jumps, Repeated
from connectors.tables.rows import Batch
from connectors.tables.sorting import Order, sort_by_time
from connectors.unfinished import create
from schemas.errors import WrongUse
from schemas.records import DeadLetter, Instrument
from schemas.vocabulary import Flag
from streams.log.local import LocalLog

Array = np.ndarray[Any, Any]
OFF_TICK, CROSSED = int(Flag.OFF_TICK), int(Flag.CROSSED)


class NoGoodRows(WrongUse):
    """The first rows of a table hold nothing that it should: a column, a unit or the file is
    another one."""

    code = "no_good_rows"


class TableSummary(ImportSummary, frozen=True, kw_only=True):
    """What an import made of tables.

    Attributes:
        assumed: what the map did not say, a sentence each.
        sorted_rows: rows that lay behind a later one.
        off_tick: prices off the tick or quantities off the lot. crossed: quotes.
    """

    assumed: list[str] = []
    sorted_rows: int = 0
    off_tick: int = 0
    crossed: int = 0

    def remarks(self) -> list[str]:
        """What whoever uses the topics should know, a sentence each."""
        said = [f"assumed: {each}" for each in self.assumed]
        if self.sorted_rows:
            said.append(f"{self.sorted_rows:,} rows lay behind a later one: sorted by time")
        if self.off_tick:
            said.append(f"{self.off_tick:,} rows are off the tick or the lot (OFF_TICK)")
        if self.crossed:
            said.append(f"{self.crossed:,} quotes have a bid at or above the ask (CROSSED)")
        missing = sum(each.missing_trades for each in self.instruments)
        if missing:
            said.append(
                f"{missing:,} trade ids between the first and the last never came: the trade "
                'behind is flagged GAP; if ids need not follow one another: [file] ids = "sparse"'
            )
        return said


class Part(msgspec.Struct, frozen=True):
    """Tables of one kind, in order of time, and how they are read. ``table`` reads their rows."""

    kind: Kind
    paths: Sequence[Path]
    wanted: ColumnMap
    table: Callable[[Sequence[Path], ColumnMap, Kind, Progress], Table] = Table


def import_table(
    kind: Kind,
    paths: Sequence[Path | str],
    out: Path | str,
    column_map: Path | ColumnMap | None = None,
    instrument: str = "",
    instruments: Tables = None,
    progress: Progress = lambda _done, _total: None,
) -> TableSummary:
    """Import tables of one instrument into the new folder ``out``, closed by ``log.json``.

    Args:
        column_map: TOML file or map; None to go by well-known names.
        instrument: SYMBOL@VENUE; empty to take the map's.
        instruments: a table, or several in order, that add to the shipped one or override it.

    Raises:
        RecordingMissing, BadColumnMap, InstrumentNotSaid, BadInstrumentTable, LogExists: first.
        NotATable, NotLines, MissingColumn, NoGoodRows: nothing is kept.
        LogFull, LogWriteFailed, RecordingUnreadable: an unclosed log is left.
    """
    wanted = column_map if isinstance(column_map, ColumnMap) else read_map(column_map, kind)
    found = instrument_of(instrument, wanted.instrument, loaded(instruments))
    part = Part(kind, [Path(path) for path in paths], wanted)
    return import_parts([part], found, out, f"tables.{kind.name}", progress)


def import_parts(
    parts: Sequence[Part], instrument: Instrument, out: Path | str, connector: str,
    progress: Progress,
) -> TableSummary:  # fmt: skip
    """Parts of different kinds, of one instrument, into one log."""
    tables = [part.table(part.paths, part.wanted, part.kind, progress) for part in parts]
    out = Path(out)
    was_there = out.exists()
    with create(out) as log:
        try:
            letters = TopicBlocks(log, "import.dlq")
            made = [
                _PartImport(table, part, instrument, log, letters)
                for table, part in zip(tables, parts, strict=True)
            ]
            for each in made:
                each.run()
            return _closed(log, made, letters, instrument, connector)
        except WrongUse:
            log.close()
            remove_made(out, was_there)
            raise


def _closed(
    log: LocalLog, made: Sequence[_PartImport], letters: TopicBlocks, instrument: Instrument,
    connector: str,
) -> TableSummary:  # fmt: skip
    """Write the instrument and close the log."""
    first = min(each.first for each in made)
    instruments = TopicBlocks(log, "ref.instruments")
    instruments.add(msgspec.structs.replace(instrument, event_time=first), first)
    topics = [*(each.topic for each in made), letters, instruments]
    summary = _summary(made, topics, instrument)
    facts = {
        "provenance": "recorded",
        "connector": connector,
        "order": ORDER,
        "sources": [msgspec.to_builtins(file) for each in made for file in each.table.digests],
        "import": summary.to_dict(),
    }
    close_log(log, topics, facts)
    return summary


def _summary(
    made: Sequence[_PartImport], topics: Sequence[TopicBlocks], instrument: Instrument
) -> TableSummary:
    dead, units = Counter[str](), Counter[str]()
    for each in made:
        dead.update(each.dead)
        units.update(each.units)
    blank = sum(each.blank for each in made)
    said = [sentence for each in made for sentence in (*each.assumed, *each.table.remarks)]
    feed = FeedSummary(
        instrument=instrument.instrument, venue=instrument.venue, symbol=instrument.symbol,
        missing_trades=sum(each.jumps.missing for each in made), depth_gaps=0, snapshots=0,
    )  # fmt: skip
    damages: list[Damage] = [damage for each in made for damage in each.table.damages]
    return TableSummary(
        lines=sum(each.lines for each in made),
        counts={each.topic: each.count for each in sorted(topics, key=lambda each: each.topic)},
        reasons=dict(sorted(dead.items())),
        set_aside={"blank line": blank} if blank else {},
        instruments=[feed],
        first_time=min(each.first for each in made),
        last_time=max(each.last for each in made),
        damages=damages,
        units=dict(sorted(units.items())),
        assumed=list(dict.fromkeys(said)),
        sorted_rows=sum(each.order.behind for each in made),
        off_tick=sum(each.off_tick for each in made),
        crossed=sum(each.crossed for each in made),
    )


class _PartImport:
    """The import of one part."""

    def __init__(
        self, table: Table, part: Part, instrument: Instrument, log: LocalLog, letters: TopicBlocks
    ) -> None:
        self.table = table
        self._kind, self._wanted = part.kind, part.wanted
        self._instrument = instrument
        self._log, self._letters = log, letters
        self.topic = TopicBlocks(log, part.kind.topic)
        self.dead: Counter[str] = Counter()
        self.assumed: dict[str, None] = {}
        self.units: Counter[str] = Counter()
        self._unit, self._interval = "", part.wanted.interval
        self._path: Path | None = None
        self.order = Order()
        self._repeated = Repeated()
        self.jumps = Jumps()
        self.lines = self.blank = self.off_tick = self.crossed = 0
        self.first, self.last = 1 << 62, 0
        written = part.wanted.file.price_decimals
        self._implied = dict.fromkeys(part.kind.prices, written)
        table.precisions = {
            **dict.fromkeys(part.kind.prices, max(instrument.price_precision - written, 0)),
            **dict.fromkeys(part.kind.quantities, instrument.quantity_precision),
        }

    def run(self) -> None:
        """Every batch, then their order."""
        table = self.table
        for batch in table.batches():
            self._take(batch)
        if not self.topic.count:
            kind = "damaged" if table.damages else "empty"
            raise NoGoodRows(f"{table.paths[0]} holds no rows of {self._kind.name}: it is {kind}")
        if self.order.behind:
            self._sort()

    def _take(self, batch: Batch) -> None:
        """One batch. Raises NoGoodRows, NotATable."""
        kind = self._kind
        self.lines += len(batch.rows)
        self.blank += int((batch.rows[:, 2] == 0).sum())
        if self._path != self.table.path:
            self._path = self.table.path
            self._begin(batch)
        fields = Fields(batch, self._implied)
        rows = self._rows_of(batch, fields)
        is_good = fields.is_good()
        if self._has_ids:
            places = np.flatnonzero(is_good)
            for row in places[self._repeated.of(rows[kind.id][places])].tolist():
                fields.refuse(row, kind.duplicate, f"{kind.id} {rows[kind.id][row]} came before")
            is_good = fields.is_good()
        good = rows[is_good]
        if not len(good) and not self.topic.count and fields.bad:
            self._refuse_all(batch, fields)
        for row in sorted(fields.bad):
            self._dead_letter(batch, row, fields)
        if not len(good):
            return
        if not self._has_ids:
            first = self.topic.count + 1
            good[kind.id] = np.arange(first, first + len(good))
        elif self._has_dense_ids:
            self.jumps.flag(good)
        self._note(good, batch.unit or self._unit)
        self.topic.add_rows(good)

    def _rows_of(self, batch: Batch, fields: Fields) -> Array:
        side = self.table.places.get("side")
        column = "" if side is None else self.table.names[side]
        source = Source(
            batch, fields, self._wanted, self._instrument, self._unit, column, self._interval
        )
        found: Array = self._kind.rows(source)
        return found

    def _begin(self, batch: Batch) -> None:
        """What the map leaves open is taken from the first rows of a file, and said."""
        table, wanted, kind = self.table, self._wanted, self._kind
        named = {field: table.names[at] for field, at in table.places.items()}
        if not wanted.columns:
            found = ", ".join(f"{field} is column {name}" for field, name in named.items())
            self.assumed[f"{table.file}: {found}"] = None
        if "side" in kind.names and "side" not in named:
            self.assumed[f"{table.file}: no column is the side: aggressors are UNKNOWN"] = None
        self._unit = wanted.time.unit
        if not (batch.unit or self._unit):
            self._unit = self._unit_of(batch)
            self.assumed[f"{table.file}: times are in {self._unit}, by their size"] = None
        if kind.topic == "md.bars" and not self._interval:
            self._interval = self._interval_of(batch)
            seconds = self._interval / 10**9
            self.assumed[f"{table.file}: bars are of {seconds:g} s, by their times"] = None

    def _unit_of(self, batch: Batch) -> str:
        for row in np.flatnonzero(batch.rows[:, 2] == batch.columns)[:100].tolist():
            unit = unit_of(batch.field("time", row))
            if unit:
                return unit
        text = next((batch.field("time", row) for row in range(len(batch.rows))), "")
        raise NoGoodRows(
            f"{self.table.file}: time {text[:40]!r} is no time in s, ms, us or ns and none by "
            "ISO 8601; name the right column and unit with --map"
        )

    def _interval_of(self, batch: Batch) -> int:
        """The least step between the times of the first rows. Raises BadColumnMap."""
        fields = Fields(batch)
        times = fields.times(self._unit, self._wanted.zone)
        steps = np.diff(np.unique(times[fields.is_good()]))
        if not len(steps):
            raise BadColumnMap(
                f"{self.table.file} does not show how long its bars are; say it with --map: "
                '[bars] interval = "1m"'
            )
        return int(steps.min())

    def _refuse_all(self, batch: Batch, fields: Fields) -> None:
        reasons = Counter(problem.reason for problem in fields.bad.values())
        worst, count = reasons.most_common(1)[0]
        row = next(row for row, each in sorted(fields.bad.items()) if each.reason == worst)
        raise NoGoodRows(
            f"{self.table.file}: none of its first {len(fields.bad):,} rows is {self._kind.one}: "
            f"{count:,} are {worst}; line {batch.line + row}: {fields.bad[row].detail[:300]}"
        )

    def _note(self, good: Array, unit: str) -> None:
        times = good[self._kind.time]
        self.order.see(times)
        self.units[unit] += len(good)
        self.off_tick += int((good["flags"] & OFF_TICK != 0).sum())
        self.crossed += int((good["flags"] & CROSSED != 0).sum())
        self.first = min(self.first, int(times.min()))
        self.last = max(self.last, int(times.max()))

    @property
    def _has_ids(self) -> bool:
        places = self.table.places.keys()
        is_given = "id" in places or {"first_id", "last_id"} <= places
        return not self._kind.is_numbered or is_given

    @property
    def _has_dense_ids(self) -> bool:
        is_dense = self._wanted.file.ids == "dense"
        return self._kind.record == "Trade" and self._has_ids and is_dense

    def _sort(self) -> None:
        kind, self.jumps = self._kind, Jumps()
        self.topic, left_out = sort_by_time(
            self._log, self.topic, kind, self.order, self._has_ids,
            self.jumps if self._has_dense_ids else None,
        )  # fmt: skip
        for row in left_out:
            self.dead[kind.duplicate] += 1
            detail = f"{kind.id} {row[kind.id]} came before at the same time; seen when sorted"
            self._letters.add(
                DeadLetter(kind.duplicate, detail, self.table.file, 0, 0, b""), 0, 300
            )

    def _dead_letter(self, batch: Batch, row: int, fields: Fields) -> None:
        problem, raw = fields.bad[row], batch.raw(row)
        self.dead[problem.reason] += 1
        detail, file = problem.detail[:DETAIL_LENGTH_MAX], self.table.file
        letter = DeadLetter(problem.reason, detail, file, 0, batch.line + row, raw)
        self._letters.add(letter, 0, len(raw) + DETAIL_LENGTH_MAX + len(file))
