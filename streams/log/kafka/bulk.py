"""Committed records by the ten thousand: from librdkafka's queue into one body a partition, without
a Python object a record.

``Consumer.consume`` makes a Message and a bytes of every record, holding the interpreter's lock:
about 1 us of the task's thread, more than every kernel behind it. Here the same consumer's records
are taken by librdkafka's C interface (``rd_kafka_consume_batch_queue``, the lock released) and a
kernel copies values, offsets and timestamps out: about 0.1 us
(``tests/benchmarks/kafka/consuming.py`` measures both).

1. The partitions' fetch queues are forwarded to a queue of our own, before they are assigned. Only
   their records and errors arrive there; the client's callbacks stay on its own queue, which the
   owner serves with an ordinary ``poll(0)`` that returns no record any more.
2. Taking a partition away ends its forwarding for good (measured: assigned again, its records go
   the ordinary way), so partitions are assigned here, once, and moved by ``seek``. ``position``,
   ``pause``, ``commit`` are called on the consumer as ever, its ``close`` after this one's.
3. Where the C interface cannot be reached (:func:`streams.log.kafka.native.library`), records are
   taken by ``Consumer.consume``: the same answers, slower.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from schemas.errors import WrongUse
from schemas.kernel import kernel
from schemas.memory import address_of, load_byte, load_int, load_word
from streams.log.kafka import native
from streams.log.kafka.framing import HEADER_BYTES, NOT_FRAMED, FramedValues
from streams.log.kafka.native import call, copy_bytes
from streams.log.kafka.transport import Partition

Array = np.ndarray[Any, Any]

LIMIT_MAX = 65_536
"""Records a call returns at most."""
# where the fields of rd_kafka_message_t lie
_ERROR, _TOPIC, _PARTITION, _VALUE, _LENGTH, _OFFSET = 0, 8, 16, 24, 32, 56
SEEK_SECONDS = 10.0


class Fetch(NamedTuple):
    """Records of one partition, in offset order, ``n`` of them.

    Attributes:
        topic: as it is called on the cluster. partition: its number.
        offsets: int64[n]. timestamps_ms: int64[n], transport only; -1 where there is none.
        values: n values, kept as one body.
    """

    topic: str
    partition: int
    offsets: Array
    timestamps_ms: Array
    values: FramedValues


class Event(NamedTuple):
    """What came in place of a record: the end of a partition or an error, by its code
    (``KafkaError``), and at which offset.
    """

    code: int
    topic: str
    partition: int
    offset: int


class BulkQueue:
    """The records of some partitions of a consumer, which is kept alive and never closed here.

    Args:
        consumer: a client of its own for these records; no other thread polls it meanwhile.
        direct: False takes records by ``Consumer.consume`` even where the C interface is there.

    Attributes:
        events: ends of partitions (with ``enable.partition.eof``) and errors, in order; the owner
            looks at them after each poll and clears them.
    """

    def __init__(self, consumer: Consumer, direct: bool = True) -> None:
        self._consumer = consumer
        self._library: Any = native.library() if direct else None
        self._read: dict[Partition, bool] = {}
        self.events: list[Event] = []
        if self._library is None:
            return
        self._handle = native.handle_of(consumer)
        self._queue = self._library.rd_kafka_queue_new(self._handle)
        self._forget()
        self._messages = np.zeros(LIMIT_MAX, np.int64)
        self._slots = np.zeros(LIMIT_MAX, np.int64)
        self._functions = [
            native.address_of_function(getattr(self._library, f"rd_kafka_message_{name}"))
            for name in ("timestamp", "destroy")
        ]

    @property
    def is_direct(self) -> bool:
        """Whether records come by the C interface."""
        return self._library is not None

    def assign(self, positions: Mapping[Partition, int]) -> None:
        """Read these partitions from these offsets on, and no others; those read already are moved
        there, what was fetched of them is dropped.

        Raises:
            WrongUse: a partition was read, given up, and is asked for again: a reader of its own
                does that.
        """
        new = [key for key in positions if key not in self._read]
        gone = [key for key in self._read if key not in positions and self._read[key]]
        if any(not self._read[key] for key in positions if key in self._read):
            raise WrongUse(
                "a partition that was given up cannot be read again by this consumer; open another "
                "one"
            )
        if gone:
            self._consumer.incremental_unassign([TopicPartition(*key) for key in gone])
            self._read.update(dict.fromkeys(gone, False))
            self._forget()
        for topic, partition in positions.keys() - set(new):
            self._seek(TopicPartition(topic, partition, positions[topic, partition]))
        for topic, partition in new:
            # before it is assigned, or its first records go the other way
            if self._library is not None:
                own = self._library.rd_kafka_queue_get_partition(
                    self._handle, topic.encode(), partition
                )
                self._library.rd_kafka_queue_forward(own, self._queue)
                self._library.rd_kafka_queue_destroy(own)  # our reference, not the queue
        if new:
            self._consumer.incremental_assign([TopicPartition(*key, positions[key]) for key in new])
            self._read.update(dict.fromkeys(new, True))

    def _forget(self) -> None:
        """Know no partition by its handle: one that was given back may be another topic's next
        time.
        """
        self._names: list[Partition] = []
        self._sources = np.zeros((0, 2), np.int64)

    def _seek(self, place: TopicPartition) -> None:
        deadline = time.monotonic() + SEEK_SECONDS
        while True:
            try:
                return self._consumer.seek(place)
            except KafkaException as problem:
                if problem.args[0].code() != KafkaError._STATE or time.monotonic() > deadline:
                    raise
                time.sleep(0.001)  # it was assigned a moment ago and is not fetched yet

    def poll(self, limit: int, wait_seconds: float) -> list[Fetch]:
        """At most ``limit`` (and ``LIMIT_MAX``) records of all partitions together, one fetch for
        each that has any; waits for the first one only.
        """
        limit = min(limit, LIMIT_MAX)
        if self._library is None:
            return self._poll_plain(limit, wait_seconds)
        count = self._take(limit, wait_seconds)
        return self._gathered(count) if count else []

    def close(self) -> None:
        """Give the queue back: before the consumer is closed, whose ``close`` would wait for it for
        ever.
        """
        if self._library is not None:
            self._library.rd_kafka_queue_destroy(self._queue)
            self._library = None

    def __del__(self) -> None:
        if getattr(self, "_library", None) is not None:
            self.close()

    def _take(self, limit: int, wait_seconds: float) -> int:
        """Fill ``self._messages``: what is there, or after waiting for the first one what is there
        then (a call that waits waits for all).
        """
        take, at = self._library.rd_kafka_consume_batch_queue, self._messages.ctypes.data
        count = take(self._queue, 0, at, limit)
        if count == 0 and wait_seconds > 0 and limit:
            count = take(self._queue, max(1, round(wait_seconds * 1000)), at, 1)
            if count == 1 < limit:
                count += max(0, take(self._queue, 0, at + 8, limit - 1))
        return max(0, int(count))

    def _gathered(self, count: int) -> list[Fetch]:
        """Fetches of ``self._messages[:count]``; every message is given back to the library."""
        while True:
            parts = len(self._names)
            counts, sizes = np.zeros(parts, np.int64), np.zeros(parts, np.int64)
            at = int(_measure(self._messages, count, self._sources, self._slots, counts, sizes))
            if at == count:
                break
            if not self._learn(int(self._messages[at])):
                self._messages[at : count - 1] = self._messages[at + 1 : count].copy()
                count -= 1
        body, table = np.empty(int(sizes.sum()), np.uint8), np.empty((4, count), np.int64)
        places, starts = np.cumsum(counts) - counts, np.cumsum(sizes) - sizes
        firsts, begins = places.tolist(), starts.tolist()
        _gather(self._messages, count, self._slots, places, starts, body, table, *self._functions)
        found = []
        for (topic, partition), first, last, begin, end in zip(
            self._names, firsts, places.tolist(), begins, starts.tolist(), strict=True
        ):
            if last > first:
                offsets, times, ids, ends = table[:, first:last]
                ends -= begin
                found.append(
                    Fetch(
                        topic, partition, offsets, times, FramedValues(body[begin:end], ends, ids)
                    )
                )
        return found

    def _learn(self, message: int) -> bool:
        """Look at a message that is no record of a known partition: True if its partition is known
        now; else it was an event and is given back.
        """
        code = ctypes.c_int32.from_address(message + _ERROR).value
        topic = ctypes.c_uint64.from_address(message + _TOPIC).value
        partition = ctypes.c_int32.from_address(message + _PARTITION).value
        name = self._library.rd_kafka_topic_name(topic).decode() if topic else ""
        if code:
            self.events.append(
                Event(code, name, partition, ctypes.c_int64.from_address(message + _OFFSET).value)
            )
            self._library.rd_kafka_message_destroy(message)
            return False
        self._names.append((name, partition))
        self._sources = np.append(
            self._sources, np.array([[topic, partition]], np.uint64).view(np.int64), axis=0
        )
        return True

    def _poll_plain(self, limit: int, wait_seconds: float) -> list[Fetch]:
        """The same by ``Consumer.consume``."""
        messages = self._consumer.consume(limit, 0)
        if not messages and wait_seconds > 0 and limit:
            messages = self._consumer.consume(1, wait_seconds)
            messages += self._consumer.consume(limit - 1, 0) if messages and limit > 1 else []
        found: dict[Partition, list[Any]] = {}
        for message in messages:
            problem, topic, partition, offset = (
                message.error(),
                message.topic() or "",
                message.partition(),
                message.offset(),
            )
            if problem is not None:
                self.events.append(
                    Event(
                        problem.code(),
                        topic,
                        -1 if partition is None else partition,
                        -1 if offset is None else offset,
                    )
                )
            else:
                found.setdefault((topic, int(partition or 0)), []).append(message)
        return [_plain_fetch(topic, partition, each) for (topic, partition), each in found.items()]


def _plain_fetch(topic: str, partition: int, messages: list[Any]) -> Fetch:
    ids, bodies = [], []
    for message in messages:
        value = message.value() or b""
        is_framed = len(value) >= HEADER_BYTES and value[0] == 0
        ids.append(int.from_bytes(value[1:HEADER_BYTES], "big") if is_framed else NOT_FRAMED)
        bodies.append(value[HEADER_BYTES:] if is_framed else value)
    offsets = np.array([message.offset() for message in messages], np.int64)
    times = np.array([message.timestamp()[1] for message in messages], np.int64)
    ends = np.cumsum([len(body) for body in bodies], dtype=np.int64)
    return Fetch(
        topic,
        partition,
        offsets,
        times,
        FramedValues(np.frombuffer(b"".join(bodies), np.uint8), ends, np.array(ids, np.int64)),
    )


@kernel
def _measure(messages: Any, count: Any, sources: Any, slots: Any, counts: Any, sizes: Any) -> Any:
    """Find each message's partition among ``sources`` (topic handle, partition) and add up records
    and bytes of each.

    Returns how many messages lie before the first that is an error or of no known source: ``count``
    if there is none.
    """
    slot = 0
    known = sources.shape[0]
    for index in range(count):
        message = messages[index]
        topic, partition = (
            np.int64(load_word(message + _TOPIC)),
            np.int64(load_int(message + _PARTITION)),
        )
        if load_int(message + _ERROR) != 0:
            return index
        if slot >= known or sources[slot, 0] != topic or sources[slot, 1] != partition:
            slot = 0
            while slot < known and (sources[slot, 0] != topic or sources[slot, 1] != partition):
                slot += 1
            if slot == known:
                return index
        length = np.int64(load_word(message + _LENGTH))
        if length >= HEADER_BYTES and load_byte(np.int64(load_word(message + _VALUE))) == np.uint64(
            0
        ):
            length -= HEADER_BYTES
        slots[index] = slot
        counts[slot] += 1
        sizes[slot] += length
    return count


@kernel
def _gather(
    messages: Any,
    count: Any,
    slots: Any,
    places: Any,
    starts: Any,
    body: Any,
    table: Any,
    timestamp: Any,
    destroy: Any,
) -> None:
    """Copy each message's value into its partition's part of ``body``, fill its column of
    ``table``, and give the message back.

    ``places`` and ``starts``: where each partition's next record and next byte go. Rows of
    ``table``: offset, timestamp, schema id, end in ``body``. ``timestamp`` and ``destroy`` are
    addresses of librdkafka's functions.
    """
    base = address_of(body)
    for index in range(count):
        message = messages[index]
        slot = slots[index]
        value, length = (
            np.int64(load_word(message + _VALUE)),
            np.int64(load_word(message + _LENGTH)),
        )
        identity = np.int64(NOT_FRAMED)
        if length >= HEADER_BYTES and load_byte(value) == np.uint64(0):
            identity = np.int64(0)
            for place in range(1, HEADER_BYTES):
                identity = (identity << 8) | np.int64(load_byte(value + place))
            value += HEADER_BYTES
            length -= HEADER_BYTES
        at = starts[slot]
        copy_bytes(base + at, value, length)
        starts[slot] = at + length
        column = places[slot]
        places[slot] = column + 1
        table[0, column] = np.int64(load_word(message + _OFFSET))
        table[1, column] = call(timestamp, message, 0)
        table[2, column] = identity
        table[3, column] = at + length
        call(destroy, message, 0)
