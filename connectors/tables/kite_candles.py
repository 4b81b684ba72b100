"""Historical candles of Kite Connect, as ``GET /instruments/historical/:token/:interval`` answers
them, in a file, to ``md.bars``.

``{"status": "success", "data": {"candles": [["2017-12-15T09:15:00+0530", 1704.5, 1705, 1699.25,
1702.8, 2499], ...]}}``: time, open, high, low, close, volume and, where it was asked for, open
interest, which no bar has. Numbers keep the digits that they are written with. A file names neither
its instrument nor its interval.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from connectors.captures.lines import Progress
from connectors.instruments import Tables, loaded
from connectors.tables.bars import BARS
from connectors.tables.batches import Table
from connectors.tables.columns import BadColumnMap, ColumnMap, read_map, shipped_map
from connectors.tables.importing import Part, TableSummary, import_parts
from connectors.tables.instrument import instrument_of
from connectors.tables.rows import Batch
from schemas.errors import WrongUse

FIELDS = ("time", *BARS.prices, "volume")
COLUMNS = len(FIELDS)
ANSWER_BYTES_MAX = 64 << 20
"""An answer holds at most 60 days of minutes, some 2 MB."""
HEAD_BYTES = 4096
ADVICE = (
    "'sq import kite' reads answers of GET /instruments/historical as Kite sends them: "
    '{"status": "success", "data": {"candles": [...]}}'
)


class NotKite(WrongUse):
    """A file is no whole answer of Kite with candles in it."""

    code = "not_kite"


class CandleTable(Table):
    """Answers of Kite as tables: a row a candle, whose line is its number in the answer, from 1."""

    def texts(self, path: Path) -> Iterator[bytes | None]:
        """The candles as rows. Raises NotKite."""
        candles = _candles(path, super().texts(path))
        yield "\t".join(FIELDS).encode() + b"\n"
        for candle in candles:
            yield _row(candle)
        dropped = sum(isinstance(each, list) and len(each) == COLUMNS + 1 for each in candles)
        if dropped:
            self.remarks.append(
                f"{path.name}: the open interest of {dropped:,} candles is dropped: no bar has any"
            )

    def _text(self, path: Path) -> Iterator[Batch]:
        for batch in super()._text(path):
            batch.line -= 1  # the header is ours
            yield batch


def is_kite(path: Path) -> bool:
    """True for a file that begins as an answer with candles."""
    table = Table([path], ColumnMap(), BARS, lambda _done, _total: None)
    head = next((text for text in table.texts(path) if text), b"")[:HEAD_BYTES]
    return head.lstrip().startswith(b"{") and b'"candles"' in head


def import_kite(
    paths: Sequence[Path | str],
    out: Path | str,
    column_map: Path | None = None,
    instrument: str = "",
    instruments: Tables = None,
    progress: Progress = lambda _done, _total: None,
) -> TableSummary:
    """Import answers of one instrument, in order of time, into the new folder ``out``.

    Args:
        column_map: TOML file of [bars] and [instrument]; None: candles are as long as the least
            step between the first ones.
        instrument: SYMBOL@VENUE; empty to take the map's.

    Raises:
        NotKite: another file, or one that is cut. And what
            :func:`~connectors.tables.importing.import_table` raises.
    """
    wanted = read_map(column_map, BARS)
    if wanted != ColumnMap(bars=wanted.bars, instrument=wanted.instrument):
        raise BadColumnMap(
            f"{column_map}: 'sq import kite' takes [bars] and [instrument] of a map; the form of "
            "the files is known"
        )
    found = instrument_of(instrument, wanted.instrument, loaded(instruments))
    shipped = msgspec.structs.replace(shipped_map("kite-candles"), bars=wanted.bars)
    part = Part(BARS, [Path(path) for path in paths], shipped, CandleTable)
    return import_parts([part], found, out, "tables.kite", progress)


def _candles(path: Path, texts: Iterator[bytes | None]) -> list[Any]:
    """The candles of an answer, numbers as the text they are written with. Raises NotKite."""
    text = bytearray()
    for piece in texts:
        text += piece or b""
        if len(text) > ANSWER_BYTES_MAX:
            raise NotKite(f"{path} is larger than any answer of Kite; {ADVICE}")
    try:
        answer = json.loads(bytes(text), parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError) as problem:
        what = "is cut or damaged" if text.lstrip().startswith(b"{") else "is no JSON"
        raise NotKite(f"{path} {what} ({problem}); fetch it again. {ADVICE}") from None
    if isinstance(answer, dict) and answer.get("status") == "error":
        said = f"{answer.get('error_type')}: {answer.get('message')}"
        raise NotKite(f"{path} holds an error of Kite, {said[:200]}; fetch the candles again")
    found = answer.get("data") if isinstance(answer, dict) else None
    candles = found.get("candles") if isinstance(found, dict) else None
    if not isinstance(candles, list):
        raise NotKite(f"{path} holds no candles; {ADVICE}")
    if not candles:
        raise NotKite(f"{path} holds 0 candles: Kite has none of the days that were asked for")
    return candles


def _row(candle: Any) -> bytes:
    """A candle as fields that tabs part; what is no candle gets another number of them."""
    fields = candle if isinstance(candle, list) else [candle]
    if len(fields) == COLUMNS + 1:
        fields = fields[:COLUMNS]
    return ("\t".join(map(_field, fields)) + "\n").encode("utf-8", "replace")


def _field(value: Any) -> str:
    """A text without control characters as it is, anything else as JSON, which has none either."""
    is_plain = isinstance(value, str) and value.isprintable()
    return value if is_plain else json.dumps(value)
