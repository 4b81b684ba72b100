"""High-water marks: how far each partition is applied, in the same transaction as its rows.

A mark is the offset of the next record to apply. A record before it is in the tables already,
whoever delivers it again: a restarted worker, a second one after a rebalance, a group whose offsets
were reset. That, and nothing in Kafka, makes the projection exactly once.
"""

from __future__ import annotations

from collections.abc import Mapping

from connectors.postgres.database import Session
from schemas.errors import BadData

Partition = tuple[str, int]
"""(topic by its catalogue name, partition)."""


class TopicReplaced(BadData):
    """The marks are of another topic of the same name."""

    code = "topic_replaced"


class RowsReplaced(BadData):
    """A mark went back: somebody else has rebuilt or emptied the tables."""

    code = "rows_replaced"


def marks(session: Session) -> dict[Partition, int]:
    """The offset of the next record to apply, of every partition that was ever met."""
    rows = session.execute(
        "SELECT topic, partition, next_offset FROM marks ORDER BY topic, partition"
    )
    return {(topic, partition): offset for topic, partition, offset in rows}


def lock(session: Session, partition: Partition, topic_id: str, expected: int) -> int:
    """The mark of a partition, held against others until the transaction ends.

    Args:
        session: inside a transaction.
        partition: which.
        topic_id: the topic's UUID on the cluster now.
        expected: where this worker left it; a mark beyond is another worker's, one before means
            that the rows were replaced.

    Raises:
        TopicReplaced, RowsReplaced.
    """
    name, number = partition
    session.execute(
        "INSERT INTO marks VALUES (%s, %s, %s, 0) ON CONFLICT DO NOTHING", (*partition, topic_id)
    )
    row = session.execute(
        "SELECT topic_id, next_offset FROM marks WHERE topic = %s AND partition = %s FOR UPDATE",
        partition,
    ).fetchone()
    assert row is not None
    check_topic(name, row[0], topic_id)
    if row[1] < expected:
        raise RowsReplaced(
            f"{name}/{number}: the tables were applied to offset {expected} and now end at "
            f"{row[1]}: somebody rebuilt or emptied them; start again"
        )
    return int(row[1])


def move(session: Session, partition: Partition, next_offset: int) -> None:
    """Set the mark, inside the transaction that applied what lies before it."""
    session.execute(
        "UPDATE marks SET next_offset = %s WHERE topic = %s AND partition = %s",
        (next_offset, *partition),
    )


def check(session: Session, topic_ids: Mapping[str, str]) -> None:
    """Raise TopicReplaced unless every mark is of the topic that has its name now. ``topic_ids``:
    UUIDs by catalogue name.
    """
    for name, known in session.execute("SELECT DISTINCT topic, topic_id FROM marks ORDER BY 1, 2"):
        if name in topic_ids:
            check_topic(name, known, topic_ids[name])


def check_topic(name: str, known: str, now: str) -> None:
    """Raises TopicReplaced."""
    if known != now:
        raise TopicReplaced(
            f"{name} is not the topic that the tables were made from (UUID {now}, not {known}): it "
            "was made anew, or this is another cluster; run 'sq project rebuild'"
        )
