"""The column map of a table: which column is which field, in which unit, in which words.

A map is TOML::

    [columns]                     # field = "column", or its number from 1 without header
    time = "timestamp"
    price = "px"
    quantity = "size"
    side = "side"                 # side and id may be left out
    id = "tid"                    # the fields of other kinds: kinds.py
    [time]
    unit = "us"                   # s, ms, us, ns or iso
    zone = "+05:30"               # of iso text that names no zone; UTC; Asia/Kolkata
    [side]
    buy = ["B"]                   # words of the aggressor's side; of the maker's with of = "maker"
    sell = ["S"]
    [file]
    separator = ";"
    header = false                # or "auto": if the first line is one
    doubles = "nearest"           # round what a Parquet double holds; else it must lie on a unit
    price_decimals = 4            # of prices written as integers: 950000 is 95.0000
    ids = "sparse"                # they count other things too: a jump is no missing trade
    [bars]
    interval = "1m"
    time = "open"                 # or "close": what a bar's time is
    [instrument]                  # one that no table has
    symbol = "BTCUSDT"
    venue = "binance"
    kind = "spot"
    tick = "0.01"
    lot = "0.00001"
    quote = "USDT"
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec

from connectors.tables.kinds import Kind, plain_name
from connectors.tables.zones import ADVICE, Zone
from schemas.errors import WrongUse
from streams.numeric.fixed import PRECISION_MAX

MAPS = Path(__file__).with_name("maps")
Unit = Literal["s", "ms", "us", "ns", "iso"]
UNITS: dict[str, int] = {"s": 9, "ms": 6, "us": 3, "ns": 0}
"""Decimals that a number of the unit may have: all of them are read as ns."""
EARLIEST, LATEST = 315_532_800 * 10**9, 4_102_444_800 * 10**9
"""1980 and 2100, ns: within them a number of one unit is none of another."""
TIME_NAMES = (
    "time", "timestamp", "ts", "datetime", "trade_time", "transact_time", "transaction_time",
    "event_time",
)  # fmt: skip
"""Names that a column of times goes by."""
MAKER_NAMES = ("is_buyer_maker",)
BUY_WORDS, SELL_WORDS = ["buy", "b", "bid"], ["sell", "s", "ask"]
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
MAP_ADVICE = "see 'Column maps' of docs/commands.md"


class BadColumnMap(WrongUse):
    """The column map cannot be read, or says something impossible."""

    code = "bad_column_map"


class MissingColumn(WrongUse):
    """The file has no column for a field that is needed."""

    code = "missing_column"


class TimeMap(msgspec.Struct, forbid_unknown_fields=True):
    """How times are written. ``unit``: empty to take it from the size of the first ones."""

    unit: Unit | Literal[""] = ""
    zone: str = ""


class SideMap(msgspec.Struct, forbid_unknown_fields=True):
    """Words of a side, and whose side it is. Both without words: the usual ones."""

    buy: list[str] = []
    sell: list[str] = []
    of: Literal["aggressor", "maker"] = "aggressor"


class FileMap(msgspec.Struct, forbid_unknown_fields=True):
    """How the file is written. ``separator``: empty to take it from the first line."""

    separator: str = ""
    header: bool | Literal["auto"] = True
    doubles: Literal["exact", "nearest"] = "exact"
    price_decimals: Annotated[int, msgspec.Meta(ge=0, le=PRECISION_MAX)] = 0
    ids: Literal["dense", "sparse"] = "dense"


class BarMap(msgspec.Struct, forbid_unknown_fields=True):
    """How bars are cut. ``interval``: empty to take it from the times of the first ones."""

    interval: str = ""
    time: Literal["open", "close"] = "open"


class ColumnMap(msgspec.Struct, forbid_unknown_fields=True):
    """A column map. ``columns`` is empty where the header's well-known names are to be taken."""

    columns: dict[str, str | int] = {}
    time: TimeMap = msgspec.field(default_factory=TimeMap)
    side: SideMap = msgspec.field(default_factory=SideMap)
    file: FileMap = msgspec.field(default_factory=FileMap)
    bars: BarMap = msgspec.field(default_factory=BarMap)
    instrument: dict[str, Any] = {}

    @property
    def interval(self) -> int:
        """The interval of bars, ns; 0 if none is declared."""
        return interval_of(self.bars.interval) if self.bars.interval else 0

    @property
    def zone(self) -> Zone:
        """The zone of times that name none."""
        return Zone(self.time.zone)


def read_map(path: Path | None, kind: Kind) -> ColumnMap:
    """A column map from its file; the empty one without. Raises BadColumnMap."""
    if path is None:
        return ColumnMap()
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        found = msgspec.convert(content, ColumnMap)
    except FileNotFoundError:
        raise BadColumnMap(f"{path} does not exist; name a column map in TOML") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise BadColumnMap(f"{path} cannot be read as TOML: {problem}") from None
    except msgspec.ValidationError as problem:
        raise BadColumnMap(f"{path}: {problem}; {MAP_ADVICE}") from None
    _check(path, found, kind)
    return found


def shipped_map(name: str, interval: str = "") -> ColumnMap:
    """A column map of ``maps/``, of bars of the interval."""
    content = tomllib.loads((MAPS / f"{name}.toml").read_text(encoding="utf-8"))
    found = msgspec.convert(content, ColumnMap)
    return msgspec.structs.replace(found, bars=BarMap(interval=interval))


def interval_of(text: str) -> int:
    """An interval such as 1m in ns. Raises BadColumnMap."""
    match = re.fullmatch(r"([1-9]\d{0,8})(s|m|h|d|w)", text)
    if match is None:
        raise BadColumnMap(f"{text!r} is no interval of bars; write 1s, 5m, 1h, 1d or 1w")
    return int(match[1]) * SECONDS[match[2]] * 10**9


def _check(path: Path, found: ColumnMap, kind: Kind) -> None:
    wrong = sorted(set(found.columns) - set(kind.names))
    if wrong:
        fields = ", ".join(kind.names)
        raise BadColumnMap(
            f"{path}: [columns] {wrong[0]} is no field of {kind.one}; they are {fields}"
        )
    missing = [field for field in kind.needed if field not in found.columns]
    if found.columns and missing:
        raise BadColumnMap(f"{path}: [columns] does not say which column is the {missing[0]}")
    if found.columns and not found.time.unit:
        units = ", ".join(get_args(Unit))
        raise BadColumnMap(f"{path}: [time] unit is not said; it is one of {units}")
    if found.bars.interval:
        interval_of(found.bars.interval)
    are_numbers = all(isinstance(each, int) for each in found.columns.values())
    if found.file.header is not True and not are_numbers:
        raise BadColumnMap(f"{path}: without header a column is its number, from 1: time = 1")
    separator = found.file.separator
    if separator and (len(separator) != 1 or not separator.isascii() or separator.isalnum()):
        raise BadColumnMap(f"{path}: [file] separator is {separator!r}; it is one character")
    if bool(found.side.buy) != bool(found.side.sell):
        has, lacks = ("buy", "sell") if found.side.buy else ("sell", "buy")
        raise BadColumnMap(f"{path}: [side] has words of {has} and none of {lacks}; say both")
    words = [word.lower() for word in (*found.side.buy, *found.side.sell)]
    if len(set(words)) < len(words):
        raise BadColumnMap(f"{path}: [side] has a word twice; buy and sell have words of their own")
    try:
        Zone(found.time.zone)
    except ValueError:
        raise BadColumnMap(f"{path}: [time] zone is {found.time.zone!r}; {ADVICE}") from None


def places_of(file: str, names: Sequence[str], wanted: ColumnMap, kind: Kind) -> dict[str, int]:
    """Which column, from 0, each field is. Raises MissingColumn, BadColumnMap.

    Args:
        names: of the header; where there is none, one for each column.
    """
    if not wanted.columns:
        return _well_known(file, names, kind)
    places: dict[str, int] = {}
    for field, name in wanted.columns.items():
        at = name - 1 if isinstance(name, int) else _find(file, field, name, names)
        if not 0 <= at < len(names):
            raise MissingColumn(
                f"{file} has {len(names)} columns, and no column {name} for {field}"
            )
        places[field] = at
    return places


def _find(file: str, field: str, name: str, names: Sequence[str]) -> int:
    found = [at for at, each in enumerate(names) if each == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise MissingColumn(f"{file} has {len(found)} columns named {name!r}; give each its own")
    has = ", ".join(names)[:200]
    raise MissingColumn(f"{file} has no column {name!r} for {field}; it has {has}")


def _well_known(file: str, names: Sequence[str], kind: Kind) -> dict[str, int]:
    """Columns by the names in use. Raises MissingColumn where one is not there, or is twice."""
    plain = [plain_name(name) for name in names]
    places: dict[str, int] = {}
    for field, known in kind.names.items():
        found = [at for at, name in enumerate(plain) if name in known]
        if len(found) > 1:
            both = " and ".join(names[at] for at in found)
            raise MissingColumn(f"{file}: {both} may each be the {field}; say which with --map")
        if found:
            places[field] = found[0]
        elif field in kind.needed:
            has = ", ".join(names)[:200]
            raise MissingColumn(
                f"{file}: no column is known to be the {field} (it has {has}); say which with --map"
            )
    return places


def side_of(name: str, wanted: ColumnMap) -> SideMap:
    """The side's words; of a column that says whether the buyer was the maker, true and false."""
    if not wanted.columns and plain_name(name) in MAKER_NAMES:
        return SideMap(buy=["true", "1"], sell=["false", "0"], of="maker")
    if not wanted.side.buy:
        return SideMap(buy=BUY_WORDS, sell=SELL_WORDS, of=wanted.side.of)
    return wanted.side
