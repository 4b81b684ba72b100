"""``sq run``: a member of a topology. It owns the shards that the group gives it, and keeps one process for each.

1. a spare process is warmed (every kernel compiled or loaded) before the member joins, and another one once it is used: at once while shards may
   still come, else some seconds after the last one runs, so that it does not compete with a recovery
2. a shard that is assigned goes to a warm process, which takes over, recovers and runs
3. a shard that is revoked is drained before its next owner may have it; one that is lost is killed, for it may have another owner already
4. a process that ends by itself is started again with back-off while the shard is owned; after too many ends in a row it is given up, loudly
5. with ``--standby`` every shard that it does not own has a process that follows it, and that is the one promoted when the shard is assigned
6. SIGTERM and Ctrl-C drain everything, then leave, so that shards move at once
"""

from __future__ import annotations

import importlib.metadata
import math
import queue
import signal
import threading
import time
from typing import Any

from jobs.live.children import Child
from jobs.live.deployment import Deployment, facts_of
from jobs.live.followers import DIVERGED, Followers
from jobs.live.membership import Membership
from jobs.live.restarts import CRASHES_MAX, FATAL, STEADY_SECONDS, Restarts
from jobs.live.slot import Slot
from jobs.telemetry.logs import Log, hide
from jobs.telemetry.serving import prune, serve
from jobs.telemetry.task import MemberMetrics, ProcessMetrics
from streams.log.kafka.cluster import home

DRAIN_SECONDS = 10.0
WARM_SECONDS = 600.0
SPARE_AFTER_SECONDS = 5.0
FOLLOW_AFTER_SECONDS = 2.0
"""From joining to the first standbys: by then the group has said what this member owns."""


class Parent:
    """See the module's head.

    Args:
        deployment: what to run.
        standby: follow the shards that it does not own.
    """

    def __init__(self, deployment: Deployment, standby: bool = False) -> None:
        self.deployment = deployment
        process = ProcessMetrics(importlib.metadata.version("shrivenquant"), facts_of(deployment)["code"])
        self.metrics = MemberMetrics(deployment.topology, deployment.shards, process.registry)
        hide({**deployment.cluster.settings, **deployment.cluster.registry_settings})
        self.log = Log({"topology": deployment.topology, "bootstrap": deployment.cluster.bootstrap}, on_error=process.error)
        self.server = serve(process.registry, job="member", home=home(), environment=deployment.cluster.environment)
        self.owned: dict[int, Child | None] = {}
        self.spares: list[Child] = []
        self._quiet_from = math.inf
        self.followers = Followers(deployment.shards, standby, self.log, self.metrics)
        self.restarts = Restarts()
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
        membership = Membership(self.deployment.cluster, self.deployment.topology, slot.instance_id, self._assigned, self._revoked, self._lost)
        membership.join()
        self.metrics.connected(True)
        joined = time.monotonic()
        told_idle = False
        while not self.is_stopping.is_set():
            self._pump(0.1)
            self._restart_due()
            self._spare_due()
            if time.monotonic() - joined > FOLLOW_AFTER_SECONDS:
                self._follow_missing(slot.instance_id)
            if membership.failure is not None:
                self.log.error("membership_ended", membership.failure)
                self.metrics.connected(False)
                break
            if self.owned and all(shard in self.restarts.given_up for shard in self.owned):
                break
            if not self.owned and not told_idle and time.monotonic() - joined > 8:
                told_idle = True
                shards = self.deployment.shards
                self.log.info("idle", f"no shard is free: {shards} of {shards} have an owner; this member waits and takes over when one leaves")
        self._stop(membership)
        slot.release()
        if self.restarts.given_up:
            self.server.farewell()
        self.server.close()
        return 1 if membership.failure is not None or self.restarts.given_up else 0

    def _stop(self, membership: Membership) -> None:
        with self.lock:
            running = [*(child for child in self.owned.values() if child is not None), *self.followers.children.values()]
            for child in [*running, *self.spares]:
                child.drain()
        deadline = time.monotonic() + DRAIN_SECONDS
        for child in running:
            child.is_drained.wait(max(0.0, deadline - time.monotonic()))
        self._pump(0)
        membership.leave()
        with self.lock:
            for child in [*running, *self.spares]:
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
        """A process for the shard: the one that follows it, or a warm one if there is one."""
        child = self.followers.promoted(shard) or self._take()
        self.owned[shard] = child
        child.own(shard)
        self._quiet_from = math.inf
        self._keep_spare()

    def _take(self) -> Child:
        """A process without a shard."""
        child = next((each for each in self.spares if each.is_warm), self.spares[0] if self.spares else None)
        if child is None:
            child = self._spare()
        self.spares.remove(child)
        return child

    def _spare_due(self) -> None:
        """A spare for a shard whose process ends by itself, once everything owned has run for a while."""
        with self.lock:
            if not self.spares and time.monotonic() >= self._quiet_from and all(child is not None for child in self.owned.values()):
                self._spare()

    def _keep_spare(self) -> None:
        if not self.spares and len(self.owned) + len(self.followers.children) < self.deployment.shards:
            self._spare()

    def _follow_missing(self, member: str) -> None:
        """A standby for every shard that has none here and is not owned here."""
        with self.lock:
            for shard in self.followers.missing(self.owned, time.monotonic()):
                self.followers.add(shard, self._take(), member)
                self._keep_spare()

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
            self._quiet_from = time.monotonic() + SPARE_AFTER_SECONDS
            how = "promoted from standby" if event["followed"] else "taken over"
            text = f"{how} after journal record {event['sequence']}, {event['batches_repeated']} batches executed again in {event['seconds']:g} s"
            self.log.info("running", text, shard=shard, sequence=event["sequence"], seconds=event["seconds"], followed=event["followed"])
        elif name == "following":
            self.log.info("following", f"standby at journal record {event['sequence']}", shard=shard, sequence=event["sequence"])
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
            self._quiet_from = time.monotonic() + STEADY_SECONDS  # one that cannot be warmed is not tried in a loop
            if not self.is_stopping.is_set() and child.failure:
                return
        shard = child.shard
        if shard is None or child not in (self.owned.get(shard), self.followers.children.get(shard)):
            return
        cause = child.failure.get("code", f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}")
        prune(home())  # what a killed child left behind would be taken for a process that hangs
        self.metrics.ended(shard, "drained" if not code else "killed" if code < 0 else child.failure.get("code", "defect"))
        if self.is_stopping.is_set():
            return
        now = time.monotonic()
        if self.followers.ended(child, cause, now):
            return
        self.owned[shard] = None
        pause = self.restarts.ended(shard, cause, now)
        if pause is not None:
            self.metrics.restarted(shard)
            self.log.warning("restarting", f"ended by {cause}; starting again in {pause:g} s", shard=shard)
        elif cause in FATAL:
            self._halted(shard, cause)
        else:
            self.metrics.quarantined(shard, True)
            times = f"{CRASHES_MAX} ends within {STEADY_SECONDS:.0f} s"
            self.log.error("quarantined", f"quarantined after {times}, the last by {cause}; look at its next input record", shard=shard, code=cause)

    def _halted(self, shard: int, cause: str) -> None:
        self.metrics.halted(shard, True)
        self.log.error("halted", "halted; starting again would not help", shard=shard, code=cause)

    def _restart_due(self) -> None:
        with self.lock:
            for shard in self.restarts.due(time.monotonic()):
                if shard in self.owned and self.owned[shard] is None:
                    self._give(shard)

    # ownership, on the membership's thread

    def _assigned(self, shards: list[int]) -> None:
        with self.lock:
            for shard in shards:
                self.restarts.forget(shard)
                self.metrics.owned(shard, True)
                self.metrics.quarantined(shard, False)
                self.metrics.halted(shard, False)
                if self.followers.may_own(shard):
                    self._give(shard)
                else:
                    self.owned[shard] = None
                    self.restarts.given_up[shard] = DIVERGED
                    self._halted(shard, DIVERGED)
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
