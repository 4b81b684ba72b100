"""One schedule: a feeder, owners of one task, an observer, faults for a while, then calm; and the
verdict.

A world is made of a seed and a subject (what is run: ``subjects.py``). During the *storm* processes
crash, pause, lose answers and are doubled while the feeder writes; then faults stop, paused
processes wake, and one owner must consume everything (liveness) before the history is checked.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from schemas.errors import ShrivenError
from streams.log.kafka.framing import HEADER_BYTES
from streams.log.kafka.transport import Partition, TransportFailed
from streams.runtime.journal.journal import JournalEntry, decode_entry
from tests.simulation.broker import SimulatedBroker
from tests.simulation.checker import Batched, Violation, check_world, start_offsets
from tests.simulation.clock import MILLISECOND, SECOND, VirtualClock
from tests.simulation.log import Read, SimulatedLog
from tests.simulation.network import CrashNow, Network
from tests.simulation.process import (
    CALM,
    ENDED,
    PAUSED,
    READY,
    WAITING,
    Process,
    Surroundings,
    Temper,
    draw_temper,
)

TURNS_MAX = 20_000
CALM_SECONDS_MAX = 240
RESTARTS_IN_CALM_MAX = 12
FEEDER = "feeder"
NOBODY = object()


class Feed(NamedTuple):
    """One thing the feeder does: ``outcome`` is "plain", "commit" or "abort"; a transaction stays
    open for ``open_ns``.
    """

    wait_ns: int
    partition: Partition
    values: list[bytes]
    outcome: str
    open_ns: int


class Subject(Protocol):
    """What is run in a world, and how it is judged."""

    inputs: Sequence[Partition]
    outputs: Sequence[Partition]
    journal: Partition
    others: Sequence[Partition]
    """Other partitions it needs."""
    together: int
    """Processes that start at once in the beginning, at most."""
    has_previous_offsets: bool
    """True if its journal names the offsets before each batch's outputs."""

    def feed(self, source: random.Random) -> list[Feed]:
        """What is written to the inputs."""

    def run(self, process: Process, log: SimulatedLog) -> None:
        """One process's life: take over, recover, batches until it is told to drain."""

    def deletable(self, broker: SimulatedBroker) -> dict[Partition, int]:
        """How far retention may go, by input, without taking what a recovery needs."""

    forges: bool
    """Somebody else writes snapshots while faults last."""

    def forge(self, broker: SimulatedBroker, source: random.Random) -> bool:
        """Write one; False if there is nothing to forge."""

    def judge(self, broker: SimulatedBroker) -> list[Violation]:
        """What is wrong at the end besides what ``checker.py`` looks for."""

    def reexecute(
        self, broker: SimulatedBroker, entries: Sequence[JournalEntry]
    ) -> tuple[list[Batched], str]:
        """A fresh execution over the journal's order: per batch what it gives, and what a run
        without batches contradicts (empty: nothing).
        """


class Result(NamedTuple):
    """What a schedule came to."""

    seed: int
    violations: list[Violation]
    faults: Counter[str]
    batches: int
    records: int
    incarnations: int
    points: int
    story: list[str]


class World:
    """Runs one schedule.

    Args:
        subject: what is run.
        seed: decides everything.
        temper: fault rates; None: drawn from the seed.
        crash_at_point: crash the first process exactly there and inject nothing else (the crash
            matrix).
        tells_story: keep a line per event.
    """

    def __init__(
        self,
        subject: Subject,
        seed: int,
        temper: Temper | None = None,
        crash_at_point: int | None = None,
        tells_story: bool = False,
    ) -> None:
        self.subject = subject
        self.seed = seed
        self.random = random.Random(seed)
        self.clock = VirtualClock()
        quiet = crash_at_point is not None
        self.temper = temper if temper is not None else CALM if quiet else draw_temper(self.random)
        self.around = Surroundings(self.clock, self.random, self.temper)
        self.around.crash_at_point = crash_at_point
        self.around.story = [] if tells_story else None
        self.around.faults_left = 0 if quiet else self.random.randint(1, 14)
        slow_markers = 0 if quiet else self.random.choice((0, 0, 1, 5))
        self.broker = SimulatedBroker(
            self.clock,
            (lambda: self.random.randint(0, slow_markers) * MILLISECOND)
            if slow_markers
            else (lambda: 0),
        )
        self.around.version = lambda: self.broker.version
        self.histories: list[list[Read]] = []
        self.processes: list[Process] = []
        self.live: list[Process] = []
        self.violations: list[Violation] = []
        self.restart_at = self.clock.now
        self.memories: tuple[dict[str, Any], ...] = ({}, {})
        self.storm = True
        self.is_draining = False
        self.turns = 0
        self.calm_since = 0
        self.calm_restarts = 0
        self._checked_version = -1
        self._starts: dict[Partition, int] = {}
        self.retention = 0.0 if quiet else self.random.choice((0.0, 0.0, 0.002, 0.01))
        everything = (*subject.inputs, *subject.outputs, subject.journal, *subject.others)
        for topic in dict(everything):
            self.broker.create_topic(
                topic, 1 + max(partition for name, partition in everything if name == topic)
            )
        if not quiet and self.random.random() < 0.2:
            self.around.faults["outputs that others wrote before"] += 1
            for key in subject.outputs:
                self.broker.append(
                    key,
                    [
                        b"another topology's, %d" % number
                        for number in range(self.random.randint(0, 3))
                    ],
                )
        self.feeds = subject.feed(self.random)
        self.feeds.reverse()
        self.feed_at = self.clock.now + (self.feeds[-1].wait_ns if self.feeds else 0)
        self.open_feed: Feed | None = None
        self.broker.init(FEEDER)
        extra = 0 if quiet else self.random.choice((0, 0, 1, 1, 2, 3))
        length = sum(feed.wait_ns for feed in self.feeds)
        self.takeovers = sorted(
            self.clock.now + int(self.random.random() * 1.2 * length) for _ in range(extra)
        )
        cuts = 0 if quiet else self.random.choice((0, 0, 0, 1, 2))
        self.power_cuts = sorted(
            self.clock.now + int(self.random.random() * length) for _ in range(cuts)
        )
        network = Network(self.clock)
        network.fetch_limit = lambda: self.random.randint(0, 6)  # type: ignore[method-assign]
        network.before = lambda call: None  # type: ignore[method-assign]
        self.observer_network = network
        self.observer = SimulatedLog(self.broker, network, []).reader("")
        self.observer.assign(dict.fromkeys((*subject.outputs, subject.journal), 0))

    def run(self) -> Result:
        """The schedule, from its beginning to its verdict."""
        around = self.around
        around.schedule = self._schedule
        first = around.next()
        if first is not None:
            first.go_on()
            around.over.acquire()
        around.is_over = True
        if around.problem is not None:
            raise around.problem
        for process in list(self.live):
            process.kill()
        # markers of the last commits are still on their way
        while (event := self.broker.next_event()) is not None:
            self.clock.advance_to(event)
            self.broker.settle()
        self._observe(all_of_it=True)
        self._check()
        batches = len(self.broker.committed(*self.subject.journal))
        records = sum(len(self.broker.committed(*key)) for key in self.subject.inputs)
        return Result(
            self.seed,
            self.violations,
            around.faults,
            batches,
            records,
            len(self.processes),
            around.points,
            around.story or [],
        )

    def _schedule(self) -> Process | None:
        """Whatever happens until a process runs, and which; None: the schedule is over. Runs in the
        thread of whoever gives way.
        """
        while True:
            self._reap()
            self.broker.settle()
            if self.is_draining and not self.live:
                return None
            if not self.is_draining:
                self._supervise()
            if self.storm and self._is_over():
                self._calm()
            if not self.storm and not self.is_draining and self._has_converged():
                self.is_draining = True
                for process in self.live:
                    process.draining = True
            self.turns += 1
            actor = self._choose()
            if actor is NOBODY or self.turns > TURNS_MAX or self._is_late():
                self.violations.append(Violation("unseen", self._unseen()))
                return None
            draw = self.random.random()
            if draw < 0.08:
                self._observe()
            elif self.storm and draw > 1 - self.retention:
                self._retain()
            elif self.storm and self.power_cuts and self._is_cut_due():
                self._cut_power()
                continue
            elif self.subject.forges and self.storm and draw < 0.12:
                self.around.faults["snapshots forged"] += self.subject.forge(
                    self.broker, self.random
                )
            if isinstance(actor, Process):
                actor.state = READY
                return actor

    def _check(self) -> None:
        if any(violation.name in ("halted", "defect") for violation in self.violations):
            self.violations = [item for item in self.violations if item.name != "unseen"]
        subject = self.subject
        self.violations += check_world(self.broker, self.histories, self.observer.reads, subject)
        self.violations += subject.judge(self.broker)

    def _unseen(self) -> str:
        last = [
            f"{process.name} {process.state} {process.outcome!r}" for process in self.processes[-3:]
        ]
        return (
            f"after the faults stopped not everything was consumed: {self.turns} turns, "
            f"{self.clock.monotonic():.1f} s, last processes {last}"
        )

    # who runs next

    def _choose(self) -> Process | None | object:
        """A process that is to run; None if something else happened; NOBODY if nothing ever will.
        """
        now = self.clock.now
        actors: list[Process | None] = [
            process for process in self.live if process.is_runnable(now)
        ]
        if now >= self.feed_at and (self.feeds or self.open_feed):
            actors.append(None)
        if actors:
            actor = actors[0] if len(actors) == 1 else self.random.choice(actors)
            if actor is None:
                self._feed()
            return actor
        moments = [process.until for process in self.live if process.state in (WAITING, PAUSED)]
        if self.feeds or self.open_feed:
            moments.append(self.feed_at)
        if not self.is_draining and all(process.state == PAUSED for process in self.live):
            moments.append(self.restart_at)
        if self.storm:
            moments += self.takeovers[:1]
        event = self.broker.next_event()
        if event is not None:
            moments.append(event)
        if not moments:
            return NOBODY
        self.clock.advance_to(max(min(moments), now + 1))
        return None

    def _observe(self, all_of_it: bool = False) -> None:
        self.observer_network.moment = self.around.moment
        if all_of_it:
            self.observer_network.fetch_limit = lambda: 1 << 30  # type: ignore[method-assign]
        while self.observer.poll(1 << 30, 0) and all_of_it:
            pass

    def _reap(self) -> None:
        for process in [process for process in self.live if process.state == ENDED]:
            self.live.remove(process)
            outcome = process.outcome
            self.around.tell(
                process.name, f"ended: {outcome!r}" if outcome is not None else "ended: drained"
            )
            delay = 0 if not self.storm else self.random.choice((0, 0.01, 0.3, 2.0, 12.0))
            self.restart_at = self.clock.now + int(delay * SECOND)
            if outcome is not None and not isinstance(outcome, (CrashNow, TransportFailed)):
                name = "halted" if isinstance(outcome, ShrivenError) else "defect"
                self.violations.append(Violation(name, f"{process.name}: {outcome!r}"))

    def _supervise(self) -> None:
        """The parent: an owner where there is none; sometimes one more, for nobody knows that the
        other lives.
        """
        running = [process for process in self.live if process.state != PAUSED]
        now = self.clock.now
        if self.storm and self.takeovers and now >= self.takeovers[0]:
            self.takeovers.pop(0)
            self.around.faults["second owner"] += bool(running)
            race = self.random.random() < 0.4
            self._start(60 if race else 0)
            if race:
                self.around.faults["two take-overs at once"] += 1
                self._start(60)
        elif not running and now >= self.restart_at:
            if not self.storm:
                self.calm_restarts += 1
            together = (
                1
                if self.processes or self.around.crash_at_point is not None
                else self.random.randint(1, self.subject.together)
            )
            self.around.faults["members started at once"] += together - 1
            for _ in range(together):
                self._start(60 if together > 1 else 0)

    def _start(self, racing: int = 0) -> None:
        number = len(self.processes)
        skew = int((self.random.random() - 0.5) * 0.2 * SECOND)
        host = self.random.randrange(2)
        program = lambda mine: self.subject.run(
            mine, SimulatedLog(self.broker, mine, self.histories)
        )
        process = Process(
            f"host{host}#{number}", self.around, program, skew, self.memories[host], racing
        )
        self.around.tell(process.name, "started")
        self.processes.append(process)
        self.live.append(process)

    # the feeder

    def _feed(self) -> None:
        if self.open_feed is not None:
            feed, self.open_feed = self.open_feed, None
            epoch = self.broker.coordinated[FEEDER].epoch
            transaction = self.broker.coordinated[FEEDER].transaction
            if transaction is not None:
                self.around.moment += 1
                transaction.commit_asked = self.around.moment
                self.broker.end(FEEDER, epoch, feed.outcome == "commit")
        else:
            feed = self.feeds.pop()
            self.around.tell(
                FEEDER, f"{len(feed.values)} records to {feed.partition[0]}, {feed.outcome}"
            )
            if feed.outcome == "plain":
                self.broker.append(feed.partition, feed.values)
            else:
                self.broker.produce(
                    FEEDER, self.broker.coordinated[FEEDER].epoch, feed.partition, feed.values
                )
                self.open_feed = feed
                self.feed_at = self.clock.now + feed.open_ns
                return
        self.feed_at = self.clock.now + (self.feeds[-1].wait_ns if self.feeds else 0)

    def _retain(self) -> None:
        """Retention that takes only what no recovery needs: everything must go on."""
        for key, offset in self.subject.deletable(self.broker).items():
            if offset > self.broker.partition(key).start:
                self.around.faults["inputs deleted before the last snapshot"] += 1
                self.around.tell("retention", f"{key[0]} before {offset}")
                self.broker.delete_records(key, offset)

    def _is_cut_due(self) -> bool:
        """From its time on, at the next moment at which a transaction may hang; if none comes, a
        second later.
        """
        late = self.clock.now - self.power_cuts[0]
        return late >= SECOND or (late >= 0 and self.broker.owes(spared=FEEDER))

    def _cut_power(self) -> None:
        """Hosts and brokers end at once. What is open is aborted, and the brokers lose every marker
        they owe (decision 36).
        """
        self.power_cuts.pop(0)
        for process in self.live:
            process.dead, process.state = True, READY  # it ends where it is, at its next turn
        hung = self.broker.end_uncleanly(spared=FEEDER)
        self.around.tell("world", f"POWER CUT, {hung} transactions hang")
        self.around.faults["power cut"] += 1
        self.around.faults["transaction hangs"] += hung

    # storm and calm

    def _is_over(self) -> bool:
        if self.feeds or self.open_feed or self.takeovers:
            return False
        return self.around.faults_left <= 0 or self.random.random() < 0.02

    def _calm(self) -> None:
        """Faults stop: paused processes wake up, nothing more is started beside a living one."""
        self.storm = False
        self.calm_since = self.clock.now
        self.around.tell("world", "calm")
        self.around.temper = CALM
        self.around.faults_left = 0
        for process in self.live:
            if process.state == PAUSED:
                process.state = READY
        self.restart_at = self.clock.now

    def _is_late(self) -> bool:
        return not self.storm and (
            self.calm_restarts > RESTARTS_IN_CALM_MAX
            or self.clock.now - self.calm_since > CALM_SECONDS_MAX * SECOND
        )

    def _has_converged(self) -> bool:
        if (
            self.broker.version == self._checked_version
            or not self.live
            or any(process.state != WAITING for process in self.live)
        ):
            return False
        if (
            any(state.transaction is not None for state in self.broker.coordinated.values())
            or self.broker.next_event() is not None
        ):
            return False
        self._checked_version = self.broker.version
        entries = self.broker.committed(*self.subject.journal)
        if not entries or entries[-1].value is None:
            return False
        try:
            consumed = decode_entry(entries[-1].value[HEADER_BYTES:]).input_sequence
        except ShrivenError:
            return False
        starts = self._starts or start_offsets(
            [decode_entry(value[HEADER_BYTES:]) for value in [entries[0].value] if value],
            self.subject.inputs,
        )
        self._starts = starts
        return consumed >= sum(
            record.offset >= starts[key]
            for key in self.subject.inputs
            for record in self.broker.committed(*key)
        )
