"""The projection on a real broker and a real PostgreSQL, killed in its middle.

Oracles: ``trading_day.Twin``, a plain twin of the tables fed by librdkafka's committed reader (the
worker reads through aiokafka); the same tables made anew from the topics; records of aborted and
open transactions that must never be seen.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from trading_day import Twin, instrument, orders_of_day

from connectors.framed import FramedDecoder
from connectors.postgres.database import connect
from connectors.postgres.tables import TOPICS
from streams.log.kafka.admin import admin_of
from streams.log.kafka.cluster import Cluster
from tests.kafka.edge_topics import ROOT, EdgeTopics

pytestmark = pytest.mark.broker

PATIENCE_SECONDS = 120


@pytest.fixture
def topics(cluster: Cluster) -> EdgeTopics:
    return EdgeTopics(cluster, TOPICS, partitions=2)


class Workers:
    """Worker processes of one test."""

    def __init__(self, topics: EdgeTopics, database: str, folder: Path) -> None:
        self.topics, self.database, self.folder = topics, database, folder
        self.schema = f"shrivenquant_{topics.cluster.environment.replace('-', '_')}"
        self.started: list[subprocess.Popen[bytes]] = []
        self.place = folder / "started-here"
        self.place.mkdir()

    def start(self) -> subprocess.Popen[bytes]:
        log = (self.folder / f"worker{len(self.started)}").open("wb")
        command = [sys.executable, "-m", "jobs.sq", "project", "run"]
        environment = self.topics.environment(SQ_POSTGRES_URL=self.database, PYTHONPATH=str(ROOT))
        self.started.append(
            subprocess.Popen(command, cwd=self.place, env=environment, stdout=log, stderr=log)
        )
        log.close()
        return self.started[-1]

    def left_behind(self) -> list[str]:
        """What workers, killed or not, made in the folder that they were started in."""
        return [path.name for path in self.place.rglob("*")]

    def said(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("worker*")))

    def session(self) -> Any:
        return connect(self.database, self.schema)

    def sq(self, *arguments: str) -> Any:
        return self.topics.sq("project", *arguments, SQ_POSTGRES_URL=self.database)

    def waiting(self) -> int:
        """Records that are not in the tables yet."""
        status = self.sq("status", "--json")
        assert status.returncode == 0, status.stderr + self.said()
        return sum(each["waiting"] for each in json.loads(status.stdout)["partitions"])

    def count(self, table: str) -> int:
        """Rows of a table; 0 before there is one."""
        try:
            with self.session() as session:
                row = session.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
                return int(row[0])
        except psycopg.errors.UndefinedTable:
            return 0

    def wait(
        self, condition: Callable[[], bool], process: subprocess.Popen[bytes] | None = None
    ) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert process is None or process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.1)


@pytest.fixture
def workers(topics: EdgeTopics, database: str, tmp_path: Path) -> Iterator[Workers]:
    found = Workers(topics, database, tmp_path)
    yield found
    for process in found.started:
        if process.poll() is None:
            process.kill()
        process.wait()


def write_day(topics: EdgeTopics, seed: int, count: int, first: int = 0) -> None:
    """Orders ``first`` to ``count`` of a day, transactions of a hundred records; between them one
    that is aborted.
    """
    values: dict[tuple[str, int], list[bytes]] = {}
    for records in orders_of_day(seed, count)[first:]:
        for topic, record in records:
            values.setdefault((topic, record.account - 1), []).append(topics.framed(topic, record))
    for (topic, partition), found in values.items():
        for start in range(0, len(found), 100):
            topics.write(topic, found[start : start + 100], partition)
            if start == 0:
                topics.write(topic, found[start : start + 7], partition, commit=False)


def twin_of(topics: EdgeTopics) -> Twin:
    twin, decoder = Twin(), FramedDecoder(None)
    for name in TOPICS:
        for each in topics.read(name):
            twin.take(
                name,
                each.partition,
                each.offset,
                decoder.records(name, each.partition, [each.offset], [each.value])[0],
            )
    return twin


def test_rows_of_a_worker_killed_again_and_again_are_those_of_the_topics(
    topics: EdgeTopics, workers: Workers
) -> None:
    topics.write("ref.instruments", [topics.framed("ref.instruments", instrument(1))])
    write_day(topics, 5, 120)
    process = workers.start()
    workers.wait(lambda: workers.count("fills") > 0, process)
    process.kill()  # wherever it is
    write_day(topics, 5, 240, first=120)
    process = workers.start()
    before = workers.count("pnl")
    workers.wait(lambda: workers.count("pnl") > before, process)
    process.kill()
    process = workers.start()
    # rows before it get their decimals
    topics.write("ref.instruments", [topics.framed("ref.instruments", instrument(2))])
    workers.wait(lambda: workers.waiting() == 0, process)
    refused = workers.sq("rebuild")
    assert (
        refused.returncode == 2
        and "a worker ('sq project run') is applying records" in refused.stderr
    )
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_SECONDS) == 0, workers.said()
    twin = twin_of(topics)
    assert len(twin.orders) == 240 and len(twin.fills) > 100
    with workers.session() as session:
        assert twin.differences(session) == []
    checked = workers.sq("rebuild", "--check", "--json")
    assert checked.returncode == 0, checked.stderr + checked.stdout
    found = json.loads(checked.stdout)
    assert (
        found["kept"] == found["rebuilt"]
        and found["differing"] == []
        and found["kept"]["fills"]["rows"] == len(twin.fills)
    )
    with workers.session() as session:
        session.execute(
            "UPDATE fills SET fee_raw = fee_raw + 1 WHERE ctid = (SELECT min(ctid) FROM fills)"
        )
    differing = workers.sq("rebuild", "--check")
    assert differing.returncode == 1 and re.search(
        "^fills: the topics make", differing.stdout, re.MULTILINE
    )
    rebuilt = workers.sq("rebuild", "--json")
    assert rebuilt.returncode == 0 and json.loads(rebuilt.stdout)["tables"] == found["kept"]
    with workers.session() as session:
        assert twin.differences(session) == []
    process = workers.start()  # goes on from the rebuilt tables' marks
    write_day(topics, 6, 250, first=240)
    workers.wait(lambda: workers.waiting() == 0, process)
    with workers.session() as session:
        assert twin_of(topics).differences(session) == []
    assert workers.left_behind() == []


def test_an_aborted_and_an_open_record_are_never_seen(topics: EdgeTopics, workers: Workers) -> None:
    """ENG-16. The open one is seen once it is committed, and not before. (A plain Faust consumer
    shows both: decision 0010.)
    """
    topics.write(
        "ref.instruments",
        [topics.framed("ref.instruments", instrument(number)) for number in (1, 2)],
    )
    fills = [
        topics.framed("fills", record)
        for records in orders_of_day(9, 40)
        for topic, record in records
        if topic == "fills"
    ]
    topics.write("fills", fills[:2], commit=False)
    topics.write("fills", fills[2:3])
    process = workers.start()
    workers.wait(lambda: workers.count("fills") == 1, process)
    writer = topics.log.writer("open")
    writer.init()
    writer.begin()
    writer.produce(topics.cluster.name("fills"), 0, fills[3:5])
    writer._producer.flush(10)
    # read while the other partition's transaction is open
    topics.write("fills", fills[5:7], partition=1)
    workers.wait(lambda: workers.count("fills") == 3, process)
    raw = [each.value for each in topics.read("fills")]
    assert sorted(raw) == sorted([fills[2], *fills[5:7]])  # of two partitions, in any order
    time.sleep(2)  # for what must not come
    assert workers.count("fills") == 3
    writer.commit()
    workers.wait(lambda: workers.count("fills") == 5, process)
    with workers.session() as session:
        assert twin_of(topics).differences(session) == []


def test_a_worker_whose_partitions_move_while_it_applies_goes_on(
    topics: EdgeTopics, workers: Workers
) -> None:
    """Faust cancels and starts again whatever an agent is doing when a member joins. Here it is
    held inside of a batch, by a lock.
    """
    topics.write(
        "ref.instruments",
        [topics.framed("ref.instruments", instrument(number)) for number in (1, 2)],
    )
    first = workers.start()
    write_day(topics, 11, 20)
    workers.wait(lambda: workers.waiting() == 0, first)
    with workers.session() as session, workers.session() as holder, holder.transaction():
        holder.execute("LOCK TABLE fills IN ACCESS EXCLUSIVE MODE")
        write_day(topics, 11, 60, first=20)
        workers.wait(
            lambda: (
                session.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()[0] > 0
            ),
            first,
        )
        second = workers.start()
        workers.wait(lambda: _members_with_partitions(topics) == 2, first)
    workers.wait(lambda: workers.waiting() == 0, first)
    assert first.poll() is None and second.poll() is None, workers.said()
    with workers.session() as session:
        assert twin_of(topics).differences(session) == []


def _members_with_partitions(topics: EdgeTopics) -> int:
    group = topics.cluster.name("projection")
    found = admin_of(topics.cluster).client.describe_consumer_groups([group])[group].result()
    return sum(bool(member.assignment.topic_partitions) for member in found.members)


def test_two_workers_share_the_partitions_and_one_is_killed(
    topics: EdgeTopics, workers: Workers
) -> None:
    topics.write(
        "ref.instruments",
        [topics.framed("ref.instruments", instrument(number)) for number in (1, 2)],
    )
    first, second = workers.start(), workers.start()
    write_day(topics, 11, 60)
    workers.wait(lambda: workers.count("pnl") > 0, first)
    second.kill()
    write_day(topics, 11, 120, first=60)
    workers.wait(lambda: workers.waiting() == 0, first)
    with workers.session() as session:
        assert twin_of(topics).differences(session) == []


def test_what_cannot_be_projected_ends_the_worker_in_one_line(
    topics: EdgeTopics, workers: Workers
) -> None:
    topics.write("fills", [b"no framing"])
    process = workers.start()
    assert process.wait(PATIENCE_SECONDS) == 1
    said = workers.said()
    assert (
        re.search(
            r"^sq: fills/0/0: the value does not begin with the registry framing",
            said,
            re.MULTILINE,
        )
        and "Traceback" not in said
    )
    assert workers.count("fills") == 0
    assert workers.left_behind() == []


def test_missing_topics_databases_and_lost_beginnings_are_named(
    cluster: Cluster, topics: EdgeTopics, workers: Workers
) -> None:
    none = topics.sq("project", "run", SQ_POSTGRES_URL="")
    assert none.returncode == 2 and "SQ_POSTGRES_URL" in none.stderr
    away = topics.sq("project", "run", SQ_POSTGRES_URL="host=/nowhere dbname=x")
    assert away.returncode == 1 and "cannot connect to PostgreSQL" in away.stderr
    elsewhere = topics.sq(
        "project", "run", SQ_POSTGRES_URL=workers.database, SQ_KAFKA_ENVIRONMENT="elsewhere"
    )
    assert elsewhere.returncode == 2 and "no topic elsewhere.ref.instruments" in elsewhere.stderr
    assert json.loads(workers.sq("migrate", "--json").stdout)["applied"] == ["0001_projection.sql"]
    assert json.loads(workers.sq("status", "--json").stdout)["rows"] == dict.fromkeys(
        ("instruments", "orders", "fills", "positions", "pnl"), 0
    )
    assert workers.sq("migrate", "--to", "0").returncode == 0
    empty = workers.sq("rebuild", "--check")
    assert empty.returncode == 2 and "no tables yet" in empty.stderr
    from confluent_kafka import TopicPartition
    from confluent_kafka.admin import AdminClient

    write_day(topics, 3, 20)
    admin = AdminClient(cluster.client())
    removed = admin.delete_records([TopicPartition(cluster.name("pnl"), 0, 3)])
    next(iter(removed.values())).result(30)
    for command in (("rebuild",), ("run",)):
        lost = workers.sq(*command)
        assert lost.returncode == 1 and "pnl/0 begins at offset 3" in lost.stderr
    retained = workers.sq("rebuild", "--from-retained")
    assert retained.returncode == 0, retained.stderr
    process = workers.start()
    workers.wait(lambda: workers.waiting() == 0, process)
    assert os.environ.get("SQ_POSTGRES_URL") is None
