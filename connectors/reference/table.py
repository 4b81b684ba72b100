"""The dated table: a SQLite file of what was in force when, and when that became known.

A fact says: from ``valid_from`` on, these are the terms of (venue, symbol); no terms: it is not
listed. It is known from ``known_from`` on. Facts are only added, and their known times only grow,
so an answer as known at a time that has passed never changes. The answer for a time is the fact
with the latest ``valid_from`` not after it, of several the one known last.

Instruments go by (venue, symbol). A number, which records carry, is given to an instrument when it
is first used, and is its own from then on.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from connectors.instruments import FIRST_ID, ID_MAX, NumbersExhausted, number_of
from schemas.errors import WrongUse

LATEST = (1 << 63) - 1
"""As a time to ask for: whatever is known, or in force, last."""
_MAGIC = b"SQLite format 3\x00"
_APPLICATION = 0x53515246
_SCHEMA = """
CREATE TABLE syncs (
    sync INTEGER PRIMARY KEY, valid_from INTEGER NOT NULL, known_from INTEGER NOT NULL UNIQUE,
    source TEXT NOT NULL, digest TEXT NOT NULL
);
CREATE TABLE covered (
    venue TEXT NOT NULL, valid_from INTEGER NOT NULL, sync INTEGER NOT NULL,
    PRIMARY KEY (venue, valid_from, sync)
) WITHOUT ROWID;
CREATE TABLE facts (
    venue TEXT NOT NULL, symbol TEXT NOT NULL, valid_from INTEGER NOT NULL,
    known_from INTEGER NOT NULL, kind TEXT NOT NULL, label TEXT NOT NULL, expiry INTEGER,
    terms BLOB,
    PRIMARY KEY (venue, symbol, valid_from, known_from)
) WITHOUT ROWID;
CREATE TABLE numbers (
    number INTEGER PRIMARY KEY, venue TEXT NOT NULL, symbol TEXT NOT NULL, UNIQUE (venue, symbol)
);
"""
_IN_FORCE = """
SELECT valid_from, known_from, kind, expiry, terms FROM facts
WHERE venue = ? AND symbol = ? AND valid_from <= ? AND known_from <= ?
ORDER BY valid_from DESC, known_from DESC LIMIT 1
"""
_HISTORY = """
SELECT valid_from, known_from, kind, expiry, terms FROM facts
WHERE venue = ? AND symbol = ? AND known_from <= ? ORDER BY valid_from, known_from
"""
_FIND = """
SELECT DISTINCT venue, symbol FROM facts WHERE symbol <> ''
AND (symbol LIKE :text ESCAPE '\\' OR label LIKE :text ESCAPE '\\')
AND (:venue = '' OR venue = :venue) AND (:kind = '' OR kind = :kind) ORDER BY venue, symbol
"""


class BadReferenceTable(WrongUse):
    """The file is no dated table of instruments, or cannot be read or written."""

    code = "bad_reference_table"


class Entry(NamedTuple):
    """What a venue lists under a symbol. ``label`` is searched, ``expiry`` is ns UTC."""

    venue: str
    symbol: str
    kind: str
    label: str
    expiry: int | None
    terms: bytes


class Fact(NamedTuple):
    """A row of the table; ``terms`` None: not listed from then on. Times are ns UTC."""

    valid_from: int
    known_from: int
    kind: str
    expiry: int | None
    terms: bytes | None


def is_dated(path: Path) -> bool:
    """True for a SQLite file, whatever its name."""
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


class DatedTable:
    """The look-ups. Times are ns UTC; ``as_of`` is valid time, ``known_at`` known time."""

    def __init__(self, path: Path, *, is_new: bool = False) -> None:
        """Open a table, or make one. Raises BadReferenceTable."""
        self.path = path
        if not is_new and not is_dated(path):
            what = "is no table of instruments" if path.exists() else "does not exist"
            raise BadReferenceTable(
                f"{path} {what}; make one: "
                f"sq instruments sync --file exchangeInfo.json --out {path}"
            )
        with self.guarded():
            self.database = sqlite3.connect(path, isolation_level=None)
            if is_new:
                self.database.executescript(_SCHEMA)
                self.database.execute(f"PRAGMA application_id = {_APPLICATION}")
            (application,) = self.database.execute("PRAGMA application_id").fetchone()
        if application != _APPLICATION:
            self.database.close()
            raise BadReferenceTable(
                f"{path} is a SQLite file, but no table of instruments; name another one"
            )

    def __enter__(self) -> DatedTable:
        return self

    def __exit__(self, *_ending: object) -> None:
        self.close()

    def close(self) -> None:
        """The file is let go."""
        self.database.close()

    def at(
        self, venue: str, symbol: str, as_of: int = LATEST, known_at: int = LATEST
    ) -> Fact | None:
        """The fact in force; None where nothing was known of the symbol."""
        with self.guarded():
            found = self.database.execute(_IN_FORCE, (venue, symbol, as_of, known_at)).fetchone()
        return None if found is None else Fact(*found)

    def history(self, venue: str, symbol: str, known_at: int = LATEST) -> list[Fact]:
        """Every fact of a symbol, by the time it holds from, then by when it became known."""
        with self.guarded():
            rows = self.database.execute(_HISTORY, (venue, symbol, known_at)).fetchall()
        return [Fact(*row) for row in rows]

    def find(
        self,
        text: str,
        venue: str = "",
        kind: str = "",
        as_of: int = LATEST,
        known_at: int = LATEST,
    ) -> Iterator[tuple[str, str, Fact]]:
        """Listed instruments whose symbol, name or underlying contains the text in any case."""
        escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        wanted = {"text": f"%{escaped}%", "venue": venue, "kind": kind}
        with self.guarded():
            for at, symbol in self.database.execute(_FIND, wanted):
                fact = self.at(at, symbol, as_of, known_at)
                if fact is not None and fact.terms is not None:
                    yield at, symbol, fact

    def counts(self) -> list[tuple[str, str, int]]:
        """(venue, kind, symbols that were ever listed), in order."""
        query = (
            "SELECT venue, kind, COUNT(DISTINCT symbol) FROM facts "
            "WHERE symbol <> '' AND terms IS NOT NULL GROUP BY venue, kind ORDER BY venue, kind"
        )
        with self.guarded():
            return self.database.execute(query).fetchall()

    def syncs(self) -> list[tuple[str, int, int]]:
        """(file, valid_from, known_from) of each file that was taken, in order."""
        query = "SELECT source, valid_from, known_from FROM syncs ORDER BY sync"
        with self.guarded():
            return self.database.execute(query).fetchall()

    def numbered(self) -> list[tuple[str, str]]:
        """(venue, symbol) of the instruments that have a number, in order of it."""
        with self.guarded():
            query = "SELECT venue, symbol FROM numbers ORDER BY number"
            return self.database.execute(query).fetchall()

    def owner_of(self, number: int) -> tuple[str, str] | None:
        """(venue, symbol) of a number that was given."""
        with self.guarded():
            query = "SELECT venue, symbol FROM numbers WHERE number = ?"
            found = self.database.execute(query, (number,)).fetchone()
        return None if found is None else (found[0], found[1])

    def number(self, venue: str, symbol: str, taken: frozenset[int] = frozenset()) -> int:
        """The instrument's number, given now if it has none. Raises NumbersExhausted.

        It is the one that a column map's instrument of that name gets, or the next that is free.

        Args:
            taken: numbers that other tables give.
        """
        query, key = "SELECT number FROM numbers WHERE venue = ? AND symbol = ?", (venue, symbol)
        with self.guarded():
            found = self.database.execute(query, key).fetchone()
        if found is not None:
            return int(found[0])
        with self.guarded(), self.transaction():
            used = taken | {row[0] for row in self.database.execute("SELECT number FROM numbers")}
            span, first = ID_MAX + 1 - FIRST_ID, number_of(symbol, venue) - FIRST_ID
            free = (FIRST_ID + (first + step) % span for step in range(span))
            number = next((each for each in free if each not in used), None)
            if number is None:
                raise NumbersExhausted(
                    f"{self.path} has given all of its {span} numbers; use another table, "
                    "made by syncing the same files, for these recordings"
                )
            added = "INSERT OR IGNORE INTO numbers VALUES (?, ?, ?)"
            self.database.execute(added, (number, venue, symbol))
            return int(self.database.execute(query, key).fetchone()[0])

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it, or nothing."""
        self.database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.database.execute("ROLLBACK")
            raise
        self.database.execute("COMMIT")

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """What SQLite refuses is said in our words. Raises BadReferenceTable."""
        try:
            yield
        except sqlite3.Error as problem:
            raise BadReferenceTable(
                f"{self.path} cannot be used as a table of instruments: {problem}; "
                "end other commands that use it, or sync the files into a new one"
            ) from None
