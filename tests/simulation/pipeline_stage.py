"""The pipeline over a simulated cluster without threads, faults or a scheduler: for tests that tell a story step by step."""

from __future__ import annotations

from schemas.codec import codec
from schemas.records import DeadLetter
from schemas.vocabulary import ControlKind
from streams.log.kafka.framing import HEADER_BYTES, header
from streams.runtime.live.task import LiveTask
from streams.runtime.skip import skip_command, skip_request
from tests.simulation.broker import SimulatedBroker
from tests.simulation.clock import VirtualClock
from tests.simulation.log import SimulatedLog
from tests.simulation.network import Network
from tests.simulation.pipeline import PipelineSubject, maker, market


class PipelineStage:
    """A cluster with the pipeline's topics, fed piece by piece."""

    def __init__(self) -> None:
        self.subject = PipelineSubject()
        self.clock = VirtualClock()
        self.broker = SimulatedBroker(self.clock)
        for topic, _ in (*self.subject.inputs, *self.subject.outputs, self.subject.journal, *self.subject.others):
            self.broker.create_topic(topic)
        self._fed = dict.fromkeys(market(), 0)
        self.feed("ref.instruments", len(market()["ref.instruments"]))

    def task(self, state_digest_records: int = 1_000, network: Network | None = None) -> LiveTask:
        """A new owner, not prepared yet."""
        spec = self.subject.spec(16, state_digest_records)
        log = SimulatedLog(self.broker, network or Network(self.clock))
        return LiveTask(log, spec, maker(self.subject.deployment), self.clock.clock_ns, self.clock.monotonic)

    def _write(self, topic: str, bodies: list[bytes]) -> None:
        self.broker.append((topic, 0), [header(self.subject.deployment.schema_ids[topic]) + body for body in bodies])

    def feed(self, topic: str, to: int) -> None:
        """Up to this place of the topic."""
        self._write(topic, [body for _, body in market()[topic][self._fed[topic] : to]])
        self._fed[topic] = max(self._fed[topic], to)

    def skip(self, place: int) -> None:
        """What ``sq skip`` writes."""
        command = skip_command(skip_request(f"md.depth/0/{place}", "pipeline"), "known bad", "operator", self.clock.clock_ns())
        assert command.kind == int(ControlKind.SKIP)
        self._write("control", [codec("ControlCommand").encode_records([command])])

    def letters(self) -> list[tuple[str, str, int]]:
        """Reason, topic and offset of every dead letter."""
        found = [codec("DeadLetter").decode_records(each.value[HEADER_BYTES:], 1)[0] for each in self.broker.committed("pipeline.dlq") if each.value]
        assert all(isinstance(each, DeadLetter) for each in found)
        return [(each.reason, each.origin_topic, each.origin_offset) for each in found]
