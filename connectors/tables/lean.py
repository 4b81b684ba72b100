"""Folders and files of LEAN (QuantConnect): bars of minutes and of seconds, of one instrument.

A file is of one day, ``20190101_trade.zip`` in ``equity/india/minute/yesbank``, and holds
``20190101_yesbank_minute_trade.csv`` without a header. The day is in the name, the times count from
its midnight. Trade bars become ``md.bars``. Quote bars become ``md.book_tickers``: of each the bid
and ask at its end, at its end. The form is that of ``Data/equity/readme.md`` and
``Data/crypto/readme.md`` of LEAN.
"""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec

from connectors.captures.lines import Progress
from connectors.instruments import Tables, loaded
from connectors.reference.calendars import NoCalendar, nanoseconds, zone_of
from connectors.tables.bars import BARS
from connectors.tables.batches import ZIP, Table, head_of
from connectors.tables.columns import (
    EARLIEST,
    LATEST,
    BadColumnMap,
    ColumnMap,
    TimeMap,
    interval_of,
    read_map,
    shipped_map,
)
from connectors.tables.importing import Part, TableSummary, import_parts
from connectors.tables.instrument import instrument_of
from connectors.tables.kinds import Kind
from connectors.tables.quotes import QUOTES
from connectors.tables.rows import Batch
from schemas.errors import WrongUse
from schemas.records import Instrument
from schemas.vocabulary import InstrumentKind

NAME = re.compile(
    r"(?P<day>\d{8})_((?P<symbol>.+)_(?P<resolution>[a-z]+)_)?(?P<held>trade|quote|openinterest)"
    r"\.(zip|csv)"
)
INTERVALS = {"minute": "1m", "second": "1s"}
KINDS: dict[str, Kind] = {"trade": BARS, "quote": QUOTES}
OPEN_INTEREST = "openinterest"
PRICE_DECIMALS = {InstrumentKind.EQUITY: 4}
"""Of prices that LEAN writes as integers, by the instrument's kind; others are written plainly."""
FOLDERS: dict[str, tuple[InstrumentKind, ...]] = {
    "equity": (InstrumentKind.EQUITY,),
    "index": (InstrumentKind.INDEX,),
    "crypto": (InstrumentKind.SPOT,),
    "cryptofuture": (InstrumentKind.PERPETUAL, InstrumentKind.FUTURE),
    "future": (), "option": (), "indexoption": (), "futureoption": (), "forex": (), "cfd": (),
}  # fmt: skip
"""LEAN's kinds of security, and ours; of those without one files are not read."""
ADVICE = (
    "'sq import lean' reads files of LEAN under their own names, 20190101_trade.zip or "
    "20190101_quote.zip, of one symbol and one resolution, minute or second"
)


class NotLean(WrongUse):
    """The files are none of LEAN, or none that are read."""

    code = "not_lean"


class LeanFile(msgspec.Struct, frozen=True):
    """One day of one symbol.

    Attributes:
        midnight: of the day by the zone's clock, ns as if it were UTC.
        held: trade, quote or openinterest. resolution, symbol: empty where no name says it.
        entry: the file in a zip; empty for a file that is unpacked. others: files beside it.
    """

    path: Path
    midnight: int
    held: str
    resolution: str
    symbol: str
    entry: str = ""
    others: int = 0


class LeanTable(Table):
    """Tables whose times count from a midnight."""

    def __init__(
        self, files: Mapping[Path, LeanFile], left_out: list[str], paths: Sequence[Path],
        wanted: ColumnMap, kind: Kind, progress: Progress,
    ) -> None:  # fmt: skip
        super().__init__(paths, wanted, kind, progress)
        self._files = files
        self.remarks = left_out
        # a quote bar's bid and ask are those at its end
        self._shift = interval_of(wanted.bars.interval) if kind is QUOTES else 0

    def member(self, path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
        """The file of the zip's own day: some zips hold the next day beside it."""
        return archive.getinfo(self._files[path].entry)

    def _text(self, path: Path) -> Iterator[Batch]:
        for batch in super()._text(path):
            batch.midnight = self._files[path].midnight + self._shift
            yield batch


def is_lean(path: Path) -> bool:
    """True for a file of LEAN by its name and what is in its zip, and for a folder with one."""
    if path.is_dir():
        return any(True for _ in _in_folder(path))
    match = _match(path.name)
    try:
        return match is not None and bool(_file(path).symbol)
    except NotLean:
        return False


def import_lean(
    paths: Sequence[Path | str],
    out: Path | str,
    column_map: Path | None = None,
    instrument: str = "",
    instruments: Tables = None,
    progress: Progress = lambda _done, _total: None,
) -> TableSummary:
    """Import files of LEAN, or every one in a folder, into the new folder ``out``.

    Args:
        column_map: TOML file of [time] zone and [instrument]; None: the venue's own zone.
        instrument: SYMBOL@VENUE; empty to take the map's.

    Raises:
        NotLean: another file, several symbols or resolutions, ticks, a day twice. And what
            :func:`~connectors.tables.importing.import_table` raises.
    """
    wanted = _checked_map(column_map)
    files, left_out = lean_files([Path(path) for path in paths])
    found = instrument_of(instrument, wanted.instrument, loaded(instruments))
    _check_kinds(files, found)
    by_held: dict[str, dict[Path, LeanFile]] = {}
    for file in files:
        by_held.setdefault(file.held, {})[file.path] = file
    zone = wanted.time.zone or _zone(found.venue)
    parts = [
        Part(
            KINDS[held], list(of_kind), _map_of(held, files[0].resolution, zone, found),
            partial(LeanTable, of_kind, left_out),
        )
        for held, of_kind in by_held.items()
    ]  # fmt: skip
    return import_parts(parts, found, out, "tables.lean", progress)


def lean_files(paths: Sequence[Path]) -> tuple[list[LeanFile], list[str]]:
    """The files, in order of their days, and what was left out, a sentence each. Raises NotLean."""
    files: list[LeanFile] = []
    left_out: Counter[str] = Counter()
    for path in paths:
        within = list(_in_folder(path)) if path.is_dir() else [path]
        if not within:
            raise NotLean(f"{path} holds no file of LEAN; {ADVICE}")
        for each in within:
            file = _file(each)
            if file.held == OPEN_INTEREST and path.is_dir():
                left_out["files of open interest, which are left out"] += 1
                continue
            if file.others:
                left_out["zips with another day beside their own, which is left out"] += 1
            files.append(file)
    files.sort(key=lambda each: (each.midnight, each.held))
    _check_alike(files)
    return files, [f"{text}: {count:,}" for text, count in sorted(left_out.items())]


def _in_folder(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if _match(path.name) and path.is_file():
            yield path


def _match(name: str) -> re.Match[str] | None:
    """Of a name that is one of LEAN's, with a day that there is."""
    match = NAME.fullmatch(name.lower())
    try:
        return match if match and _midnight(match["day"]) else None
    except ValueError:
        return None


def _midnight(day: str) -> int:
    """Raises ValueError for a day that there is not, and for one of no market data."""
    found = nanoseconds(datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC))
    if not EARLIEST <= found < LATEST:
        raise ValueError(day)
    return found


def _file(path: Path) -> LeanFile:
    """What a file's name, its zip and its folder say. Raises NotLean."""
    match = _match(path.name)
    if match is None:
        raise NotLean(f"{path.name} is no name of a file of LEAN; {ADVICE}")
    entry, others, inner = "", 0, match
    if head_of(path) in ZIP:
        entry, others, inner = _entry(path, match)
    resolution = inner["resolution"] or path.absolute().parent.parent.name
    return LeanFile(
        path,
        _midnight(match["day"]),
        match["held"],
        resolution,
        inner["symbol"] or "",
        entry,
        others,
    )


def _entry(path: Path, match: re.Match[str]) -> tuple[str, int, re.Match[str]]:
    """The file of the zip's own day, how many others lie beside it, and what its name says."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [each.filename for each in archive.infolist() if not each.is_dir()]
    except zipfile.BadZipFile:
        return "", 0, match  # reading it says what is wrong
    for name in names:
        inner = _match(name)
        if inner and (inner["day"], inner["held"]) == (match["day"], match["held"]):
            return name, len(names) - 1, inner
    has = ", ".join(names)[:200] or "nothing"
    raise NotLean(f"{path} holds {has}: no file of its own day and kind; {ADVICE}")


def _check_alike(files: Sequence[LeanFile]) -> None:
    """Raises NotLean where files do not belong together, or are not read."""
    if not files:
        raise NotLean(f"the folder holds open interest alone, which is no topic; {ADVICE}")
    for file in files:
        if file.held not in KINDS:
            raise NotLean(f"{file.path.name} holds open interest, which is no topic; {ADVICE}")
        if file.resolution not in INTERVALS:
            what = file.resolution or "no resolution that is known"
            raise NotLean(f"{file.path} is of {what}; {ADVICE}")
    for what, found in (
        ("symbols", {file.symbol for file in files if file.symbol}),
        ("resolutions", {file.resolution for file in files}),
    ):
        if len(found) > 1:
            these = " and ".join(sorted(found))
            raise NotLean(f"the files are of several {what}, {these}; import each by itself")
    for one, other in zip(files, files[1:], strict=False):
        if (one.midnight, one.held) == (other.midnight, other.held):
            raise NotLean(f"{one.path} and {other.path} are of the same day; name one of them")


def _check_kinds(files: Sequence[LeanFile], instrument: Instrument) -> None:
    """Raises NotLean where a folder says another kind of security: prices would be another's."""
    name = f"{instrument.symbol}@{instrument.venue}"
    kind = InstrumentKind(instrument.kind)
    if all(kind not in kinds for kinds in FOLDERS.values()):
        raise NotLean(f"{name} is of kind {kind.name.lower()}, of which no files of LEAN are read")
    for file in files:
        above = file.path.absolute().parent.parent.parent  # the market's folder, or the kind's
        for folder in (above.name, above.parent.name):
            if kind not in FOLDERS.get(folder, (kind,)):
                raise NotLean(
                    f"{file.path} lies in a folder of {folder}, and {name} is of kind "
                    f"{kind.name.lower()}; name the right instrument with --instrument"
                )


def _checked_map(path: Path | None) -> ColumnMap:
    """A map of what the files do not say. Raises BadColumnMap."""
    wanted = read_map(path, BARS)
    rest = ColumnMap(time=TimeMap(zone=wanted.time.zone), instrument=wanted.instrument)
    if wanted != rest:
        raise BadColumnMap(
            f"{path}: 'sq import lean' takes [time] zone and [instrument] of a map; the form of "
            "the files is known"
        )
    return wanted


def _zone(venue: str) -> str:
    """The zone of a venue's days. Raises BadColumnMap where it is not known."""
    try:
        return f"{datetime(2000, 1, 1, tzinfo=zone_of(venue)):%z}"
    except NoCalendar:
        raise BadColumnMap(
            f"times of LEAN are those of the venue's clock, and which that is at {venue} is not "
            'known; say it with --map: [time] zone = "America/New_York"'
        ) from None


def _map_of(held: str, resolution: str, zone: str, instrument: Instrument) -> ColumnMap:
    shipped = shipped_map(f"lean-{held}", INTERVALS[resolution])
    decimals = PRICE_DECIMALS.get(InstrumentKind(instrument.kind), 0)
    return msgspec.structs.replace(
        shipped,
        time=msgspec.structs.replace(shipped.time, zone=zone),
        file=msgspec.structs.replace(shipped.file, price_decimals=decimals),
    )
