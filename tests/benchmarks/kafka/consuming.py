"""What limits consumption in Python: ways from librdkafka's queue to one contiguous body with
lengths, measured side by side.

    python -m tests.benchmarks.kafka.consuming [--count 2000000]

**The finding.** It is the interpreter's lock and one Python object a record, not librdkafka and not
the network:

- every way over ``Consumer.consume`` makes a Message and then a bytes of each record and costs
  0.7-1.6 us of the task's own thread; ``map(Message.value, ...)`` instead of a list of calls gains
  some per cent; ``consume`` of thousands at a time costs twice what it costs for one thousand (the
  objects leave the processor's cache);
- ``rd_kafka_consume_batch_queue`` by ctypes (lock released) and a kernel that copies values out and
  gives the messages back costs 0.12-0.2 us of the task's thread, at any batch size.

One run of this file, two cores shared with the broker and other work, records/s:

  way             limit   wall       process CPU   thread CPU
  value()         1,000     515 k        941 k       1.24 M
  map(value)      1,000     809 k       1.08 M       1.39 M
  bulk            1,000    1.62 M       2.74 M       4.86 M
  value()        20,000     579 k        520 k        609 k
  map(value)     20,000     575 k        588 k        663 k
  bulk           20,000    3.74 M       4.08 M       8.24 M

So the runner reads by :class:`streams.log.kafka.bulk.BulkQueue`: ``queue = BulkQueue(consumer)``,
``queue.assign({(topic, partition): offset})``, then ``queue.poll(limit, wait_seconds)`` gives, per
partition, offsets, timestamps and values; these are kept as one body without framing, with ends and
schema ids, which is what ``codec(...).decode_into`` takes. ``consumer.poll(0)`` now and then serves
the client's callbacks.

Figures are records per CPU second too, for wall time on a shared machine tells nothing by itself.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from streams.log.kafka.bulk import BulkQueue
from streams.log.kafka.cluster import Cluster, find_cluster
from tests.benchmarks.kafka import inputs, topics

TOPIC = "bench.consuming"
WARM_UP = 50_000
VALUE: Any = Message.value
Counts = Generator[int, None, None]


def by_value_calls(consumer: Consumer, limit: int) -> Counts:
    """``consume``, ``value()`` of each, ``join``."""
    consumer.assign([TopicPartition(TOPIC, 0, OFFSET_BEGINNING)])
    while True:
        found = [message.value() for message in _consumed(consumer, limit)]
        yield _bodies(found)


def by_mapped_values(consumer: Consumer, limit: int) -> Counts:
    """``consume``, the method mapped, ``join``."""
    consumer.assign([TopicPartition(TOPIC, 0, OFFSET_BEGINNING)])
    while True:
        yield _bodies(list(map(VALUE, _consumed(consumer, limit))))


def by_bulk_queue(consumer: Consumer, limit: int) -> Counts:
    """The C interface and a kernel."""
    queue = BulkQueue(consumer)
    if not queue.is_direct:
        raise RuntimeError("librdkafka's C interface cannot be reached here")
    queue.assign({(TOPIC, 0): 0})
    try:
        while True:
            yield sum(len(fetch.offsets) for fetch in queue.poll(limit, 1.0))
    finally:
        queue.close()


def _consumed(consumer: Consumer, limit: int) -> list[Message]:
    first = consumer.poll(1.0)
    return [] if first is None else [first, *consumer.consume(limit - 1, 0)]


def _bodies(found: list[Any]) -> int:
    body = b"".join(found)
    lengths = np.fromiter(map(len, found), np.int64, len(found))
    if int(lengths.sum()) != len(body):
        raise AssertionError("lengths do not add up")
    return len(found)


WAYS: dict[str, Callable[[Consumer, int], Counts]] = {
    "value()": by_value_calls,
    "map(value)": by_mapped_values,
    "bulk": by_bulk_queue,
}


def measure(cluster: Cluster, way: str, limit: int, count: int) -> dict[str, float]:
    """Records a second of wall time, of the process's CPU time and of the task's thread's, over
    ``count`` records after a warm-up.
    """
    consumer = Consumer(cluster.client(**topics.CATCH_UP, group_id="bench-consuming"))
    steps = WAYS[way](consumer, limit)
    started, done, first = (0.0, 0.0, 0.0), 0, 0
    try:
        while done < count:
            done += next(steps)
            if not first and done >= WARM_UP:
                first, started = (
                    done,
                    (time.perf_counter(), time.process_time(), time.thread_time()),
                )
    finally:
        steps.close()
        consumer.close()
    spent = (
        time.perf_counter() - started[0],
        time.process_time() - started[1],
        time.thread_time() - started[2],
    )
    return dict(
        zip(
            ("wall", "process", "thread"),
            ((done - first) / seconds for seconds in spent),
            strict=True,
        )
    )


def main() -> int:
    """Print a table."""
    command = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    command.add_argument("--count", type=int, default=2_000_000, help="records to read each time")
    command.add_argument(
        "--kafka", default="", metavar="kafka://HOST:PORT", help="the cluster, if not the local one"
    )
    arguments = command.parse_args()
    cluster = find_cluster(arguments.kafka)
    topics.renew(cluster, [TOPIC])
    count = topics.fill(
        cluster, TOPIC, inputs.framed("Trade", inputs.trade_rows(arguments.count), 1)
    )
    sys.stdout.write(
        f"{'way':12} {'limit':>7} {'records/s wall':>16} {'process CPU':>14} {'thread CPU':>14}\n"
    )
    for limit in (1_000, 5_000, 20_000):
        for way in WAYS:
            found = measure(cluster, way, limit, count)
            sys.stdout.write(
                f"{way:12} {limit:>7,} {found['wall']:>16,.0f} {found['process']:>14,.0f} "
                f"{found['thread']:>14,.0f}\n"
            )
            sys.stdout.flush()
    topics.remove(cluster, [TOPIC])
    return 0


if __name__ == "__main__":
    sys.exit(main())
