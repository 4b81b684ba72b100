"""The live order over fetches of any size: that of event time, as long as what comes next is known
to be on the log.

Oracle: a brute-force merge of the partitions' records, written here from the rule: lowest (running
maximum of event time, topic rank).
"""

from __future__ import annotations

import random

import pytest

from streams.log.kafka.framing import HEADER_BYTES
from streams.runtime.journal.journal import BATCH, decode_entry
from streams.runtime.order.feed import Feed
from tests.simulation.clock import VirtualClock
from tests.simulation.network import Network
from tests.simulation.pipeline import market
from tests.simulation.pipeline_stage import PipelineStage

TOPICS = ("md.trades", "md.depth", "md.book_tickers")


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
    inputs = [feed.topic for feed in task.execution.feeds]
    order = []
    for record in stage.broker.committed(stage.subject.journal[0]):
        entry = decode_entry(record.value[HEADER_BYTES:])
        if entry.kind == BATCH:
            for code, first, last, count in entry.elements.tolist():
                assert last - first + 1 == count
                order += [
                    (inputs[code], offset)
                    for offset in range(first, last + 1)
                    if inputs[code] in TOPICS
                ]
    assert order == merged(inputs)


def test_a_ticker_that_goes_silent_holds_nothing_up() -> None:
    """An input at its end is not waited for: everything else is consumed to the last record, with
    the clock there; what comes late comes last.
    """
    stage = PipelineStage()
    for topic in TOPICS:
        stage.feed(topic, 40 if topic == "md.book_tickers" else len(market()[topic]))
    task = stage.task()
    task.prepare()
    while task.step(0.01):
        pass
    assert (
        task.execution.consumed
        == sum(map(len, market().values())) - len(market()["md.book_tickers"]) + 40
    )
    assert task.execution.present == max(
        time for topic in TOPICS[:2] for time, _ in market()[topic]
    )
    stage.feed("md.book_tickers", len(market()["md.book_tickers"]))
    while task.step(0.01):
        pass
    assert stage.consumed()[-1] == ("md.book_tickers", len(market()["md.book_tickers"]) - 1)
    assert stage.verified() == ""


def test_an_input_that_nobody_feeds_costs_the_others_no_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Waiting for the next record is waiting at the inputs that records come from."""
    waits: list[str] = []
    fill = Feed.fill

    def noted(self: Feed, wait_seconds: float) -> int:
        waits.extend([self.topic] if wait_seconds else [])
        return fill(self, wait_seconds)

    stage = PipelineStage()
    task = stage.task()
    task.prepare()
    for topic in TOPICS[:2]:
        stage.feed(topic, 30)
    while task.step(0.01):
        pass
    monkeypatch.setattr(Feed, "fill", noted)
    task.step(0.05)
    assert set(waits) == {"md.trades", "md.depth"}
    stage.feed("md.book_tickers", 1)
    assert task.step(0.05) == 1
    task.step(0.05)
    assert set(waits) == set(TOPICS)
