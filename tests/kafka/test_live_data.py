"""What lies on input topics that should not: bad records, foreign schemas, recorded data under the
wall clock, topics that change (F14, F15, F21).

Oracle: the count of what was planted, and a run over the same records without them.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from jobs.live.deployment import prepared
from jobs.live.proof import verify_cluster
from schemas.codec import codec
from schemas.registry import SchemaIdReassigned
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.transport import OffsetOutOfRange, TopicChanged
from streams.runtime.failures import StageFailed
from streams.runtime.live.partition import RecordedUnderWallClock
from streams.runtime.live.schema_ids import UnresolvedSchemaId
from streams.runtime.live.topics import check_topics
from tests.kafka.live_market import LiveMarket, ended, run_to_end, uninterrupted, wait_until
from tests.scenario import make_recording

pytestmark = pytest.mark.broker
POISON = """
from streams.signals.strategy import Strategy, StrategyState

class Fragile(Strategy):
    WAKES = ("quotes",)
    class State(StrategyState):
        seen: int = 0
    def on_quote(self, quote, context):
        self.state.seen += 1
        if quote.sequence == 1452:
            raise ValueError("this quote cannot be")
"""


@pytest.fixture
def market(cluster: Cluster, tmp_path: Path) -> LiveMarket:
    return LiveMarket(cluster, make_recording(tmp_path / "recording", updates=300, trades=400))


@pytest.mark.smoke
def test_bad_records_become_dead_letters_with_their_bytes_and_the_good_ones_around_them_are_used(
    market: LiveMarket, cluster: Cluster
) -> None:
    head = b"\0" + market.ids["md.trades"].to_bytes(4, "big")
    fed = market.feed(0.0, 0.5)
    bad = [head + b"\x02", b"\x01garbage", b"", head + b"\xff" * 30, head]
    market.write("md.trades", bad)
    fed += market.feed(0.5, 1.0) + len(bad)
    task = market.task()
    task.prepare()
    run_to_end(task, fed)
    task.drain()
    letters = [
        codec("DeadLetter").decode_records(body, 1)[0] for body in market.records("pipeline.dlq")
    ]
    assert [letter.payload for letter in letters] == bad
    assert [letter.reason for letter in letters] == [
        "malformed_record",
        "bad_framing",
        "bad_framing",
        "malformed_record",
        "malformed_record",
    ]
    assert {letter.origin_topic for letter in letters} == {"md.trades"}
    verdict = verify_cluster(cluster, "pipeline")[0]
    assert (verdict.findings, verdict.records) == ([], fed)


def test_a_record_of_a_schema_nobody_resolved_halts_and_dead_letters_nothing(
    market: LiveMarket,
) -> None:
    fed = market.feed()
    market.write("md.trades", [b"\0" + (999_999).to_bytes(4, "big") + b"\x02\x02"])
    task = market.task()
    task.prepare()
    with pytest.raises(UnresolvedSchemaId, match="schema id 999999"):
        run_to_end(task, fed + 1)
    assert market.records("pipeline.dlq") == []


def test_recorded_data_under_the_wall_clock_is_refused_and_not_denied_order_by_order(
    market: LiveMarket,
) -> None:
    market.feed()
    market.deployment.clock = "wall"
    task = market.task()
    task.prepare()
    with pytest.raises(RecordedUnderWallClock, match="--clock event"):
        for _ in range(50):
            task.step(0.05)


def test_market_data_waits_for_instruments(market: LiveMarket) -> None:
    told: list[str] = []
    task = market.task()
    task.observer.waiting = told.append  # type: ignore[method-assign]
    task.prepare()
    with market.cluster_without_instruments() as rest:
        for _ in range(10):
            assert task.step(0.05) == 0
        assert "ref.instruments is empty" in told[0]
        fed = rest()
    run_to_end(task, fed)


@pytest.mark.smoke
def test_a_topic_made_anew_is_noticed_and_not_read_on(market: LiveMarket, cluster: Cluster) -> None:
    """F21: the client reads a recreated topic on without a word."""
    fed = market.feed()
    task = market.task()
    task.prepare()
    run_to_end(task, fed)
    admin = AdminClient(cluster.client())
    name = cluster.name("md.trades")
    admin.delete_topics([name])[name].result(30)
    wait_until(lambda: name not in admin.list_topics(timeout=10).topics, what="the deletion")
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(30)
    wait_until(lambda: market.log.admin().describe([name]), what="the new topic")
    with pytest.raises(TopicChanged, match="made anew"):
        wait_until(lambda: check_topics(task.log.admin, task.log.spec, task.genesis), seconds=15)
    with pytest.raises(TopicChanged, match="made anew"):
        market.task().prepare()


def test_partitions_that_were_added_halt_the_task(market: LiveMarket, cluster: Cluster) -> None:
    fed = market.feed()
    task = market.task()
    task.prepare()
    run_to_end(task, fed)
    name = cluster.name("md.depth")
    admin = AdminClient(cluster.client())
    admin.create_partitions([NewPartitions(name, 3)])[name].result(30)
    with pytest.raises(TopicChanged, match="3 partitions"):
        wait_until(lambda: check_topics(task.log.admin, task.log.spec, task.genesis), seconds=15)


@pytest.mark.smoke
def test_retention_that_overtakes_a_task_is_a_loud_loss(
    market: LiveMarket, cluster: Cluster
) -> None:
    """F21: never a silent jump to what is left."""
    market.feed()
    assert ended(market.process(die_at="committed", occurrence=3)) != 0
    place = TopicPartition(cluster.name("md.depth"), 0, 290)
    admin = AdminClient(cluster.client())
    admin.delete_records([place])[place].result(30)
    task = market.task()
    with pytest.raises(OffsetOutOfRange, match="is gone"):
        task.prepare()
        for _ in range(100):
            task.step(0.05)
    verdict = verify_cluster(cluster, "pipeline")[0]
    (finding,) = verdict.findings
    assert finding.kind == "retention"
    assert cluster.name("md.depth") in finding.text
    assert "to 289 are gone from the cluster, removed by retention" in finding.text


def test_a_wiped_registry_with_other_ids_refuses_to_start(
    market: LiveMarket, own_registry: object
) -> None:
    fed = market.feed()
    uninterrupted(market, fed)
    other = own_registry()  # type: ignore[operator]
    other.start()
    import msgspec

    from schemas.registry import Registry

    moved = msgspec.structs.replace(market.cluster, registry=other.url)
    with Registry(moved) as registry:
        for topic in sorted(market.ids, reverse=True):
            registry.register(topic)
    market.deployment.cluster = moved
    with pytest.raises(SchemaIdReassigned):
        prepared(market.deployment)


def test_a_poisonous_record_halts_is_named_and_can_be_skipped(
    cluster: Cluster, tmp_path: Path
) -> None:
    """F18 for a stage that raises: nothing is skipped by itself; a skip is a record, journaled, and
    replays alike.
    """
    from connectors.control import send_control
    from streams.runtime.order.skip import skip_command, skip_request

    file = tmp_path / "fragile.py"
    file.write_text(POISON)
    market = LiveMarket(
        cluster,
        make_recording(tmp_path / "recording", updates=300, trades=400),
        strategy=f"{file}:Fragile",
    )
    fed = market.feed()
    places: list[str] = []
    for _ in range(2):
        task = market.task()
        task.prepare()
        with pytest.raises(StageFailed, match="this quote cannot be") as halt:
            run_to_end(task, fed)
        places.append(halt.value.text.partition("at md.depth offset ")[2].partition(",")[0])
        task.close()
    assert places[0] == places[1], "the same record halts it again"
    command = skip_command(
        skip_request(f"md.depth/0/{places[0]}", "pipeline"), "known bad", "tester", time.time_ns()
    )
    send_control(market.log, cluster.name("control"), market.ids["control"], command)
    task = market.task()
    task.prepare()
    run_to_end(task, fed + 1)
    task.drain()
    letters = [
        codec("DeadLetter").decode_records(body, 1)[0] for body in market.records("pipeline.dlq")
    ]
    assert [
        (letter.reason, letter.origin_topic, str(letter.origin_offset)) for letter in letters
    ] == [("skipped", "md.depth", places[0])]
    assert verify_cluster(cluster, "pipeline")[0].findings == []
