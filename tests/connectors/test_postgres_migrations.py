"""Migrations on a real PostgreSQL. Oracle: PostgreSQL's own catalogue of what exists."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from connectors.postgres.database import DatabaseFailed, connect
from connectors.postgres.digest import KEYS
from connectors.postgres.migrations import FOLDER, BadMigrations, migrate, migrations
from connectors.postgres.tables import TABLES
from schemas.errors import WrongUse

EVERYTHING = [f"{each.number:04}_{each.name}.sql" for each in migrations()]


def tables(session: Any, schema: str = "sq") -> set[str]:
    found = session.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = %s", (schema,)
    )
    return {name for (name,) in found}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(FOLDER, tmp_path / "migrations")
    return tmp_path / "migrations"


def test_an_empty_database_gets_every_table_once(database: str) -> None:
    with connect(database, "sq") as session:
        assert migrate(session, "sq") == EVERYTHING
        assert tables(session) == {*TABLES, "marks", "migrations"}
        assert migrate(session, "sq") == []


def test_the_way_down_leaves_nothing_and_up_again_is_the_same(database: str) -> None:
    with connect(database, "sq") as session:
        migrate(session, "sq")
        columns = (
            "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE "
            "table_schema = 'sq' ORDER BY 1, 2"
        )
        before = session.execute(columns).fetchall()
        assert [each.endswith(".down.sql") for each in migrate(session, "sq", 0)] == [True] * len(
            EVERYTHING
        )
        assert tables(session) == {"migrations"}
        assert session.execute(
            "SELECT count(*) FROM pg_proc WHERE pronamespace = 'sq'::regnamespace"
        ).fetchone() == (0,)
        assert migrate(session, "sq") == EVERYTHING
        assert session.execute(columns).fetchall() == before


def test_the_keys_of_the_digest_are_the_primary_keys(database: str) -> None:
    with connect(database, "sq") as session:
        migrate(session, "sq")
        for table, key in KEYS.items():
            query = (
                "SELECT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND "
                "attnum = ANY (indkey) WHERE indisprimary"
            )
            found = session.execute(f"{query} AND indrelid = 'sq.{table}'::regclass".encode())
            assert {name for (name,) in found} == set(key)


def test_a_step_that_fails_leaves_the_steps_before_it(database: str, folder: Path) -> None:
    number = len(EVERYTHING) + 1
    (folder / f"{number:04}_broken.sql").write_text(
        "CREATE TABLE extra (x integer);\nSELECT 1/0;\n"
    )
    (folder / f"{number:04}_broken.down.sql").write_text("DROP TABLE extra;\n")
    with connect(database, "sq") as session:
        with pytest.raises(DatabaseFailed, match="division by zero"):
            migrate(session, "sq", folder=folder)
        assert tables(session) == {*TABLES, "marks", "migrations"}
        (folder / f"{number:04}_broken.sql").write_text("CREATE TABLE extra (x integer);\n")
        assert migrate(session, "sq", folder=folder) == [f"{number:04}_broken.sql"]
        with pytest.raises(BadMigrations, match="run the version that made it"):
            migrate(session, "sq")


def test_a_file_changed_after_it_was_applied_is_refused(database: str, folder: Path) -> None:
    with connect(database, "sq") as session:
        migrate(session, "sq", folder=folder)
        path = folder / EVERYTHING[0]
        path.write_text(path.read_text() + "-- edited\n")
        with pytest.raises(BadMigrations, match=EVERYTHING[0]):
            migrate(session, "sq", folder=folder)


def test_two_that_migrate_at_once_wait_for_each_other(database: str) -> None:
    with connect(database, "sq") as one, connect(database, "sq") as other:
        one.execute("CREATE SCHEMA sq")
        done: list[list[str]] = []
        both = [
            threading.Thread(target=lambda s=each: done.append(migrate(s, "sq")))
            for each in (one, other)
        ]
        for each in both:
            each.start()
        for each in both:
            each.join()
        assert sorted(done) == [[], EVERYTHING]


def test_gaps_strange_names_and_missing_ways_down_are_refused(folder: Path, database: str) -> None:
    (folder / "0009_later.sql").write_text("SELECT 1;")
    with pytest.raises(BadMigrations, match=r"0009_later\.down\.sql"):
        migrations(folder)
    (folder / "0009_later.down.sql").write_text("SELECT 1;")
    with pytest.raises(BadMigrations, match="numbered 1, 2"):
        migrations(folder)
    (folder / "later.sql").write_text("SELECT 1;")
    with pytest.raises(BadMigrations, match="later.sql is no migration"):
        migrations(folder)
    with connect(database, "sq") as session, pytest.raises(WrongUse, match="no migration 99"):
        migrate(session, "sq", 99)
