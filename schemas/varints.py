"""Columns of records whose every field is an Avro int or long, in NumPy alone.

For readers that need a few columns once and must not make a cold start longer: the compiled decoder
of a record costs about 1.5 s of CPU to compile. Such a record's bytes are variable-length integers
one behind the other (Avro 1.12, "int and long": zig-zag, seven bits a byte, the highest bit set on
all bytes but the last), so that a field's place among them says which it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.general import MalformedRecord
from schemas.shapes import schemas

BYTES_MAX = 10
"""The longest integer of 64 bits."""


def has_only_integers(record: str) -> bool:
    """True if every field of the record is an int or a long."""
    return all(field["type"] in ("int", "long") for field in schemas()[record]["fields"])


def integer_columns(
    record: str, body: Any, count: int, names: Sequence[str]
) -> dict[str, NDArray[np.int64]]:
    """The named columns of `count` records.

    Args:
        record: a record of which ``has_only_integers`` holds.
        body: their Avro bytes.

    Raises:
        MalformedRecord: the bytes are not that many records.
    """
    fields = [field["name"] for field in schemas()[record]["fields"]]
    data = np.frombuffer(body, np.uint8) if len(body) else np.zeros(0, np.uint8)
    ends = np.flatnonzero(data < 128)
    starts = np.concatenate([np.zeros(1, np.int64), ends[:-1] + 1]) if len(ends) else ends
    lengths = ends - starts + 1
    is_whole = len(ends) == count * len(fields) and (not len(data) or ends[-1] == len(data) - 1)
    if not is_whole or (len(lengths) and int(lengths.max()) > BYTES_MAX):
        raise MalformedRecord(record, 0, f"{len(data)} bytes are no {count} records")
    found = {}
    for name in names:
        place = fields.index(name)
        first, length = starts[place :: len(fields)], lengths[place :: len(fields)]
        shortest, longest = (int(length.min()), int(length.max())) if count else (0, 0)
        value = np.zeros(count, np.uint64)
        for byte in range(longest):
            rows = slice(None) if byte < shortest else np.flatnonzero(length > byte)
            bits = data[first[rows] + byte].astype(np.uint64) & np.uint64(127)
            value[rows] |= bits << np.uint64(7 * byte)
        found[name] = (value >> np.uint64(1)).view(np.int64) ^ -(value & np.uint64(1)).view(
            np.int64
        )
    return found
