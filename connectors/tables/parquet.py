"""Rows of a Parquet file as text: the one module that needs polars.

Whole numbers and decimals are written digit by digit, a double as the shortest decimal that reads
back as it, an instant as ns.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from connectors.captures.lines import RecordingUnreadable
from connectors.tables.columns import ColumnMap, places_of
from connectors.tables.kinds import Kind
from connectors.tables.rows import BATCH_ROWS, Batch, NotATable, row_batches
from streams.numeric.text_fields import MINUTE_NS, NO_MINUTES

Array = np.ndarray[Any, Any]


class ParquetRows:
    """One Parquet file.

    Args:
        precisions: decimals of fields whose doubles are rounded, where the map asks for it.
    """

    def __init__(
        self, path: Path, file: str, wanted: ColumnMap, kind: Kind, precisions: dict[str, int]
    ) -> None:
        self._path, self._file, self._kind = path, file, kind
        self._wanted, self._precisions = wanted, precisions
        self.names: list[str] = []
        self.places: dict[str, int] = {}

    def column_names(self) -> list[str]:
        """Names of the columns. Raises RecordingUnreadable."""
        try:
            return list(pl.read_parquet_schema(self._path))
        except pl.exceptions.PolarsError as problem:
            raise self._unreadable(problem) from None

    def _unreadable(self, problem: Exception) -> RecordingUnreadable:
        what = str(problem).splitlines()[0][:200]
        return RecordingUnreadable(f"{self._path} cannot be read as Parquet: {what}")

    def batches(self) -> Iterator[Batch]:
        """Every row. Raises NotATable, MissingColumn, RecordingUnreadable."""
        try:
            frame = pl.scan_parquet(self._path)
            self.names = frame.collect_schema().names()
            self.places = places_of(self._file, self.names, self._wanted, self._kind)
            chosen = frame.select(pl.nth(list(self.places.values())))
            places = {field: number for number, field in enumerate(self.places)}
            line = 1
            for part in chosen.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True):
                text, unit = self._as_text(part)
                for batch in row_batches(text, "\t", places, len(places)):
                    batch.line, batch.unit = line, unit
                    yield batch
                    line += len(batch.rows)
        except pl.exceptions.PolarsError as problem:
            raise self._unreadable(problem) from None

    def _as_text(self, part: pl.DataFrame) -> tuple[Array, str]:
        """Text of a frame, and the unit of its times where their type says it. Raises NotATable."""
        columns, unit = [], ""
        for field, series in zip(self.places, part.get_columns(), strict=True):
            kind = series.dtype
            if isinstance(kind, pl.Datetime):
                series, unit = self._instants(series, kind)
            elif isinstance(kind, pl.Binary | pl.List | pl.Struct | pl.Date | pl.Time):
                raise NotATable(f"{self._file}: column {series.name} is {kind}: no {field}")
            elif kind.is_float() and self._wanted.file.doubles == "nearest":
                series = series.round(self._precisions.get(field, 0))
            columns.append(series.alias(field))
        written = io.BytesIO()
        pl.DataFrame(columns).write_csv(
            written, include_header=False, separator="\t", quote_style="never"
        )
        return np.frombuffer(written.getbuffer(), np.uint8), unit

    def _instants(self, series: pl.Series, kind: pl.Datetime) -> tuple[pl.Series, str]:
        """ns from 1970, UTC; text of what a place's clock shows. Raises NotATable for no zone."""
        zone = self._wanted.zone
        if kind.time_zone is None and zone.is_place:
            return series.dt.to_string("%Y-%m-%dT%H:%M:%S.%9f"), "iso"
        if kind.time_zone is None and zone.minutes == NO_MINUTES:
            raise NotATable(
                f"{self._file}: {series.name} has no zone; say it with --map: [time] zone"
            )
        scale = {"ms": 10**6, "us": 10**3, "ns": 1}[kind.time_unit]
        shift = 0 if kind.time_zone is not None else zone.minutes * MINUTE_NS
        return series.to_physical() * scale - shift, "ns"
