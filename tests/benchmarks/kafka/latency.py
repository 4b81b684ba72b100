"""From a tick handed to the client to the order that a read_committed reader sees, at a thousand
ticks a second.

One process sends and reads for every engine, on one clock. Ours is the whole fused pipeline (books,
toxicity, a strategy in plain Python, sizing, risk, routing, venue, portfolio), ``orders.requests``
published; the peer's topology decodes the trade and answers with its id, exactly_once_v2 with a
commit interval of 1 ms. ``k`` is the number of output partitions a transaction writes to, the same
for both; the peer's group offsets and our journal record come on top, one partition each.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from confluent_kafka import Producer

from schemas.codec import codec
from schemas.registry import resolve
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.framing import HEADER_BYTES
from tests.benchmarks.kafka import inputs, topics
from tests.benchmarks.kafka.engines import KSTREAMS, ROOT, kstreams, running
from tests.benchmarks.kafka.ours import Place
from tests.benchmarks.kafka.watching import Watcher

Array = np.ndarray[Any, Any]

RATE = 1_000
WARM_SECONDS = 5
SECONDS = 15
STALLED_SECONDS = 60
STRATEGY = ROOT / "tests" / "benchmarks" / "kafka" / "strategies.py"
PEER = KSTREAMS._replace(name="kstreams-latency", command=kstreams("answers", 1, changelog=False))


def ticks(count: int, after: int = 0) -> Array:
    """``count`` trades a millisecond apart, ids from 1; they begin ``after`` ns past the start of
    the drawn trades.
    """
    rows = inputs.trade_rows(max(count, 4 * inputs.TRADES_A_MINUTE))[:count]
    rows["event_time"] = inputs.START + after + 1_000_000 * np.arange(1, count + 1)
    rows["receive_time"] = rows["event_time"]
    return rows


class Ticks:
    """Sends trades at ``RATE`` and notes when; a thread."""

    def __init__(
        self, cluster: Cluster, topic: str, schema_id: int, count: int, after: int = 0
    ) -> None:
        self._producer = Producer(cluster.client(acks="1", linger_ms=0))
        self._topic = topic
        self._values = [
            value
            for block in inputs.framed("Trade", ticks(count, after), schema_id)
            for value in block
        ]
        self.sent = np.zeros(count, np.int64)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Ticks:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._producer.flush(STALLED_SECONDS)

    def _run(self) -> None:
        started = time.perf_counter()
        for number, value in enumerate(self._values):
            due = started + number / RATE
            while (wait := due - time.perf_counter()) > 0:
                time.sleep(wait)
            if self._stop.is_set():
                return
            self.sent[number] = time.time_ns()
            self._producer.produce(self._topic, value, partition=0)
            self._producer.poll(0)


def latencies(sent: Array, watcher: Watcher, tick_of: Callable[[bytes], int]) -> Array:
    """Milliseconds of every tick after the warm-up, sorted. Raises AssertionError if one has no
    answer, or two.
    """
    arrived = np.zeros(len(sent), np.int64)
    first = 0
    for look in watcher.seen:
        for value in watcher.values[first : look.records]:
            tick = tick_of(value)
            if arrived[tick]:
                raise AssertionError(f"tick {tick} was answered twice")
            arrived[tick] = look.time_ns
        first = look.records
    if not arrived.all():
        raise AssertionError(f"{int((arrived == 0).sum())} of {len(sent)} ticks have no answer")
    found: Array = np.sort((arrived - sent)[WARM_SECONDS * RATE :]) / 1e6
    return found


def our_run(cluster: Cluster) -> Array:
    """A run of ours."""
    count = RATE * (WARM_SECONDS + SECONDS)
    with Place(cluster, "latency") as place:
        name = place.topology("pipeline")
        place.refer(inputs.instruments())
        flags = [
            "--clock",
            "event",
            "--publish",
            "orders.requests",
            "--strategy",
            f"{STRATEGY}:OrderOnTrade",
        ]
        source = place.cluster.name("md.trades")
        with (
            Watcher(place.cluster, place.cluster.name("orders.requests")) as watcher,
            place.running("pipeline", name, *flags, close=False) as job,
        ):
            job.await_running()
            with Ticks(
                place.cluster, source, resolve(place.cluster, ["md.trades"])["md.trades"], count
            ) as sender:
                if not watcher.wait_for(count, STALLED_SECONDS, job.expect_alive):
                    raise TimeoutError(f"ours: {len(watcher.values)} of {count} orders")
    return latencies(sender.sent, watcher, _tick_of_order)


def _tick_of_order(value: bytes) -> int:
    """Which tick made an order: its time is the tick's."""
    order = codec("OrderRequest").decode_records(value[HEADER_BYTES:], 1)[0]
    return int((order.event_time - inputs.START) // 1_000_000 - 1)


def peer_run(cluster: Cluster) -> Array:
    """A run of Kafka Streams."""
    count = RATE * (WARM_SECONDS + SECONDS)
    name = f"bench-latency-{time.time_ns():x}"
    source, output = f"{name}.trades", f"{name}.answers"
    topics.renew(cluster, [source, output])
    try:
        with (
            Watcher(cluster, output) as watcher,
            running(PEER, cluster, name, source, [output]),
            Ticks(cluster, source, 1, count) as sender,
        ):
            if not watcher.wait_for(count, STALLED_SECONDS):
                raise TimeoutError(f"Kafka Streams: {len(watcher.values)} of {count} answers")
        return latencies(sender.sent, watcher, lambda value: int.from_bytes(value, "big") - 1)
    finally:
        topics.remove(cluster, [found for found in topics.existing(cluster) if name in found])
