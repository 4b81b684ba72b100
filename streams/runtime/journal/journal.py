"""The journal: what was consumed, in which order, at what clock, and what came out.

Each record carries SHA-256 of the record before it and ends with SHA-256 of its own bytes. A
batch's order can be tens of thousands of runs, so that array alone is encoded and decoded by
kernels; the record is the same Avro that fastavro reads.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec
import numpy as np

from schemas.errors import CorruptLog
from schemas.json_text import parsed
from schemas.kernel import kernel
from schemas.vocabulary import JournalKind
from streams.log.container import encode_long
from streams.runtime.order.merge import ELEMENT

Array = np.ndarray[Any, Any]
JOURNAL = "pipeline.journal"
GENESIS, BATCH, UPGRADE = int(JournalKind.GENESIS), int(JournalKind.BATCH), int(JournalKind.UPGRADE)
SKIPPED, CLOSE = int(JournalKind.SKIP), int(JournalKind.CLOSE)
NO_DIGEST = b"\0" * 32


class InputEntry(msgspec.Struct, frozen=True):
    """Records consumed of one input in a batch, and SHA-256 of their bodies."""

    input: int
    count: int
    digest: bytes


class OutputEntry(msgspec.Struct, frozen=True):
    """Records written to one output in a batch, SHA-256 of their bodies, the block's XXH3-128, and
    where the topic then ends.
    """

    output: int
    count: int
    digest: bytes
    checksum: bytes
    end_position: int
    previous_offset: int


class JournalEntry(msgspec.Struct, kw_only=True):
    """One journal record, decoded."""

    sequence: int
    kind: int
    previous_digest: bytes = NO_DIGEST
    input_sequence: int = 0
    clock: int = 0
    facts: dict[str, Any] = {}
    elements: Any = None
    inputs: list[InputEntry] = []
    outputs: list[OutputEntry] = []
    states: list[tuple[int, bytes]] = []
    digest: bytes = b""

    def encode(self) -> bytes:
        """Avro body; fills ``digest``."""
        elements = self.elements if self.elements is not None else np.zeros(0, ELEMENT)
        parts = [
            encode_long(self.sequence),
            encode_long(self.kind),
            _bytes(self.previous_digest),
            encode_long(self.input_sequence),
            encode_long(self.clock),
            _bytes(
                json.dumps(self.facts, sort_keys=True, separators=(",", ":")).encode()
                if self.facts
                else b""
            ),
            _elements(elements),
            _array(
                [
                    encode_long(e.input) + encode_long(e.count) + _bytes(e.digest)
                    for e in self.inputs
                ]
            ),
            _array([_output(e) for e in self.outputs]),
            _array([encode_long(stage) + _bytes(digest) for stage, digest in self.states]),
        ]
        content = b"".join(parts)
        self.digest = hashlib.sha256(content).digest()
        return content + _bytes(self.digest)


def decode_entry(body: bytes) -> JournalEntry:
    """The record in these bytes.

    Raises:
        CorruptLog: the record is malformed or does not carry the digest of its own bytes.
    """
    try:
        return _Reader(body).entry()
    except (IndexError, ValueError, RecursionError) as problem:
        raise CorruptLog(
            "a journal record is malformed; restore the run folder from a copy, or start over with "
            "--fresh"
        ) from problem


class _Reader:
    def __init__(self, body: bytes) -> None:
        self.body = body
        self.position = 0

    def long(self) -> int:
        shift = value = 0
        while True:
            byte = self.body[self.position]
            self.position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1)
            shift += 7
            if shift > 63:
                raise ValueError("overlong integer")

    def bytes(self) -> bytes:
        length = self.long()
        if length < 0 or self.position + length > len(self.body):
            raise ValueError("length outside the record")
        self.position += length
        return self.body[self.position - length : self.position]

    def array(self, item: Any) -> list[Any]:
        count = self.long()
        if count < 0 or count > len(self.body):
            raise ValueError("bad array count")
        found = [item() for _ in range(count)]
        if count and self.long() != 0:
            raise ValueError("array does not end")
        return found

    def entry(self) -> JournalEntry:
        entry = JournalEntry(sequence=self.long(), kind=self.long())
        entry.previous_digest = self.bytes()
        entry.input_sequence = self.long()
        entry.clock = self.long()
        facts = self.bytes()
        entry.facts = parsed(facts) if facts else {}
        if not isinstance(entry.facts, dict):
            raise ValueError("the facts are no object")
        count = self.long()
        if count < 0 or count > len(self.body):
            raise ValueError("bad element count")
        entry.elements = np.zeros(count, ELEMENT)
        if count:
            self.position = int(
                _decode_elements(np.frombuffer(self.body, np.uint8), self.position, entry.elements)
            )
            if self.position < 0 or self.long() != 0:
                raise ValueError("bad elements")
        entry.inputs = self.array(lambda: InputEntry(self.long(), self.long(), self.bytes()))
        entry.outputs = self.array(
            lambda: OutputEntry(
                self.long(), self.long(), self.bytes(), self.bytes(), self.long(), self.long()
            )
        )
        entry.states = self.array(lambda: (self.long(), self.bytes()))
        content_end = self.position
        entry.digest = self.bytes()
        if (
            self.position != len(self.body)
            or entry.digest != hashlib.sha256(self.body[:content_end]).digest()
        ):
            raise ValueError("the record does not carry the digest of its bytes")
        return entry


def _output(entry: OutputEntry) -> bytes:
    counted = (
        encode_long(entry.output)
        + encode_long(entry.count)
        + _bytes(entry.digest)
        + _bytes(entry.checksum)
    )
    return counted + encode_long(entry.end_position) + encode_long(entry.previous_offset)


def _bytes(content: bytes) -> bytes:
    return encode_long(len(content)) + content


def _array(items: list[bytes]) -> bytes:
    return encode_long(len(items)) + b"".join(items) + b"\0" if items else b"\0"


def _elements(elements: Array) -> bytes:
    if not len(elements):
        return b"\0"
    body = np.zeros(40 * len(elements), np.uint8)
    length = int(_encode_elements(elements, body))
    return encode_long(len(elements)) + body[:length].tobytes() + b"\0"


@kernel
def _putencode_long(body: Any, position: Any, value: Any) -> Any:
    folded = np.uint64((value << 1) ^ (value >> 63))
    while folded > np.uint64(0x7F):
        body[position] = np.uint8(folded & np.uint64(0x7F)) | np.uint8(0x80)
        folded = folded >> np.uint64(7)
        position += 1
    body[position] = np.uint8(folded)
    return position + 1


@kernel
def _encode_elements(elements: Any, body: Any) -> Any:
    position = 0
    for e in range(len(elements)):
        position = _putencode_long(body, position, elements[e].input)
        position = _putencode_long(body, position, elements[e].first_offset)
        position = _putencode_long(body, position, elements[e].last_offset)
        position = _putencode_long(body, position, elements[e].count)
    return position


@kernel
def _decode_elements(body: Any, position: Any, elements: Any) -> Any:
    """Position after the elements, or -1 if the bytes end or an integer is overlong."""
    end = len(body)
    values = np.zeros(4, np.int64)
    for e in range(len(elements)):
        for f in range(4):
            shift = np.uint64(0)
            value = np.uint64(0)
            while True:
                if position >= end or shift > np.uint64(63):
                    return -1
                byte = np.uint64(body[position])
                position += 1
                value |= (byte & np.uint64(0x7F)) << shift
                if byte < np.uint64(0x80):
                    break
                shift += np.uint64(7)
            values[f] = np.int64(value >> np.uint64(1)) ^ -np.int64(value & np.uint64(1))
        elements[e].input = values[0]
        elements[e].first_offset = values[1]
        elements[e].last_offset = values[2]
        elements[e].count = values[3]
    return position
