"""The tables from the topics alone: into a schema of their own, beside the old ones, which readers
see until the new ones take their name.

``check`` proves a projection: the same topics, read once from their beginning to exactly the marks
of the tables, must give the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import psycopg
from psycopg import sql

from connectors.framed import decoder
from connectors.postgres.database import Session, connect, failed
from connectors.postgres.digest import TableDigest, digests
from connectors.postgres.marks import marks as marks_of
from connectors.postgres.migrations import migrate
from connectors.postgres.projection import LoggedRecord, Projection
from connectors.postgres.tables import TABLES, TOPICS
from jobs.projection.place import Place, bounds, check_retention, claim, opened, topic_ids
from schemas.errors import WrongUse
from streams.log.kafka.client import KafkaLog
from streams.log.kafka.scan import committed
from streams.log.kafka.transport import Partition

SUFFIX = "_rebuilt"


class Rebuilt(NamedTuple):
    """What a rebuild made: records applied, and the digest of each table."""

    records: int
    tables: dict[str, TableDigest]


class Compared(NamedTuple):
    """Digests of the tables as they are and as the topics make them."""

    records: int
    kept: dict[str, TableDigest]
    rebuilt: dict[str, TableDigest]

    @property
    def differing(self) -> list[str]:
        """Tables whose rows are not those the topics make."""
        return [name for name in TABLES if self.kept[name] != self.rebuilt[name]]


def rebuild(place: Place, from_retained: bool = False) -> Rebuilt:
    """Make the tables anew and put them in the place of the old ones.

    Args:
        place: which.
        from_retained: accept that retention has removed the beginning of a topic; the rows are then
            of what is left.

    Raises:
        WorkerRuns: a worker is at work on the tables. OffsetOutOfRange: the beginning is gone.
        DatabaseFailed, TopicMissing, TransportFailed, BadData.
    """
    with opened(place) as session:
        session.execute(
            sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(place.schema))
        )
        claim(session, place.schema, alone=True)
        found = bounds(place)
        if not from_retained:
            check_retention({}, found)
        ends = {partition: end for partition, (_, end) in found.items()}
        with _beside(place) as (other, name):
            records = _fill(place, other, ends)
            tables = digests(other, name)
            try:
                with session.transaction():
                    session.execute(
                        sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(place.schema))
                    )
                    session.execute(
                        sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(
                            sql.Identifier(name), sql.Identifier(place.schema)
                        )
                    )
            except psycopg.Error as problem:
                raise failed(problem, "putting the rebuilt tables in place") from problem
        return Rebuilt(records, tables)


def check(place: Place) -> Compared:
    """Rebuild beside the tables up to their marks, compare, and forget the rebuilt ones; a worker
    may go on meanwhile.

    Raises:
        WrongUse: there are no tables yet. OffsetOutOfRange: the beginning is gone. DatabaseFailed,
            TopicMissing, TransportFailed, BadData.
    """
    with opened(place) as session:
        try:
            with session.transaction():
                # marks and rows of one moment
                session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                marks = marks_of(session)
                kept = digests(session, place.schema)
        except psycopg.errors.UndefinedTable as problem:
            raise WrongUse(
                f"schema {place.schema} has no tables yet; start with 'sq project run' or 'sq "
                "project rebuild'"
            ) from problem
    check_retention(
        {}, {partition: bound for partition, bound in bounds(place).items() if partition in marks}
    )
    with _beside(place) as (other, name):
        records = _fill(place, other, marks)
        return Compared(records, kept, digests(other, name))


class _beside:
    """A session of an empty, migrated schema beside the place's; what is left of it is dropped at
    the end.
    """

    def __init__(self, place: Place) -> None:
        self.name = f"{place.schema[: 63 - len(SUFFIX)]}{SUFFIX}"
        self.session = connect(place.database, self.name)
        claim(self.session, self.name, alone=True)
        self._drop()
        migrate(self.session, self.name)

    def __enter__(self) -> tuple[Session, str]:
        return self.session, self.name

    def __exit__(self, *_: object) -> None:
        try:
            self._drop()
        finally:
            self.session.close()

    def _drop(self) -> None:
        try:
            self.session.execute(
                sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(self.name))
            )
        except psycopg.Error as problem:
            raise failed(problem, f"dropping {self.name}") from problem


def _fill(place: Place, session: Session, ends: Mapping[Partition, int]) -> int:
    """Apply every committed record before these ends; how many there were."""
    projection = Projection(session, decoder(place.cluster), topic_ids(place))
    return sum(projection.apply(batch) for batch in _records(place, ends))


def _records(place: Place, ends: Mapping[Partition, int]) -> Iterator[list[LoggedRecord]]:
    """Topic after topic, instruments first."""
    log = KafkaLog(place.cluster)
    for topic in TOPICS:
        name = place.cluster.name(topic)
        mine = {(name, number): end for (each, number), end in ends.items() if each == topic}
        if mine:
            for chunk in committed(log, place.group, [name], ends=mine):
                yield [
                    LoggedRecord(topic, each.partition, each.offset, each.value) for each in chunk
                ]
