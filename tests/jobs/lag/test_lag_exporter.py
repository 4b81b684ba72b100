"""The exporter: what it exposes is what its table says, it never waits for Kafka, and rebalances
start no series.

Oracle: prometheus_client's own parser of the exposition; the table of names; the simulated
cluster's truth.
"""

from __future__ import annotations

import threading
import time
import urllib.request
from collections import Counter

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from simulated_lag import COMMITTED, MARKER, SimulatedCluster, SimulatedPartition

from jobs.lag.exporter import LagExporter, series_budget, serve
from jobs.lag.metrics import BY_NAME, METRICS, PURPOSES, REASONS, SHARD_STATES, STATES
from jobs.lag.quiet import Calendar, Market
from jobs.lag.reading import Member, Reading, TopicSettings, TopologyFacts
from jobs.lag.settings import LagSettings
from jobs.lag.watching import Watch
from streams.log.kafka.errors import BrokerUnreachable


def cluster_of(groups: int, topics: int, partitions: int) -> SimulatedCluster:
    """Groups that each read every partition, one record short."""
    cluster = SimulatedCluster()
    for topic in range(topics):
        cluster.settings[f"t{topic}"] = TopicSettings(3600.0, "CreateTime")
        for number in range(partitions):
            partition = cluster.partitions[(f"t{topic}", number)] = SimulatedPartition()
            for _ in range(5):
                partition.append(int(cluster.now * 1000) - 60_000)
    for group in range(groups):
        owned = tuple(cluster.partitions)
        cluster.offsets[f"g{group}"] = dict.fromkeys(owned, 4)
        cluster.members[f"g{group}"] = (Member(f"m{group}", "10.0.0.1", "1.2", owned),)
    return cluster


def exporter_of(cluster: SimulatedCluster, **calendar: Market) -> LagExporter:
    return LagExporter(
        Watch(cluster, LagSettings(request_seconds=2.0), clock=lambda: cluster.now),
        5.0,
        Calendar(calendar),
        now=lambda: cluster.now,
    )


Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scrape(exporter: LagExporter) -> Series:
    """What Prometheus would read."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(exporter)
    found: Series = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, f"{key} twice"
            found[key] = sample.value
    return found


def values(series: Series, name: str, **labels: str) -> list[float]:
    return [
        value
        for (found, at), value in series.items()
        if found == name and set(labels.items()) <= set(at)
    ]


def test_every_series_is_in_the_table_with_its_labels_and_known_values() -> None:
    cluster = cluster_of(2, 2, 2)
    cluster.offsets["nightly-replay"] = {("t0", 0): 2}
    cluster.partitions[("t1", 1)].append(0, producer=1)
    cluster.offsets["g0"][("t0", 1)] = 99
    with_topologies(cluster)
    exporter = exporter_of(cluster, nse=Market(days=()))
    for _ in range(3):
        exporter.collect_once()
        cluster.now += 5
        cluster.offsets["nightly-replay"][("t0", 0)] += 1
    exporter.errors["unreachable"] += 1
    series = scrape(exporter)
    seen = {name for name, _ in series}
    assert seen - set(BY_NAME) == set()
    assert set(BY_NAME) - seen == set(), "a metric of the table that nothing can drive"
    for (name, labels), value in series.items():
        given = dict(labels)
        assert set(given) == set(BY_NAME[name].labels), name
        assert (
            given.get("state", "OK") in STATES
            or name == "shriven_shard_state"
            and given["state"] in SHARD_STATES
        )
        assert (
            given.get("reason", "no_commit") in REASONS and given.get("purpose", "live") in PURPOSES
        )
        assert value == value, f"{name} is not a number"


def with_topologies(cluster: SimulatedCluster) -> None:
    """Two environments on one cluster, each with a topology; prod's has three shards, and an old
    topology is closed.
    """
    for environment in ("prod", "stage"):
        depth = (f"{environment}.md.depth", 0)
        partition = cluster.partitions[depth] = SimulatedPartition()
        for _ in range(5):
            partition.append(int(cluster.now * 1000) - 60_000)
        cluster.topics.add(f"{environment}.topologies")
        cluster.partitions[(f"{environment}.pipeline.journal", 0)] = SimulatedPartition()
        cluster.partitions[(f"{environment}.pipeline.journal", 0)].append(0)
        for topology in ("pipeline", "old"):
            cluster.offsets[f"{environment}.{topology}.0"] = {depth: 1}
        cluster.offsets[f"{environment}.pipeline.owners"] = {}
    cluster.topologies = (
        TopologyFacts("prod", "old", 1, False),
        TopologyFacts("prod", "pipeline", 3, True),
        TopologyFacts("stage", "old", 1, False),
        TopologyFacts("stage", "pipeline", 2, True),  # one of its shards never began
    )
    journal = "prod.pipeline.journal"
    cluster.members["prod.pipeline.owners"] = (Member("a", "10.0.0.1", "1", ((journal, 0),)),)
    for shard, said in enumerate(("running", "quarantined md.depth/0/7", "drained")):
        cluster.offsets[f"prod.pipeline.{shard}.state"] = {(journal, shard): 0}
        cluster.notes[f"prod.pipeline.{shard}.state"] = {(journal, shard): said}
    cluster.offsets["analytics"] = {("prod.md.depth", 0): 5}


def test_one_exporter_gives_every_group_topic_and_shard_its_own_environment() -> None:
    """Regression: all had the exporter's own, and alerts of the others were never held back.
    Oracle: the names, by hand.
    """
    cluster = cluster_of(1, 1, 1)
    with_topologies(cluster)
    exporter = exporter_of(cluster, nse=Market(days=()))
    exporter.collect_once()
    series = scrape(exporter)
    of = {
        dict(at)["group"]: dict(at)["environment"]
        for name, at in series
        if name == "shriven_consumer_lag_records"
    }
    assert of == {
        "g0": "local",
        "prod.pipeline.0": "prod",
        "stage.pipeline.0": "stage",
        "analytics": "prod",
    }
    assert {
        dict(at)["environment"] for name, at in series if name == "shriven_lag_exporter_up"
    } == {"local", "prod", "stage"}
    assert {dict(at)["environment"] for name, at in series if name == "shriven_expected_quiet"} == {
        "local",
        "prod",
        "stage",
    }
    assert values(
        series,
        "shriven_consumer_group_info",
        group="prod.pipeline.0",
        topology="pipeline",
        shard="0",
        environment="prod",
    ) == [1]
    assert values(
        series,
        "shriven_partition_high_watermark_offset",
        topic="stage.md.depth",
        environment="stage",
    ) == [5]


def test_shards_are_told_by_facts_and_closed_topologies_are_forgotten() -> None:
    cluster = cluster_of(0, 1, 1)
    with_topologies(cluster)
    exporter = exporter_of(cluster)
    for _ in range(20):
        exporter.collect_once()
        cluster.now += 5

    def told() -> dict[tuple[str, str], str]:
        found = {}
        for (name, at), value in scrape(exporter).items():
            labels = dict(at)
            if name == "shriven_shard_state" and value:
                found[labels["environment"], labels["shard"]] = labels["state"]
        return found

    series = scrape(exporter)
    assert not [
        at
        for _, at in series
        if "old" in dict(at).get("group", "") or dict(at).get("topology") == "old"
    ]
    assert told() == {
        ("prod", "0"): "frozen",
        ("prod", "1"): "quarantined",
        ("prod", "2"): "drained",
        ("stage", "0"): "no_owner",
    }
    assert values(
        series, "shriven_shard_quarantined", shard="1", topic="md.depth", partition="0", offset="7"
    ) == [1]
    cluster.offsets["prod.pipeline.0"][("prod.md.depth", 0)] = 5
    cluster.notes["prod.pipeline.1.state"] = {("prod.pipeline.journal", 1): "starting"}
    cluster.members["prod.pipeline.owners"] = (
        Member("a", "10.0.0.1", "1", tuple(("prod.pipeline.journal", shard) for shard in (0, 1))),
    )
    exporter.collect_once()
    assert told() == {
        ("prod", "0"): "running",
        ("prod", "1"): "recovering",
        ("prod", "2"): "drained",
        ("stage", "0"): "no_owner",
    }


def test_names_say_their_unit_and_counters_end_with_total() -> None:
    for metric in METRICS:
        assert metric.name.startswith("shriven_")
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert metric.help.endswith(".") and len(metric.help) > 20, metric.name


def test_unknown_is_absent_with_a_reason_and_never_negative() -> None:
    cluster = cluster_of(1, 1, 3)
    del cluster.offsets["g0"][("t0", 0)]
    cluster.offsets["g0"][("t0", 1)] = 99
    cluster.partitions[("t0", 2)].log_start = 5
    exporter = exporter_of(cluster)
    exporter.collect_once()
    series = scrape(exporter)
    assert values(series, "shriven_consumer_lag_seconds") == []
    for partition, reason in (
        ("0", "no_commit"),
        ("1", "beyond_log_end"),
        ("2", "below_log_start"),
    ):
        assert values(
            series, "shriven_consumer_lag_unknown", partition=partition, reason=reason
        ) == [1]
    assert values(series, "shriven_consumer_state", state="DATA_LOSS") == [1]
    assert all(
        value >= 0 for (name, _), value in series.items() if name.startswith("shriven_consumer_lag")
    )


def test_series_stay_within_the_budget_for_many_groups_and_partitions() -> None:
    groups, topics, partitions = 30, 4, 6
    cluster = cluster_of(groups, topics, partitions)
    exporter = exporter_of(cluster)
    exporter.collect_once()
    for name in cluster.offsets:
        # read to the end: every state is known
        cluster.offsets[name] = dict.fromkeys(cluster.partitions, 5)
    exporter.collect_once()
    series = scrape(exporter)
    assert len(series) <= series_budget(groups, topics, partitions)
    assert values(series, "shriven_lag_exporter_series") == [len(series)]
    per_name = Counter(name for name, _ in series)
    assert max(per_name.values()) == groups * topics * len(STATES)


def test_a_rebalance_starts_no_series_but_member_info() -> None:
    cluster = cluster_of(3, 1, 4)
    exporter = exporter_of(cluster)
    exporter.collect_once()
    exporter.collect_once()
    before = set(scrape(exporter))
    for turn in range(20):
        for group in cluster.members:
            cluster.members[group] = (
                Member(f"new-{turn}", "10.0.0.2", "1.3", tuple(cluster.partitions)),
            )
        exporter.collect_once()
        after = set(scrape(exporter))
        assert {name for name, _ in after ^ before} == {"shriven_consumer_member_info"}
        assert len(after) == len(before)


def test_a_deleted_group_disappears_and_a_group_glob_keeps_others_out() -> None:
    cluster = cluster_of(2, 1, 1)
    exporter = exporter_of(cluster)
    exporter.collect_once()
    del cluster.offsets["g1"]
    exporter.collect_once()
    assert not [at for _, at in scrape(exporter) if dict(at).get("group") == "g1"]


def test_a_replay_group_is_apart_with_progress_and_speed() -> None:
    cluster = cluster_of(0, 1, 1)
    partition = cluster.partitions[("t0", 0)]
    for second in range(100):
        partition.append(second * 1000)
    cluster.offsets["pipeline-replay-7"] = {("t0", 0): 5}
    exporter = exporter_of(cluster)
    for _ in range(4):
        exporter.collect_once()
        cluster.now += 1
        cluster.offsets["pipeline-replay-7"][("t0", 0)] += 20
    series = scrape(exporter)
    assert values(series, "shriven_consumer_replay_speed_ratio", purpose="replay") == [
        pytest.approx(20)
    ]
    assert values(series, "shriven_consumer_replay_progress_ratio", purpose="replay") == [
        pytest.approx(65 / 105)
    ]
    assert not values(series, "shriven_consumer_lag_records", purpose="live")


def test_future_timestamps_count_as_now_and_are_counted_once() -> None:
    cluster = cluster_of(1, 1, 1)
    cluster.partitions[("t0", 0)].entries[4].timestamp_ms = int(cluster.now * 1000) + 3_600_000
    exporter = exporter_of(cluster)
    for _ in range(3):
        exporter.collect_once()
    series = scrape(exporter)
    assert values(series, "shriven_consumer_lag_seconds") == [0]
    assert values(series, "shriven_consumer_lag_records") == [1]
    assert values(series, "shriven_clock_skew_records_total", topic="t0") == [1]


def test_a_count_of_a_compacted_topic_is_made_anew_and_long_lags_are_counted_too() -> None:
    """Regression: 501 records were shown for 8 that compaction had left. Oracle: the simulated
    partition counts by brute force.
    """
    cluster = cluster_of(1, 2, 1)
    for topic in ("t0", "t1"):
        cluster.settings[topic] = TopicSettings(None, "CreateTime", is_compacted=topic == "t0")
        cluster.offsets["g0"][(topic, 0)] = 0
        for _ in range(3_000):
            cluster.partitions[(topic, 0)].append(int(cluster.now * 1000) - 30_000)
    exporter = exporter_of(cluster)
    for turn in range(6):
        if turn == 3:
            for at, entry in enumerate(cluster.partitions[("t0", 0)].entries):
                entry.kind = COMMITTED if at % 500 == 0 else MARKER
        exporter.collect_once()
        cluster.now += 5
    partition = cluster.partitions[("t0", 0)]
    assert (
        values(scrape(exporter), "shriven_consumer_lag_records", topic="t0")
        == [len(partition.truth(0, partition.last_stable))]
        == [7]
    )
    assert values(scrape(exporter), "shriven_consumer_lag_records", topic="t1") == [3_005]


def test_partitions_of_one_group_without_members_never_contradict_each_other() -> None:
    """Regression: STOPPED where a position had moved once, NO_MEMBERS where it had not, in one
    group.
    """
    cluster = cluster_of(1, 1, 2)
    cluster.members["g0"] = ()
    exporter = exporter_of(cluster)
    seen = []
    for turn in range(30):
        if turn == 1:
            cluster.offsets["g0"][("t0", 1)] = 3
            for at in range(2):
                for _ in range(5):
                    cluster.partitions[("t0", at)].append(int(cluster.now * 1000) - 60_000)
        exporter.collect_once()
        assert exporter.snapshot is not None
        seen.append({lag.state for lag in exporter.snapshot.lags})
        cluster.now += 5
    assert seen[0] == seen[-1] == {"NO_MEMBERS"} and not any("STOPPED" in states for states in seen)


def test_retention_margin_is_what_is_left_of_retention_and_absent_without_one() -> None:
    cluster = cluster_of(1, 2, 1)
    cluster.settings["t1"] = TopicSettings(None, "CreateTime")
    exporter = exporter_of(cluster)
    exporter.collect_once()
    series = scrape(exporter)
    assert values(series, "shriven_consumer_retention_margin_seconds", topic="t0") == [
        pytest.approx(3600 - 60)
    ]
    assert values(series, "shriven_consumer_retention_margin_seconds", topic="t1") == []


def test_an_open_transaction_shows_what_it_holds_and_how_old_it_is() -> None:
    cluster = cluster_of(1, 1, 1)
    partition = cluster.partitions[("t0", 0)]
    cluster.offsets["g0"][("t0", 0)] = 5
    for _ in range(3):
        partition.append(int(cluster.now * 1000), producer=1)
    exporter = exporter_of(cluster)
    for _ in range(5):
        exporter.collect_once()
        cluster.now += 5
    exporter.collect_once()
    series = scrape(exporter)
    assert values(series, "shriven_open_transaction_hold_records") == [3]
    assert values(series, "shriven_open_transaction_age_seconds") == [25]
    assert values(series, "shriven_consumer_state", state="TXN_BLOCKED") == [1]
    assert values(series, "shriven_consumer_lag_records") == [0]
    partition.end(1, True, int(cluster.now * 1000))
    exporter.collect_once()
    series = scrape(exporter)
    assert values(series, "shriven_open_transaction_age_seconds") == [0]
    assert values(series, "shriven_consumer_lag_records") == [3]


class Unreachable(SimulatedCluster):
    """Fails, or hangs, on demand."""

    failing: Exception | None = None

    def __init__(self) -> None:
        super().__init__()
        self.hang = threading.Event()
        self.hang.set()

    def read(self) -> Reading:
        self.hang.wait()
        if self.failing:
            raise self.failing
        return super().read()


def unreachable_cluster() -> Unreachable:
    cluster = Unreachable()
    filled = cluster_of(1, 1, 1)
    cluster.partitions, cluster.offsets, cluster.members, cluster.settings = (
        filled.partitions,
        filled.offsets,
        filled.members,
        filled.settings,
    )
    return cluster


@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        (BrokerUnreachable("nowhere:1 does not answer"), "broker_unreachable"),
        (ZeroDivisionError("planted"), "defect"),
    ],
)
def test_without_the_cluster_values_disappear_after_three_intervals_and_return(
    failure: Exception, cause: str
) -> None:
    cluster = unreachable_cluster()
    exporter = exporter_of(cluster)
    exporter.collect_once()
    assert values(scrape(exporter), "shriven_lag_exporter_up") == [1]
    cluster.failing = failure
    cluster.now += 10
    exporter.collect_once()
    series = scrape(exporter)
    assert values(series, "shriven_lag_exporter_up") == [0] and values(
        series, "shriven_consumer_lag_records"
    ) == [1]
    cluster.now += 10
    series = scrape(exporter)
    assert values(series, "shriven_consumer_lag_records") == []
    assert values(series, "shriven_lag_exporter_errors_total", cause=cause) == [1]
    assert values(series, "shriven_lag_exporter_last_success_timestamp_seconds") == [1_000]
    cluster.failing = None
    exporter.collect_once()
    assert values(scrape(exporter), "shriven_lag_exporter_up") == [1]
    assert values(scrape(exporter), "shriven_consumer_lag_records") == [1]


def test_a_scrape_does_not_wait_for_a_collection_that_hangs() -> None:
    cluster = unreachable_cluster()
    exporter = LagExporter(
        Watch(cluster, LagSettings(request_seconds=1.0)), 0.05, Calendar(), now=lambda: cluster.now
    )
    server = serve(exporter, 0)
    try:
        url = f"http://127.0.0.1:{server.port}/metrics"
        deadline = time.monotonic() + 30
        while exporter.collections == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        cluster.hang.clear()
        # long enough for the next collection to begin; if it has not, the scrapes below are no
        # harder
        time.sleep(0.2)
        for _ in range(5):
            text = urllib.request.urlopen(url, timeout=20).read().decode()
            assert 'shriven_consumer_lag_records{environment="local",group="g0"' in text
    finally:
        cluster.hang.set()
        server.close()
        exporter.stop()
