"""``sq run``: a member of a topology. It owns the shards that the group gives it, and keeps one process for each.

1. a spare process is warmed (every kernel compiled or loaded) before the member joins, and another one as soon as it is used
2. a shard that is assigned goes to a warm process, which takes over, recovers and runs
3. a shard that is revoked is drained before its next owner may have it; one that is lost is killed, for it may have another owner already
4. a process that ends by itself is started again with back-off while the shard is owned; after too many ends in a row it is given up, loudly
5. SIGTERM and Ctrl-C drain everything, then leave, so that shards move at once
"""

from __future__ import annotations

import importlib.metadata
import json
import queue
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import msgspec

from jobs.live.deployment import Deployment, facts_of
from jobs.live.membership import Membership
from jobs.live.slot import Slot
from jobs.telemetry.logs import Log, hide
from jobs.telemetry.serving import prune, serve
from jobs.telemetry.task import MemberMetrics, ProcessMetrics
from streams.log.kafka.cluster import home

DRAIN_SECONDS = 10.0
WARM_SECONDS = 600.0
BACKOFF_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
CRASHES_MAX = 5
STEADY_SECONDS = 30.0
FATAL = (
    "other_identity",
    "journal_closed",
    "unresolved_schema_id",
    "topic_changed",
    "recorded_under_wall_clock",
    "bad_configuration",
    "diverged",
    "stage_failed",
    "dead_letter_flood",
    "record_too_large",
)
"""Ends that starting again cannot heal."""


class Child:
    """One process and what it said last."""

    def __init__(self, deployment: Deployment, events: queue.Queue[tuple[Child, dict[str, Any]]]) -> None:
        self.shard: int | None = None
        self.is_warm = False
        self.is_drained = threading.Event()
        self.failure: dict[str, Any] = {}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jobs.live.child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, close_fds=True
        )
        self._events = events
        self._send(msgspec.json.encode(deployment).decode())
        threading.Thread(target=self._listen, daemon=True).start()

    def _send(self, line: str) -> None:
        try:
            assert self.process.stdin is not None
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError):
            return  # it has ended; its end is an event of its own

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if event["event"] == "failed":
                self.failure = event
            self._events.put((self, event))
        self.process.wait()
        self.is_drained.set()
        self._events.put((self, {"event": "ended", "code": self.process.returncode}))

    def own(self, shard: int) -> None:
        """Give it the shard."""
        self.shard = shard
        self._send(json.dumps({"own": shard}))

    def drain(self) -> None:
        """Tell it to stop well."""
        self._send(json.dumps({"drain": True}))

    def kill(self) -> None:
        """End it now."""
        self.process.kill()


class Parent:
    """See the module's head.

    Args:
        deployment: what to run.
    """

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        process = ProcessMetrics(importlib.metadata.version("shrivenquant"), facts_of(deployment)["code"])
        self.metrics = MemberMetrics(deployment.topology, deployment.shards, process.registry)
        hide({**deployment.cluster.settings, **deployment.cluster.registry_settings})
        self.log = Log({"topology": deployment.topology, "bootstrap": deployment.cluster.bootstrap}, on_error=process.error)
        self.server = serve(process.registry, job="member", home=home(), environment=deployment.cluster.environment)
        self.owned: dict[int, Child | None] = {}
        self.spares: list[Child] = []
        self.crashes: dict[int, list[float]] = {}
        self.again_at: dict[int, float] = {}
        self.given_up: dict[int, str] = {}
        self.events: queue.Queue[tuple[Child, dict[str, Any]]] = queue.Queue()
        self.lock = threading.RLock()
        self.is_stopping = threading.Event()

    def run(self) -> int:
        """Until told to stop; returns the exit code."""
        slot = Slot(self.deployment.cluster, self.deployment.topology)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.is_stopping.set())
        self.log.info(
            "starting",
            f"{self.deployment.shards} shards on {self.deployment.cluster.bootstrap}, publishing {', '.join(self.deployment.publish)}; "
            "preparing (kernels are compiled the first time, up to a minute)",
        )
        self._spare()
        if not self._warmed():
            if not self.is_stopping.is_set():
                self.log.error("not_prepared", f"the first process was not ready within {WARM_SECONDS:.0f} s", code="not_prepared")
            return int(not self.is_stopping.is_set())
        membership = Membership(
            self.deployment.cluster, self.deployment.topology, slot.instance_id, self._assigned, self._revoked, self._lost
        )
        membership.join()
        self.metrics.connected(True)
        joined = time.monotonic()
        told_idle = False
        while not self.is_stopping.is_set():
            self._pump(0.1)
            self._restart_due()
            if membership.failure is not None:
                self.log.error("membership_ended", membership.failure)
                self.metrics.connected(False)
                break
            if self.owned and all(shard in self.given_up for shard in self.owned):
                break
            if not self.owned and not told_idle and time.monotonic() - joined > 8:
                told_idle = True
                shards = self.deployment.shards
                self.log.info("idle", f"no shard is free: {shards} of {shards} have an owner; this member waits and takes over when one leaves")
        self._stop(membership)
        slot.release()
        if self.given_up:
            self.server.farewell()
        self.server.close()
        return 1 if membership.failure is not None or self.given_up else 0

    def _stop(self, membership: Membership) -> None:
        with self.lock:
            running = [child for child in self.owned.values() if child is not None]
            for child in [*running, *self.spares]:
                child.drain()
        deadline = time.monotonic() + DRAIN_SECONDS
        for child in running:
            child.is_drained.wait(max(0.0, deadline - time.monotonic()))
        self._pump(0)
        membership.leave()
        with self.lock:
            for child in [*[each for each in self.owned.values() if each is not None], *self.spares]:
                if child.process.poll() is None:
                    child.kill()
        self._pump(0)

    # children

    def _spare(self) -> Child:
        child = Child(self.deployment, self.events)
        self.spares.append(child)
        return child

    def _warmed(self) -> bool:
        """Wait until the first spare is warm; False if it cannot be."""
        deadline = time.monotonic() + WARM_SECONDS
        while time.monotonic() < deadline and not self.is_stopping.is_set():
            self._pump(0.1)
            if not self.spares:
                return False
            if self.spares[0].is_warm:
                return True
        return False

    def _give(self, shard: int) -> None:
        """A process for the shard, warm if there is one."""
        child = next((each for each in self.spares if each.is_warm), self.spares[0] if self.spares else None)
        if child is None:
            child = self._spare()
        self.spares.remove(child)
        self.owned[shard] = child
        child.own(shard)
        if not self.spares and len(self.owned) < self.deployment.shards:
            self._spare()

    def _pump(self, wait_seconds: float) -> None:
        """Hear what processes said."""
        try:
            child, event = self.events.get(timeout=wait_seconds) if wait_seconds else self.events.get_nowait()
        except queue.Empty:
            return
        while True:
            with self.lock:
                self._hear(child, event)
            try:
                child, event = self.events.get_nowait()
            except queue.Empty:
                return

    def _hear(self, child: Child, event: dict[str, Any]) -> None:
        name, shard = event["event"], child.shard
        if name == "warm":
            child.is_warm = True
        elif name == "running":
            again = event["batches_repeated"]
            text = f"running after journal record {event['sequence']}, {again} batches executed again"
            self.log.info("running", text, shard=shard, sequence=event["sequence"])
        elif name == "waiting" and event["text"]:
            self.log.warning("waiting", event["text"], shard=shard)
        elif name == "drained" and shard is not None:
            self.log.info("drained", f"drained at journal record {event['sequence']}", shard=shard, sequence=event["sequence"])
        elif name == "failed":
            self.log.error("failed", event["text"], shard=shard, code=event["code"], sequence=event.get("sequence"), at=event.get("trace"))
        elif name == "ended":
            self._ended(child, int(event["code"]))

    def _ended(self, child: Child, code: int) -> None:
        """A process ended: as told, or by itself."""
        if child in self.spares:
            self.spares.remove(child)
            if not self.is_stopping.is_set() and child.failure:
                return
        shard = child.shard
        if shard is None or self.owned.get(shard) is not child:
            return
        self.owned[shard] = None
        cause = child.failure.get("code", f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}")
        prune(home())  # what a killed child left behind would be taken for a process that hangs
        self.metrics.ended(shard, "drained" if not code else "killed" if code < 0 else child.failure.get("code", "defect"))
        if self.is_stopping.is_set():
            return
        now = time.monotonic()
        recent = [at for at in self.crashes.get(shard, []) if now - at < STEADY_SECONDS] + [now]
        self.crashes[shard] = recent
        if cause in FATAL:
            self.given_up[shard] = cause
            self.metrics.halted(shard, True)
            self.log.error("halted", "halted; starting again would not help", shard=shard, code=cause)
        elif len(recent) >= CRASHES_MAX:
            self.given_up[shard] = cause
            self.metrics.quarantined(shard, True)
            times = f"{len(recent)} ends within {STEADY_SECONDS:.0f} s"
            self.log.error("quarantined", f"quarantined after {times}, the last by {cause}; look at its next input record", shard=shard, code=cause)
        else:
            pause = BACKOFF_SECONDS[min(len(recent) - 1, len(BACKOFF_SECONDS) - 1)]
            self.again_at[shard] = now + pause
            self.metrics.restarted(shard)
            self.log.warning("restarting", f"ended by {cause}; starting again in {pause:g} s", shard=shard)

    def _restart_due(self) -> None:
        with self.lock:
            now = time.monotonic()
            for shard, at in list(self.again_at.items()):
                if now >= at:
                    del self.again_at[shard]
                    if shard in self.owned and self.owned[shard] is None:
                        self._give(shard)

    # ownership, on the membership's thread

    def _assigned(self, shards: list[int]) -> None:
        with self.lock:
            for shard in shards:
                self.given_up.pop(shard, None)
                self.crashes.pop(shard, None)
                self.metrics.owned(shard, True)
                self.metrics.quarantined(shard, False)
                self.metrics.halted(shard, False)
                self._give(shard)
        self.metrics.rebalanced()

    def _revoked(self, shards: list[int]) -> None:
        with self.lock:
            leaving = [child for shard in shards if (child := self.owned.pop(shard, None)) is not None]
            for child in leaving:
                child.drain()
            for shard in shards:
                self.metrics.owned(shard, False)
        deadline = time.monotonic() + DRAIN_SECONDS
        for child in leaving:
            if not child.is_drained.wait(max(0.0, deadline - time.monotonic())):
                child.kill()

    def _lost(self, shards: list[int]) -> None:
        with self.lock:
            for shard in shards:
                child = self.owned.pop(shard, None)
                if child is not None:
                    child.kill()
                self.metrics.owned(shard, False)
        self.log.warning("lost", f"shards {', '.join(map(str, shards))} were lost: the group's session ended")
