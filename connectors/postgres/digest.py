"""One SHA-256 per table over its rows in the order of their key: equal digests are equal rows,
every column, every decimal's last zero.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import psycopg
from psycopg import sql

from connectors.postgres.database import Session, failed
from connectors.postgres.tables import TABLES

KEYS = {
    "instruments": ("instrument",),
    "orders": ("order_id",),
    "fills": ("log_partition", "log_offset"),
    "positions": ("account", "strategy", "instrument"),
    "pnl": ("log_partition", "log_offset"),
}
COLUMNS = (
    "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND "
    "table_name = %s ORDER BY ordinal_position"
)


class TableDigest(NamedTuple):
    """A table's rows and their SHA-256, hexadecimal."""

    rows: int
    sha256: str


def digests(session: Session, schema: str) -> dict[str, TableDigest]:
    """Digest of every table of records; call inside one transaction for one moment's view. Raises
    DatabaseFailed.
    """
    try:
        return {table: _digest(session, schema, table) for table in TABLES}
    except psycopg.Error as problem:
        raise failed(problem, f"reading schema {schema}") from problem


def _digest(session: Session, schema: str, table: str) -> TableDigest:
    """PostgreSQL's text form of COPY: one line a row, tabs between columns, escaped; the columns'
    names stand before the rows.
    """
    keys = sql.SQL(", ").join(map(sql.Identifier, KEYS[table]))
    query = sql.SQL("COPY (SELECT * FROM {}.{} ORDER BY {}) TO STDOUT").format(
        sql.Identifier(schema), sql.Identifier(table), keys
    )
    columns = [name for (name,) in session.execute(COLUMNS, (schema, table))]
    found = hashlib.sha256("\t".join(columns).encode())
    count = 0
    with session.cursor() as cursor, cursor.copy(query) as rows:
        for chunk in rows:
            found.update(b"\n")
            found.update(bytes(chunk).rstrip(b"\n"))
            count += 1
    return TableDigest(count, found.hexdigest())
