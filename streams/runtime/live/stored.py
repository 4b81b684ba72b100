"""Ranges of partitions, and the journal as it lies in its topic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.errors import CorruptLog
from streams.log.kafka.framing import HEADER_BYTES
from streams.log.kafka.transport import Chunk, Partition, Reader, TransportFailed
from streams.runtime.journal.batch import Output
from streams.runtime.journal.journal import JournalEntry, decode_entry

FETCH_RECORDS = 10_000
ENDS = "ends"
"""Fact of a Close: by published output, offset behind its last record."""
PATIENCE = 300
"""Empty polls of 0.1 s before a range that is known to be there is given up."""


def read_range(reader: Reader, partition: Partition, start: int, end: int) -> Iterator[Chunk]:
    """Committed records of ``[start, end)``, in pieces. The reader is assigned to this partition
    alone, and stands at ``end`` where there are none.

    Raises:
        TransportFailed: they do not come.
    """
    if start > end:
        return
    reader.assign({partition: start})
    yield from read_on(reader, partition, end)


def read_on(reader: Reader, partition: Partition, end: int) -> Iterator[Chunk]:
    """Committed records from where the reader stands up to ``end``, in pieces. It stands there
    afterwards, whatever more was written meanwhile.

    Raises:
        TransportFailed: they do not come.
    """
    empty = 0
    while reader.position(partition) < end:
        chunk = reader.fetch(FETCH_RECORDS, 0.1)
        if not chunk.offsets:
            empty += 1
            if empty > PATIENCE:
                where = f"{partition[0]}/{partition[1]}"
                raise TransportFailed(
                    f"{where} ends at offset {end} and nothing comes after "
                    f"{reader.position(partition)}; check the broker"
                )
            continue
        empty = 0
        if chunk.offsets[-1] >= end:
            inside = sum(offset < end for offset in chunk.offsets)
            chunk = Chunk(chunk.offsets[:inside], chunk.values[:inside], chunk.timestamp_ms)
        if chunk.offsets:
            yield chunk
    if reader.position(partition) > end:  # what was read of what lies behind was dropped
        reader.assign({partition: end})


def read_journal(
    reader: Reader, partition: Partition, start: int, end: int, previous: bytes | None = None
) -> Iterator[tuple[int, JournalEntry]]:
    """(offset, record) of the journal in order, the chain checked; ``previous`` is the digest the
    first one must continue, None to take it on trust.

    Raises:
        CorruptLog: a record is damaged, or does not continue the one before: the chain has a fork.
    """
    for chunk in read_range(reader, partition, start, end):
        for offset, value in zip(chunk.offsets, chunk.values, strict=True):
            entry = journal_record(partition, offset, value, previous)
            previous = entry.digest
            yield offset, entry


def journal_record(
    partition: Partition, offset: int, value: bytes, previous: bytes | None
) -> JournalEntry:
    """A record of the journal, which must continue the one whose digest is ``previous``.

    Raises:
        CorruptLog: as :func:`read_journal`.
    """
    try:
        entry = decode_entry(value[HEADER_BYTES:])
    except CorruptLog as problem:
        raise CorruptLog(
            f"{partition[0]}/{partition[1]} offset {offset}: {problem.text}"
        ) from problem
    if previous is not None and entry.previous_digest != previous:
        raise CorruptLog(
            f"{partition[0]}/{partition[1]} offset {offset}: journal record {entry.sequence} does "
            "not continue the one before it; two owners wrote this journal, or a record of it is "
            "lost"
        )
    return entry


def framed(
    outputs: Sequence[Output], topics: Sequence[str], headers: Mapping[str, bytes]
) -> list[tuple[str, list[bytes]]]:
    """A batch's outputs to these topics as the values that are written."""
    found = []
    for output in outputs:
        if output.topic in topics:
            bodies = split(output.body, output.count, topic_of(output.topic).record)
            found.append((output.topic, [headers[output.topic] + body for body in bodies]))
    return found


def split(body: Any, count: int, record: str) -> Sequence[bytes]:
    """The records' bodies of a batch's output."""
    view = memoryview(body).cast("B")
    ends = codec(record).record_ends(body, count).tolist()
    starts = [0, *ends[:-1]]
    return [bytes(view[first:last]) for first, last in zip(starts, ends, strict=True)]
