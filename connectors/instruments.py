"""Instrument specifications: the table that ships (``instruments.toml``), and a user's table that
adds to it or overrides it.

A user's table may be a dated one, which ``sq instruments sync`` made (:mod:`connectors.reference`).

Any other table is TOML, one ``[[instrument]]`` per specification, told apart by (venue, symbol).
Decimals are text, so that nothing passes through a float. An entry of a user's table for a pair
that is there replaces the fields it names; another one is new and must be complete. Its
``initial_margin`` and ``maintenance_margin`` are fractions of a position's value ("0.05") and may
be left out.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from schemas.errors import BadData, WrongUse
from schemas.records import Instrument
from schemas.vocabulary import InstrumentKind
from streams.numeric import fixed
from streams.runtime.order.canary import CANARY_ID

SHIPPED = Path(__file__).with_name("instruments.toml")
FIRST_ID, ID_MAX = 1024, CANARY_ID - 1
"""Ids below the first are for tables; what no table numbers gets one from its name. The book's slot
table ends one later, at the canary's id."""
SECOND = 1_000_000_000
NAMES_MAX = 20
_INVERSE = re.compile(r"[A-Z0-9]+USD_(PERP|\d{6})")
_KINDS = {
    "spot": InstrumentKind.SPOT, "perpetual": InstrumentKind.PERPETUAL,
    "future": InstrumentKind.FUTURE, "equity": InstrumentKind.EQUITY,
    "option": InstrumentKind.OPTION, "index": InstrumentKind.INDEX,
}  # fmt: skip

Key = tuple[str, str]
Tables = Path | str | Sequence[Path] | Mapping[Key, Instrument] | None
"""Of which instruments an import is: a table's file, several in order, or what was loaded."""


class BadInstrumentTable(WrongUse):
    """The table cannot be read, or says something impossible."""

    code = "bad_instrument_table"


class UnknownSymbol(WrongUse):
    """A recording holds a symbol that no table specifies."""

    code = "unknown_symbol"


class InverseContract(WrongUse):
    """A coin-margined contract: quantity is in quote units and P&L in base units, which this
    pipeline does not compute.
    """

    code = "inverse_contract"


class NumbersExhausted(WrongUse):
    """Every number that an instrument can have is given."""

    code = "numbers_exhausted"


class Specification(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of a table, as people write it: decimals in base (quantities) or quote (prices,
    notional) units, as text.
    """

    instrument: int
    venue: str
    symbol: str
    kind: Literal["spot", "perpetual", "future", "equity", "option", "index"]
    base: str
    quote: str
    price_precision: int
    quantity_precision: int
    tick_size: str
    lot_size: str
    minimum_quantity: str
    maximum_quantity: str
    minimum_notional: str
    multiplier: int = 1
    shortable: bool = False
    funding_hours: int = 0
    expiry: datetime | None = None
    valid_from: datetime
    initial_margin: str = ""
    maintenance_margin: str = ""


def load(
    paths: Sequence[Path] = (), as_of: int | None = None, known_at: int | None = None
) -> Mapping[Key, Instrument]:
    """Specifications by (venue, symbol): the shipped table, then each of ``paths`` in turn.

    Args:
        as_of: of dated tables, the time that counts, ns UTC; None: they hold one specification.
        known_at: of dated tables, what was known then, ns UTC; None: what is known now.

    Raises:
        BadInstrumentTable: names the file, the entry and the field. InverseContract: names the
            symbol.
        BadReferenceTable: a dated table cannot be read.
    """
    from connectors.reference.table import DatedTable, is_dated

    dated = [Path(path) for path in paths if is_dated(Path(path))]
    entries: dict[Key, dict[str, Any]] = {}
    own: dict[Key, None] = {}
    for path in (SHIPPED, *(Path(each) for each in paths)):
        if path in dated:
            continue
        for number, entry in enumerate(_entries(path), 1):
            key = (str(entry.get("venue", "")), str(entry.get("symbol", "")))
            if not all(key):
                raise BadInstrumentTable(f"{path}: entry {number} needs a venue and a symbol")
            entries[key] = {**entries.get(key, {}), **entry}
            if path != SHIPPED:
                own[key] = None
    table = {key: specified(key, entry) for key, entry in entries.items()}
    _check_ids(table)
    if not dated:
        if as_of is not None or known_at is not None:
            raise WrongUse(
                "--as-of and --known-at are of a dated table; name one with --instruments, "
                "made by 'sq instruments sync'"
            )
        return table
    from connectors.reference.lookup import opened

    tables = [DatedTable(path) for path in dated]
    return opened(table, frozenset(own), tables, as_of, known_at)


def loaded(instruments: Tables) -> Mapping[Key, Instrument]:
    """What an import was given, as specifications. Raises as :func:`load`."""
    if isinstance(instruments, Mapping):
        return instruments
    given = [instruments] if isinstance(instruments, str | Path) else instruments or []
    return load([Path(each) for each in given])


def find(table: Mapping[Key, Instrument], venue: str, symbol: str) -> Instrument:
    """The specification of a symbol at a venue. Raises UnknownSymbol, InverseContract."""
    found = table.get((venue, symbol))
    if found is None:
        refuse_inverse(symbol)
        known = sorted(other for at, other in table if at == venue)
        has = ", ".join(known[:NAMES_MAX]) or "none"
        raise UnknownSymbol(
            f"{symbol} on {venue} is in no instrument table (it has {has}); add it with "
            "--instruments TABLE.toml"
        )
    return found


def owner_of(table: Mapping[Key, Instrument], number: int) -> Key | None:
    """Whose number it is; None for one that is free."""
    from connectors.reference.lookup import DatedInstruments

    if isinstance(table, DatedInstruments):
        return table.owner_of(number)
    return next((key for key, each in table.items() if each.instrument == number), None)


def number_of(symbol: str, venue: str) -> int:
    """A number of the name alone, so that it is the same in every import."""
    digest = hashlib.sha256(f"{venue}:{symbol}".encode()).digest()
    return FIRST_ID + int.from_bytes(digest[:8], "big") % (ID_MAX + 1 - FIRST_ID)


def decimals_of(text: str) -> int:
    """Decimals of a step, as it is written."""
    return len(text.partition(".")[2])


def refuse_inverse(symbol: str) -> None:
    """Raises InverseContract for a coin-margined symbol, ``BTCUSD_PERP`` or ``BTCUSD_240927``."""
    if _INVERSE.fullmatch(symbol):
        raise InverseContract(
            f"{symbol} is an inverse contract (margined and settled in the coin); import its "
            "USDT-margined twin instead"
        )


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInstrumentTable(
            f"{path} does not exist; name an instrument table in TOML"
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise BadInstrumentTable(f"{path} cannot be read as TOML: {problem}") from None
    entries = content.pop("instrument", None)
    if (
        content
        or not isinstance(entries, list)
        or not all(isinstance(entry, dict) for entry in entries)
    ):
        raise BadInstrumentTable(
            f"{path} must hold [[instrument]] entries and nothing else; see "
            "connectors/instruments.toml"
        )
    return entries


def specified(key: Key, entry: dict[str, Any]) -> Instrument:
    """The record of one entry, checked. Raises BadInstrumentTable, InverseContract."""
    name = ":".join(key)
    refuse_inverse(key[1])
    try:
        given = msgspec.convert(entry, Specification)
    except msgspec.ValidationError as problem:
        raise BadInstrumentTable(
            f"instrument {name}: {problem}; see connectors/instruments.toml for an entry"
        ) from None
    price, quantity = given.price_precision, given.quantity_precision
    if not (
        0 <= price <= fixed.PRECISION_MAX
        and 0 <= quantity <= fixed.PRECISION_MAX
        and 1 <= given.instrument <= ID_MAX
    ):
        raise BadInstrumentTable(
            f"instrument {name}: precisions must be 0 to {fixed.PRECISION_MAX}, the instrument "
            f"number 1 to {ID_MAX}"
        )
    numbers = {}
    for field, precision in (
        ("tick_size", price),
        ("lot_size", quantity),
        ("minimum_quantity", quantity),
        ("maximum_quantity", quantity),
        ("minimum_notional", price + quantity),
    ):
        try:
            numbers[field] = fixed.parse(getattr(given, field), precision)
        except BadData as problem:
            raise BadInstrumentTable(f"instrument {name}: {field}: {problem}") from None
    if (
        numbers["tick_size"] <= 0
        or numbers["lot_size"] <= 0
        or min(numbers.values()) < 0
        or given.multiplier < 1
    ):
        raise BadInstrumentTable(
            f"instrument {name}: tick_size, lot_size and multiplier must be positive, the limits "
            "not negative"
        )
    return Instrument(
        given.instrument,
        given.venue,
        given.symbol,
        int(_KINDS[given.kind]),
        given.base,
        given.quote,
        price,
        quantity,
        numbers["tick_size"],
        numbers["lot_size"],
        numbers["minimum_quantity"],
        numbers["maximum_quantity"],
        numbers["minimum_notional"],
        given.multiplier,
        given.shortable,
        given.funding_hours * 3600 * SECOND,
        None if given.expiry is None else _nanoseconds(name, given.expiry),
        _nanoseconds(name, given.valid_from),
        0,
        0,
        _margin(name, "initial_margin", given.initial_margin),
        _margin(name, "maintenance_margin", given.maintenance_margin),
    )


def _margin(name: str, field: str, text: str) -> int | None:
    """A margin in units of 10^-8; None where there is none. Raises BadInstrumentTable."""
    if not text:
        return None
    rate = fixed.rate(text)
    if rate is None:
        raise BadInstrumentTable(f"instrument {name}: {field} is {text!r}; {fixed.RATE_ADVICE}")
    return rate


def _nanoseconds(name: str, time: datetime) -> int:
    """Nanoseconds since 1970 of an aware time. Raises BadInstrumentTable for a naive one: whose
    midnight would it be?
    """
    if time.tzinfo is None:
        raise BadInstrumentTable(
            f"instrument {name}: {time.isoformat()} has no time zone; write {time.isoformat()}Z "
            "for UTC"
        )
    return int(time.timestamp()) * SECOND + time.microsecond * 1000


def _check_ids(table: dict[Key, Instrument]) -> None:
    owner: dict[int, Key] = {}
    for key, found in table.items():
        other = owner.setdefault(found.instrument, key)
        if other != key:
            raise BadInstrumentTable(
                f"instrument number {found.instrument} is given to {':'.join(other)} and to "
                f"{':'.join(key)}; choose a free one"
            )
