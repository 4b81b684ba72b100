"""The projection: a batch of records to rows, in one transaction with the marks that say so.

For each batch, in one transaction:

1. each partition's mark is read and locked, partitions in order, so that two workers never wait for
   each other in a ring;
2. records before the mark are dropped: they are in the tables already; the others must continue it;
3. the others are decoded, and each runs its statement, in the log's order within its topic;
4. the marks move past them.

Whatever fails, the transaction takes all of it back, and the process ends: the next one goes on
from the marks.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import psycopg

from connectors.postgres import marks
from connectors.postgres.database import Session, failed
from connectors.postgres.tables import FILL_IN, TOPICS, precisions, reader, statement
from schemas.errors import BadData, ShrivenError

PRECISIONS = (
    "SELECT price_precision, quantity_precision FROM instruments WHERE instrument = %(instrument)s"
)
# a new instrument fills in the rows of other transactions: either it sees them, or they see it
ALONE = "SELECT pg_advisory_xact_lock(hashtextextended(current_schema, 2))"
BESIDE_OTHERS = "SELECT pg_advisory_xact_lock_shared(hashtextextended(current_schema, 2))"


class PrecisionChanged(BadData):
    """An instrument's integers would mean something else than before."""

    code = "precision_changed"


class GapFound(ShrivenError):
    """Records before this one have not been applied; read again from the mark."""

    code = "gap_found"


class LoggedRecord(NamedTuple):
    """One committed record: ``topic`` by its catalogue name, ``value`` as it lies on the cluster.
    ``after``: the reader has seen that no committed record lies from there to ``offset``; offsets
    themselves have holes, of markers and aborted records.
    """

    topic: str
    partition: int
    offset: int
    value: bytes
    after: int = 0


class Decoder(Protocol):
    """Framed values to records."""

    def records(
        self, topic: str, partition: int, offsets: Sequence[int], values: Sequence[bytes]
    ) -> list[Any]:
        """The records of values of one partition. Raises BadData, naming topic, partition and
        offset.
        """


class Projection:
    """The tables of one schema.

    Args:
        session: of the schema, migrated, in autocommit.
        decoder: framed values to records.
        topic_ids: UUID of every topic on the cluster, by catalogue name.
    """

    def __init__(self, session: Session, decoder: Decoder, topic_ids: Mapping[str, str]) -> None:
        self._session = session
        self._decoder = decoder
        self._topic_ids = topic_ids
        self._expected: dict[marks.Partition, int] = {}
        self._values = {name: reader(name) for name in TOPICS}

    def marks(self) -> dict[marks.Partition, int]:
        """Where every partition goes on. Raises TopicReplaced, DatabaseFailed."""
        try:
            marks.check(self._session, self._topic_ids)
            found = marks.marks(self._session)
        except psycopg.Error as problem:
            raise failed(problem, "reading the marks") from problem
        # whoever asks begins anew: what was left before may have been another owner's since
        self._expected = {}
        return found

    def apply(self, records: Iterable[LoggedRecord]) -> int:
        """Apply a batch, exactly once; returns how many records were new.

        Raises:
            TopicReplaced, RowsReplaced: the tables are not of these topics, or were replaced
                meanwhile.
            GapFound: a record that does not continue what is applied.
            PrecisionChanged, BadData: a record that cannot be projected. DatabaseFailed.
        """
        batch = sorted(
            records,
            key=lambda each: (TOPICS.index(each.topic), each.partition, each.offset, each.after),
        )
        applied = 0
        reached: dict[marks.Partition, int] = {}
        try:
            with self._session.transaction():
                self._session.execute(
                    ALONE if batch and batch[0].topic == "ref.instruments" else BESIDE_OTHERS
                )
                for partition, group in itertools.groupby(
                    batch, key=lambda each: (each.topic, each.partition)
                ):
                    mark = marks.lock(
                        self._session,
                        partition,
                        self._topic_ids[partition[0]],
                        self._expected.get(partition, 0),
                    )
                    new = _without_doubles([each for each in group if each.offset >= mark])
                    reached[partition] = mark
                    if new:
                        _check_chain(mark, new)
                        self._apply_partition(partition, new)
                        reached[partition] = new[-1].offset + 1
                        marks.move(self._session, partition, reached[partition])
                    applied += len(new)
        except psycopg.Error as problem:
            raise failed(problem, "applying records") from problem
        self._expected.update(reached)
        return applied

    def _apply_partition(self, partition: tuple[str, int], new: list[LoggedRecord]) -> None:
        """Statements of one partition's records, equal ones in a row sent together."""
        topic, number = partition
        offsets = [each.offset for each in new]
        decoded = self._decoder.records(topic, number, offsets, [each.value for each in new])
        if topic == "ref.instruments":
            for record, offset in zip(decoded, offsets, strict=True):
                self._apply_instrument(
                    record,
                    f"{topic}/{number}/{offset}",
                    self._values[topic](record, number, offset),
                )
            return
        values = self._values[topic]
        with self._session.cursor() as cursor:
            for query, run in itertools.groupby(
                zip(decoded, offsets, strict=True), key=lambda pair: statement(topic, pair[0])
            ):
                cursor.executemany(
                    query, [values(record, number, offset) for record, offset in run]
                )

    def _apply_instrument(self, record: Any, place: str, values: dict[str, Any]) -> None:
        """A new or changed specification; a new one gives its decimals to the rows that came before
        it.
        """
        known = self._session.execute(PRECISIONS, values).fetchone()
        if known is not None and tuple(known) != precisions(record):
            raise PrecisionChanged(
                f"{place}: instrument {record.instrument} ({record.symbol}) has precisions "
                f"{precisions(record)} where {tuple(known)} hold: every integer on the log would "
                "change its meaning; give the new specification an instrument id of its own"
            )
        self._session.execute(statement("ref.instruments", record), values)
        if known is None:
            for fill_in in FILL_IN:
                self._session.execute(fill_in, values)


def _without_doubles(records: list[LoggedRecord]) -> list[LoggedRecord]:
    """The same without records that one batch holds twice: a rebalance in its middle delivers some
    again.
    """
    return [
        each
        for place, each in enumerate(records)
        if not place or each.offset != records[place - 1].offset
    ]


def _check_chain(mark: int, records: Sequence[LoggedRecord]) -> None:
    """Raises GapFound."""
    position = mark
    for each in records:
        if each.after > position:
            place = f"{each.topic}/{each.partition}"
            raise GapFound(
                f"{place}: offset {each.offset} came, and what lies from {position} to "
                f"{each.after} did not; read again from the mark"
            )
        position = each.offset + 1
