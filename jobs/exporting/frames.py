"""Columns as CSV, Parquet or Arrow IPC, a batch at a time: the one module here that needs polars.

A CSV holds every cell as text: an instant as ISO 8601 with nine decimals, levels as JSON, nothing
for null. Parquet and Arrow hold integers, decimals of 38 digits, instants of ns and lists of
(price, quantity).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
from polars.io.plugins import register_io_source

from jobs.exporting.cells import (
    DECIMAL,
    FLOAT,
    INSTANT,
    LEVELS,
    TRUTH,
    WHOLE,
    BadExport,
    Column,
    Values,
)

ROWS = 16_384
CSV_INSTANT = "%Y-%m-%dT%H:%M:%S%.9fZ"
UTC_NS = pl.Datetime("ns", "UTC")
PLAIN: dict[str, Any] = {WHOLE: pl.Int64(), FLOAT: pl.Float64(), TRUTH: pl.Boolean()}
Batches = Iterable[dict[str, Values]]


def _type(column: Column, as_decimal: bool) -> Any:
    if column.kind == DECIMAL:
        return pl.Decimal(38, column.decimals)
    if column.kind == INSTANT:
        return UTC_NS
    if column.kind == LEVELS:
        number = pl.Decimal(38, column.decimals) if as_decimal else pl.Int64()
        return pl.List(pl.Struct({"price": number, "quantity": number}))
    return PLAIN.get(column.kind, pl.String())


class Table:
    """Columns of one file.

    Args:
        as_decimal: levels are decimals.
        format: one of ``FORMATS``.
    """

    def __init__(self, columns: list[Column], as_decimal: bool, format: str) -> None:
        self._columns, self._format = columns, format
        self._types = {each.name: _type(each, as_decimal) for each in columns}

    def write(self, path: Path, batches: Batches) -> None:
        """Write all batches in bounded memory. Raises BadExport: a decimal has over 38 digits."""
        if self._format == "csv":
            with path.open("wb") as file:
                pl.DataFrame(schema=dict.fromkeys(self._types, pl.String())).write_csv(file)
                for batch in batches:
                    self._frame(batch).write_csv(file, include_header=False)
            return

        def source(*_asked: Any) -> Iterator[pl.DataFrame]:
            return map(self._frame, batches)

        frame = register_io_source(source, schema=pl.Schema(self._types))
        if self._format == "parquet":
            frame.sink_parquet(path)
        else:
            frame.sink_ipc(path, compression="zstd")

    def _frame(self, batch: dict[str, Values]) -> pl.DataFrame:
        return pl.DataFrame([self._series(each, batch[each.name]) for each in self._columns])

    def _series(self, column: Column, values: Values) -> pl.Series:
        is_text = self._format == "csv"
        try:
            if column.kind == INSTANT:
                made = pl.Series(column.name, values, pl.Int64()).cast(UTC_NS)
                return made.dt.to_string(CSV_INSTANT) if is_text else made
            if column.kind == LEVELS:
                return self._levels(column, values)
            if column.kind == DECIMAL and is_text:
                texts = [None if value is None else f"{value:f}" for value in values]
                return pl.Series(column.name, texts, pl.String())
            made = pl.Series(column.name, values, self._types[column.name], strict=True)
            return made.cast(pl.String()) if is_text else made
        except (pl.exceptions.PolarsError, TypeError, OverflowError) as problem:
            raise BadExport(
                f"{column.name} does not fit its column ({str(problem).splitlines()[0][:120]}); "
                "export without --decimal"
            ) from None

    def _levels(self, column: Column, values: Values) -> pl.Series:
        if self._format == "csv":
            texts = [msgspec.json.encode(levels).decode() for levels in values]
            return pl.Series(column.name, texts, pl.String())
        named = [[{"price": p, "quantity": q} for p, q in levels] for levels in values]
        return pl.Series(column.name, named, self._types[column.name], strict=True)

    def batches(self, path: Path) -> Iterator[dict[str, Values]]:
        """What was written. Raises BadExport: it is another table."""
        try:
            frame = self._scan(path)
            names = frame.collect_schema().names()
            missing = [each.name for each in self._columns if each.name not in names]
            if missing:
                raise BadExport(f"{path} has no column {missing[0]}; it has {', '.join(names)}")
            chosen = frame.select([each.name for each in self._columns])
            for part in chosen.collect_batches(chunk_size=ROWS, maintain_order=True):
                yield {each.name: self._values(each, part[each.name]) for each in self._columns}
        except (pl.exceptions.PolarsError, OSError) as problem:
            what = str(problem).splitlines()[0][:200]
            raise BadExport(f"{path} is not the {self._format} that was exported: {what}") from None

    def _scan(self, path: Path) -> pl.LazyFrame:
        if self._format == "parquet":
            return pl.scan_parquet(path)
        if self._format == "arrow":
            return pl.scan_ipc(path)
        return pl.scan_csv(path, infer_schema=False)  # "" is empty text, nothing is null

    def _values(self, column: Column, series: pl.Series) -> Values:
        if column.kind == LEVELS:
            if self._format == "csv":
                return [msgspec.json.decode(text) for text in series.to_list()]
            return [
                None if levels is None else [(each["price"], each["quantity"]) for each in levels]
                for levels in series.to_list()
            ]
        if self._format != "csv":
            if column.kind == INSTANT:
                series = series.cast(UTC_NS).to_physical()
            return series.to_list()
        if column.kind == INSTANT:
            series = series.str.to_datetime(
                "%Y-%m-%dT%H:%M:%S%.fZ", time_unit="ns", time_zone="UTC"
            ).to_physical()
        elif column.kind == TRUTH:
            series = series.replace_strict(
                {"true": True, "false": False}, return_dtype=pl.Boolean()
            )
        elif column.kind in (WHOLE, FLOAT):
            series = series.cast(self._types[column.name])
        return series.to_list()
