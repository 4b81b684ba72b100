"""Binance's public files (data.binance.vision): trades, aggTrades, bookTicker, klines, by the
column maps of ``maps/``.

A file's name says its symbol and what it holds, and the number of its columns where it is from:
spot files of trades have one column more than those of USD-M futures.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from connectors.captures.lines import Progress
from connectors.instruments import Tables, find, loaded, refuse_inverse
from connectors.tables.bars import BARS
from connectors.tables.batches import ZIP, Table, head_of
from connectors.tables.columns import ColumnMap, shipped_map
from connectors.tables.importing import Part, TableSummary, import_parts
from connectors.tables.instrument import InstrumentNotSaid, parted
from connectors.tables.kinds import Kind
from connectors.tables.quotes import QUOTES
from connectors.tables.trades import TRADES
from schemas.errors import WrongUse

SPOT, USDM = "binance", "binance_usdm"
NAME = re.compile(
    r"(?P<symbol>[A-Z0-9]+(?:_[A-Z0-9]+)?)-(?:(?P<held>trades|aggTrades|bookTicker)|"
    r"(?P<interval>\d+(?:mo|[smhdw])))-\d{4}-\d{2}(?:-\d{2})?\.(?:zip|csv)"
)
KINDS: dict[str, Kind] = {
    "trades": TRADES, "aggTrades": TRADES, "bookTicker": QUOTES, "klines": BARS,
}  # fmt: skip
VENUES: dict[str, dict[int, tuple[str, ...]]] = {
    "trades": {7: (SPOT,), 6: (USDM,)},
    "aggTrades": {8: (SPOT,), 7: (USDM,)},
    "bookTicker": {7: (USDM,)},
    "klines": {12: (SPOT, USDM)},
}
"""By the number of columns, the markets that have such files."""


class NotPublic(WrongUse):
    """A file is none of Binance's public ones, or not of the market that was named."""

    code = "not_public"


class Named(msgspec.Struct, frozen=True):
    """What a file's name says. ``interval``: of klines."""

    symbol: str
    held: str
    interval: str = ""


def named(path: Path) -> Named | None:
    """What the name of a file, or of the one in a zip, says; None for another name."""
    names = [path.name]
    if head_of(path) in ZIP:
        try:
            with zipfile.ZipFile(path) as archive:
                names += [Path(each.filename).name for each in archive.infolist()]
        except zipfile.BadZipFile:
            pass  # reading it says what is wrong
    for name in names:
        match = NAME.fullmatch(name)
        if match is not None:
            return Named(match["symbol"], match["held"] or "klines", match["interval"] or "")
    return None


def import_public(
    paths: Sequence[Path | str],
    out: Path | str,
    instrument: str = "",
    instruments: Tables = None,
    progress: Progress = lambda _done, _total: None,
) -> TableSummary:
    """Import public files of one instrument into the new folder ``out``.

    Args:
        paths: those of one kind in order of time.
        instrument: SYMBOL@VENUE; empty where names and columns say it: klines alone do not.

    Raises:
        NotPublic: another file, several symbols, or trades and aggregates of them. And what
            :func:`~connectors.tables.importing.import_table` raises.
    """
    files = [Path(path) for path in paths]
    table = loaded(instruments)
    by_held: dict[tuple[str, str], list[Path]] = {}
    said: dict[str, None] = {}
    venues = {SPOT, USDM}
    for path in files:
        found = _named(path)
        said[found.symbol] = None
        by_held.setdefault((found.held, found.interval), []).append(path)
        of_file = set(_venues(path, found.held))
        if not venues & of_file:
            raise NotPublic(f"{path} is of {' or '.join(sorted(of_file))}, and files before it are "
                            "not; import each market by itself")  # fmt: skip
        venues &= of_file
    if len(said) > 1:
        raise NotPublic(f"the files are of {' and '.join(said)}; import each, then 'sq merge'")
    topics = [KINDS[held].topic for held, _ in by_held]
    if len(set(topics)) < len(topics):
        both = " and ".join(dict.fromkeys(interval or held for held, interval in by_held))
        raise NotPublic(f"files of {both} would be the same topic twice; import one of them")
    symbol, venue = _market(instrument, next(iter(said)), venues)
    parts = [
        Part(KINDS[held], of_kind, shipped_map(f"binance-{held}", interval))
        for (held, interval), of_kind in by_held.items()
    ]
    specification = find(table, venue, symbol)
    return import_parts(parts, specification, out, "tables.binance_public", progress)


def _named(path: Path) -> Named:
    found = named(path)
    if found is None:
        raise NotPublic(
            f"{path.name} is no name of a public file, which is SYMBOL-trades-2024-08-08.zip, or "
            "aggTrades, bookTicker or an interval such as 1m; give it its name, or use "
            "'sq import trades', 'quotes' or 'bars' with --map"
        )
    if found.interval.endswith("mo"):
        raise NotPublic(f"{path.name}: months are no bars of one length; take 1d")
    refuse_inverse(found.symbol)
    return found


def _venues(path: Path, held: str) -> tuple[str, ...]:
    """The markets whose files have so many columns as this one. Raises NotPublic."""
    kind = KINDS[held]
    table = Table([path], ColumnMap(), kind, lambda _done, _total: None)
    line, known = table.first_line(path), VENUES[held]
    columns = line.count(",") + 1
    if not line:
        return SPOT, USDM  # the import says what is wrong with the file
    if columns not in known:
        has = " or ".join(str(each) for each in known)
        raise NotPublic(f"{path} has {columns} columns; public files of {held} have {has}")
    return known[columns]


def _market(said: str, symbol: str, venues: set[str]) -> tuple[str, str]:
    """Symbol and venue. Raises NotPublic, InstrumentNotSaid."""
    if not said:
        if len(venues) > 1:
            raise InstrumentNotSaid(
                f"klines of spot and of futures look alike; say --instrument {symbol}@{SPOT} or "
                f"{symbol}@{USDM}"
            )
        return symbol, next(iter(venues))
    named_symbol, venue = parted(said)
    if named_symbol != symbol or venue not in venues:
        have = " or ".join(f"{symbol}@{each}" for each in sorted(venues))
        raise NotPublic(f"--instrument says {said}, and the files are of {have}")
    return symbol, venue
