"""One task and one cluster without threads, faults or a scheduler: for tests that tell a story step
by step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from streams.runtime.live.shard import ShardTask
from tests.simulation.broker import SimulatedBroker
from tests.simulation.checker import check_world
from tests.simulation.clock import MILLISECOND, START, VirtualClock
from tests.simulation.log import SimulatedLog
from tests.simulation.network import Network
from tests.simulation.stand_in import body, make_stand_in
from tests.simulation.subjects import LiveSubject


class Stage:
    """A cluster with the topics of the stand-in job, and tasks of it on request."""

    def __init__(self, clock: str = "event") -> None:
        self.subject = LiveSubject("", clock)
        self.clock = VirtualClock()
        self.broker = SimulatedBroker(self.clock)
        subject = self.subject
        for topic, _ in (*subject.inputs, *subject.outputs, subject.journal, *subject.others):
            self.broker.create_topic(topic)
        self.fed = 0

    def task(
        self,
        on_step: Callable[[str], None] = lambda _: None,
        records: int = 16,
        state_digest_records: int = 1000,
    ) -> ShardTask:
        """A new owner, not prepared yet."""
        network = Network(self.clock)
        spec = self.subject.spec(records, state_digest_records)
        return ShardTask(
            SimulatedLog(self.broker, network),
            spec,
            make_stand_in,
            self.clock.clock_ns,
            self.clock.monotonic,
            on_step,
        )

    def feed(self, count: int, topic: str = "md.trades") -> None:
        """So many records, a quarter of a second of event time apart."""
        values = []
        for _ in range(count):
            self.fed += 1
            values.append(body(START + 250 * MILLISECOND * self.fed, self.fed))
        self.broker.append((topic, 0), values)

    def offsets(self, topic: str) -> list[int]:
        """Offsets of the committed records of an output."""
        return [record.offset for record in self.broker.committed(topic)]

    def judged(self) -> list[str]:
        """What the checker finds in the end."""
        return [
            f"{violation.name}: {violation.text}"
            for violation in check_world(self.broker, [], [], self.subject)
        ]

    def kinds(self) -> Sequence[str]:
        """Names of the topics written."""
        return [topic for topic, _ in self.subject.outputs]
