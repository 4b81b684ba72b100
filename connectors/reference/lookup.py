"""Instruments for an import, from tables of text and dated tables alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from connectors.instruments import Key
from connectors.reference.listing import instrument_of, listing_of
from connectors.reference.table import LATEST, DatedTable, Fact
from schemas.errors import WrongUse
from schemas.records import Instrument

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SeveralSpecifications(WrongUse):
    """A dated table holds several specifications of an instrument, and no time was said."""

    code = "several_specifications"


class NotListed(WrongUse):
    """An instrument was not listed at the time that was said."""

    code = "not_listed"


class DatedInstruments(Mapping[Key, Instrument]):
    """Specifications by (venue, symbol).

    The user's own entries win over dated tables, a later dated table over an earlier one, and both
    over the entries that ship. An instrument that ships keeps its number. To iterate is to see the
    entries, and of the dated tables the instruments that have a number, for there may be 100,000.
    """

    def __init__(
        self,
        entries: Mapping[Key, Instrument],
        own: frozenset[Key],
        tables: Sequence[DatedTable],
        as_of: int | None,
        known_at: int,
    ) -> None:
        """Args:
        own: the keys of the user's own entries.
        as_of: valid time, ns UTC; None: a table must hold one specification.
        known_at: known time, ns UTC.
        """
        self._entries = entries
        self._own = own
        self._tables = tables
        self._as_of = as_of
        self._known_at = known_at
        self._taken = frozenset(each.instrument for each in entries.values())

    def __getitem__(self, key: Key) -> Instrument:
        """Raises KeyError; SeveralSpecifications, NotListed."""
        if key not in self._own:
            for table in reversed(self._tables):
                found = self._in(table, key)
                if found is not None:
                    return found
        return self._entries[key]

    def __iter__(self) -> Iterator[Key]:
        yield from self._entries
        seen = set(self._entries)
        for table in self._tables:
            for key in table.numbered():
                if key not in seen:
                    seen.add(key)
                    yield key

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def owner_of(self, number: int) -> Key | None:
        """Whose number it is, of the entries and of what dated tables have numbered."""
        for key, each in self._entries.items():
            if each.instrument == number:
                return key
        owners = (table.owner_of(number) for table in self._tables)
        return next((owner for owner in owners if owner is not None), None)

    def _in(self, table: DatedTable, key: Key) -> Instrument | None:
        venue, symbol = key
        history = table.history(venue, symbol, self._known_at) if symbol else []
        if not history:
            return None
        if self._as_of is None:
            found = self._only(table, key, history)
        else:
            fact = table.at(venue, symbol, self._as_of, self._known_at)
            if fact is None or fact.terms is None:
                raise NotListed(
                    f"{symbol} on {venue} was not listed at {day(self._as_of)}, as {table.path} "
                    f"knows it; its history: sq instruments show {symbol}@{venue} --history "
                    f"--table {table.path}"
                )
            found = instrument_of(listing_of(fact.terms), 1, fact.valid_from)
        ours = self._entries.get(key)
        if ours is not None:
            number = ours.instrument
        else:
            number = table.number(venue, symbol, self._taken)
        return msgspec.structs.replace(found, instrument=number)

    def _only(self, table: DatedTable, key: Key, history: Sequence[Fact]) -> Instrument:
        """The one specification that there is. Raises SeveralSpecifications."""
        found: list[Instrument] = []
        for fact in history:
            if fact.terms is None:
                continue
            each = instrument_of(listing_of(fact.terms), 1, fact.valid_from)
            replace = msgspec.structs.replace
            if all(replace(each, valid_from=one.valid_from) != one for one in found):
                found.append(each)
        if len(found) == 1:
            return found[0]
        times = ", ".join(day(each.valid_from) for each in found)
        raise SeveralSpecifications(
            f"{table.path} holds {len(found)} specifications of {key[1]} on {key[0]}, from "
            f"{times}; say which time counts with --as-of, for example the recording's day"
        )


def opened(
    entries: Mapping[Key, Instrument],
    own: frozenset[Key],
    tables: Sequence[DatedTable],
    as_of: int | None,
    known_at: int | None,
) -> DatedInstruments:
    """The same, with the newest knowledge where no known time is said."""
    return DatedInstruments(entries, own, tables, as_of, LATEST if known_at is None else known_at)


def day(time: int) -> str:
    """A time, ns UTC, to the second, for a person."""
    return (EPOCH + timedelta(seconds=time // 1_000_000_000)).isoformat().replace("+00:00", "Z")
