"""Faust's consumer, made fit for the project's own topics.

1. *Committed records only.* Faust reads uncommitted unless its exactly-once mode is on, and has no
   setting for it: a view would show what the runner aborted, and what it has not committed yet.
2. *From the marks.* Where Faust would seek to the group's offsets it seeks to the marks in the
   tables: those are what was applied. Group offsets are stored all the same, for lag tools.
3. *Without gaps.* Each event is told where the one before it ended. Faust drops what it has fetched
   when partitions move, and whatever still waits in a stream's buffer could otherwise be applied
   before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from aiokafka.errors import NoOffsetForPartitionError
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport

from schemas.errors import ShrivenError

READ_COMMITTED = "read_committed"

Positions = Callable[[Iterable[tuple[str, int]]], Mapping[tuple[str, int], int]]
"""Where to read on, for partitions by their names on the cluster."""


class NotCommitted(ShrivenError):
    """The client library would show records of open and aborted transactions."""

    code = "not_committed"


class CommittedThread(AIOKafkaConsumerThread):
    """The thread that owns the aiokafka consumer."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        if not hasattr(consumer, "_isolation_level"):
            raise NotCommitted(
                "this version of aiokafka keeps its isolation level elsewhere; install the "
                "versions of requirements.lock"
            )
        consumer._isolation_level = READ_COMMITTED
        return consumer

    async def seek_to_committed(self) -> Any:
        """Seek every assigned partition to its mark."""
        return await self.call_thread(self._seek_all, await self._marks(self.assignment()))

    async def _marks(self, partitions: Iterable[Any]) -> dict[Any, int]:
        transport: Any = self.transport
        partitions = list(partitions)
        positions = await asyncio.to_thread(
            transport.positions, [(tp.topic, tp.partition) for tp in partitions]
        )
        found = {tp: positions[tp.topic, tp.partition] for tp in partitions}
        consumer: Any = self.consumer
        for tp, offset in found.items():
            consumer.ends[tp.topic, tp.partition] = offset
        return found

    async def _fetch_records(self, consumer: Any, *arguments: Any, **options: Any) -> Any:
        """What was fetched; a partition for which the group has stored nothing is sought to its
        mark, for nothing was read of it yet.

        aiokafka asks for the group's offset of a partition it was just given and keeps an error for
        the next fetch, also if it is sought in between.
        """
        try:
            return await super()._fetch_records(consumer, *arguments, **options)
        except NoOffsetForPartitionError as problem:
            await self._seek_all(await self._marks(problem.args))
            return {}

    async def _seek_all(self, offsets: Mapping[Any, int]) -> Mapping[Any, int]:
        consumer = self._ensure_consumer()
        for tp, offset in offsets.items():
            consumer.seek(tp, offset)
        return offsets


class CommittedConsumer(Consumer):
    """A consumer whose messages know what lies before them.

    Attributes:
        ends: by partition, the offset after the last record that was handed on.
        starts: by (topic, partition, offset), where the record before it ended; taken out by
            whoever applies it.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.ends: dict[tuple[str, int], int] = {}
        self.starts: dict[tuple[str, int, int], int] = {}
        super().__init__(*arguments, **options)

    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return CommittedThread(self, loop=self.loop, beacon=self.beacon)

    def _to_message(self, tp: Any, record: Any) -> Any:
        partition = record.topic, record.partition
        self.starts[record.topic, record.partition, record.offset] = self.ends.get(
            partition, record.offset
        )
        self.ends[partition] = record.offset + 1
        return super()._to_message(tp, record)


class CommittedTransport(Transport):
    """A transport whose consumer is the above. ``positions``: where to read on; set before it is
    used.
    """

    Consumer = CommittedConsumer  # type: ignore[assignment]
    positions: Positions
