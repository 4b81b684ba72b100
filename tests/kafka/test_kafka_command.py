"""``sq kafka`` as a user types it, in a home of its own: up, down, status, data kept or wiped."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from needs import need_broker, need_registry

from infra.kafka.errors import NoJava
from infra.kafka.java import find_java
from schemas.catalogue import cluster_topics
from schemas.registry import Registry
from streams.log.kafka.cluster import Cluster, find_cluster

pytestmark = pytest.mark.broker
Sq = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home of a cluster"  # with blanks, as on some machines


@pytest.fixture
def sq(home: Path) -> Iterator[Sq]:
    need_broker()
    need_registry()

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        others = {
            name: value for name, value in os.environ.items() if not name.startswith("SQ_KAFKA_")
        }
        environment = {**others, "SQ_KAFKA_HOME": str(home), **variables}
        command = [sys.executable, "-m", "jobs.sq", *arguments]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=300, check=False
        )

    yield run
    run("kafka", "down", "--wipe")


def pids(home: Path) -> list[int]:
    return [
        int((home / name / f"{name}.pid").read_text().split()[0]) for name in ("broker", "registry")
    ]


def test_down_and_status_where_nothing_ever_ran(sq: Sq, home: Path) -> None:
    wiped = sq("kafka", "down", "--wipe")
    assert (wiped.returncode, wiped.stderr) == (0, "")
    status = sq("kafka", "status")
    assert status.returncode == 1 and "down" in status.stdout
    lost = sq("topics", "plan")
    assert lost.returncode == 2 and lost.stderr.startswith(
        "sq: no Kafka cluster is named: start one with 'sq kafka up'"
    )
    assert not home.exists()


def test_a_cluster_comes_up_is_found_keeps_its_data_and_is_wiped(sq: Sq, home: Path) -> None:
    up = sq("kafka", "up")
    assert up.returncode == 0, up.stderr
    last = up.stdout.splitlines()[-1]
    match = re.fullmatch(
        r"bootstrap=(127\.0\.0\.1:\d+) registry=(http://127\.0\.0\.1:\d+/\S+)", last
    )
    assert match, last
    facts = {"bootstrap": match.group(1), "registry": match.group(2)}
    assert json.loads((home / "cluster.json").read_text()) == facts
    cluster = find_cluster(
        environment={
            "SQ_KAFKA_BOOTSTRAP": facts["bootstrap"],
            "SQ_KAFKA_REGISTRY": facts["registry"],
        }
    )

    ran = pids(home)
    again = sq("kafka", "up")
    assert (again.returncode, again.stdout.splitlines()[-1]) == (0, last)
    assert pids(home) == ran  # nothing was started twice

    status = json.loads(sq("kafka", "status", "--json").stdout)
    assert status["up"] and {
        name: service["state"] for name, service in status["services"].items()
    } == {"broker": "up", "registry": "up"}
    assert [status["services"][name]["pid"] for name in ("broker", "registry")] == ran

    applied = sq("topics", "apply")  # finds the cluster by itself
    assert applied.returncode == 0, applied.stderr
    assert (
        sq("topics", "drift").stdout.splitlines()[-1]
        == f"{len(cluster_topics())} topics compared, no drift"
    )
    ids = _ids(cluster)

    down = sq("kafka", "down")
    assert (down.returncode, down.stdout) == (0, "stopped\n")
    assert sq("kafka", "status").returncode == 1
    assert not any(_runs(pid) for pid in ran)

    assert sq("kafka", "up").stdout.splitlines()[-1] == last  # the same ports, the same data
    assert sq("topics", "drift").returncode == 0
    assert _ids(cluster) == ids

    admin = AdminClient({"bootstrap.servers": facts["bootstrap"], "log_level": 0})
    admin.create_topics([NewTopic("md.trade", 1)])["md.trade"].result(20)
    drifted = sq("topics", "drift", "--json")
    assert drifted.returncode == 1
    assert [
        (each["topic"], each["kind"]) for each in json.loads(drifted.stdout)["differences"]
    ] == [("md.trade", "unknown")]

    wiped = sq("kafka", "down", "--wipe")
    assert (wiped.returncode, wiped.stdout) == (0, "stopped, all data removed\n")
    assert [path.name for path in home.iterdir()] == [".lock"]


def _runs(pid: int) -> bool:
    """True unless it has ended, whether or not its parent has taken note of that."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _ids(cluster: Cluster) -> dict[str, int]:
    with Registry(cluster) as registry:
        return registry.resolve(["md.trades", "fills", "pipeline.journal"])


def test_a_property_that_the_broker_refuses_is_told_with_its_own_words_and_nothing_runs_on(
    sq: Sq, home: Path
) -> None:
    up = sq("kafka", "up", "--property", "log.retention.check.interval.ms=none")
    assert up.returncode == 1
    assert "log.retention.check.interval.ms" in up.stderr and "Traceback" not in up.stderr
    assert json.loads(sq("kafka", "status", "--json").stdout)["up"] is False
    assert not (home / "cluster.json").exists()


def test_without_a_java_that_is_new_enough_the_error_says_which_and_what_there_is() -> None:
    with pytest.raises(NoJava, match="Apache Kafka needs Java 999 or newer, found: .*JAVA_HOME"):
        find_java(999, "Apache Kafka")
