"""The live order over fetches of any size: that of event time, as long as what comes next is known to be on the log.

Oracle: a brute-force merge of the partitions' records, written here from the rule: lowest (running maximum of event time, topic rank).
"""

from __future__ import annotations

import random

import pytest

from streams.log.kafka.framing import HEADER_BYTES
from streams.runtime.journal import BATCH, decode_entry
from tests.simulation.clock import VirtualClock
from tests.simulation.network import Network
from tests.simulation.pipeline import market
from tests.simulation.pipeline_stage import PipelineStage

TOPICS = ("md.trades", "md.depth")


class ShortFetches(Network):
    """Every fetch of a partition brings a few records of what is there."""

    def __init__(self, clock: VirtualClock, source: random.Random) -> None:
        super().__init__(clock)
        self.source = source
        self.most = source.choice((1, 3, 20, 200))

    def fetch_limit(self) -> int:
        return self.source.randint(1, self.most)


def merged(inputs: list[str]) -> list[tuple[str, int]]:
    """(topic, offset) of all market data in order."""
    keyed = []
    for topic in TOPICS:
        highest = 0
        for offset, (time, _) in enumerate(market()[topic]):
            highest = max(highest, time)
            keyed.append((highest, inputs.index(topic), offset))
    return [(inputs[rank], offset) for _, rank, offset in sorted(keyed)]


@pytest.mark.parametrize("seed", range(12))
def test_whatever_a_fetch_brings_the_order_is_that_of_event_time(seed: int) -> None:
    source = random.Random(seed)
    stage = PipelineStage()
    for topic in TOPICS:
        stage.feed(topic, len(market()[topic]))
    task = stage.task(network=ShortFetches(stage.clock, source))
    task.prepare()
    wanted = sum(map(len, market().values()))
    while task.execution.consumed < wanted:
        task.step(source.choice((0.0, 0.01)))
    inputs = [feed.topic for feed in task.execution.live]
    order = []
    for record in stage.broker.committed(stage.subject.journal[0]):
        entry = decode_entry(record.value[HEADER_BYTES:])
        if entry.kind == BATCH:
            for code, first, last, count in entry.elements.tolist():
                assert last - first + 1 == count
                order += [(inputs[code], offset) for offset in range(first, last + 1) if inputs[code] in TOPICS]
    assert order == merged(inputs)
