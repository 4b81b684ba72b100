"""Which PostgreSQL database and schema a projection lives in, and sessions of it.

``--database`` or ``SQ_POSTGRES_URL`` names the database in any form that libpq reads
(``postgresql://user@host/name``, ``host=... dbname=...``); the password may come from
``PGPASSWORD`` or a password file. The schema is named after the environment, so that two
environments share a database without seeing each other's rows.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql

from schemas.errors import ShrivenError, WrongUse

VARIABLE = "SQ_POSTGRES_URL"
SCHEMA = "shrivenquant"
CONNECT_SECONDS = 10
NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")

Session = psycopg.Connection[Any]


class NoDatabase(WrongUse):
    """No database is named, or its name cannot be read."""

    code = "no_database"


class DatabaseFailed(ShrivenError):
    """PostgreSQL refused or went away; nothing of the open transaction was kept."""

    code = "database_failed"


def find_database(url: str = "", environment: Mapping[str, str] = os.environ) -> str:
    """The connection string: ``url``, else ``SQ_POSTGRES_URL``. Raises NoDatabase."""
    found = url or environment.get(VARIABLE, "")
    if not found:
        raise NoDatabase(
            f"no database is named: give --database postgresql://USER@HOST/NAME or set {VARIABLE}"
        )
    return found


def schema_name(environment: str, given: str = "") -> str:
    """The schema: ``given``, else ``shrivenquant`` or ``shrivenquant_<environment>``. Raises
    NoDatabase for a name that needs quoting.
    """
    name = given or (f"{SCHEMA}_{environment.replace('-', '_')}" if environment else SCHEMA)
    if not NAME.fullmatch(name):
        raise NoDatabase(
            f"{name!r} is no schema name; use lower-case letters, digits and underscores, at "
            "most 63"
        )
    return name


def connect(url: str, schema: str) -> Session:
    """A session whose unqualified names are those of ``schema``, in UTC. Raises NoDatabase,
    DatabaseFailed.
    """
    try:
        session = psycopg.connect(
            url, autocommit=True, connect_timeout=CONNECT_SECONDS, application_name="sq project"
        )
        session.execute(sql.SQL("SET search_path TO {}, pg_catalog").format(sql.Identifier(schema)))
        session.execute("SET TimeZone TO 'UTC'")
    except psycopg.ProgrammingError as problem:
        raise NoDatabase(
            f"the database's address cannot be read ({first_line(problem)}); write "
            "postgresql://USER@HOST:PORT/NAME"
        ) from problem
    except psycopg.Error as problem:
        raise DatabaseFailed(
            f"cannot connect to PostgreSQL: {first_line(problem)}; check the address and that the "
            "server is up"
        ) from problem
    return session


def first_line(problem: psycopg.Error) -> str:
    """PostgreSQL's own words, without its position markers and hints."""
    text = (problem.diag.message_primary if problem.diag else None) or str(problem)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else type(problem).__name__


def failed(problem: psycopg.Error, doing: str) -> DatabaseFailed:
    """The typed error of what PostgreSQL said while ``doing`` something."""
    code = f" [{problem.sqlstate}]" if problem.sqlstate else ""
    return DatabaseFailed(
        f"PostgreSQL failed while {doing}: {first_line(problem)}{code}; nothing of it was kept, "
        "start again once the server can"
    )
