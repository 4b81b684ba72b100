"""A flood of dead letters halts the task before the record that is one too many; nothing is lost,
nothing is silent (F14).

Oracle: the count of what was planted, the limit itself, and a run that no limit stops.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.live.proof import verify_cluster
from schemas.codec import codec
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.framing import header
from streams.log.local import LocalLog
from streams.runtime.journal.journal import UPGRADE
from streams.runtime.live.partition import PartitionSource
from streams.runtime.live.shard import ShardTask
from streams.runtime.live.spec import Bounds
from streams.runtime.live.stored import split
from streams.runtime.order.flood import DeadLetterFlood, FloodLimit
from tests.kafka.live_market import LiveMarket, run_to_end
from tests.scenario import make_recording

pytestmark = pytest.mark.broker
LIMIT = FloodLimit(20, 100)


@pytest.fixture
def market(cluster: Cluster, tmp_path: Path) -> LiveMarket:
    return LiveMarket(cluster, make_recording(tmp_path / "recording", updates=300, trades=400))


def _letters(market: LiveMarket) -> list[tuple[str, int]]:
    found = [
        codec("DeadLetter").decode_records(body, 1)[0] for body in market.records("pipeline.dlq")
    ]
    return [(letter.origin_topic, letter.origin_offset) for letter in found]


def _halted(market: LiveMarket, limit: FloodLimit, records: int = 200) -> str:
    """What a task says that halts at the limit."""
    market.deployment.flood = limit
    task = market.task(bounds=Bounds(records=records, order_wait_seconds=3.0))
    task.prepare()
    with pytest.raises(DeadLetterFlood) as halt:
        run_to_end(task, 1 << 40)
    task.close()
    return halt.value.text


def _other_code(task: ShardTask) -> ShardTask:
    """The task, of a build that another digest names."""
    task.log.spec.facts.update(code="repaired", sources={})
    return task


@pytest.mark.smoke
def test_a_broken_decoder_halts_within_the_limit_and_repaired_code_reads_on(
    market: LiveMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bad deploy: this build reads no trade. What it did not consume, the repaired build reads.
    """
    fed = market.feed()
    decode = PartitionSource._decode_body
    with monkeypatch.context() as broken:
        unread = "md.trades"
        broken.setattr(
            PartitionSource,
            "_decode_body",
            lambda source, feed, *rest: feed.topic != unread and decode(source, feed, *rest),
        )
        texts = [_halted(market, LIMIT) for _ in range(3)]
    assert len(set(texts)) == 1, "the same record halts it again"
    assert (
        "dead letter number 21 among the last 100 records" in texts[0]
        and "malformed_record" in texts[0]
        and "not lost" in texts[0]
    )
    before = [offset for topic, offset in _letters(market)]
    assert len(before) == LIMIT.letters and before == sorted(set(before))
    assert f"md.trades/0 offset {before[-1] + 1} would be" in texts[0]
    task = _other_code(market.task())
    task.prepare()
    run_to_end(task, fed)
    task.drain()
    task.close()
    assert len(_letters(market)) == LIMIT.letters
    assert [entry.kind for entry in market.journal()].count(UPGRADE) == 1
    trades = sum(
        item.count
        for entry in market.journal()
        for item in entry.inputs
        if task.log.spec.inputs[item.input] == "md.trades"
    )
    assert trades == 400, "every trade was consumed once, as a trade or as one of the letters"


@pytest.mark.smoke
def test_a_higher_limit_goes_on_and_is_recovered_and_verified_under_the_lower_one(
    market: LiveMarket, cluster: Cluster
) -> None:
    """A journal holds what was decided; the limit of the day is asked of new records only, and
    counts what the journal has.
    """
    fed = market.feed(0.0, 0.5)
    bad = [b"\x01garbage %d" % number for number in range(60)]
    fed += market.write("md.trades", bad) + market.feed(0.5, 1.0)
    low, high = FloodLimit(20, 1000), FloodLimit(100, 1000)
    assert "limit is 20" in _halted(market, low)
    assert len(_letters(market)) == 20
    market.deployment.flood = high
    task = market.task()
    task.prepare()
    run_to_end(task, fed)
    task.drain()
    task.close()
    assert [topic for topic, _ in _letters(market)] == ["md.trades"] * 60
    verdict = verify_cluster(cluster, "pipeline")[0]
    assert (verdict.findings, verdict.records) == ([], fed)
    market.deployment.flood = low
    task = market.task()
    task.prepare()
    assert task.execution.consumed == fed
    task.close()
    fed += market.write("md.trades", bad[:1])
    assert "dead letter number 21 among" in _halted(market, low), "the sixty before it are counted"
    assert len(_letters(market)) == 60
    assert verify_cluster(cluster, "pipeline")[0].findings == []


@pytest.mark.parametrize(("records", "digests"), [(37, 500), (150, 10_000_000), (5000, 50)])
def test_where_it_halts_depends_neither_on_batches_nor_on_where_a_task_was_killed(
    cluster: Cluster, tmp_path: Path, records: int, digests: int
) -> None:
    """Recovery counts again what the journal has, from a snapshot or from its beginning."""
    market = LiveMarket(
        cluster,
        make_recording(tmp_path / "recording", updates=300, trades=400),
        state_digest_records=digests,
    )
    market.feed(0.0, 0.4)
    with LocalLog.open(market.recording) as source:
        bodies = [
            body
            for block in source.reader("md.depth").blocks()
            for body in split(block.body, block.count, "DepthUpdate")
        ][120:]
    values = [header(market.ids["md.depth"]) + body for body in bodies]
    for number in range(30):  # the window moves, then fills
        values.insert(number * (7 if number < 10 else 4), b"no record")
    market.write("md.depth", values)
    market.deployment.flood = FloodLimit(12, 90)
    for steps in (2, 1):
        task = market.task(bounds=Bounds(records=records, order_wait_seconds=3.0))
        task.prepare()
        try:
            for _ in range(steps):
                task.step(0.05)
        except DeadLetterFlood:
            assert records == 5000
        task.close()  # without a drain, as one that is killed
    text = _halted(market, market.deployment.flood, records)
    depth = [offset for topic, offset in _letters(market) if topic == "md.depth"]
    bad = [int(value) for value in _bad_offsets(market)]
    first = next(at for at in range(12, len(bad)) if bad[at] - bad[at - 12] < 90)
    assert depth == bad[:first] and f"md.depth/0 offset {bad[first]} would be" in text
    assert verify_cluster(cluster, "pipeline")[0].findings == []


def _bad_offsets(market: LiveMarket) -> list[int]:
    """Offsets of the planted records in md.depth."""
    reader = market.log.reader(market.cluster.name("test"))
    partition = market.cluster.name("md.depth"), 0
    reader.assign({partition: 0})
    end, found = reader.end(partition), []
    while reader.position(partition) < end:
        chunk = reader.fetch(10_000, 1.0)
        found += [
            offset
            for offset, value in zip(chunk.offsets, chunk.values, strict=True)
            if value == b"no record"
        ]
    reader.close()
    return found
