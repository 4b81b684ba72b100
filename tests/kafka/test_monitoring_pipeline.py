"""Monitoring of a running pipeline: real broker, registry, ``sq run``, ``sq feed``, lag exporter,
Prometheus, Alertmanager (MON-6, MON-7, MON-8).

Every panel's query returns data; F1, F5, F9 and F21 move their panel, fire the alert named for them
and clear it. The rules are the committed ones with every window a tenth (``pace``), so that minutes
become seconds. Oracles: Prometheus and Alertmanager, and what was done to the cluster by hand.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from needs import need_broker, need_registry

from infra.grafana.generate import FOLDER
from infra.grafana.queries import expanded, step_seconds, targets
from infra.kafka.broker import Broker
from infra.kafka.process import Process
from infra.kafka.registry import Registry
from infra.monitoring.stack import CALENDAR, Stack
from infra.prometheus.generate import alert_rules, recording_rules

pytestmark = pytest.mark.broker
PACE = 10
SCRAPE_SECONDS = 2
RANGE_SECONDS = 30
PATIENCE_SECONDS = 180
WARM_SECONDS = 420
# what is empty where nothing is wrong, or has not happened yet; each panel says so in words
NOTHING_YET = {
    "Retention margin": "a topic may be kept for ever",
    "Progress": "no replay runs",
    "Speed": "no replay runs",
    "Replay caught up in": "no replay runs",
    "Caught up in": "a lag that does not shrink has no estimate",
    "Unknown": "everything may be known",
    "Recovery": "the first start recovers nothing",
    "Batches since the last snapshot": "the first snapshot comes after a million records",
    "Snapshot size": "the first snapshot comes after a million records",
    "Snapshot time": "the first snapshot comes after a million records",
    "Errors logged": "no error",
    "Errors": "no error",
    "Firing alerts": "nothing may fire",
    "Error budget left, 30 d": "a thousand batches are needed",
    "Quarantined at": "nothing is quarantined",
    "Standbys": "no member stands by",
    "Canary": "no canary writes",
    "Ticks": "no canary writes",
    "Tick to committed trace": "no canary writes",
    "Performance report": "written when the topology is closed",
}
ALL: dict[str, tuple[str, ...]] = dict.fromkeys(
    ("environment", "topology", "shard", "group", "topic"), ()
)


class Running(NamedTuple):
    """What the tests act on."""

    home: Path
    broker: Broker
    stack: Stack
    pipeline: Process

    @property
    def prometheus(self) -> str:
        """``HOST:PORT``."""
        return self.stack.address("prometheus")

    def ask(self, path: str, **arguments: Any) -> Any:
        """Data of Prometheus' answer."""
        with urllib.request.urlopen(
            f"http://{self.prometheus}/api/v1/{path}?{urllib.parse.urlencode(arguments)}",
            timeout=30,
        ) as answer:
            return json.load(answer)["data"]

    def value(self, expr: str) -> float:
        """The one number of an expression; NaN if there is none."""
        found = self.ask("query", query=expr)["result"]
        return float(found[0]["value"][1]) if found else math.nan

    def firing(self) -> set[str]:
        """Names of the alerts that fire."""
        return {
            alert["labels"]["alertname"]
            for alert in self.ask("alerts")["alerts"]
            if alert["state"] == "firing"
        }


def until(what: str, holds: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> float:
    """Seconds until it holds; fails after ``seconds``."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        if holds():
            return time.monotonic() - begun
        time.sleep(0.5)
    pytest.fail(f"after {seconds:.0f} s still not: {what}")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A pipeline under load, watched."""
    need_broker()
    need_registry()
    for program in ("prometheus", "prometheus-alertmanager"):
        if (
            shutil.which(program) is None
            and shutil.which(program.removeprefix("prometheus-")) is None
        ):
            pytest.skip(f"{program} is not installed (Debian: {program})")
    home = tmp_path_factory.mktemp("watched")
    patch = pytest.MonkeyPatch()
    for name in [each for each in os.environ if each.startswith("SQ_KAFKA")]:
        patch.delenv(name)
    patch.setenv("SQ_KAFKA_HOME", str(home))
    broker, registry = (
        Broker(home / "broker", dies_with_parent=True),
        Registry(home / "registry", in_memory=True, dies_with_parent=True),
    )
    stack = Stack(home, scrape_seconds=SCRAPE_SECONDS, dies_with_parent=True)
    jobs: list[Process] = []

    def sq(*arguments: str) -> list[str]:
        return [sys.executable, "-m", "jobs.sq", *arguments]

    def start(name: str, *arguments: str) -> Process:
        jobs.append(Process(name, home, dies_with_parent=True))
        jobs[-1].start(sq(*arguments))
        return jobs[-1]

    try:
        registry.start()
        broker.start()
        (home / "cluster.json").write_text(
            json.dumps({"bootstrap": broker.bootstrap, "registry": registry.url})
        )
        for arguments in (
            ("topics", "apply"),
            ("generate", "--minutes", "90", "--seed", "7", "--out", str(home / "market")),
        ):
            done = subprocess.run(
                sq(*arguments), capture_output=True, text=True, timeout=WARM_SECONDS
            )
            assert done.returncode == 0, done.stderr
        rules = home / "rules"
        rules.mkdir()
        (rules / "recording.yml").write_text(json.dumps(recording_rules(PACE)))
        (rules / "alerts.yml").write_text(json.dumps(alert_rules(PACE)))
        stack.up(
            sq("lag", "--interval", "1", "--window", "10", "--calendar", str(CALENDAR), "--serve"),
            rules=rules,
        )
        pipeline = start(
            "run",
            "run",
            "pipeline",
            "--clock",
            "event",
            "--strategy",
            "ema-cross",
            "--set",
            "fast=5",
            "--set",
            "slow=15",
        )
        start("feed", "feed", str(home / "market"), "--speed", "5")
        found = Running(home, broker, stack, pipeline)
        until(
            "orders flow and are measured",
            lambda: found.value("sum(rate(shriven_fills_total[30s]))") > 0,
            WARM_SECONDS,
        )
        until("lag is measured", lambda: found.value("count(shriven_consumer_lag_seconds)") > 0)
        yield found
    finally:
        for job in jobs:
            job.kill()
        stack.down()
        broker.kill()
        registry.kill()
        patch.undo()


def fires_and_clears(
    running: Running, alert: str, cause: Callable[[], None], heal: Callable[[], None]
) -> None:
    """The alert is silent, fires after the cause, and clears after the healing."""
    until(f"{alert} is silent before", lambda: alert not in running.firing())
    cause()
    fired = until(f"{alert} fires", lambda: alert in running.firing())
    heal()
    cleared = until(f"{alert} clears", lambda: alert not in running.firing())
    sys.stdout.write(f"{alert}: fired after {fired:.1f} s, cleared after {cleared:.1f} s\n")


def test_every_query_of_every_panel_returns_numbers(running: Running) -> None:
    empty: list[str] = []

    def look() -> bool:
        empty.clear()
        for path in sorted(FOLDER.glob("*.json")):
            for target in targets(json.loads(path.read_text())):
                expr = expanded(target.expr, ALL, RANGE_SECONDS, SCRAPE_SECONDS)
                now = time.time()
                if target.instant:
                    values = [
                        float(series["value"][1])
                        for series in running.ask("query", query=expr)["result"]
                    ]
                else:
                    step = step_seconds(RANGE_SECONDS, SCRAPE_SECONDS)
                    result = running.ask(
                        "query_range", query=expr, start=now - RANGE_SECONDS, end=now, step=step
                    )["result"]
                    values = [float(value) for series in result for _, value in series["values"]]
                if not any(map(math.isfinite, values)) and target.panel not in NOTHING_YET:
                    empty.append(f"{path.stem}: {target.panel}: {target.expr}")
        return not empty

    begun = time.monotonic()
    while not look() and time.monotonic() - begun < PATIENCE_SECONDS:
        time.sleep(2)
    assert empty == []


def test_f1_a_killed_child_is_seen_and_forgotten(running: Running) -> None:
    def child() -> int:
        (path,) = (running.home / "targets").glob("task-*.json")
        return int(path.stem.rpartition("-")[2])

    restarts = "sum(shriven_task_restarts_total)"
    before = running.value(restarts)
    fires_and_clears(
        running, "TaskRestarted", lambda: os.kill(child(), signal.SIGKILL), lambda: None
    )
    assert running.value(restarts) == before + 1
    assert running.value('sum(shriven_task_endings_total{code="killed"})') >= 1
    until("it recovered", lambda: running.value("sum(shriven_recoveries_total)") == 1)
    until("the killed one is forgotten", lambda: "ProcessDown" not in running.firing())
    until("it goes on", lambda: running.value("sum(rate(shriven_batches_total[10s]))") > 0)


def test_f9_a_hung_transaction_is_seen_while_it_holds_readers_back(running: Running) -> None:
    producer = Producer(
        {
            "bootstrap.servers": running.broker.bootstrap,
            "transactional.id": "hung",
            "transaction.timeout.ms": 600_000,
        }
    )
    producer.init_transactions(30)

    def hang() -> None:
        producer.begin_transaction()
        producer.produce("md.trades", b"never committed", partition=0)
        producer.flush(30)

    fires_and_clears(running, "TransactionBlocked", hang, lambda: producer.abort_transaction(30))
    assert running.value("max_over_time(max(shriven_open_transaction_hold_records)[60s:1s])") > 0


def test_f21_records_removed_unread_are_seen(running: Running) -> None:
    bootstrap = running.broker.bootstrap
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic("short-lived", 1)])["short-lived"].result(30)
    producer = Producer({"bootstrap.servers": bootstrap})
    for number in range(100):
        producer.produce("short-lived", str(number).encode(), partition=0)
    producer.flush(30)
    group = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "slow", "enable.auto.commit": False}
    )
    group.commit(offsets=[TopicPartition("short-lived", 0, 10)], asynchronous=False)

    def remove() -> None:
        next(iter(admin.delete_records([TopicPartition("short-lived", 0, 50)]).values())).result(30)

    def repair() -> None:
        group.commit(offsets=[TopicPartition("short-lived", 0, 100)], asynchronous=False)

    fires_and_clears(running, "ConsumerDataLoss", remove, repair)
    group.close()


def test_f5_brokers_away_is_one_alert_that_clears_and_the_pipeline_goes_on(
    running: Running,
) -> None:
    seen: set[str] = set()

    def away() -> None:
        seen.clear()
        running.broker.kill()

    def back() -> None:
        end = time.monotonic() + 10
        while time.monotonic() < end:
            seen.update(_notified(running))
            time.sleep(0.5)
        running.broker.start()

    fires_and_clears(running, "BrokerUnreachable", away, back)
    assert "BrokerUnreachable" in seen
    assert seen <= {"BrokerUnreachable", "DeadMansSwitch", "ProcessDown"}, (
        "consequences are held back"
    )
    assert running.pipeline.alive, "liveness does not depend on Kafka"
    until(
        "the pipeline goes on", lambda: running.value("sum(rate(shriven_batches_total[10s]))") > 0
    )


def _notified(running: Running) -> set[str]:
    """Alerts that Alertmanager would tell somebody of: not inhibited."""
    with urllib.request.urlopen(
        f"http://{running.stack.address('alertmanager')}/api/v2/alerts?active=true&inhibited=false",
        timeout=30,
    ) as answer:
        return {alert["labels"]["alertname"] for alert in json.load(answer)}
