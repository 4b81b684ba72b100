"""How exact the lag exporter is: scripted producers and consumers on a real broker, their own
ledgers as the truth.

``python -m tests.benchmarks.lag [--seconds 30]`` uses the cluster of ``sq kafka up`` (or
SQ_KAFKA_*) and prints, for each script and for all, p50 and p99 of the absolute error in records
and in seconds, over samples taken twice a second. Beside it is the error in records of what
exporters without regard to transactions show, high watermark - committed offset, computed from the
same reading.

A sample is judged twice: against what was true at the end of its reading; and against all that may
have been true during it, for a reading is not an instant, and what happens meanwhile may be seen or
not ("in the span"). How long readings took is printed.

Unknown counts as right only where the truth is unknown too (records that were not read are gone).
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from jobs.lag.cluster import KafkaLagSource
from jobs.lag.settings import LagSettings
from jobs.lag.watching import Lag, Watch
from streams.log.kafka.cluster import Cluster, find_cluster
from tests.benchmarks.lag_truth import Event, Ledger, Truth

SAMPLE_SECONDS = 0.5
TIMEOUT = 30.0


class Actor:
    """A producer, a group and the ledger of both, on a topic of their own."""

    def __init__(self, cluster: Cluster, name: str, run: str) -> None:
        self.topic = f"lagbench-{run}-{name}"
        self.ledger = Ledger()
        self.admin = AdminClient(cluster.client())
        for answer in self.admin.create_topics([NewTopic(self.topic, 1, 1)]).values():
            answer.result(TIMEOUT)
        self.plain = Producer(cluster.client(linger_ms=0))
        self.transactional = Producer(
            {
                **cluster.client(linger_ms=0),
                "transactional.id": self.topic,
                "retry.backoff.ms": 1,
                "log_level": 0,
            }
        )
        self.transactional.init_transactions(TIMEOUT)
        self.consumer = Consumer(
            {**cluster.client(), "group.id": self.topic, "enable.auto.commit": False}
        )
        self.written = 0
        self.until = 0.0

    def running(self) -> bool:
        """True until the script's time is over."""
        return time.time() < self.until

    def produce(self, count: int, how: str = "plain", hold: float = 0.0) -> None:
        """Records; how: plain, commit or abort; ``hold`` keeps the transaction open for so long."""
        offsets: list[int] = []
        stamps: list[float] = []
        producer = self.plain if how == "plain" else self.transactional
        called = time.time()
        if how != "plain":
            producer.begin_transaction()

        def delivered(problem: Any, message: Any) -> None:
            assert problem is None, problem
            offsets.append(message.offset())
            stamps.append(message.timestamp()[1] / 1000)

        for _ in range(count):
            producer.produce(
                self.topic,
                b"x" * 20,
                partition=0,
                timestamp=int(time.time() * 1000),
                on_delivery=delivered,
            )
            producer.poll(0)
        assert producer.flush(TIMEOUT) == 0
        time.sleep(hold)
        if how == "abort":
            producer.abort_transaction(TIMEOUT)
            return
        if how == "commit":
            called = time.time()
            producer.commit_transaction(TIMEOUT)
        self.ledger.wrote(offsets, stamps, called, time.time())
        self.written += count

    def move(self, read: int) -> None:
        """Commit the position behind the first ``read`` records, as consumers do: last offset + 1.
        """
        position = self.ledger.offsets[read - 1] + 1 if read else 0
        called = time.time()
        self.consumer.commit(offsets=[TopicPartition(self.topic, 0, position)], asynchronous=False)
        self.ledger.moves.append(Event(called, time.time(), position))

    def remove(self, log_start: int) -> None:
        """Retention by hand."""
        partition = TopicPartition(self.topic, 0, log_start)
        called = time.time()
        self.admin.delete_records([partition])[partition].result(TIMEOUT)
        self.ledger.removals.append(Event(called, time.time(), log_start))


def steady(actor: Actor) -> None:
    """50 records in a transaction ten times a second; read 1 s later, committed once a second."""
    turn = 0
    while actor.running():
        actor.produce(50, "commit")
        turn += 1
        if turn % 10 == 0:
            actor.move(max(0, actor.written - 500))
        time.sleep(0.08)


def bursts(actor: Actor) -> None:
    """1,500 records at once, drained in steps, then rest; again and again."""
    while actor.running():
        read = actor.written
        actor.produce(1_500)
        while read < actor.written and actor.running():
            time.sleep(0.3)
            read = min(actor.written, read + 200)
            actor.move(read)
        time.sleep(1.0)


def idle(actor: Actor) -> None:
    """One transaction, read to its end; then nothing."""
    actor.produce(10, "commit")
    actor.move(10)
    while actor.running():
        time.sleep(0.2)


def open_transactions(actor: Actor) -> None:
    """Everything is read; then a transaction stays open for 3 s with plain records behind it."""
    while actor.running():
        actor.produce(100, "commit", hold=3.0)
        time.sleep(1.0)
        actor.move(actor.written)
        time.sleep(1.0)


def aborts(actor: Actor) -> None:
    """Ten committed records, then forty aborted ones; read to two records before the end."""
    while actor.running():
        actor.produce(10, "commit")
        actor.produce(40, "abort")
        actor.move(actor.written - 2)
        time.sleep(0.5)


def retention(actor: Actor) -> None:
    """The group stands still while its records are removed, then jumps to the end."""
    actor.move(0)
    while actor.running():
        actor.produce(100)
        time.sleep(2.0)
        actor.remove(actor.written - 20)
        time.sleep(2.0)
        actor.move(actor.written)
        time.sleep(1.0)


def rewinds(actor: Actor) -> None:
    """Everything is read; the group goes back half the way, and reads on."""
    while actor.running():
        actor.produce(200, "commit")
        actor.move(actor.written)
        time.sleep(1.0)
        actor.move(actor.written // 2)
        time.sleep(2.0)


SCRIPTS: dict[str, Callable[[Actor], None]] = {
    "steady": steady,
    "bursts": bursts,
    "idle": idle,
    "open-transaction": open_transactions,
    "aborts": aborts,
    "retention": retention,
    "rewinds": rewinds,
}


FIGURES = ("records", "seconds", "records_in_span", "seconds_in_span", "high_watermark_records")


class Errors:
    """Absolute errors of one script's samples."""

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = {name: [] for name in FIGURES}
        self.unknown_rightly = 0
        self.unknown_wrongly = 0

    def add(self, lag: Lag, now: Truth, span: list[Truth], naive: int) -> None:
        """Validator one sample."""
        known = [
            (each.records, each.seconds)
            for each in span
            if each.records is not None and each.seconds is not None
        ]
        if lag.lag_records is None or lag.lag_seconds is None:
            self.unknown_rightly += len(known) < len(span)
            self.unknown_wrongly += len(known) == len(span)
            return
        if not known:
            self.unknown_wrongly += 1  # known though the truth is unknown: a loss that was missed
            return
        self.values["records_in_span"].append(outside(lag.lag_records, [each[0] for each in known]))
        self.values["seconds_in_span"].append(outside(lag.lag_seconds, [each[1] for each in known]))
        if now.records is not None and now.seconds is not None:
            self.values["records"].append(abs(lag.lag_records - now.records))
            self.values["seconds"].append(abs(lag.lag_seconds - now.seconds))
            self.values["high_watermark_records"].append(abs(naive - now.records))

    def join(self, other: Errors) -> None:
        """Add another's samples."""
        for name, values in other.values.items():
            self.values[name] += values
        self.unknown_rightly += other.unknown_rightly
        self.unknown_wrongly += other.unknown_wrongly

    def row(self) -> dict[str, Any]:
        """Its figures."""
        row: dict[str, Any] = {"samples": len(self.values["records"])}
        for name, values in self.values.items():
            row |= {f"{name}_p50": percentile(values, 50), f"{name}_p99": percentile(values, 99)}
        return row | {
            "unknown_rightly": self.unknown_rightly,
            "unknown_wrongly": self.unknown_wrongly,
        }


def outside(value: float, possible: list[Any]) -> float:
    """How far a value lies outside of what is possible."""
    return max(0.0, min(possible) - value, value - max(possible))


def percentile(values: list[float], share: int) -> float | None:
    """The nearest-rank percentile; None of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * share // 100)] if ordered else None


def measure(cluster: Cluster, seconds: float) -> tuple[dict[str, Errors], list[float]]:
    """Run all scripts side by side, and sample; returns errors by script and how long each reading
    took.
    """
    run = uuid.uuid4().hex[:6]
    actors = {name: Actor(cluster, name, run) for name in SCRIPTS}
    settings = LagSettings(groups=f"lagbench-{run}-*")
    watch = Watch(KafkaLagSource(cluster, settings), settings)
    threads = []
    until = time.time() + seconds
    for name, actor in actors.items():
        actor.until = until
        threads.append(threading.Thread(target=SCRIPTS[name], args=(actor,), daemon=True))
        threads[-1].start()
    samples = []
    while time.time() < until:
        began = time.monotonic()
        samples.append(watch.collect())
        time.sleep(max(0.0, SAMPLE_SECONDS - (time.monotonic() - began)))
    for thread in threads:
        thread.join(TIMEOUT)
    errors = {name: Errors() for name in SCRIPTS}
    by_topic = {actor.topic: name for name, actor in actors.items()}
    for snapshot in samples:
        began, ended = snapshot.reading.began, snapshot.reading.time
        for lag in snapshot.lags:
            name = by_topic[lag.topic]
            ledger = actors[name].ledger
            naive = snapshot.reading.bounds[(lag.topic, 0)].high_watermark - (lag.position or 0)
            errors[name].add(lag, ledger.at(ended), ledger.during(began, ended), naive)
    for actor in actors.values():
        actor.admin.delete_topics([actor.topic])[actor.topic].exception(TIMEOUT)
    return errors, [snapshot.reading.time - snapshot.reading.began for snapshot in samples]


COLUMNS = (
    ("records", "records", 0),
    ("records_in_span", "in the span", 0),
    ("seconds", "seconds", 3),
    ("seconds_in_span", "in the span", 3),
    ("high_watermark_records", "HW - commit", 0),
)


def main() -> int:
    """Print the table; write it where asked."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--seconds", type=float, default=30.0)
    arguments.add_argument("--out", type=Path, help="write the rows as JSON")
    given = arguments.parse_args()
    errors, readings = measure(find_cluster(), given.seconds)
    total = Errors()
    for each in errors.values():
        total.join(each)
    rows = {name: each.row() for name, each in {**errors, "all": total}.items()}
    print(
        f"readings took {percentile(readings, 50):.3f} s (p50), {percentile(readings, 99):.3f} s "
        "(p99); absolute errors, p50 / p99:"
    )
    print(
        f"{'script':16} {'samples':>7} "
        + " ".join(f"{head:>15}" for _, head, _ in COLUMNS)
        + "  unknown rightly/wrongly"
    )
    for name, row in rows.items():
        cells = [
            f"{row[f'{key}_p50'] or 0:.{digits}f} / {row[f'{key}_p99'] or 0:.{digits}f}"
            for key, _, digits in COLUMNS
        ]
        print(
            f"{name:16} {row['samples']:>7} "
            + " ".join(f"{cell:>15}" for cell in cells)
            + f"  {row['unknown_rightly']}/{row['unknown_wrongly']}"
        )
    if given.out:
        given.out.write_text(json.dumps(rows, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
