"""A simulated process: runs real, blocking code in a thread of its own, but only while the
scheduler lets it.

At every point (before and after each call to the log, and at each of the runner's steps) the
scheduler may kill it, pause it, break its network, or let another process run first. One thread
runs at any instant, and every choice comes from one seeded generator, so a seed repeats everything.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from streams.log.kafka.transport import TransportFailed
from tests.simulation.clock import MILLISECOND, SECOND, VirtualClock
from tests.simulation.network import CrashNow, Fate, Network

TURN_POINTS_MAX = 200
READY, WAITING, PAUSED, ENDED = "ready", "waiting", "paused", "ended"


class Temper(NamedTuple):
    """How often what goes wrong in one schedule: probabilities per point, per commit or per fetch.
    """

    crash: float = 0.0
    pause: float = 0.0
    network: float = 0.0
    switch: float = 0.0
    request_lost: float = 0.0
    answer_lost: float = 0.0
    late: float = 0.0
    fetch_delayed: float = 0.0
    fetch_short: float = 0.0
    sends_late: float = 0.0


CALM = Temper()


def draw_temper(source: random.Random) -> Temper:
    """Each schedule has a character of its own; a third of the faults are off in each."""
    rate = lambda most: 0.0 if source.random() < 0.34 else source.random() * most
    return Temper(
        crash=rate(0.03),
        pause=rate(0.02),
        network=rate(0.01),
        switch=rate(0.25),
        request_lost=rate(0.1),
        answer_lost=rate(0.1),
        late=rate(0.1),
        fetch_delayed=rate(0.4),
        fetch_short=rate(0.8),
        sends_late=rate(0.9),
    )


class _Worker(threading.Thread):
    """A thread that runs one process after another; creating threads would cost more than a
    schedule.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True, name="simulated process")
        self.go = threading.Lock()
        self.go.acquire()
        self.job: Callable[[], None] | None = None
        self.start()

    def run(self) -> None:
        while True:
            self.go.acquire()
            job, self.job = self.job, None
            if job is not None:
                job()


_IDLE: list[_Worker] = []


class Surroundings:
    """What the processes of one world share."""

    def __init__(self, clock: VirtualClock, source: random.Random, temper: Temper) -> None:
        self.clock = clock
        self.random = source
        self.temper = temper
        self.over = threading.Lock()
        self.over.acquire()
        self.schedule: Callable[[], Process | None] = lambda: None
        self.problem: BaseException | None = None
        self.is_over = False
        self.moment = 0
        self.faults: Counter[str] = Counter()
        self.faults_left = 12
        self.story: list[str] | None = None
        self.version: Callable[[], int] = lambda: 0
        self.crash_at_point: int | None = None
        self.points = 0

    def next(self) -> Process | None:
        """Who runs next; None: the schedule is over, and the thread that began it goes on. Called
        by whoever gives way.
        """
        if self.is_over:
            return None
        try:
            return self.schedule()
        except BaseException as problem:  # noqa: BLE001 - raised again by the thread that runs the world
            self.problem = problem
            return None

    def tell(self, who: str, what: str) -> None:
        """A line of the story, when one is told."""
        if self.story is not None:
            self.story.append(f"{self.clock.monotonic():10.4f} {who:<10} {what}")


class Process(Network):
    """One process. ``outcome`` says how it ended: the exception, or None when its program returned.

    ``skew``: ns its host's clock is off. ``memory``: what survives in the host's parent process
    from one child to the next. ``racing``: for so many points it gives way often, since it was
    started together with another.
    """

    def __init__(
        self,
        name: str,
        surroundings: Surroundings,
        program: Callable[[Process], None],
        skew: int,
        memory: dict[str, Any],
        racing: int = 0,
    ) -> None:
        super().__init__(surroundings.clock)
        self.name = name
        self.around = surroundings
        self.random = surroundings.random
        self.program = program
        self.skew = skew
        self.memory = memory
        self.racing = racing
        self.turns = 0
        self.state = READY
        self.until = 0
        self.seen_version = -1
        self.dead = False
        self.draining = False
        self.outcome: BaseException | None = None
        self._worker = _IDLE.pop() if _IDLE else _Worker()
        self._worker.job = self._main

    # the scheduler's side

    def go_on(self) -> None:
        """Hand the right to run to this process; the caller must then wait."""
        self._worker.go.release()

    def kill(self) -> None:
        """SIGKILL, when the schedule is over; waits until the thread has unwound."""
        if self.state != ENDED:
            self.dead = True
            self.go_on()
            self.around.over.acquire()

    def is_runnable(self, now: int) -> bool:
        """True if it would go on when run now."""
        if self.state == WAITING:
            return now >= self.until or self.seen_version != self.around.version()
        if self.state == PAUSED:
            return now >= self.until
        return self.state == READY

    # the process's side

    def _main(self) -> None:
        try:
            if not self.dead:
                self.program(self)
        except BaseException as problem:  # noqa: BLE001 - whatever ends a process is its outcome
            self.outcome = problem
        self.state = ENDED
        following = self.around.next()
        _IDLE.append(self._worker)
        self._hand_to(following)

    def _hand_to(self, following: Process | None) -> None:
        if following is None:
            self.around.over.release()
        else:
            following.go_on()

    def _give_way(self) -> None:
        """Let the scheduler choose, here and now; only if it chooses another process does another
        thread run.
        """
        if self.dead:
            raise CrashNow("dead")
        following = self.around.next()
        if following is not self:
            self._hand_to(following)
            self._worker.go.acquire()
        self.moment = self.around.moment
        self.turns = 0
        if self.dead:
            raise CrashNow("killed")

    def clock_ns(self) -> int:
        """The host's wall clock: hosts differ."""
        return self.clock.now + self.skew

    def monotonic(self) -> float:
        """Seconds."""
        return self.clock.monotonic()

    def step(self, name: str) -> None:
        """The runner's ``on_step``."""
        if self.dead:
            raise CrashNow("dead")
        self.around.tell(self.name, f"step {name}")
        self._point(name)

    def before(self, call: str) -> None:
        """A request leaves."""
        if self.dead:
            raise CrashNow("dead")
        around = self.around
        around.moment += 1
        self.moment = around.moment
        self.clock.now += MILLISECOND // 4
        around.tell(self.name, call)
        self._point("before " + call)

    def after(self, call: str) -> None:
        """Its answer arrives."""
        self._point("after " + call)

    def _point(self, place: str) -> None:
        around = self.around
        around.points += 1
        if around.crash_at_point is not None:
            if around.points == around.crash_at_point:
                self._crash(place)
            return
        self.turns += 1
        if self.turns > TURN_POINTS_MAX:  # hosts are preemptive: nobody runs for ever
            self._give_way()
            return
        temper = around.temper
        draw = around.random.random()
        if self.racing:
            self.racing -= 1
            if around.random.random() < 0.3:
                self._give_way()
                return
        if draw < temper.switch:
            self._give_way()
            return
        draw -= temper.switch
        if draw < temper.crash:
            if around.faults_left > 0:
                self._crash(place)
            return
        draw -= temper.crash
        if draw < temper.pause:
            if around.faults_left > 0:
                self._pause(place)
            return
        draw -= temper.pause
        if draw < temper.network and around.faults_left > 0 and not place.startswith("after init"):
            around.faults_left -= 1
            around.faults["network error"] += 1
            around.tell(self.name, f"NETWORK ERROR {place}")
            raise TransportFailed(f"the connection broke {place}")

    def _crash(self, place: str) -> None:
        around = self.around
        around.faults_left -= 1
        around.faults["crash"] += 1
        around.tell(self.name, f"CRASH {place}")
        self.dead = True
        raise CrashNow(place)

    def _pause(self, place: str) -> None:
        around = self.around
        around.faults_left -= 1
        around.faults["pause"] += 1
        self.until = self.clock.now + int(
            around.random.choice((0.05, 1.0, 6.0, 25.0)) * SECOND * (0.5 + around.random.random())
        )
        around.tell(
            self.name, f"PAUSED {place} until {(self.until - self.clock.now) / SECOND:.2f} s later"
        )
        self.state = PAUSED
        self._give_way()

    def fate(self) -> Fate:
        """Of a commit."""
        around = self.around
        temper = around.temper
        if around.faults_left <= 0:
            return Fate.ANSWERED
        draw = self.random.random()
        for fate, rate in (
            (Fate.REQUEST_LOST, temper.request_lost),
            (Fate.ANSWER_LOST, temper.answer_lost),
            (Fate.LATE, temper.late),
        ):
            if draw < rate:
                around.faults_left -= 1
                around.faults[fate.value] += 1
                around.tell(self.name, fate.value.upper())
                return fate
            draw -= rate
        return Fate.ANSWERED

    def late(self) -> int:
        """ns."""
        return int(self.random.choice((0.001, 0.05, 1.0, 5.0)) * SECOND)

    def fetch_limit(self) -> int:
        """Records of one partition per fetch."""
        temper = self.around.temper
        if temper.fetch_delayed and self.random.random() < temper.fetch_delayed:
            self.around.faults["fetch delayed"] += 1
            return 0
        if temper.fetch_short and self.random.random() < temper.fetch_short:
            return self.random.randint(1, 5)
        return 1 << 30

    def sends_at_once(self) -> bool:
        """False: with the flush."""
        return (
            not self.around.temper.sends_late
            or self.random.random() >= self.around.temper.sends_late
        )

    def wait_until(self, moment: int) -> None:
        """Block until then or until something changes at the brokers."""
        self.state, self.until, self.seen_version = WAITING, moment, self.around.version()
        self._give_way()
