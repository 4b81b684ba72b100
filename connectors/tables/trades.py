"""Import of trades that lie in a table: CSV or Parquet to a closed local log, in these steps.

1. The columns are found, by the map or by well-known names; the summary says what was assumed.
2. A batch of rows becomes integers; a row that cannot be used is a dead letter with file and line.
3. Where the first rows hold no trade at all, the import ends and says why: a unit, a column.
4. Rows that do not lie in order of time are sorted.
5. Where an id does not follow the one before, the trade is flagged GAP.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from connectors.blocks import TopicBlocks, close_log
from connectors.captures.importer import DETAIL_LENGTH_MAX, remove_made
from connectors.captures.lines import Progress
from connectors.captures.summary import FeedSummary, ImportSummary
from connectors.instruments import Tables, loaded
from connectors.ordering import ORDER
from connectors.tables.batches import Table
from connectors.tables.columns import ColumnMap, read_map, side_of
from connectors.tables.fields import Fields, unit_of
from connectors.tables.instrument import instrument_of
from connectors.tables.repeated import Jumps, Repeated
from connectors.tables.rows import Batch
from connectors.tables.sorting import Order, sort_by_time
from connectors.unfinished import create
from schemas.codec import codec
from schemas.errors import WrongUse
from schemas.records import DeadLetter, Instrument
from schemas.vocabulary import Flag
from streams.log.local import LocalLog

Array = np.ndarray[Any, Any]
OFF_TICK = int(Flag.OFF_TICK)


class NoTrades(WrongUse):
    """The first rows of a table hold no trade: a column, a unit or the file is another one."""

    code = "no_trades"


class TradesSummary(ImportSummary, frozen=True, kw_only=True):
    """What an import made of a table of trades.

    Attributes:
        assumed: what the map did not say, a sentence each.
        sorted_rows: rows that lay behind a later one.
        off_tick: prices off the tick or quantities off the lot.
    """

    assumed: list[str] = []
    sorted_rows: int = 0
    off_tick: int = 0

    def remarks(self) -> list[str]:
        """What whoever uses the trades should know, a sentence each."""
        said = [f"assumed: {each}" for each in self.assumed]
        if self.sorted_rows:
            said.append(
                f"{self.sorted_rows:,} rows lay behind a later one: the trades are sorted by time"
            )
        if self.off_tick:
            said.append(f"{self.off_tick:,} trades are off the tick or the lot (OFF_TICK)")
        missing = sum(each.missing_trades for each in self.instruments)
        if missing:
            said.append(
                f"{missing:,} trade ids between the first and the last never came: the trade "
                'behind is flagged GAP; if ids need not follow one another: [file] ids = "sparse"'
            )
        return said


def import_trades(
    paths: Sequence[Path | str],
    out: Path | str,
    column_map: Path | ColumnMap | None = None,
    instrument: str = "",
    instruments: Tables = None,
    progress: Progress = lambda _done, _total: None,
) -> TradesSummary:
    """Import tables of one instrument's trades into the new folder ``out``, closed by ``log.json``.

    Args:
        column_map: TOML file or map; None to go by well-known names.
        instrument: SYMBOL@VENUE; empty to take the map's.
        instruments: a table, or several in order, that add to the shipped one or override it.

    Raises:
        RecordingMissing, BadColumnMap, InstrumentNotSaid, BadInstrumentTable, LogExists: first.
        NotATable, NotLines, MissingColumn, NoTrades: nothing is kept.
        LogFull, LogWriteFailed, RecordingUnreadable: an unclosed log is left.
    """
    wanted = column_map if isinstance(column_map, ColumnMap) else read_map(column_map)
    table = Table([Path(path) for path in paths], wanted, progress)
    found = instrument_of(instrument, wanted.instrument, loaded(instruments))
    out = Path(out)
    was_there = out.exists()
    with create(out) as log:
        try:
            return _TradesImport(table, wanted, found, log).run()
        except WrongUse:
            log.close()
            remove_made(out, was_there)
            raise


class _TradesImport:
    """One import under way."""

    def __init__(
        self, table: Table, wanted: ColumnMap, instrument: Instrument, log: LocalLog
    ) -> None:
        self._table = table
        self._wanted = wanted
        self._instrument = instrument
        self._log = log
        self._trades = TopicBlocks(log, "md.trades")
        self._letters = TopicBlocks(log, "import.dlq")
        self._dead: Counter[str] = Counter()
        self._assumed: dict[str, None] = {}
        self._units: Counter[str] = Counter()
        self._unit = ""
        self._path: Path | None = None
        self._order = Order()
        self._repeated = Repeated()
        self._jumps = Jumps()
        self._lines = self._blank = self._off_tick = self._behind = 0
        self._first, self._last = 1 << 62, 0
        table.precisions = {
            "price": instrument.price_precision,
            "quantity": instrument.quantity_precision,
        }

    def run(self) -> TradesSummary:
        """Every batch, then their order, then the log is closed."""
        table = self._table
        for batch in table.batches():
            self._take(batch)
        if not self._trades.count:
            kind = "damaged" if table.damages else "empty"
            raise NoTrades(f"{table.paths[0]} holds no rows of trades: it is {kind}")
        self._behind = self._order.behind
        if self._behind:
            self._sort()
        self._write_instrument()
        topics = [self._trades, self._letters, self._instruments]
        summary = self._summary(topics)
        facts = {
            "provenance": "recorded",
            "connector": "tables.trades",
            "order": ORDER,
            "sources": [msgspec.to_builtins(each) for each in table.digests],
            "import": summary.to_dict(),
        }
        close_log(self._log, topics, facts)
        return summary

    def _take(self, batch: Batch) -> None:
        """One batch. Raises NoTrades, NotATable."""
        self._lines += len(batch.rows)
        self._blank += int((batch.rows[:, 2] == 0).sum())
        if self._path != self._table.path:
            self._path = self._table.path
            self._begin(batch)
        fields = Fields(batch)
        rows = self._rows_of(batch, fields)
        is_good = fields.is_good()
        if "id" in batch.starts:
            places = np.flatnonzero(is_good)
            for row in places[self._repeated.of(rows["trade_id"][places])].tolist():
                detail = f"trade id {rows['trade_id'][row]} came before"
                fields.refuse(row, "duplicate_trade", detail)
            is_good = fields.is_good()
        good = rows[is_good]
        if not len(good) and not self._trades.count and fields.bad:
            self._refuse_all(batch, fields)
        for row in sorted(fields.bad):
            self._dead_letter(batch, row, fields)
        if not len(good):
            return
        if "id" not in batch.starts:
            first = self._trades.count + 1
            good["trade_id"] = np.arange(first, first + len(good))
        elif self._has_dense_ids:
            self._jumps.flag(good)
        self._note(good, batch.unit or self._unit)
        self._trades.add_rows(good)

    def _rows_of(self, batch: Batch, fields: Fields) -> Array:
        """Rows of md.trades; what they say is right where the row is good."""
        given = self._instrument
        rows = np.zeros(len(batch.rows), codec("Trade").dtype)
        rows["instrument"], rows["trade_count"] = given.instrument, 1
        rows["event_time"] = fields.times(self._unit, self._wanted.zone)
        price = rows["price"] = fields.positive("price", given.price_precision)
        quantity = rows["quantity"] = fields.positive("quantity", given.quantity_precision)
        if "id" in batch.starts:
            rows["trade_id"] = fields.decimals("id", 0)
        if "side" in batch.starts:
            name = self._table.names[self._table.places["side"]]
            rows["aggressor_side"] = np.maximum(fields.sides(side_of(name, self._wanted)), 0)
        is_off = (price % given.tick_size != 0) | (quantity % given.lot_size != 0)
        rows["flags"] = np.where(is_off, OFF_TICK, 0)
        return rows

    def _begin(self, batch: Batch) -> None:
        """What the map leaves open is taken from the first rows of a file, and said."""
        table, wanted = self._table, self._wanted
        named = {field: table.names[at] for field, at in table.places.items()}
        if not wanted.columns:
            found = ", ".join(f"{field} is column {name}" for field, name in named.items())
            self._assumed[f"{table.file}: {found}"] = None
        if "side" not in named:
            self._assumed[f"{table.file}: no column is the side: aggressors are UNKNOWN"] = None
        self._unit = wanted.time.unit
        if batch.unit or self._unit:
            return
        for row in np.flatnonzero(batch.rows[:, 2] == batch.columns)[:100].tolist():
            self._unit = unit_of(batch.field("time", row))
            if self._unit:
                self._assumed[f"{table.file}: times are in {self._unit}, by their size"] = None
                return
        text = next((batch.field("time", row) for row in range(len(batch.rows))), "")
        raise NoTrades(
            f"{table.file}: time {text[:40]!r} is no time in s, ms, us or ns and none by ISO 8601; "
            "name the right column and unit with --map"
        )

    def _refuse_all(self, batch: Batch, fields: Fields) -> None:
        reasons = Counter(problem.reason for problem in fields.bad.values())
        worst, count = reasons.most_common(1)[0]
        row = next(row for row, each in sorted(fields.bad.items()) if each.reason == worst)
        raise NoTrades(
            f"{self._table.file}: none of its first {len(fields.bad):,} rows is a trade: {count:,} "
            f"are {worst}; line {batch.line + row}: {fields.bad[row].detail[:300]}"
        )

    def _note(self, good: Array, unit: str) -> None:
        times = good["event_time"]
        self._order.see(times)
        self._units[unit] += len(good)
        self._off_tick += int((good["flags"] & OFF_TICK != 0).sum())
        self._first = min(self._first, int(times.min()))
        self._last = max(self._last, int(times.max()))

    @property
    def _has_dense_ids(self) -> bool:
        return "id" in self._table.places and self._wanted.file.ids == "dense"

    def _sort(self) -> None:
        has_ids, self._jumps = "id" in self._table.places, Jumps()
        self._trades, left_out = sort_by_time(
            self._log, self._trades, self._order, has_ids,
            self._jumps if self._has_dense_ids else None,
        )  # fmt: skip
        for row in left_out:
            self._dead["duplicate_trade"] += 1
            detail = f"trade id {row['trade_id']} came before at the same time; seen when sorted"
            self._letters.add(
                DeadLetter("duplicate_trade", detail, self._table.file, 0, 0, b""), 0, 300
            )

    def _dead_letter(self, batch: Batch, row: int, fields: Fields) -> None:
        problem, raw = fields.bad[row], batch.raw(row)
        self._dead[problem.reason] += 1
        detail, file = problem.detail[:DETAIL_LENGTH_MAX], self._table.file
        letter = DeadLetter(problem.reason, detail, file, 0, batch.line + row, raw)
        self._letters.add(letter, 0, len(raw) + DETAIL_LENGTH_MAX + len(file))

    def _write_instrument(self) -> None:
        self._instruments = TopicBlocks(self._log, "ref.instruments")
        record = msgspec.structs.replace(self._instrument, event_time=self._first)
        self._instruments.add(record, record.event_time)

    def _summary(self, topics: Sequence[TopicBlocks]) -> TradesSummary:
        given = self._instrument
        feed = FeedSummary(
            instrument=given.instrument, venue=given.venue, symbol=given.symbol,
            missing_trades=self._jumps.missing, depth_gaps=0, snapshots=0,
        )  # fmt: skip
        return TradesSummary(
            lines=self._lines,
            counts={each.topic: each.count for each in sorted(topics, key=lambda each: each.topic)},
            reasons=dict(sorted(self._dead.items())),
            set_aside={"blank line": self._blank} if self._blank else {},
            instruments=[feed],
            first_time=self._first,
            last_time=self._last,
            damages=list(self._table.damages),
            units=dict(sorted(self._units.items())),
            assumed=list(self._assumed),
            sorted_rows=self._behind,
            off_tick=self._off_tick,
        )
