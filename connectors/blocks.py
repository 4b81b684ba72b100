"""Records to blocks of a topic, and the manifest that closes a log. Every connector writes through
these.

A block holds at most 16,384 records and at most 4 MB, so that a reader of blocks needs little
memory whatever was recorded.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from schemas.catalogue import topic as topic_of
from schemas.codec import Codec, codec
from schemas.shapes import time_field
from streams.log.digest import TopicDigest
from streams.log.local import LocalLog
from streams.log.manifest import LOG_MANIFEST, write_manifest
from streams.log.verify import file_entries

Array = np.ndarray[Any, Any]

BLOCK_RECORDS = 16_384
BLOCK_BYTES = 4 << 20
RECORD_BYTES = 160
"""More than any record but its levels, text and payload takes."""
LEVEL_BYTES = 20


def extra_bytes(record: Any) -> int:
    """A bound on the bytes of a record's levels, text and payload."""
    values = [getattr(record, name) for name in record.__struct_fields__]
    return sum(
        LEVEL_BYTES * len(value) if isinstance(value, list) else 4 * len(value)
        for value in values
        if isinstance(value, list | str | bytes)
    )


class TopicBlocks:
    """One topic being written: records or rows in, blocks out, its digest along the way.

    Attributes:
        count: records so far, those not yet in a block included.
        time_max: running maximum of their event times, ns UTC.
    """

    def __init__(self, log: LocalLog, topic: str) -> None:
        self.topic = topic
        self.count = 0
        self.time_max = 0
        self._codec: Codec = codec(topic_of(topic).record)
        self._writer = log.writer(topic)
        self._digest = TopicDigest(self._codec.fingerprint)
        self._records: list[Any] = []
        self._bytes = 0

    def add(self, record: Any, event_time: int = 0, extra_bytes: int = 0) -> None:
        """One record. ``extra_bytes``: a bound on its levels, text and payload. Raises LogFull,
        LogWriteFailed.
        """
        size = RECORD_BYTES + extra_bytes
        if len(self._records) >= BLOCK_RECORDS or self._bytes + size > BLOCK_BYTES:
            self.flush()
        self._records.append(record)
        self._bytes += size
        self.count += 1
        if event_time > self.time_max:
            self.time_max = event_time

    def add_rows(self, rows: Array, levels: Array | None = None) -> None:
        """Rows of any number, in blocks of their own; depth rows with their table of levels. Raises
        LogFull, LogWriteFailed.
        """
        self.flush()
        for first, end in _pieces(rows, levels is not None):
            piece = rows[first:end]
            body = (
                self._codec.encode_rows(piece, len(piece))
                if levels is None
                else self._codec.encode_rows(piece, len(piece), levels)
            )
            self.count += len(piece)
            time = time_field(piece.dtype.names)
            if time in piece.dtype.names:
                self.time_max = max(self.time_max, int(piece[time].max()))
            self._append(body, len(piece))

    def flush(self) -> None:
        """What was added is in a block after this."""
        if self._records:
            found, self._records, self._bytes = self._records, [], 0
            self._append(self._codec.encode_records(found), len(found))

    def _append(self, body: Any, count: int) -> None:
        self._writer.append(body, count, self.time_max)
        self._digest.update(body, count, partial(self._codec.end_of, body))

    def entry(self) -> dict[str, Any]:
        """The topic's entry in the manifest."""
        return {"count": self.count, "digest": self._digest.digest().hex()}


def _pieces(rows: Array, has_levels: bool) -> Iterable[tuple[int, int]]:
    """(first, end) of blocks that keep both bounds."""
    if not has_levels:
        for first in range(0, len(rows), BLOCK_RECORDS):
            yield first, min(first + BLOCK_RECORDS, len(rows))
        return
    size = np.cumsum(
        RECORD_BYTES + LEVEL_BYTES * (rows["bid_count"].astype(np.int64) + rows["ask_count"])
    )
    first = 0
    while first < len(rows):
        before = int(size[first - 1]) if first else 0
        end = int(np.searchsorted(size, before + BLOCK_BYTES, side="right"))
        end = min(max(end, first + 1), first + BLOCK_RECORDS, len(rows))
        yield first, end
        first = end


def close_log(
    log: LocalLog, topics: Iterable[TopicBlocks], facts: dict[str, Any]
) -> dict[str, Any]:
    """Write what is pending, close the log with ``log.json`` and return the manifest's content.

    Args:
        topics: every topic that was written.
        facts: what else the manifest should say: provenance, sources, counts. No paths of this
            machine, no wall-clock time.
    """
    written = list(topics)
    for each in written:
        each.flush()
    log.close()
    manifest = {
        **facts,
        "topics": {
            each.topic: each.entry() for each in sorted(written, key=lambda each: each.topic)
        },
        "files": file_entries(log.path),
    }
    write_manifest(log.path / LOG_MANIFEST, manifest)
    return manifest
