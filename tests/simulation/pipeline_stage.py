"""The pipeline over a simulated cluster without threads, faults or a scheduler: for tests that tell
a story step by step.
"""

from __future__ import annotations

from typing import Any

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.records import DeadLetter
from schemas.vocabulary import ControlKind
from streams.log.kafka.framing import HEADER_BYTES, header
from streams.runtime.journal.journal import BATCH, JournalEntry, decode_entry
from streams.runtime.live.shard import ShardTask
from streams.runtime.order.skip import skip_command, skip_request
from tests.simulation.broker import SimulatedBroker
from tests.simulation.clock import VirtualClock
from tests.simulation.log import SimulatedLog
from tests.simulation.network import Network
from tests.simulation.pipeline import INPUTS, PipelineSubject, maker, market


class PipelineStage:
    """A cluster with the pipeline's topics, fed piece by piece."""

    def __init__(self) -> None:
        self.subject = PipelineSubject()
        self.clock = VirtualClock()
        self.broker = SimulatedBroker(self.clock)
        for topic, _ in (
            *self.subject.inputs,
            *self.subject.outputs,
            self.subject.journal,
            *self.subject.others,
        ):
            self.broker.create_topic(topic)
        self._fed = dict.fromkeys(market(), 0)
        self.feed("ref.instruments", len(market()["ref.instruments"]))

    def task(self, state_digest_records: int = 1_000, network: Network | None = None) -> ShardTask:
        """A new owner, not prepared yet."""
        spec = self.subject.spec(16, state_digest_records)
        log = SimulatedLog(self.broker, network or Network(self.clock))
        return ShardTask(
            log, spec, maker(self.subject.deployment), self.clock.clock_ns, self.clock.monotonic
        )

    def _write(self, topic: str, bodies: list[bytes]) -> int:
        return self.broker.append(
            (topic, 0),
            [header(self.subject.deployment.schema_ids[topic]) + body for body in bodies],
        )

    def entries(self) -> list[JournalEntry]:
        """The journal."""
        return [
            decode_entry(each.value[HEADER_BYTES:])
            for each in self.broker.committed(self.subject.journal[0])
            if each.value
        ]

    def consumed(self) -> list[tuple[str, int]]:
        """(topic, offset) of every input record in the journal's order."""
        runs = [
            run
            for entry in self.entries()
            if entry.kind == BATCH
            for run in entry.elements.tolist()
            if run[0] >= 0
        ]
        return [
            (INPUTS[code], offset)
            for code, first, last, _ in runs
            for offset in range(first, last + 1)
        ]

    def verified(self) -> str:
        """What the verifier of ``sq verify`` finds; empty if nothing."""
        return self.subject._verified(self.broker)

    def feed(self, topic: str, to: int) -> None:
        """Up to this place of the topic."""
        self._write(topic, [body for _, body in market()[topic][self._fed[topic] : to]])
        self._fed[topic] = max(self._fed[topic], to)

    def write(self, topic: str, record: Any) -> int:
        """A record of anyone's; returns its offset."""
        return self._write(topic, [codec(topic_of(topic).record).encode_records([record])])

    def write_raw(self, topic: str, value: bytes) -> int:
        """A value that need be no record; returns its offset."""
        return self.broker.append((topic, 0), [value])

    def skip(self, place: int, topic: str = "md.depth") -> None:
        """What ``sq skip`` writes."""
        command = skip_command(
            skip_request(f"{topic}/0/{place}", "pipeline"),
            "known bad",
            "operator",
            self.clock.clock_ns(),
        )
        assert command.kind == int(ControlKind.SKIP)
        self._write("control", [codec("ControlCommand").encode_records([command])])

    def letters(self) -> list[tuple[str, str, int]]:
        """Reason, topic and offset of every dead letter."""
        found = [
            codec("DeadLetter").decode_records(each.value[HEADER_BYTES:], 1)[0]
            for each in self.broker.committed("pipeline.dlq")
            if each.value
        ]
        assert all(isinstance(each, DeadLetter) for each in found)
        return [(each.reason, each.origin_topic, each.origin_offset) for each in found]
