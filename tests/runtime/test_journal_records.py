"""Journal records: the same Avro as fastavro's, chained by digests, refused when any byte is
changed.
"""

from __future__ import annotations

import io
import json
from pathlib import Path

import fastavro
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import schemas
from schemas.errors import CorruptLog
from streams.runtime.journal.journal import (
    BATCH,
    GENESIS,
    InputEntry,
    JournalEntry,
    OutputEntry,
    decode_entry,
)
from streams.runtime.order.merge import ELEMENT

SCHEMA = fastavro.parse_schema(
    json.loads((Path(schemas.__file__).parent / "journal_record.avsc").read_text())
)
longs = st.integers(-(2**63), 2**63 - 1)
small = st.integers(0, 2**31 - 1)


def entry_of(runs: list[tuple[int, int, int, int]], sequence: int = 3) -> JournalEntry:
    return JournalEntry(
        sequence=sequence,
        kind=BATCH,
        previous_digest=bytes(range(32)),
        input_sequence=12345,
        clock=1_723_161_256_000_000_000,
        facts={"note": "ünïcode", "n": 1},
        elements=np.array(runs, ELEMENT),
        inputs=[InputEntry(0, 7, b"\1" * 32)],
        outputs=[OutputEntry(2, 5, b"\2" * 32, b"\3" * 16, 99, -1)],
        states=[(0, b"\4" * 32), (1, b"\5" * 32)],
    )


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(-1, 5), longs, longs, small), max_size=40))
def test_a_record_is_what_fastavro_writes(runs: list[tuple[int, int, int, int]]) -> None:
    """Oracle: fastavro reads our bytes, and writes the same bytes from what it read."""
    body = entry_of(runs).encode()
    read = fastavro.schemaless_reader(io.BytesIO(body), SCHEMA, None)
    assert [tuple(element.values()) for element in read["elements"]] == runs
    again = io.BytesIO()
    fastavro.schemaless_writer(again, SCHEMA, read)
    assert again.getvalue() == body


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(-1, 5), longs, longs, small), max_size=40))
def test_a_record_decodes_to_what_was_encoded(runs: list[tuple[int, int, int, int]]) -> None:
    entry = entry_of(runs)
    found = decode_entry(entry.encode())
    assert found.elements.tolist() == runs
    assert (found.facts, found.inputs, found.outputs, found.states) == (
        entry.facts,
        entry.inputs,
        entry.outputs,
        entry.states,
    )
    assert found.digest == entry.digest


def test_every_flipped_byte_of_a_record_is_refused() -> None:
    body = entry_of([(0, 0, 9, 10), (1, 0, 0, 1), (-1, 0, 0, 1)]).encode()
    for place in range(len(body)):
        for bit in (1, 0x80):
            changed = bytearray(body)
            changed[place] ^= bit
            with pytest.raises(CorruptLog):
                decode_entry(bytes(changed))


def test_every_truncation_of_a_record_is_refused() -> None:
    body = entry_of([(0, 0, 9, 10)]).encode()
    for length in range(len(body)):
        with pytest.raises(CorruptLog):
            decode_entry(body[:length])


def test_facts_are_canonical_whatever_their_order() -> None:
    one = JournalEntry(sequence=0, kind=GENESIS, facts={"a": 1, "b": {"y": 2, "x": 1}}).encode()
    two = JournalEntry(sequence=0, kind=GENESIS, facts={"b": {"x": 1, "y": 2}, "a": 1}).encode()
    assert one == two
