"""PostgreSQL projections: orders, fills, positions and P&L of the cluster's topics as tables, each
record applied exactly once.

Topics in: ``ref.instruments orders.requests orders.events fills positions pnl``. Nothing comes out
but rows: a projection holds no truth of its own, and ``sq project rebuild`` makes the same rows
from the topics at any time.

- ``database.py``: which database and schema, and one session of it;
- ``migrations.py`` and ``migrations/``: numbered SQL files, applied in order, recorded with their
  checksums;
- ``tables.py``: what each record does to which table;
- ``marks.py``: how far each partition is applied, kept in the transaction that holds its rows;
- ``projection.py``: one batch, one transaction;
- ``digest.py``: one SHA-256 per table, to prove two projections equal.

Start reading at ``projection.py``.
"""
