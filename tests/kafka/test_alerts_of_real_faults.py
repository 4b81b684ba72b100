"""A real fault of a running topology moves its counter, and Prometheus' own evaluation of our rules
fires the alert from what was scraped (B1).

Oracle: ``promtool`` over the committed rules; its series are what ``/metrics`` of the real
processes said before the fault and after it.
"""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from confluent_kafka import Producer
from prometheus_client.parser import text_string_to_metric_families

from streams.log.kafka.cluster import Cluster
from tests.infra.prometheus_rows import RULES, promtool
from tests.kafka.edge_topics import EdgeTopics
from tests.kafka.live_market import fresh_environment, wait_until
from tests.kafka.members import PIPELINE, Run, consumed, edge_of, members, sq

pytestmark = pytest.mark.broker

FAULT_MINUTE = 20
LAST_MINUTE = 23
SAMPLES_A_MINUTE = 4
START = "process_start_time_seconds"
TORN = b"\0\0\0\0\1half a snapshot"
AWAY = "http://127.0.0.1:9"

Series = dict[str, float]


class Drained(NamedTuple):
    """A topology that traded and was drained, and what its processes said while they ran."""

    edge: EdgeTopics
    run: Run
    folder: Path
    before: Series

    def scraped(self) -> Series:
        """Series of every process of the topology that runs."""
        return scraped(self.folder / "home")


@pytest.fixture(scope="module")
def drained(
    shared_bootstrap: str,
    shared_registry: str,
    small_recording: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Drained]:
    """What the tests start again, each with its fault."""
    promtool()
    folder = tmp_path_factory.mktemp("alerts")
    edge = edge_of(
        Cluster(
            bootstrap=shared_bootstrap,
            registry=shared_registry,
            environment=fresh_environment("alerts"),
        )
    )
    started = members(edge, folder)
    run = next(started)
    sq(edge, folder, "topics", "apply")
    member = run()
    member.wait("running")
    fed = json.loads(
        sq(edge, folder, "feed", str(small_recording), "--speed", "max", "--json").stdout
    )["records"]
    wait_until(lambda: consumed(edge, folder) == fed, what="everything consumed")
    before = scraped(folder / "home")
    assert member.stop() == 0
    yield Drained(edge, run, folder, before)
    next(started, None)


def scraped(home: Path) -> Series:
    """Series of every process that lives, with the labels that Prometheus gives them; times at
    which they began, as seconds before now.
    """
    found: Series = {}
    for path in (home / "targets").glob("*.json"):
        target = json.loads(path.read_text())[0]
        address = target["targets"][0]
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=20) as answer:
            families = list(text_string_to_metric_families(answer.read().decode()))
        for sample in (each for family in families for each in family.samples):
            labels = {"instance": address, **target["labels"], **sample.labels}
            pairs = ",".join(f"{key}={json.dumps(labels[key])}" for key in sorted(labels))
            name = f"{sample.name}{{{pairs}}}"
            found[name] = sample.value - time.time() if sample.name == START else sample.value
    return found


def values(name: str, before: Series, after: Series) -> str:
    """promtool's notation: what was scraped before the fault up to its minute, and what was scraped
    after it from then on.
    """
    first, second = FAULT_MINUTE * SAMPLES_A_MINUTE, (LAST_MINUTE - FAULT_MINUTE) * SAMPLES_A_MINUTE
    # a time is one of promtool's clock, which begins at 0
    shift = FAULT_MINUTE * 60 if name.startswith(START) else 0
    then = f"{before[name] + shift:.17g}+0x{first - 1}" if name in before else f"_x{first}"
    return f"{then} " + (f"{after[name] + shift:.17g}+0x{second}" if name in after else "stale")


def firing(
    alert: str, before: Series, after: Series, folder: Path
) -> subprocess.CompletedProcess[str]:
    """promtool: the alert is silent until the fault, and fires after it."""
    query = f'count by (alertname) (ALERTS{{alertname="{alert}",alertstate="firing"}})'
    fired = [{"labels": f'{{alertname="{alert}"}}', "value": 1}]
    asked = [
        {"expr": query, "eval_time": f"{minute}m", "exp_samples": samples}
        for minute, samples in ((FAULT_MINUTE - 1, []), (LAST_MINUTE - 1, fired))
    ]
    names = sorted(
        name for name in before.keys() | after.keys() if name.startswith(("shriven_", START))
    )
    test: dict[str, Any] = {
        "interval": f"{60 // SAMPLES_A_MINUTE}s",
        "input_series": [{"series": name, "values": values(name, before, after)} for name in names],
        "promql_expr_test": asked,
    }
    path = folder / f"{alert}.json"
    path.write_text(
        json.dumps(
            {
                "rule_files": [str(each) for each in RULES],
                "evaluation_interval": "30s",
                "tests": [test],
            }
        )
    )
    return subprocess.run(
        [promtool(), "test", "rules", str(path)], capture_output=True, text=True, timeout=240
    )


def check(alert: str, drained: Drained, before: Series, after: Series) -> None:
    """The alert fires after the fault, and without it does not: what this proof would be worth if
    it could not fail.
    """
    ended = firing(alert, before, after, drained.folder)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert firing(alert, before, before, drained.folder).returncode == 1


def test_a_torn_snapshot_is_an_alert(drained: Drained) -> None:
    """F12: recovery passes over it and takes the one before."""
    writer = drained.edge.log.plain_writer()
    writer.begin()
    writer.produce(drained.edge.cluster.name("pipeline.snapshots"), 0, [TORN])
    writer.commit()
    member = drained.run()
    member.wait("running")
    after = drained.scraped()
    assert member.stop() == 0
    check("SnapshotRejected", drained, drained.before, after)


def test_a_registry_that_is_away_is_an_alert(drained: Drained) -> None:
    """F15: the member goes on with the ids of its journal."""
    member = drained.run(*PIPELINE, SQ_KAFKA_REGISTRY=AWAY)
    member.wait("running")
    after = drained.scraped()
    assert member.stop() == 0
    check("RegistryErrors", drained, drained.before, after)


def test_a_producer_whose_clock_is_ahead_is_an_alert(drained: Drained) -> None:
    """F13: its records are stamped half an hour ahead of the host that reads them."""
    member = drained.run()
    member.wait("running")
    before, records = drained.scraped(), consumed(drained.edge, drained.folder)
    ahead = Producer(drained.edge.cluster.client())
    ahead.produce(
        drained.edge.cluster.name("control"),
        b"no record",
        partition=0,
        timestamp=int(time.time() * 1000) + 1_800_000,
    )
    ahead.flush(30)
    wait_until(
        lambda: consumed(drained.edge, drained.folder) == records + 1,
        what="the record of the future consumed",
    )
    after = drained.scraped()
    assert member.stop() == 0
    check("ClockSkew", drained, before, after)
