"""What files seem to hold, and the import that reads them: ``sq import auto``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from connectors.captures.cryptofeed import is_cryptofeed
from connectors.captures.kinds import TIMED
from connectors.tables.bars import BARS
from connectors.tables.batches import PARQUET, Table, head_of
from connectors.tables.binance_public import named
from connectors.tables.columns import ColumnMap, MissingColumn, places_of
from connectors.tables.kinds import Kind
from connectors.tables.kite_candles import is_kite
from connectors.tables.lean import is_lean
from connectors.tables.quotes import QUOTES
from connectors.tables.rows import NotATable
from connectors.tables.trades import TRADES
from schemas.errors import WrongUse

KINDS: tuple[Kind, ...] = (TRADES, QUOTES, BARS)


class NotOneKind(WrongUse):
    """The files are of no kind that is known, or of several."""

    code = "not_one_kind"


class Found(msgspec.Struct, frozen=True):
    """What a file is. ``what``: the word behind ``sq import``."""

    what: str
    text: str


def found_in(path: Path) -> Found:
    """What one file is. Raises NotOneKind, NotATable, NotLines, RecordingMissing."""
    if is_lean(path):
        return Found("lean", "bars of LEAN, a file a day")
    table = Table([path], ColumnMap(), TRADES, lambda _done, _total: None)
    public = named(path)
    if public is not None:
        held = f"klines of {public.interval}" if public.interval else public.held
        return Found("binance-public", f"Binance's public file of {held} of {public.symbol}")
    is_text = head_of(path) != PARQUET
    if is_text and is_cryptofeed(table.first_line(path)):
        return Found("cryptofeed", "a raw capture of cryptofeed")
    if is_text and is_kite(path):
        return Found("kite", "historical candles of Kite")
    if is_text and TIMED.match(line := table.first_line(path).encode()) and b"{" in line[:64]:
        return Found("binance", "recorded web-socket frames, one a line")
    names = table.column_names(path)
    kinds = [kind for kind in KINDS if _is_of(path, names, kind)]
    has = ", ".join(names)[:200]
    if not kinds:
        raise NotOneKind(
            f"{path}: its columns are {has}: neither trades nor quotes nor bars by names that are "
            "known; use 'sq import trades', 'quotes' or 'bars' with --map"
        )
    if len(kinds) > 1:
        both = " and of ".join(kind.name for kind in kinds)
        raise NotOneKind(f"{path} has the columns of {both} ({has}); name the one that you want")
    form = "CSV" if is_text else "Parquet"
    return Found(kinds[0].name, f"{form} of {kinds[0].name}, with the columns {has}")


def _is_of(path: Path, names: Sequence[str], kind: Kind) -> bool:
    try:
        places_of(path.name, names, ColumnMap(), kind)
    except MissingColumn:
        return False
    return True


def import_of(paths: Sequence[Path]) -> tuple[str, list[tuple[str, str]]]:
    """The word behind ``sq import`` for files that belong together, and what each is: its name, and
    a text. Raises NotOneKind.
    """
    if not paths:
        raise NotATable("no file was named")
    found = [(path.name, found_in(path)) for path in paths]
    words = dict.fromkeys(each.what for _, each in found)
    if len(words) > 1:
        texts = "; ".join(f"{name}: {each.text}" for name, each in found[:8])
        raise NotOneKind(f"the files are of several kinds; import each by itself ({texts})")
    return next(iter(words)), [(name, each.text) for name, each in found]
