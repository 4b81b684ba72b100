"""The tables' history: numbered SQL files, each applied once, in order, in a transaction of its
own, and recorded with its SHA-256.

``NNNN_name.sql`` goes up, ``NNNN_name.down.sql`` undoes it. A file that was changed after it was
applied is refused: another database may have the old one, and two projections of one number would
differ. One process migrates at a time (an advisory lock on the schema).
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

import psycopg
from psycopg import sql

from connectors.postgres.database import Session, failed
from schemas.errors import BadData, WrongUse

FOLDER = Path(__file__).resolve().parent / "migrations"
FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
RECORDS = """
CREATE TABLE IF NOT EXISTS migrations (
    number integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class BadMigrations(BadData):
    """The files and what the database says was applied do not agree."""

    code = "bad_migrations"


class Migration(NamedTuple):
    """One numbered step of the tables' history."""

    number: int
    name: str
    up: str
    down: str

    @property
    def sha256(self) -> str:
        """Of the file that goes up."""
        return hashlib.sha256(self.up.encode()).hexdigest()


def migrations(folder: Path = FOLDER) -> list[Migration]:
    """Every migration, in order. Raises BadMigrations for a gap, a doubled number or a missing way
    down.
    """
    found = []
    for path in sorted(folder.glob("*.sql")):
        if path.name.endswith(".down.sql"):
            continue
        match = FILE.fullmatch(path.name)
        if match is None:
            raise BadMigrations(f"{path.name} is no migration; name it NNNN_name.sql, four digits")
        down = path.with_name(path.name.removesuffix(".sql") + ".down.sql")
        if not down.is_file():
            raise BadMigrations(
                f"{path.name} has no {down.name}; a step that cannot be undone needs one that "
                "says so"
            )
        found.append(
            Migration(
                int(match[1]),
                match[2],
                path.read_text(encoding="utf-8"),
                down.read_text(encoding="utf-8"),
            )
        )
    if [each.number for each in found] != list(range(1, len(found) + 1)):
        raise BadMigrations(
            "migrations are numbered 1, 2, 3 and so on, not "
            f"{', '.join(str(each.number) for each in found)}"
        )
    return found


def migrate(
    session: Session, schema: str, to: int | None = None, folder: Path = FOLDER
) -> list[str]:
    """Bring ``schema`` to migration ``to`` (default: the last one), up or down; returns the names
    of the files applied.

    Raises:
        BadMigrations: an applied file was changed, or the database is ahead of these files.
        WrongUse: there is no migration ``to``.
        DatabaseFailed.
    """
    steps = migrations(folder)
    target = len(steps) if to is None else to
    if not 0 <= target <= len(steps):
        raise WrongUse(
            f"there is no migration {target}; the last is {len(steps)}, and 0 is before the first"
        )
    done: list[str] = []
    try:
        session.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
        session.execute("SELECT pg_advisory_lock(hashtextextended(%s, 1))", (schema,))
        try:
            session.execute(RECORDS)
            at = _applied(session, steps)
            for step in steps[at:target]:
                with session.transaction():
                    session.execute(step.up.encode())
                    session.execute(
                        "INSERT INTO migrations (number, name, sha256) VALUES (%s, %s, %s)",
                        (step.number, step.name, step.sha256),
                    )
                done.append(f"{step.number:04}_{step.name}.sql")
            for step in reversed(steps[target:at]):
                with session.transaction():
                    session.execute(step.down.encode())
                    session.execute("DELETE FROM migrations WHERE number = %s", (step.number,))
                done.append(f"{step.number:04}_{step.name}.down.sql")
        finally:
            session.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 1))", (schema,))
    except psycopg.Error as problem:
        raise failed(problem, f"migrating schema {schema}") from problem
    return done


def _applied(session: Session, steps: list[Migration]) -> int:
    """How many are applied, each checked against its file."""
    rows = session.execute("SELECT number, name, sha256 FROM migrations ORDER BY number").fetchall()
    for number, name, recorded in rows:
        if number > len(steps):
            raise BadMigrations(
                f"the database has migration {number:04}_{name}, which this version does not know; "
                "run the version that made it"
            )
        if recorded != steps[number - 1].sha256:
            raise BadMigrations(
                f"migration {number:04}_{name}.sql is not the file that was applied (SHA-256 "
                f"{recorded[:16]}); restore it and add a new one"
            )
    return len(rows)
