"""Hosts whose wall clocks step: a day forward by mistake, and back again. The journal's clock must
not follow.
"""

from __future__ import annotations

from streams.log.kafka.framing import HEADER_BYTES
from streams.runtime.journal.journal import BATCH, decode_entry
from streams.runtime.live.shard import ShardTask
from tests.simulation.broker import SimulatedBroker
from tests.simulation.checker import Violation
from tests.simulation.clock import MILLISECOND, SECOND
from tests.simulation.process import CALM, Process
from tests.simulation.subjects import LiveSubject

DAY = 86_400 * SECOND


class SteppingSubject(LiveSubject):
    """The runner over the stand-in execution by the wall clock, on hosts that cannot keep time."""

    def __init__(self, mutation: str = "") -> None:
        super().__init__(mutation, "wall")

    def between(self, process: Process, task: ShardTask) -> None:
        """The host's clock steps now and then while faults last, and is set right when they end."""
        if process.around.temper is CALM:
            process.skew = 0
        elif process.random.random() < 0.1:
            process.skew = process.random.choice((0, DAY, -DAY))
            process.around.faults["clock steps"] += 1

    def judge(self, broker: SimulatedBroker) -> list[Violation]:
        """No batch is of a time that lies after the one at which it was written, by more than hosts
        differ.
        """
        for record in broker.committed(*self.journal):
            entry = decode_entry((record.value or b"")[HEADER_BYTES:])
            ahead = entry.clock - record.timestamp_ms * MILLISECOND
            if entry.kind == BATCH and ahead > SECOND:
                return [
                    Violation(
                        "runaway-clock",
                        f"batch {entry.sequence} is {ahead / SECOND:.0f} s ahead of the time at "
                        "which it was written",
                    )
                ]
        return []
