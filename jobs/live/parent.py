"""``sq run``: a member of a topology. It owns the shards that the group gives it, and keeps one
process for each.

1. a process is warmed (every kernel compiled or loaded) before the member joins
2. a shard that is assigned goes to a fork of the warm process, which takes over, recovers and runs
3. a shard that is revoked is drained before its next owner may have it; one that is lost is killed,
   for it may have another owner already
4. a process that ends by itself is started again with back-off while the shard is owned; after too
   many ends in a row it is given up, loudly
5. with ``--standby`` every shard that it does not own has a process that follows it, and that is
   the one promoted when the shard is assigned
6. SIGTERM and Ctrl-C drain everything, then leave, so that shards move at once
"""

from __future__ import annotations

import importlib.metadata
import queue
import signal
import threading
import time
from typing import Any

from jobs.live.children import Child, Events, Warm
from jobs.live.deployment import Deployment, facts_of
from jobs.live.followers import Followers
from jobs.live.instance_index import InstanceIndex
from jobs.live.membership import Membership
from jobs.live.restarts import CRASHES_MAX, End, Restarts, named
from jobs.live.shard_state import DRAINED, HALTED, QUARANTINED, RUNNING, STARTING, Note, write
from jobs.telemetry.logs import Log, hide, library_logger
from jobs.telemetry.serving import prune, serve
from jobs.telemetry.task import MemberMetrics, ProcessMetrics
from streams.log.kafka.admin import admin_of
from streams.log.kafka.cluster import home

DRAIN_SECONDS = 10.0
WARM_SECONDS = 600.0
HANDOVER_SECONDS = 0.5
"""From the group's word that a shard moves to its drain: meanwhile it goes on here. librdkafka
joins a group once a second at most, so the round that gives the shard to its next owner begins this
much later anyway, and an hour of it would lose nothing either: only a drained shard stands still.
"""
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
        process = ProcessMetrics(
            importlib.metadata.version("shrivenquant"), facts_of(deployment)["code"]
        )
        self.metrics = MemberMetrics(deployment.topology, deployment.shards, process.registry)
        if deployment.registry_trouble:
            self.metrics.registry_error(deployment.registry_trouble)
        hide({**deployment.cluster.settings, **deployment.cluster.registry_settings})
        self.log = Log(
            {"topology": deployment.topology, "bootstrap": deployment.cluster.bootstrap},
            on_error=process.error,
        )
        self.server = serve(
            process.registry, job="member", home=home(), environment=deployment.cluster.environment
        )
        self.owned: dict[int, Child | None] = {}
        self.followers = Followers(deployment.shards, standby, self.log, self.metrics)
        self.restarts = Restarts()
        self.events: Events = queue.Queue()
        self.lock = threading.RLock()
        self.is_stopping = threading.Event()

    def run(self) -> int:
        """Until told to stop; returns the exit code."""
        library_logger(self.log)
        index = InstanceIndex(self.deployment.cluster, self.deployment.topology)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.is_stopping.set())
        self.log.info(
            "starting",
            f"{self.deployment.shards} shards on {self.deployment.cluster.bootstrap}, publishing "
            f"{', '.join(self.deployment.publish)}; preparing (functions are compiled the first "
            "time, up to a minute)",
        )
        self.warm = Warm(self.deployment, self.events)
        if not self._warmed():
            if not self.is_stopping.is_set():
                self.log.error(
                    "not_prepared",
                    f"the warm process ended, or was not ready within {WARM_SECONDS:.0f} s",
                    code="not_prepared",
                )
            self.warm.end()
            return int(not self.is_stopping.is_set())
        membership = Membership(
            self.deployment.cluster,
            self.deployment.topology,
            index.instance_id,
            self._assigned,
            self._revoked,
            self._lost,
        )
        membership.join()
        self.metrics.connected(True)
        joined = time.monotonic()
        told_idle = False
        while not self.is_stopping.is_set():
            self._pump(0.1)
            self._restart_due()
            if time.monotonic() - joined > FOLLOW_AFTER_SECONDS:
                self._follow_missing(index.instance_id)
            if membership.failure is not None:
                self.log.error("membership_ended", membership.failure)
                self.metrics.connected(False)
                break
            if self.owned and all(shard in self.restarts.given_up for shard in self.owned):
                break
            if not self.owned and not told_idle and time.monotonic() - joined > 8:
                told_idle = True
                shards = self.deployment.shards
                self.log.info(
                    "idle",
                    f"no shard is free: {shards} of {shards} have an owner; this member waits and "
                    "takes over when one leaves",
                )
        self._stop(membership)
        index.release()
        if self.restarts.given_up:
            self.server.wait_for_final_scrape()
        self.server.close()
        return 1 if membership.failure is not None or self.restarts.given_up else 0

    def _stop(self, membership: Membership) -> None:
        with self.lock:
            running = [
                *(child for child in self.owned.values() if child is not None),
                *self.followers.children.values(),
            ]
            for child in running:
                child.drain()
        deadline = time.monotonic() + DRAIN_SECONDS
        for child in running:
            child.is_drained.wait(max(0.0, deadline - time.monotonic()))
        self._pump(0)
        for shard, owner in self.owned.items():
            if owner is not None and owner.has_drained:
                self._note(shard, Note(DRAINED), wait=True)
        membership.leave()
        with self.lock:
            for child in running:
                child.kill()
        self._pump(0)
        self.warm.end()

    # children

    def _warmed(self) -> bool:
        """Wait until the warm process is; False if it cannot be."""
        deadline = time.monotonic() + WARM_SECONDS
        while (
            time.monotonic() < deadline
            and not self.is_stopping.is_set()
            and not self.warm.is_gone.is_set()
        ):
            self._pump(0.1)
            if self.warm.is_warm:
                return True
        self._pump(0)
        return False

    def _give(self, shard: int) -> None:
        """A process for the shard: the one that follows it, or a new one."""
        self._note(shard, Note(STARTING))
        child = self.followers.promoted(shard) or self._child()
        self.owned[shard] = child
        child.own(shard, self.restarts.suspects.get(shard, ()))

    def _child(self) -> Child:
        """A process without a shard. If the warm one is gone, another is made: the fork waits for
        it to be warm.
        """
        if self.warm.is_gone.is_set():
            self.warm = Warm(self.deployment, self.events)
        return Child(self.warm)

    def _follow_missing(self, member: str) -> None:
        """A standby for every shard that has none here and is not owned here."""
        with self.lock:
            for shard in self.followers.missing(self.owned, time.monotonic()):
                self.followers.add(shard, self._child(), member)

    def _pump(self, wait_seconds: float) -> None:
        """Hear what processes said."""
        try:
            child, event = (
                self.events.get(timeout=wait_seconds) if wait_seconds else self.events.get_nowait()
            )
        except queue.Empty:
            return
        while True:
            with self.lock:
                self._hear(child, event)
            try:
                child, event = self.events.get_nowait()
            except queue.Empty:
                return

    def _hear(self, child: Child | Warm, event: dict[str, Any]) -> None:
        name = event["event"]
        if isinstance(child, Warm):
            if name == "failed":
                self.log.error("failed", event["text"], code=event["code"], at=event.get("trace"))
            elif name == "ended" and not self.is_stopping.is_set():
                self.log.warning(
                    "warm_ended",
                    f"the warm process ended by exit code {event['code']}; another one is made "
                    "when a shard needs it",
                )
            return
        shard = child.shard
        if name == "running" and shard is not None:
            self._note(shard, Note(RUNNING))
            how = "promoted from standby" if event["followed"] else "taken over"
            text = (
                f"{how} after journal record {event['sequence']}, {event['batches_repeated']} "
                f"batches executed again in {event['seconds']:g} s"
            )
            self.log.info(
                "running",
                text,
                shard=shard,
                sequence=event["sequence"],
                seconds=event["seconds"],
                followed=event["followed"],
            )
        elif name == "following":
            self.log.info(
                "following",
                f"standby at journal record {event['sequence']}",
                shard=shard,
                sequence=event["sequence"],
            )
        elif name in ("waiting", "hung") and event["text"]:
            self.log.warning(name, event["text"], shard=shard)
        elif name == "strategy_log":
            self.log.info(name, event["text"], shard=shard, clock=event["clock"])
        elif name == "drained" and shard is not None:
            self.log.info(
                "drained",
                f"drained at journal record {event['sequence']}",
                shard=shard,
                sequence=event["sequence"],
            )
        elif name == "failed":
            self.log.error(
                "failed",
                event["text"],
                shard=shard,
                code=event["code"],
                sequence=event.get("sequence"),
                at=event.get("trace"),
            )
        elif name == "ended":
            self._ended(child, int(event["code"]))

    def _ended(self, child: Child, code: int) -> None:
        """A process ended: as told, or by itself."""
        shard = child.shard
        if shard is None or child not in (
            self.owned.get(shard),
            self.followers.children.get(shard),
        ):
            return
        end = End.of(child.failure, code)
        cause = end.cause
        died_at = child.box.read() if not child.failure else []
        prune(home())  # what a killed child left behind would be taken for a process that hangs
        self.metrics.ended(
            shard,
            "killed"
            if code < 0 or died_at
            else child.failure.get("code", "defect")
            if code
            else "drained",
        )
        if self.is_stopping.is_set():
            return
        now = time.monotonic()
        if self.followers.ended(child, end, now):
            return
        self.owned[shard] = None
        pause = self.restarts.ended(shard, end, now, died_at)
        at: dict[str, Any] = (
            {
                "topic": died_at[0].topic,
                "partition": died_at[0].partition,
                "offset": died_at[0].first_offset,
            }
            if died_at
            else {}
        )
        where = f" while it executed {named(died_at)}" if died_at else ""
        if pause is not None:
            self.metrics.restarted(shard)
            self.log.warning(
                "restarting",
                f"ended by {cause}{where}; starting again "
                f"{f'in {pause:g} s' if pause else 'at once'}",
                shard=shard,
                **at,
            )
        elif not end.restart_helps:
            self._halted(shard, cause)
        else:
            self.metrics.quarantined(shard, **at)
            advice = "look at its next input record"
            if len(died_at) == 1 and died_at[0].records == 1:
                advice = (
                    f"if that record is to blame, 'sq skip {named(died_at)} --reason TEXT' "
                    "leaves it out when this member is started again"
                )
            text = (
                f"quarantined after {CRASHES_MAX} ends in a row, the last by {cause}{where}; "
                f"{advice}"
            )
            self.log.error("quarantined", text, shard=shard, code=cause, **at)
            record = (
                f"{died_at[0].topic}/{died_at[0].partition}/{died_at[0].first_offset}"
                if died_at
                else ""
            )
            self._note(shard, Note(QUARANTINED, record), wait=True)

    def _halted(self, shard: int, cause: str) -> None:
        self.metrics.halted(shard)
        self.log.error("halted", "halted; starting again would not help", shard=shard, code=cause)
        self._note(shard, Note(HALTED, cause), wait=True)

    def _note(self, shard: int, note: Note, wait: bool = False) -> None:
        """Say it where ``sq status`` and the lag exporter look."""
        write(
            admin_of(self.deployment.cluster),
            self.deployment.cluster,
            self.deployment.topology,
            shard,
            note,
            wait,
        )

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
                self.metrics.tried_again(shard)
                if self.followers.may_own(shard):
                    self._give(shard)
                else:
                    self.owned[shard] = None
                    end = self.restarts.given_up[shard] = self.followers.restarts.given_up[shard]
                    self._halted(shard, end.cause)
        self.metrics.rebalanced()

    def _revoked(self, shards: list[int]) -> None:
        if any(self.owned.get(shard) is not None for shard in shards):
            self.is_stopping.wait(HANDOVER_SECONDS)
        with self.lock:
            leaving = [
                child for shard in shards if (child := self.owned.pop(shard, None)) is not None
            ]
            for child in leaving:
                child.drain()
            for shard in shards:
                self.metrics.owned(shard, False)
        deadline = time.monotonic() + DRAIN_SECONDS
        for child in leaving:
            if not child.is_drained.wait(max(0.0, deadline - time.monotonic())):
                child.kill()
            if child.has_drained and child.shard is not None:
                self._note(child.shard, Note(DRAINED), wait=True)

    def _lost(self, shards: list[int]) -> None:
        with self.lock:
            for shard in shards:
                child = self.owned.pop(shard, None)
                if child is not None:
                    child.kill()
                self.metrics.owned(shard, False)
        self.log.warning(
            "lost", f"shards {', '.join(map(str, shards))} were lost: the group's session ended"
        )
