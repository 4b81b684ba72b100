"""``sq lag`` and its exporter, as a user runs them, on a real broker.

Oracle: the columns and rules that issue 4 names; what the test itself put on the cluster;
prometheus_client's parser.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator

import pytest
from confluent_kafka.admin import AdminClient
from lag_cases import LagCase, wait_for
from prometheus_client.parser import text_string_to_metric_families

from jobs.lag.watching import Lag
from jobs.telemetry.document import declared
from streams.log.kafka.cluster import Cluster

pytestmark = pytest.mark.broker


def variables(cluster: Cluster) -> dict[str, str]:
    return {**os.environ, "SQ_KAFKA_BOOTSTRAP": cluster.bootstrap}


def sq(cluster: Cluster, *arguments: str, expect: int = 0) -> str:
    """Run ``sq lag``; returns what it printed."""
    ended = subprocess.run(
        [sys.executable, "-m", "jobs.sq", "lag", *arguments],
        env=variables(cluster),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == expect, ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stdout if expect == 0 else ended.stderr


def test_no_group_gives_an_empty_list_and_words(bare_cluster: Cluster) -> None:
    assert sq(bare_cluster, "--json", "--group", "nobody-is-called-this") == "[]\n"
    assert "no group" in sq(bare_cluster, "--group", "nobody-is-called-this")


def test_rows_of_a_transactional_topic_are_true(bare_cluster: Cluster, case: LagCase) -> None:
    for _ in range(5):
        case.transaction(10)
    case.transaction(4, "abort")
    for name, count in (("done", 50), ("short", 47)):
        case.read(count, name)
    rows = {
        row["group"]: row
        for row in json.loads(sq(bare_cluster, "--json"))
        if row["group"].startswith(case.topic)
    }
    assert {name: rows[case.group(name)]["lag_records"] for name in ("done", "short")} == {
        "done": 0,
        "short": 3,
    }
    assert list(rows[case.group("done")]) == [
        "group",
        "topic",
        "partition",
        "position",
        "lag_records",
        "lag_seconds",
        "state",
        "reason",
    ]
    table = sq(bare_cluster, "--group", f"{case.topic}.*").splitlines()
    assert table[0].split()[:3] == ["group", "topic", "part"] and len(table) == 5


def test_thirty_groups_are_answered_in_a_few_seconds(bare_cluster: Cluster, case: LagCase) -> None:
    for _ in range(30):
        case.transaction(100)
    for number in range(30):
        case.commit(number * 100, f"g{number}")
    began = time.monotonic()
    rows = json.loads(sq(bare_cluster, "--json", "--group", f"{case.topic}.*"))
    assert len(rows) == 30 and all(
        row["lag_records"] > 0 and row["lag_seconds"] is not None for row in rows
    )
    assert time.monotonic() - began < 60, "a few seconds on an idle machine, its start included"


def test_looking_leaves_nothing_on_the_cluster(bare_cluster: Cluster, case: LagCase) -> None:
    case.transaction(10)
    case.commit(2)
    admin = AdminClient(bare_cluster.client())
    before = (
        {group.group_id for group in admin.list_consumer_groups().result().valid},
        set(admin.list_topics(timeout=30).topics),
    )
    sq(bare_cluster, "--json")
    after = (
        {group.group_id for group in admin.list_consumer_groups().result().valid},
        set(admin.list_topics(timeout=30).topics),
    )
    assert after[0] - before[0] == set() and after[1] - before[1] == set()


def test_an_unreachable_cluster_is_said_in_one_line() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = Cluster(bootstrap=f"127.0.0.1:{free.getsockname()[1]}")
        said = sq(nowhere, "--json", expect=1)
    assert nowhere.bootstrap in said and "does not answer" in said and "sq kafka status" in said
    assert len(said.strip().splitlines()) == 1


@pytest.fixture
def served(bare_cluster: Cluster, case: LagCase) -> Iterator[str]:
    """Address of an exporter process of this case's groups."""
    command = [
        sys.executable,
        "-m",
        "jobs.lag",
        "--serve",
        "0",
        "--interval",
        "0.2",
        "--group",
        f"{case.topic}.*",
    ]
    process = subprocess.Popen(
        command, env=variables(bare_cluster), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    yield process.stdout.readline().strip().removeprefix("metrics=")
    process.terminate()
    assert process.wait(30) == 0, "SIGTERM ends it cleanly"


def scrape(address: str) -> dict[tuple[str, str, str], float]:
    """(metric, group, topic) -> value; every name and label is declared."""
    names = declared()
    text = urllib.request.urlopen(address, timeout=20).read().decode()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            assert sample.name in names and set(sample.labels) == set(names[sample.name].labels), (
                sample
            )
            found[(sample.name, sample.labels.get("group", ""), sample.labels.get("topic", ""))] = (
                sample.value
            )
    return found


def test_the_exporter_follows_the_group(served: str, case: LagCase) -> None:
    case.transaction(10)
    case.commit(4)
    key = ("shriven_consumer_lag_records", case.group(), case.topic)
    wait_for(lambda: scrape(served).get(key) == 6, "six records behind")
    case.commit(10)
    wait_for(lambda: scrape(served).get(key) == 0, "nothing behind, though a marker follows")
    assert scrape(served)[("shriven_lag_exporter_up", "", "")] == 1


def test_lag_is_never_negative_while_others_produce_and_consume(case: LagCase) -> None:
    """A producer commits transactions and a consumer follows it as fast as both can; positions,
    ends and looks race against them.
    """
    stop = threading.Event()
    produced = 0
    problems: list[BaseException] = []

    def produce() -> None:
        nonlocal produced
        try:
            while not stop.is_set():
                case.transaction(20, "abort" if produced % 100 == 80 else "commit")
                produced += 20
        except BaseException as problem:  # noqa: BLE001 - handed to the test's thread
            problems.append(problem)

    def consume() -> None:
        try:
            consumer = case.consumer()
            consumer.subscribe([case.topic])
            while not stop.is_set():
                if any(message.error() is None for message in consumer.consume(50, 0.05)):
                    consumer.commit(asynchronous=False)
            consumer.close()
        except BaseException as problem:  # noqa: BLE001 - handed to the test's thread
            problems.append(problem)

    threads = [threading.Thread(target=produce), threading.Thread(target=consume)]
    for thread in threads:
        thread.start()
    watch = case.watch()
    seen: list[Lag] = []
    try:
        wait_for(
            lambda: problems or any(lag.position for lag in case.snapshot(watch).lags),
            "the consumer commits",
        )
        while not problems and (len(seen) < 40 or len({lag.position for lag in seen}) < 10):
            seen += case.snapshot(watch).lags
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert not problems
    for lag in seen:
        assert lag.lag_records is not None and lag.lag_records >= 0
        assert lag.lag_seconds is not None and 0 <= lag.lag_seconds < 60
        assert lag.state in ("OK", "CATCHING_UP", "FALLING_BEHIND")
