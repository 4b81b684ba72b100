"""A broker that calls a transaction complete whose markers it never wrote, made to order.

Apache Kafka 4.3.1 does that by itself when it ended uncleanly and a race at its start goes one way
(decision 36). Here the broker is stopped in good order and the record that it would have written is
appended to its ``__transaction_state``; the partitions are left as they are.

Formats: record batch v2 of Kafka's protocol guide; ``TransactionLogKey`` and
``TransactionLogValue``, version 0, of its message schemas.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from infra.kafka.broker import Broker
from streams.log.container import encode_long

Outcome = Literal["commit", "abort"]
COMPLETE = {"commit": 4, "abort": 5}
HEAD = struct.Struct(">qiibI")
"""Base offset, length, leader epoch, magic, CRC-32C of the rest."""
REST = struct.Struct(">hiqqqhii")
"""Attributes, last delta, first and last time, producer's id, epoch and sequence, records."""
STATE = struct.Struct(">hqhib")
"""Version, producer's id and epoch, time-out, status."""


class State(NamedTuple):
    """The last state of a transactional id: where it lies, and what it says."""

    segment: Path
    offset: int
    leader_epoch: int
    time_ms: int
    producer_id: int
    epoch: int
    timeout_ms: int


def lose_markers(broker: Broker, transactional_id: str, outcome: Outcome) -> None:
    """Stop the broker, end this id's open transaction without a marker, start the broker again.

    An abort is one for its time-out.
    """
    broker.stop()
    state = max(_states(broker.data, transactional_id), key=lambda each: each.offset)
    last = max(offset for offset, _, _, _ in _batches(state.segment))
    epoch = state.epoch + (outcome == "abort")  # a time-out bumps it
    value = STATE.pack(0, state.producer_id, epoch, state.timeout_ms, COMPLETE[outcome])
    value += struct.pack(">iqq", 0, state.time_ms, state.time_ms)
    with state.segment.open("ab") as file:
        file.write(_batch(last + 1, state, _key(transactional_id), value))
    broker.start()


def _key(transactional_id: str) -> bytes:
    return struct.pack(">hh", 0, len(transactional_id)) + transactional_id.encode()


def _states(data: Path, transactional_id: str) -> Iterator[State]:
    key = _key(transactional_id)
    for segment in data.glob("__transaction_state-*/*.log"):
        for offset, leader_epoch, time_ms, records in _batches(segment):
            at = records.find(key)  # one record a batch: the coordinator writes no others
            if at >= 0:
                _, start = _varint(records, at + len(key))
                _, producer_id, epoch, timeout_ms, _ = STATE.unpack_from(records, start)
                yield State(segment, offset, leader_epoch, time_ms, producer_id, epoch, timeout_ms)


def _batches(segment: Path) -> Iterator[tuple[int, int, int, bytes]]:
    """(offset, leader epoch, time, records) of each batch."""
    content, at = segment.read_bytes(), 0
    while at < len(content):
        offset, length, leader_epoch, _, _ = HEAD.unpack_from(content, at)
        time_ms = REST.unpack_from(content, at + HEAD.size)[2]
        yield offset, leader_epoch, time_ms, content[at + HEAD.size + REST.size : at + 12 + length]
        at += 12 + length


def _batch(offset: int, state: State, key: bytes, value: bytes) -> bytes:
    body = b"\0\0\0" + encode_long(len(key)) + key + encode_long(len(value)) + value + b"\0"
    rest = REST.pack(0, 0, state.time_ms, state.time_ms, -1, -1, -1, 1)
    rest += encode_long(len(body)) + body
    length = HEAD.size - 12 + len(rest)
    return HEAD.pack(offset, length, state.leader_epoch, 2, _crc32c(rest)) + rest


def _varint(content: bytes, at: int) -> tuple[int, int]:
    folded = shift = 0
    while True:
        byte = content[at]
        folded |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return (folded >> 1) ^ -(folded & 1), at


def _crc32c(content: bytes) -> int:
    found = 0xFFFFFFFF
    for byte in content:
        found ^= byte
        for _ in range(8):
            found = found >> 1 ^ (0x82F63B78 if found & 1 else 0)
    return found ^ 0xFFFFFFFF
