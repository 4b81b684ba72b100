"""Topics that another version wrote: their records as this version's, the fields that it did not
know as null.

A file carries the schema it was written with, a record on a cluster the registry's id of it
(``streams/log/kafka/versions.py``). Where that is not this version's but both read each other's
data (``schemas/compatibility.py``), records are decoded with theirs and encoded with ours as they
are read; what is stored is left as it is, and topic digests are taken over it.
"""

from __future__ import annotations

import functools
import io
import json
from typing import Any, NamedTuple

import fastavro
import numpy as np

from schemas.catalogue import topic as topic_of
from schemas.compatibility import changes
from schemas.forgetting import forgettable
from schemas.general import MalformedRecord, from_avro, plain_schema
from schemas.shapes import schemas, shapes

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Ends = np.ndarray[Any, np.dtype[np.int64]]


class Stored(NamedTuple):
    """What lies in the file where that is not what is read: the body, the position after each
    record, the schema's fingerprint.
    """

    body: Bytes
    ends: Ends
    fingerprint: bytes


class OlderSchema:
    """Reads what was written with another schema of a topic's record.

    Args:
        topic: whose file it is.
        text: the schema in the file's header, which is not this version's.

    Attributes:
        text: the schema, as it was given.
        problems: why this version cannot read it; empty if it can.
    """

    def __init__(self, topic: str, text: str) -> None:
        self.record = topic_of(topic).record
        self.text = text
        written, ours = json.loads(text), schemas()[self.record]
        # the version of the file is an earlier or a later one
        self.problems = changes(written, ours) if changes(ours, written) else []
        if self.problems:
            return
        canonical = fastavro.schema.to_parsing_canonical_form(written)
        self.fingerprint = bytes.fromhex(fastavro.schema.fingerprint(canonical, "SHA-256"))
        self._writer = fastavro.parse_schema(plain_schema(written))
        self._reader = fastavro.parse_schema(plain_schema(ours))
        self._to_struct = from_avro(shapes()[self.record])

    def read(self, body: Bytes, count: int) -> tuple[Bytes, Stored]:
        """A block's body with our schema, and what is stored. Raises MalformedRecord."""
        from schemas.codec import codec  # compiled code: only where such a block is read

        stream = io.BytesIO(body.tobytes())
        found, ends = [], np.empty(count, np.int64)
        for number in range(count):
            try:
                read: Any = fastavro.schemaless_reader(stream, self._writer, self._reader)
                found.append(self._to_struct(read))
            except (
                EOFError,
                IndexError,
                ValueError,
                OverflowError,
                TypeError,
                KeyError,
                MemoryError,
            ) as problem:
                raise MalformedRecord(self.record, number) from problem
            ends[number] = stream.tell()
        if stream.tell() != len(body):
            raise MalformedRecord(
                self.record, count, f"{len(body) - stream.tell()} bytes follow the last record"
            )
        ours = np.frombuffer(codec(self.record).encode_records(found), np.uint8)
        return ours, Stored(body, ends, self.fingerprint)

    def convert(self, body: Any, ends: Ends | None = None) -> tuple[Bytes, Ends]:
        """Values that lie one behind the other, with our schema, and where each ends then.

        Args:
            body: their bytes.
            ends: where each ends; None: it is one.

        Raises:
            MalformedRecord: one is no record of the schema, or does not end where its value does.
        """
        from schemas.codec import codec

        held = np.frombuffer(body, np.uint8)
        count = 1 if ends is None else len(ends)
        ours, stored = self.read(held, count)
        if ends is not None and not np.array_equal(stored.ends, ends):
            raise MalformedRecord(self.record, 0, "a record does not end where its value does")
        return ours, codec(self.record).record_ends(ours, count)


@forgettable
@functools.lru_cache(maxsize=64)
def older_schema(topic: str, text: str) -> OlderSchema:
    """The reader of one schema, made once."""
    return OlderSchema(topic, text)
