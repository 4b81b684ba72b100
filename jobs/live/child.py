"""The process of one shard, a fork of the warm one (``warm.py``): is given the shard, runs its task
until told to drain.

It is spoken to by lines of JSON. In: perhaps ``{"follow": SHARD, "member": ID}``, then ``{"own":
SHARD, "suspects": RUNS}``, then ``{"drain": true}``; the end of its input means that its parent is
gone, and so it ends at once. Out: ``following``, ``running``, ``waiting``, ``drained`` or, of a
standby, ``stopped``; ``failed``.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from jobs.live.blackbox import BlackBox
from jobs.live.deployment import Deployment, maker, spec_of
from jobs.live.shard_observer import ShardObserver
from jobs.live.standby import Standby
from jobs.telemetry.logs import Log, library_logger
from schemas.errors import ShrivenError
from streams.log.kafka.admin import admin_of
from streams.log.kafka.client import KafkaLog
from streams.runtime.journal.in_flight import Run
from streams.runtime.live.shard import ShardTask

STEP_SECONDS = 0.05
ORPHANED = 70


def say(event: str, **facts: Any) -> None:
    """One line to the parent."""
    try:
        sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os._exit(ORPHANED)


class Orders:
    """What the parent says, read on a thread."""

    def __init__(self) -> None:
        self.shard: int | None = None
        self.member = ""
        self.owns = False
        self.suspects: list[Run] = []
        self.is_spoken_to = threading.Event()
        self.is_decided = threading.Event()
        self.is_draining = threading.Event()
        threading.Thread(target=self._read, name="orders", daemon=True).start()

    def _read(self) -> None:
        for line in sys.stdin:
            order = json.loads(line)
            if "follow" in order:
                self.shard, self.member = int(order["follow"]), order["member"]
            elif "own" in order:
                self.shard, self.owns = int(order["own"]), True
                self.suspects = [Run(*each) for each in order["suspects"]]
                self.is_decided.set()
            elif "drain" in order:
                self.is_draining.set()
                self.is_decided.set()
            self.is_spoken_to.set()
        os._exit(ORPHANED)


def run(deployment: Deployment, outputs: Sequence[str], box: BlackBox) -> int:
    """Follow if told to, own, run, drain; returns the exit code."""
    orders = Orders()
    orders.is_spoken_to.wait()
    if orders.shard is None:
        say("drained", shard=-1)
        return 0
    shard = orders.shard
    # to standard error, which is the member's
    library_logger(Log({"topology": deployment.topology, "shard": shard}))
    observer = ShardObserver(deployment, shard, say, outputs)
    try:
        task = ShardTask(
            KafkaLog(deployment.cluster),
            spec_of(deployment, shard, outputs),
            maker(deployment, box.note),
            observer=observer,
        )
        standby = (
            Standby(task, admin_of(deployment.cluster), orders.member, observer, say)
            if orders.member
            else None
        )
        if standby is not None:
            observer.state("standby")
            standby.follow(orders.is_decided)
            if not orders.owns:
                standby.end()
                say("stopped", shard=shard, sequence=task.sequence)
                return 0
        observer.state("recovering")
        began = time.monotonic()
        task.inputs.bisection.suspect(orders.suspects)
        task.prepare()
        observer.state("running")
        if standby is not None:
            standby.end()
        facts = {
            "batches_repeated": observer.repeated,
            "port": observer.port,
            "followed": standby is not None,
        }
        say(
            "running",
            shard=shard,
            sequence=task.sequence,
            seconds=round(time.monotonic() - began, 3),
            **facts,
        )
        while not orders.is_draining.is_set():
            task.step(STEP_SECONDS)
            observer.positions(task)
        observer.state("draining")
        task.drain()
        say("drained", shard=shard, sequence=task.sequence)
        return 0
    finally:
        observer.close()


def main(deployment: Deployment, outputs: Sequence[str], box: BlackBox) -> int:
    """What the process does; returns its exit code."""
    try:
        return run(deployment, outputs, box)
    except ShrivenError as problem:
        say(
            "failed",
            code=problem.code,
            text=problem.text,
            restart_helps=problem.restart_helps,
            bars_owning=problem.bars_owning,
        )
        return problem.exit_code
    except Exception as problem:  # noqa: BLE001 - a defect of ours still ends in words, and the parent decides what follows
        say(
            "failed",
            code="defect",
            text=f"{type(problem).__name__}: {problem}",
            trace=place_of(problem),
        )
        return 1


def place_of(problem: BaseException) -> str:
    """File and line that it was raised at."""
    trace, place = problem.__traceback__, ""
    while trace is not None:
        place = f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
