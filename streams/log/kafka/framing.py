"""Registry framing: magic byte 0, schema id (4 bytes, big-endian), Avro body."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np

from schemas.errors import BadData

HEADER_BYTES = 5
NOT_FRAMED = -1


class BadFraming(BadData):
    """Bytes that do not carry the registry framing."""

    code = "bad_framing"


def header(schema_id: int) -> bytes:
    """The five bytes before a body."""
    return b"\0" + schema_id.to_bytes(4, "big")


def schema_id_of(value: bytes) -> int:
    """The schema id. Raises BadFraming."""
    if len(value) < HEADER_BYTES or value[0] != 0:
        raise BadFraming(
            "the value does not begin with the registry framing (a zero byte and a schema id)"
        )
    return int.from_bytes(value[1:HEADER_BYTES], "big")


class FramedValues(Sequence[bytes]):
    """Values as a partition holds them, kept as one body: a bytes is made only of those that are
    asked for.

    Attributes:
        body: uint8, what follows the framing of each value (the whole of one without framing), one
            behind the other.
        ends: int64[n], where each ends in ``body``.
        schema_ids: int64[n], ``NOT_FRAMED`` for a value without framing.
    """

    def __init__(
        self, body: Any, ends: np.ndarray[Any, Any], schema_ids: np.ndarray[Any, Any]
    ) -> None:
        self.body, self.ends, self.schema_ids = body, ends, schema_ids

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes]:
        if isinstance(index, slice):
            first, last, step = index.indices(len(self))
            if first or step != 1:
                return [self[at] for at in range(first, last, step)]
            return FramedValues(
                self.body[: int(self.ends[last - 1]) if last else 0],
                self.ends[:last],
                self.schema_ids[:last],
            )
        at = range(len(self))[index]
        return self._value(
            int(self.ends[at - 1]) if at else 0, int(self.ends[at]), int(self.schema_ids[at])
        )

    def __iter__(self) -> Iterator[bytes]:
        start = 0
        for end, schema_id in zip(self.ends.tolist(), self.schema_ids.tolist(), strict=True):
            yield self._value(start, end, schema_id)
            start = end

    def _value(self, start: int, end: int, schema_id: int) -> bytes:
        head = b"" if schema_id == NOT_FRAMED else header(schema_id)
        return head + bytes(self.body[start:end])
