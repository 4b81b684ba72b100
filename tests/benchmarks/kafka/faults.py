"""What an operator waits for: the kill switch behind a backlog, and a killed task's first new
commit.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from confluent_kafka import Producer

from schemas.codec import codec
from schemas.records import ControlCommand
from schemas.registry import resolve
from schemas.vocabulary import ControlKind, ControlScope, RiskCode
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.framing import HEADER_BYTES, header
from streams.runtime.journal.journal import decode_entry
from tests.benchmarks.kafka import inputs
from tests.benchmarks.kafka.latency import STRATEGY, Ticks
from tests.benchmarks.kafka.ours import Place
from tests.benchmarks.kafka.watching import Watcher

BACKLOG = 1_000_000
EVERY = 50
SHIPPED = ("--strategy", "ema-cross")
IN_PYTHON = ("--strategy", f"{STRATEGY}:OrderOnTrade", "--set", f"every={EVERY}")
"""A handler in plain Python runs on every trade, and twenty thousand orders are asked for."""
WAIT_SECONDS = 120
SETTLE_SECONDS = 0.2


def killswitch(cluster: Cluster) -> float:
    """Seconds from handing KILL to the client to the first denied order that a read_committed
    reader sees, while a million trades wait.
    """
    decoder = codec("RiskDecision")
    with Place(cluster, "kill") as place:
        name = place.topology("pipeline")
        place.feed(inputs.trades_recording(BACKLOG))
        ids = resolve(place.cluster, ["control"])
        command = ControlCommand(
            event_time=inputs.START,
            kind=int(ControlKind.KILL),
            scope=int(ControlScope.SYSTEM),
            account=0,
            strategy=0,
            instrument=0,
            name="",
            value="",
            issued_by="bench",
            reason="benchmark",
        )
        value = header(ids["control"]) + codec("ControlCommand").encode_records([command])
        producer = Producer(place.cluster.client(linger_ms=0))
        producer.list_topics(place.cluster.name("control"), timeout=WAIT_SECONDS)
        flags = ["--clock", "event", "--publish", "orders.decisions", *IN_PYTHON]
        with (
            Watcher(place.cluster, place.cluster.name("orders.decisions")) as watcher,
            place.running("pipeline", name, *flags, close=False) as job,
        ):
            watcher.wait_for(1, WAIT_SECONDS, job.expect_alive)
            sent = time.time_ns()
            producer.produce(place.cluster.name("control"), value, partition=0)
            producer.flush(WAIT_SECONDS)
            looked, deadline = 0, time.monotonic() + WAIT_SECONDS
            while time.monotonic() < deadline:
                for look in list(watcher.seen)[looked:]:
                    for found in watcher.values[
                        watcher.seen[looked - 1].records if looked else 0 : look.records
                    ]:
                        if decoder.decode_records(found[HEADER_BYTES:], 1)[0].code == int(
                            RiskCode.KILL_SWITCH
                        ):
                            orders_left = BACKLOG // EVERY - look.records
                            if orders_left < BACKLOG // EVERY // 10:
                                raise AssertionError(
                                    f"only {orders_left * EVERY} trades were still waiting when "
                                    "the switch was thrown"
                                )
                            return (look.time_ns - sent) / 1e9
                    looked += 1
                time.sleep(0.001)
    raise TimeoutError(f"no order was denied within {WAIT_SECONDS} s")


def recover(
    cluster: Cluster, config: Path, strategy: Sequence[str] = SHIPPED, by_another: bool = False
) -> float:
    """Seconds from SIGKILL of a shard's process to its successor's first new commit, a million
    records after the last snapshot.

    The supervisor lives and has a warm process ready, as it always does; ``by_another``: it is
    killed too, and the shard goes to a second member, as soon as the group finds out (session of 6
    s). Ticks keep coming at a thousand a second, so there is something to commit.
    """
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(f"state_digest_records = {100 * BACKLOG}\n")
    with Place(cluster, "recover") as place, contextlib.ExitStack() as stack:
        name = place.topology("pipeline")
        fed = place.feed(inputs.trades_recording(BACKLOG))
        flags = [
            "--clock",
            "event",
            "--publish",
            "orders.requests",
            *strategy,
            "--config",
            str(config),
        ]
        journal = stack.enter_context(
            Watcher(place.cluster, place.cluster.name("pipeline.journal"))
        )
        job = stack.enter_context(
            place.running("pipeline", name, *flags, close=False, ends_well=not by_another)
        )
        job.await_running()
        deadline = time.monotonic() + WAIT_SECONDS
        while (
            not journal.values
            or decode_entry(journal.values[-1][HEADER_BYTES:]).input_sequence < fed
        ):
            job.expect_alive()
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"the {fed} records fed were not all consumed within {WAIT_SECONDS} s"
                )
            time.sleep(0.05)
        if by_another:
            other = stack.enter_context(
                place.running("pipeline", name, *flags, close=False, log="other.log")
            )
            other.await_event("idle")
        schema_id = resolve(place.cluster, ["md.trades"])["md.trades"]
        stack.enter_context(
            Ticks(
                place.cluster, place.cluster.name("md.trades"), schema_id, 60_000, inputs.SPAN_AFTER
            )
        )
        journal.wait_for(journal.count + 100, WAIT_SECONDS, job.expect_alive)
        if by_another:
            job.kill()
        else:
            os.kill(job.owner(), signal.SIGKILL)
        killed = time.time_ns()
        time.sleep(SETTLE_SECONDS)  # what was committed before the signal is read by then
        seen = journal.count
        journal.wait_for(seen + 1, WAIT_SECONDS)
        return (
            next(look.time_ns for look in list(journal.seen) if look.records > seen) - killed
        ) / 1e9
