"""What Faust's exactly-once mode does on a real broker: ``python -m
tests.benchmarks.faust_exactly_once`` after ``sq kafka up``.

2000 events on four input partitions are copied to an output topic by an agent, each to the
partition of its own choosing:

- ``a``: the output topic is not consumed by the same app, as at every boundary between stages;
- ``b``: the output topic is consumed by the app too;
- ``isolation``: how many records of an aborted and of an open transaction an agent is shown that
  runs in the other mode, at least once;
- ``at-least-once``: the same copy in that mode, for its throughput; ``transactions``: the same copy
  by confluent-kafka, one transaction for each thousand events, input offsets inside.

Two witnesses, of which the second is the broker's: which transactional id Faust chose for each
output and for each input's offset; and how many offsets of the output topic are no records. Every
committed transaction leaves a marker, so a topic without holes was written outside transactions.

Figures are printed as JSON and recorded in docs/decisions/0010-no-trading-stage-on-faust.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams.log.kafka.cluster import Cluster, find_cluster

EVENTS = 2_000
PARTITIONS = 4
FAST_EVENTS = 5_000
PATIENCE_SECONDS = int(os.environ.get("PATIENCE", "120"))
CASES = ("a", "b", "isolation", "at-least-once", "transactions")


def make_topics(cluster: Cluster, *names: str) -> None:
    """New topics of four partitions."""
    admin = AdminClient(cluster.client())
    made = admin.create_topics(
        [NewTopic(name, num_partitions=PARTITIONS, replication_factor=1) for name in names]
    )
    for future in made.values():
        future.result(30)


def fill(cluster: Cluster, topic: str, events: int) -> None:
    """Events spread evenly; the key differs from the partition, so that outputs go elsewhere than
    their inputs.
    """
    producer = Producer(cluster.client(linger_ms=5))
    for number in range(events):
        producer.produce(
            topic, b"x" * 60, key=str(number % 97).encode(), partition=number % PARTITIONS
        )
        producer.poll(0)
    producer.flush()


def read(cluster: Cluster, topic: str, isolation: str) -> tuple[int, int]:
    """(records, offsets) of a topic."""
    consumer = Consumer(
        cluster.client(
            group_id=f"{topic}.read",
            isolation_level=isolation,
            enable_partition_eof=True,
            auto_offset_reset="earliest",
        )
    )
    consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
    records, ended = 0, 0
    while ended < PARTITIONS:
        message = consumer.poll(30)
        assert message is not None
        if message.error() is None:
            records += 1
        else:
            ended += 1
    offsets = sum(
        consumer.get_watermark_offsets(TopicPartition(topic, number))[1]
        for number in range(PARTITIONS)
    )
    consumer.close()
    return records, offsets


def run_faust(cluster: Cluster, case: str, source: str, target: str, events: int) -> dict[str, Any]:
    """One worker in this process, until it has handled every event and committed."""
    import faust
    from faust.transport.drivers.aiokafka import Producer as Producer_

    outputs: Counter[str] = Counter()
    offsets: Counter[str] = Counter()
    send, commit = Producer_.send, Producer_.commit_transactions

    async def watched_send(
        self: Any, topic: str, *rest: Any, transactional_id: str | None = None, **named: Any
    ) -> Any:
        outputs[
            transactional_id.removeprefix(self.app.conf.id) if transactional_id else "none"
        ] += topic == target
        return await send(self, topic, *rest, transactional_id=transactional_id, **named)

    async def watched_commit(self: Any, by_id: Any, *rest: Any, **named: Any) -> Any:
        for transactional_id, found in by_id.items():
            for tp, offset in found.items():
                if tp.topic == source:
                    offsets[transactional_id.removeprefix(self.app.conf.id)] = offset
        return await commit(self, by_id, *rest, **named)

    Producer_.send, Producer_.commit_transactions = watched_send, watched_commit  # type: ignore[method-assign]
    is_exact = case in ("a", "b")
    app = faust.App(
        f"{source}.app",
        broker=f"aiokafka://{cluster.bootstrap}",
        processing_guarantee="exactly_once" if is_exact else "at_least_once",
        value_serializer="raw",
        key_serializer="raw",
        topic_disable_leader=True,
        topic_allow_declare=False,
        autodiscover=False,
        web_enabled=False,
        consumer_auto_offset_reset="earliest",
        broker_commit_interval=0.5,
    )
    inputs = app.topic(source, key_type=bytes, value_type=bytes)
    out = app.topic(target, key_type=bytes, value_type=bytes)
    state = {"seen": 0, "started": 0.0, "ended": 0.0, "cpu": 0.0}

    async def copy(stream: Any) -> None:
        async for key, value in stream.items():
            if not state["seen"]:
                state["started"], state["cpu"] = time.perf_counter(), time.process_time()
            state["seen"] += 1
            if case != "isolation":
                await out.send(key=key, value=value)
            if state["seen"] == events:
                state["ended"], state["cpu"] = (
                    time.perf_counter(),
                    time.process_time() - state["cpu"],
                )

    app.agent(inputs, name="copy", concurrency=1)(copy)
    if case == "b":

        async def sink(stream: Any) -> None:
            async for _ in stream:
                pass

        app.agent(out, name="sink", concurrency=1)(sink)

    async def end() -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while state["seen"] < events and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
        await asyncio.sleep(5)  # the last commits
        print(json.dumps(result()), flush=True)
        os._exit(0)  # its own shutdown may wait for ever

    def result() -> dict[str, Any]:
        found: dict[str, Any] = {"seen": state["seen"]}
        if state["ended"]:
            found["events_per_second"] = events / (state["ended"] - state["started"])
            found["events_per_cpu_second"] = events / state["cpu"]
        if is_exact:
            found["outputs_by_transactional_id"] = dict(sorted(outputs.items()))
            found["input_offsets_by_transactional_id"] = dict(sorted(offsets.items()))
        return found

    app.task(end)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with contextlib.suppress(SystemExit):
        faust.Worker(
            app,
            loop=loop,
            loglevel=os.environ.get("LOGLEVEL", "CRITICAL"),
            quiet=True,
            redirect_stdouts=False,
        ).execute_from_commandline()
    return result()


def run_transactions(cluster: Cluster, source: str, target: str, events: int) -> dict[str, Any]:
    """The same copy by confluent-kafka: outputs and input offsets of a thousand events in one
    transaction.
    """
    consumer = Consumer(
        cluster.client(
            group_id=f"{source}.thin", enable_auto_commit=False, isolation_level="read_committed"
        )
    )
    consumer.assign([TopicPartition(source, number, 0) for number in range(PARTITIONS)])
    producer = Producer(cluster.client(transactional_id=f"{source}.thin", retry_backoff_ms=1))
    producer.init_transactions(30)
    done, started, cpu = 0, 0.0, 0.0
    while done < events:
        messages = [each for each in consumer.consume(1000, 0.2) if each.error() is None]
        if not messages:
            continue
        if not done:
            started, cpu = time.perf_counter(), time.process_time()
        producer.begin_transaction()
        for each in messages:
            producer.produce(target, each.value(), key=each.key())
        producer.send_offsets_to_transaction(
            consumer.position(consumer.assignment()), consumer.consumer_group_metadata()
        )
        producer.commit_transaction()
        done += len(messages)
    elapsed, cpu = time.perf_counter() - started, time.process_time() - cpu
    consumer.close()
    return {"seen": done, "events_per_second": done / elapsed, "events_per_cpu_second": done / cpu}


def case(cluster: Cluster, name: str, source: str, target: str) -> dict[str, Any]:
    """Run one case in this process."""
    if name == "transactions":
        return run_transactions(cluster, source, target, FAST_EVENTS)
    events = {"at-least-once": FAST_EVENTS, "isolation": EVENTS + 20}.get(name, EVENTS)
    return run_faust(cluster, name, source, target, events)


def main() -> int:
    """Run every case in a process of its own and print what was seen."""
    cluster = find_cluster()
    if len(sys.argv) == 4:
        print(json.dumps(case(cluster, *sys.argv[1:])))
        return 0
    for name in sys.argv[1:] or CASES:
        stamp = f"faust-{time.time_ns() // 1_000_000}-{name}"
        source, target = f"{stamp}-in", f"{stamp}-out"
        make_topics(cluster, source, target)
        fill(cluster, source, EVENTS if name in ("a", "b", "isolation") else FAST_EVENTS)
        is_open = None
        if name == "isolation":
            for ending in ("aborted", "open"):
                is_open = Producer(
                    cluster.client(
                        transactional_id=f"{stamp}.{ending}", transaction_timeout_ms=120_000
                    )
                )
                is_open.init_transactions(30)
                is_open.begin_transaction()
                for number in range(10):
                    is_open.produce(source, ending.encode(), partition=number % PARTITIONS)
                is_open.flush()
                if ending == "aborted":
                    is_open.abort_transaction(30)
        command = [
            sys.executable,
            "-m",
            "tests.benchmarks.faust_exactly_once",
            name,
            source,
            target,
        ]
        ended = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=2 * PATIENCE_SECONDS
        )
        if ended.returncode:
            print(
                json.dumps({"case": name, "failed": ended.stderr.strip().splitlines()[-3:]}),
                flush=True,
            )
            continue
        # Faust's worker prints escape sequences around it
        printed = re.search(r'\{"seen".*\}', ended.stdout)
        assert printed is not None, ended.stdout
        found = {"case": name, **json.loads(printed[0])}
        if name == "isolation":
            assert is_open is not None
            is_open.abort_transaction(30)
            found["committed_records"] = EVENTS
            found["shown_of_aborted_and_open_transactions"] = found["seen"] - EVENTS
        else:
            records, offsets = read(cluster, target, "read_committed")
            found |= {
                "output_records": records,
                "output_offsets": offsets,
                "commit_markers_in_output": offsets - records,
            }
        print(json.dumps(found), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
