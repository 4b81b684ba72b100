"""A venue's file into the dated table: what changed is added, nothing is overwritten.

A file lists everything that its venues list at ``valid_from``. Of each symbol:

1. its terms differ from those in force then: a fact;
2. it is in force, and not in the file: a fact that it is not listed from then on;
3. the terms are those in force: nothing.

A file of an earlier time than one that was taken before must not change what that one said. So
where 1 or 2 adds a fact before a later file's time, the later file's answer is written out as a
fact at its own time (it had been left out by 3).

All of it is one transaction: a file that is refused leaves the table as it was.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from connectors.instruments import BadInstrumentTable
from connectors.reference.listing import BadDump, BadRow, Listing
from connectors.reference.table import BadReferenceTable, DatedTable, Entry, Fact
from schemas.errors import BadData, ShrivenError, WrongUse

SAMPLES_MAX = 5


class DuplicateListing(BadDump):
    """A file lists one symbol of a venue twice."""

    code = "duplicate_listing"


class ShrunkenDump(BadDump):
    """A file would end most of what a venue lists, or lists nothing."""

    code = "shrunken_dump"


class KnownBefore(WrongUse):
    """A known time that is not after those the table holds: it would change past answers."""

    code = "known_before"


class Source(NamedTuple):
    """A file: its name and digest, and the times, ns UTC, from which it holds and is known."""

    name: str
    digest: str
    valid_from: int
    known_from: int


class Summary(msgspec.Struct):
    """What became of a file. Counts are of instruments."""

    listed: int = 0
    new: int = 0
    changed: int = 0
    ended: int = 0
    unchanged: int = 0
    skipped: int = 0
    skipped_samples: list[str] = []
    venues: list[str] = []
    unknown_filters: dict[str, int] = {}
    already: bool = False


@contextlib.contextmanager
def writable(path: Path) -> Iterator[DatedTable]:
    """The table, made if it is not there; one that was made for a file that is refused goes again.

    Raises:
        BadReferenceTable.
    """
    is_new = not path.exists()
    if path.is_dir():
        raise BadReferenceTable(f"{path} is a folder; name a file, for example {path / 'ref.db'}")
    if is_new:
        path.parent.mkdir(parents=True, exist_ok=True)
    with DatedTable(path, is_new=is_new) as table:
        try:
            yield table
        except BaseException:
            if is_new:
                path.unlink()
            raise


def sync(
    table: DatedTable,
    rows: Iterable[Listing | BadRow | Entry],
    source: Source,
    *,
    skip_bad: bool = False,
    may_shrink: bool = False,
) -> Summary:
    """Take a file into the table.

    Args:
        skip_bad: leave out what cannot be used, and count it; what was in force of it stays.
        may_shrink: the venue did end most of its instruments.

    Raises:
        BadDump, DuplicateListing, ShrunkenDump, KnownBefore, InverseContract: nothing is changed.
    """
    with table.guarded(), table.transaction():
        query = "SELECT digest FROM syncs WHERE valid_from = ? ORDER BY sync DESC LIMIT 1"
        newest = table.database.execute(query, (source.valid_from,)).fetchone()
        if newest == (source.digest,):
            return Summary(already=True)
        (last,) = table.database.execute("SELECT MAX(known_from) FROM syncs").fetchone()
        if last is not None and source.known_from <= last:
            raise KnownBefore(
                "the table has learned of a file at that time, or later: known times only grow, so "
                f"that past answers stay; give a --known-at after {last} (ns), or leave it out"
            )
        return _Sync(table, source, skip_bad, may_shrink).run(rows)


class _Sync:
    """One file under way."""

    def __init__(self, table: DatedTable, source: Source, skip_bad: bool, may_shrink: bool) -> None:
        self._table = table
        self._database = table.database
        self._source = source
        self._skip_bad = skip_bad
        self._may_shrink = may_shrink
        self._later: dict[str, int | None] = {}
        self._summary = Summary()

    def run(self, rows: Iterable[Listing | BadRow | Entry]) -> Summary:
        """Every row, then what is no longer listed."""
        self._database.execute("DROP TABLE IF EXISTS temp.seen")
        self._database.execute(
            "CREATE TEMP TABLE seen (venue TEXT, symbol TEXT, PRIMARY KEY (venue, symbol)) "
            "WITHOUT ROWID"
        )
        for row in rows:
            self._take(row)
        summary = self._summary
        if not summary.listed:
            raise ShrunkenDump(
                f"{self._source.name} lists no instrument that can be used; what is known is kept. "
                "Fetch the file again"
            )
        summary.venues = sorted(self._later)
        for venue in summary.venues:
            self._end(venue)
        self._record()
        return summary

    def _take(self, row: Listing | BadRow | Entry) -> None:
        if isinstance(row, Entry):
            self._see(row.venue, row.symbol)
            self._put(row)
            return
        try:
            if not self._see(row.venue, row.symbol):
                raise DuplicateListing(
                    f"{row.symbol} on {row.venue} is listed twice in {self._source.name}; "
                    "remove one of the two"
                )
            if isinstance(row, BadRow):
                raise row.problem
            entry = _entry(row)
        except BadData as problem:
            self._skip(problem)
            return
        self._summary.listed += 1
        for name in row.unknown_filters:
            counts = self._summary.unknown_filters
            counts[name] = counts.get(name, 0) + 1
        before = self._put(entry)
        if before is None or before.terms is None:
            self._summary.new += 1
        elif before.terms == entry.terms:
            self._summary.unchanged += 1
        else:
            self._summary.changed += 1

    def _skip(self, problem: ShrivenError) -> None:
        """Raises the problem, if nothing is to be left out."""
        if not self._skip_bad:
            raise problem
        self._summary.skipped += 1
        if len(self._summary.skipped_samples) < SAMPLES_MAX:
            self._summary.skipped_samples.append(problem.text)

    def _see(self, venue: str, symbol: str) -> bool:
        """False for a symbol that the file held before."""
        if venue not in self._later:
            query = "SELECT MIN(valid_from) FROM covered WHERE venue = ? AND valid_from > ?"
            found = self._database.execute(query, (venue, self._source.valid_from)).fetchone()
            self._later[venue] = found[0]
        done = self._database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (venue, symbol))
        return bool(done.rowcount)

    def _put(self, entry: Entry) -> Fact | None:
        """The fact in force before; what differs from it is added."""
        before = self._table.at(entry.venue, entry.symbol, self._source.valid_from)
        if before is None or before.terms != entry.terms:
            self._add(entry, before)
        return before

    def _add(self, entry: Entry, before: Fact | None, *, is_listed: bool = True) -> None:
        later = self._later[entry.venue]
        if later is not None:
            self._keep(entry, later)
        terms = entry.terms if is_listed else None
        self._insert(entry, self._source.valid_from, terms)

    def _keep(self, entry: Entry, later: int) -> None:
        """What a file of a later time said stays what it said."""
        then = self._table.at(entry.venue, entry.symbol, later)
        if then is None or then.valid_from != later:
            kept = entry
            if then is not None and then.terms is not None:
                kept = entry._replace(kind=then.kind, expiry=then.expiry)
            self._insert(kept, later, then.terms if then is not None else None)

    def _insert(self, entry: Entry, valid_from: int, terms: bytes | None) -> None:
        row = (
            entry.venue, entry.symbol, valid_from, self._source.known_from,
            entry.kind, entry.label, entry.expiry, terms,
        )  # fmt: skip
        self._database.execute("INSERT INTO facts VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def _end(self, venue: str) -> None:
        """Symbols of the venue that the file does not hold are not listed from its time on."""
        query = (
            "SELECT DISTINCT symbol FROM facts WHERE venue = ? EXCEPT "
            "SELECT symbol FROM seen WHERE venue = ? ORDER BY symbol"
        )
        at = self._source.valid_from
        unexpired = 0
        for (symbol,) in self._database.execute(query, (venue, venue)).fetchall():
            before = self._table.at(venue, symbol, at)
            if before is None or before.terms is None:
                continue
            unexpired += before.expiry is None or before.expiry > at
            gone = Entry(venue, symbol, before.kind, "", before.expiry, b"")
            self._add(gone, before, is_listed=False)
            self._summary.ended += 1
        seen = "SELECT COUNT(*) FROM seen WHERE venue = ?"
        (held,) = self._database.execute(seen, (venue,)).fetchone()
        if unexpired > held and not self._may_shrink:
            raise ShrunkenDump(
                f"{self._source.name} lists {held:,} instruments of {venue} and would end "
                f"{unexpired:,} that have not expired: it looks cut, what is known is kept; "
                "fetch it again, or say --may-shrink if the venue did end them"
            )

    def _record(self) -> None:
        source = self._source
        added = self._database.execute(
            "INSERT INTO syncs (valid_from, known_from, source, digest) VALUES (?, ?, ?, ?)",
            (source.valid_from, source.known_from, source.name, source.digest),
        )
        rows = [(venue, source.valid_from, added.lastrowid) for venue in self._summary.venues]
        self._database.executemany("INSERT INTO covered VALUES (?, ?, ?)", rows)


def _entry(listing: Listing) -> Entry:
    """Raises BadDump; InverseContract."""
    try:
        return listing.entry()
    except BadInstrumentTable as problem:
        raise BadDump(f"{problem.text}; leave it out with --skip-bad") from None
