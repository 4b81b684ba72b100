"""A topology on a real broker, written by hand as the runner writes it: transactions whose markers
and aborted records leave holes.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from schemas import records
from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.records import DeadLetter, Fill, Trade
from schemas.registry import fingerprint as registered
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.framing import header
from streams.runtime.journal.journal import (
    BATCH,
    CLOSE,
    GENESIS,
    NO_DIGEST,
    InputEntry,
    JournalEntry,
    OutputEntry,
)
from streams.runtime.order.merge import ELEMENT
from tests.kafka.edge_topics import EdgeTopics
from tests.kafka.settled import settled_ends

TOPICS = (
    "ref.instruments",
    "control",
    "md.trades",
    "fills",
    "pipeline.journal",
    "pipeline.snapshots",
    "pipeline.dlq",
)
ORDER_ID = "0" * 20


def trade(number: int) -> Trade:
    """Trade ``number``, one a second."""
    return Trade(1, 1_000_000_000 * (number + 1), 0, number, 1, 100 + number, 5, 1, 0)


def fill(number: int) -> Fill:
    """Fill ``number``."""
    found: Fill = plainest("Fill", number)
    return found


def plainest(record: str, number: int) -> Any:
    """Record ``number``: every field has its type's plainest value."""
    values: dict[str, Any] = {}
    for field in codec(record).schema["fields"]:
        kind = field["type"]
        logical = isinstance(kind, dict) and kind.get("logicalType") == "decimal"
        if kind in ("int", "long") or logical:
            values[field["name"]] = number
        elif kind == "string":
            values[field["name"]] = f"{number:020d}"
        elif kind == "boolean":
            values[field["name"]] = False
        elif kind == "double":
            values[field["name"]] = 0.5
        elif isinstance(kind, dict) and kind["type"] == "enum":
            values[field["name"]] = 1
        else:
            values[field["name"]] = None
    return getattr(records, record)(**values)


class HandWritten:
    """Trades in, fills out, a journal record a batch. One producer feeds and one runs, for a
    producer's start costs more than all it writes.

    Args:
        output: the topic that is written instead of fills.
        versions: schemas of another version's code, by topic; its journal pins them.

    Attributes:
        inputs, outputs: (offset, value) of every committed record of ``md.trades`` and the output,
            offsets from the delivery reports.
    """

    def __init__(
        self,
        cluster: Cluster,
        output: str = "fills",
        versions: dict[str, dict[str, Any]] | None = None,
    ) -> None:
        self.output = output
        self.topics = EdgeTopics(
            cluster, [output if each == "fills" else each for each in TOPICS], versions=versions
        )
        self.cluster = cluster
        self._admin = self.topics.log.admin()
        self.admin = self._admin.client  # kept: futures of a client that is gone never come true
        self.digest = NO_DIGEST
        self.sequence = 0
        self.trades = 0
        self.consumed = 0
        self.fills = 0
        self.inputs: list[tuple[int, bytes]] = []
        self.outputs: list[tuple[int, bytes]] = []
        self._feeder = self.topics.log.writer(cluster.name("feed.hand"))
        self._runner = self.topics.log.writer(cluster.name("pipeline.hand"))
        self._feeder.init()
        self._runner.init()

    def close(self) -> None:
        """Give the producers back."""
        self._feeder.close()
        self._runner.close()

    def put(self, topic: str, values: list[bytes]) -> None:
        """One committed transaction of values, by the feeder."""
        self._feeder.begin()
        self._feeder.produce(self.cluster.name(topic), 0, values)
        last = self._feeder.commit()
        settled_ends(self.cluster, list(last))
        self._note(topic, values, last)

    def _note(self, topic: str, values: list[bytes], last: Any) -> None:
        end = last[self.cluster.name(topic), 0] + 1
        placed = list(zip(range(end - len(values), end), values, strict=True))
        if topic == "md.trades":
            self.inputs += placed
        elif topic == self.output:
            self.outputs += placed

    def feed(self, count: int, aborted: int = 0) -> None:
        """One transaction of trades, with an aborted one before it."""
        if aborted:
            self._feeder.begin()
            values = [
                self.topics.framed("md.trades", trade(900_000 + number))
                for number in range(aborted)
            ]
            self._feeder.produce(self.cluster.name("md.trades"), 0, values)
            # the records are on the log, behind them an abort marker
            self._feeder._producer.flush(30)
            self._feeder.abort()
        self.put(
            "md.trades",
            [
                self.topics.framed("md.trades", trade(self.trades + number))
                for number in range(count)
            ],
        )
        self.trades += count

    def feed_raw(self, value: bytes) -> int:
        """A committed value of any bytes; its offset."""
        self.put("md.trades", [value])
        return self.inputs[-1][0]

    def begin(self) -> None:
        """The genesis record."""
        facts = self.topics.log.admin().describe(
            [self.cluster.name(topic) for topic in self.topics.ids]
        )
        ids = {topic: facts[self.cluster.name(topic)].topic_id for topic in self.topics.ids}

        def side(topic: str, **more: Any) -> dict[str, Any]:
            fingerprint = registered(
                self.topics.versions.get(topic) or codec(topic_of(topic).record).schema
            ).hex()
            return {
                "topic": topic,
                "partition": 0,
                "topic_id": ids[topic],
                "fingerprint": fingerprint,
                "start_offset": 0,
                **more,
            }

        self._write(
            JournalEntry(
                sequence=0,
                kind=GENESIS,
                facts={
                    "identity": {}, "journal_id": 7, "environment": self.cluster.environment,
                    "topology": "pipeline", "shard": 0, "clock": "event",
                    "code": "", "sources": {}, "versions": {}, "configuration": {},
                    "inputs": [side("md.trades", partitions=1,
                    schema_ids=[self.topics.ids["md.trades"]])],
                    "outputs": [
                        side(self.output, published=True, schema_id=self.topics.ids[self.output]),
                        side("pipeline.dlq", published=True,
                        schema_id=self.topics.ids["pipeline.dlq"]),
                    ],
                },
            )
        )  # fmt: skip

    def batch(self, fills: int, letters: tuple[tuple[int, bytes], ...] = ()) -> None:
        """Consume every trade that is there, write these many fills and dead letters."""
        offsets = [offset for offset, _ in self.inputs][self.consumed :]
        self.consumed += len(offsets)
        record = topic_of(self.output).record
        values = [
            self.topics.framed(self.output, plainest(record, self.fills + number))
            for number in range(fills)
        ]
        self.fills += fills
        dead = [
            self.topics.framed(
                "pipeline.dlq",
                DeadLetter("malformed_record", "by hand", "md.trades", 0, offset, value),
            )
            for offset, value in letters
        ]
        outputs = (
            [
                OutputEntry(
                    0,
                    fills,
                    hashlib.sha256(b"".join(v[5:] for v in values)).digest(),
                    b"",
                    -1,
                    self._last_fill(),
                )
            ]
            if fills
            else []
        )
        outputs += (
            [
                OutputEntry(
                    1,
                    len(dead),
                    hashlib.sha256(b"".join(v[5:] for v in dead)).digest(),
                    b"",
                    -1,
                    -1,
                )
            ]
            if dead
            else []
        )
        elements = np.zeros(1, ELEMENT)
        elements[0] = (0, offsets[0], offsets[-1], len(offsets))
        entry = JournalEntry(
            sequence=self.sequence, kind=BATCH, input_sequence=self.consumed,
            clock=1_000_000_000 * self.trades, elements=elements,
            inputs=[InputEntry(0, len(offsets), bytes(32))], outputs=outputs,
        )  # fmt: skip
        self._write(entry, {self.output: values, "pipeline.dlq": dead})

    def end(self) -> None:
        """The Close record."""
        self._write(JournalEntry(sequence=self.sequence, kind=CLOSE))

    def _write(self, entry: JournalEntry, outputs: dict[str, list[bytes]] | None = None) -> None:
        entry.previous_digest = self.digest
        value = header(self.topics.ids["pipeline.journal"]) + entry.encode()
        self.digest, self.sequence = entry.digest, self.sequence + 1
        self._runner.begin()
        written = {topic: values for topic, values in (outputs or {}).items() if values}
        for topic, values in written.items():
            self._runner.produce(self.cluster.name(topic), 0, values)
        self._runner.produce(self.cluster.name("pipeline.journal"), 0, [value])
        last = self._runner.commit()
        settled_ends(self.cluster, list(last))
        for topic, values in written.items():
            self._note(topic, values, last)

    def _last_fill(self) -> int:
        return self.outputs[-1][0] if self.outputs else -1
