"""Where a projection reads and writes: the cluster's topics, the database and its schema."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import msgspec
import psycopg

from connectors.postgres.database import Session, connect, failed, find_database, schema_name
from connectors.postgres.tables import TABLES, TOPICS
from schemas.errors import WrongUse
from streams.log.kafka.client import KafkaLog
from streams.log.kafka.cluster import Cluster, find_cluster
from streams.log.kafka.scan import committed, facts_of
from streams.log.kafka.transport import OffsetOutOfRange, Partition

COUNTED_OFFSETS_MAX = 100_000
CLAIM_SECONDS = 2.0


class WorkerRuns(WrongUse):
    """Tables cannot be replaced under a worker."""

    code = "worker_runs"


class Place(msgspec.Struct, frozen=True):
    """A cluster, a database on it that is to follow it, and the schema of the tables."""

    cluster: Cluster
    database: str
    schema: str

    @property
    def group(self) -> str:
        """The worker's consumer group: for tools, its offsets are never read back."""
        return self.cluster.name("projection")

    @property
    def topics(self) -> dict[str, str]:
        """Catalogue name by name on the cluster."""
        return {self.cluster.name(name): name for name in TOPICS}


def place(cluster: str, database: str, schema: str) -> Place:
    """From a command's options. Raises NoCluster, BadClusterFile, NoDatabase."""
    found = find_cluster(cluster)
    return Place(found, find_database(database), schema_name(found.environment, schema))


def topic_ids(place: Place) -> dict[str, str]:
    """UUID of every topic, by catalogue name. Raises TopicMissing, TransportFailed."""
    facts = facts_of(KafkaLog(place.cluster), list(place.topics))
    return {place.topics[name]: each.topic_id for name, each in facts.items()}


def bounds(place: Place) -> dict[Partition, tuple[int, int]]:
    """(log-start offset, last stable offset) by catalogue name and partition, asked now. Raises
    TopicMissing, TransportFailed.
    """
    log = KafkaLog(place.cluster)
    facts = facts_of(log, list(place.topics))
    reader = log.reader(place.group)
    try:
        partitions = [
            (name, number) for name, each in facts.items() for number in range(each.partitions)
        ]
        return {
            (place.topics[name], number): (reader.start((name, number)), reader.end((name, number)))
            for name, number in partitions
        }
    finally:
        reader.close()


def check_retention(
    marks: Mapping[Partition, int], found: Mapping[Partition, tuple[int, int]]
) -> None:
    """Raise OffsetOutOfRange where retention has removed records that are not in the tables."""
    for (name, number), (start, _) in found.items():
        mark = marks.get((name, number), 0)
        if mark < start:
            raise OffsetOutOfRange(
                f"{name}/{number} begins at offset {start}, the tables end before {mark}: records "
                "between are gone from the cluster; restore them from an archive, or accept the "
                "loss with 'sq project rebuild --from-retained'"
            )


@contextmanager
def opened(place: Place) -> Iterator[Session]:
    """A session of the schema. Raises NoDatabase, DatabaseFailed."""
    session = connect(place.database, place.schema)
    try:
        yield session
    finally:
        session.close()


def claim(session: Session, schema: str, alone: bool) -> None:
    """Say that this session works on the tables: workers beside each other, a rebuild alone.

    It ends with the session. The server keeps that of a process that was killed for a moment, so a
    claim that is refused is made again for two seconds.

    Raises:
        WorkerRuns: it is still refused.
    """
    until = time.monotonic() + CLAIM_SECONDS
    while not (is_ours := _try_to_claim(session, schema, alone)) and time.monotonic() < until:
        time.sleep(CLAIM_SECONDS / 20)
    if not is_ours:
        raise WorkerRuns(
            f"a worker ('sq project run') is applying records to schema {schema}; stop it, then "
            "rebuild"
            if alone
            else f"schema {schema} is being rebuilt; start again when 'sq project rebuild' has "
            "ended"
        )


def _try_to_claim(session: Session, schema: str, alone: bool) -> bool:
    call = "pg_try_advisory_lock" if alone else "pg_try_advisory_lock_shared"
    try:
        query = f"SELECT {call}(hashtextextended(%s, 3))".encode()
        row = session.execute(query, (schema,)).fetchone()
    except psycopg.Error as problem:
        raise failed(problem, "claiming the tables") from problem
    return row is not None and bool(row[0])


def has_tables(session: Session, schema: str) -> bool:
    """True if a projection was ever made in the schema."""
    row = session.execute("SELECT to_regclass(%s) IS NOT NULL", (f"{schema}.marks",)).fetchone()
    return bool(row and row[0])


def row_counts(session: Session) -> dict[str, int]:
    """Rows by table."""
    query = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM {name}" for name in TABLES)
    return dict(session.execute(query.encode()).fetchall())


def waiting_records(
    place: Place, marks: Mapping[Partition, int], found: Mapping[Partition, tuple[int, int]]
) -> dict[Partition, int]:
    """Committed records that are not in the tables, counted: offsets alone cannot tell, for markers
    have some. A partition that is further behind than is worth reading for an answer is left out.
    """
    places = {each: (max(start, marks.get(each, 0)), end) for each, (start, end) in found.items()}
    near = {
        each: bound for each, bound in places.items() if bound[1] - bound[0] <= COUNTED_OFFSETS_MAX
    }
    counts = dict.fromkeys(near, 0)
    positions = {
        (place.cluster.name(name), number): start for (name, number), (start, _) in near.items()
    }
    ends = {(place.cluster.name(name), number): end for (name, number), (_, end) in near.items()}
    for chunk in committed(
        KafkaLog(place.cluster), place.group, list(place.topics), positions, ends
    ):
        for each in chunk:
            counts[place.topics[each.topic], each.partition] += 1
    return counts
