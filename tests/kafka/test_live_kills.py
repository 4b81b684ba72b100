"""F1, F12, F21 and recovery on a real broker: killed at every step, and the run that goes on equals
one that nothing disturbed.

Oracle: an uninterrupted run over the same records in an environment of its own; the journal's
chain, which a fork or a lost record breaks; and, for the order itself, a backtest of the same
recording on the local log.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from jobs.live.proof import verify_cluster
from streams.log.kafka.client import KafkaLog
from streams.log.kafka.cluster import Cluster
from streams.runtime.journal.journal import BATCH
from streams.runtime.live.snapshots import read_snapshots
from tests.kafka.live_market import (
    LiveMarket,
    each_step,
    ended,
    fresh_environment,
    run_to_end,
    said,
    uninterrupted,
    wait_until,
)
from tests.scenario import backtest, make_recording

pytestmark = pytest.mark.broker
MarketOf = Callable[[str], LiveMarket]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_recording(tmp_path_factory.mktemp("small") / "recording", updates=900, trades=1_200)


@pytest.fixture(scope="module")
def market_of(
    shared_bootstrap: str, shared_registry: str, recording: Path, request: pytest.FixtureRequest
) -> MarketOf:
    """A market in an environment of its own, fed."""
    def make(name: str) -> LiveMarket:
        cluster = Cluster(
            bootstrap=shared_bootstrap,
            registry=shared_registry,
            environment=fresh_environment(f"k-{name}"),
        )
        market = LiveMarket(cluster, recording)
        market.fed = market.feed()  # type: ignore[attr-defined]
        return market

    return make


@pytest.fixture(scope="module")
def expected(market_of: MarketOf) -> dict[str, str]:
    market = market_of("whole")
    found = uninterrupted(market, market.fed)  # type: ignore[attr-defined]
    assert len(set(found.values())) > 8, "most topics must have records, or equality says little"
    return found


def test_a_run_on_kafka_makes_the_records_of_a_backtest(
    market_of: MarketOf, recording: Path, tmp_path: Path
) -> None:
    """Fed before the job starts, the live order is the merge's; the backtest adds only what its end
    of input makes.
    """
    market = market_of("same")
    uninterrupted(market, market.fed)  # type: ignore[attr-defined]
    run = backtest(recording, tmp_path / "run")
    from schemas.codec import codec
    from streams.log.local import LocalLog

    with LocalLog.open(run.folder) as log:
        for topic in ("signals", "orders.requests", "fills", "venue.reports"):
            record = {
                "signals": "Signal",
                "orders.requests": "OrderRequest",
                "fills": "Fill",
                "venue.reports": "ExecutionReport",
            }[topic]
            local = [
                each
                for block in log.reader(topic).blocks()
                for each in codec(record).decode_records(block.body, block.count)
            ]
            live = [codec(record).decode_records(body, 1)[0] for body in market.records(topic)]
            assert len(live) > 3
            assert [_without_ids(each) for each in local[: len(live)]] == [
                _without_ids(each) for each in live
            ]


def _without_ids(record: object) -> dict[str, object]:
    """A run's ids carry its journal id, which a backtest derives and a live topology is given."""
    return {
        name: value
        for name, value in msgspec.structs.asdict(record).items()
        if not name.endswith("_id")
    }  # type: ignore[type-var]


SMOKE = ("output written", "journal written", "committed")


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(step, marks=pytest.mark.smoke) if step in SMOKE else step
        for step in each_step()
    ],
)
def test_killed_at_any_step_the_next_owner_goes_on_as_if_nothing_had_happened(
    step: str, market_of: MarketOf, expected: dict[str, str]
) -> None:
    market = market_of("step")
    fed = market.fed  # type: ignore[attr-defined]
    occurrence = (
        1
        if step in ("fenced 0", "fenced 1", "journal read", "prepared", "drained")
        else 2
        if step == "snapshot written"
        else 5
    )
    killed = market.process(die_at=step, occurrence=occurrence)
    assert ended(killed) == -signal.SIGKILL, f"it never came to {step}"
    after = market.task()
    after.prepare()
    run_to_end(after, fed)
    after.drain()
    after.close()
    assert market.digests() == expected
    entries = market.journal()
    assert (
        sum(item.count for entry in entries if entry.kind == BATCH for item in entry.inputs) == fed
    )


def test_killed_again_and_again_during_recovery_it_still_ends_where_it_should(
    market_of: MarketOf, expected: dict[str, str]
) -> None:
    market = market_of("again")
    assert ended(market.process(die_at="committed", occurrence=6)) == -signal.SIGKILL
    for _ in range(2):  # how many batches lie behind the newest snapshot depends on the clock
        assert ended(market.process(die_at="batch repeated")) == -signal.SIGKILL
    last = market.process()
    assert said(last, "drained")["records"] == market.fed  # type: ignore[attr-defined]
    assert ended(last) == 0
    assert market.digests() == expected


def test_every_snapshot_is_passed_over_where_none_can_be_read(
    market_of: MarketOf, expected: dict[str, str]
) -> None:
    """F12: a torn or foreign snapshot costs time, not truth."""
    market = market_of("torn")
    fed = market.fed  # type: ignore[attr-defined]
    assert ended(market.process(die_at="committed", occurrence=9)) == -signal.SIGKILL
    writer = market.log.plain_writer()
    writer.begin()
    name = market.cluster.name("pipeline.snapshots")
    stored = market.records("pipeline.snapshots")
    assert stored, "nothing to tear"
    writer.produce(
        name, 0, [b"\0\0\0\0\1" + body[: len(body) // 2] for body in stored] + [b"", b"\xff" * 40]
    )
    writer.commit()
    after = market.task()
    after.prepare()
    run_to_end(after, fed)
    after.drain()
    assert market.digests() == expected


def test_a_drained_task_starts_from_its_last_snapshot_alone(market_of: MarketOf) -> None:
    market = market_of("drained")
    uninterrupted(market, market.fed)  # type: ignore[attr-defined]
    reader = market.log.reader("test")
    newest = next(iter(read_snapshots(reader, (market.cluster.name("pipeline.snapshots"), 0))))
    reader.close()
    assert newest.journal_sequence == market.journal()[-1].sequence
    repeated: list[str] = []
    task = market.task(
        on_step=lambda name: repeated.append(name) if name == "batch repeated" else None
    )
    task.prepare()
    assert repeated == []
    assert task.execution.consumed == market.fed  # type: ignore[attr-defined]


def test_the_cluster_alone_proves_what_ran(market_of: MarketOf) -> None:
    market = market_of("proof")
    assert ended(market.process(die_at="journal written", occurrence=4)) == -signal.SIGKILL
    last = market.process()
    assert ended(last) == 0
    verdict = verify_cluster(market.cluster, "pipeline")[0]
    assert verdict.findings == []
    assert (verdict.records, verdict.batches) == (
        market.fed,
        len([e for e in market.journal() if e.kind == BATCH]),
    )  # type: ignore[attr-defined]


def test_a_foreign_record_in_an_output_is_a_finding(market_of: MarketOf) -> None:
    market = market_of("foreign")
    uninterrupted(market, market.fed)  # type: ignore[attr-defined]
    writer = KafkaLog(market.cluster).plain_writer()
    writer.begin()
    writer.produce(market.cluster.name("fills"), 0, [b"\0\0\0\0\1" + market.records("fills")[0]])
    writer.commit()
    verdict = verify_cluster(market.cluster, "pipeline")[0]
    assert [finding.kind for finding in verdict.findings] == ["output"]
    assert "fills" in verdict.findings[0].text


def test_older_snapshots_are_deleted_and_the_newest_four_stay(
    cluster: Cluster, recording: Path
) -> None:
    market = LiveMarket(cluster, recording, state_digest_records=100)
    fed = market.feed()
    uninterrupted(market, fed)
    partition = cluster.name("pipeline.snapshots"), 0
    reader = market.log.reader("test")
    wait_until(lambda: reader.start(partition) > 0, what="the deletion of older snapshots")
    kept = [snapshot.journal_sequence for snapshot in read_snapshots(reader, partition)]
    reader.close()
    assert 4 <= len(kept) <= 6
    assert kept[0] == market.journal()[-1].sequence
