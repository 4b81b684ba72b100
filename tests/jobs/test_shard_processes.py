"""The warm process of a member and its forks, without a cluster. Oracle: the kernel's own account
of them.
"""

from __future__ import annotations

import os
import queue
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jobs.live.child import ORPHANED
from jobs.live.children import UNKNOWN, Child, Events, Warm
from jobs.live.deployment import Deployment
from streams.log.kafka.cluster import Cluster
from tests.scenario import configuration

SECONDS = 120.0


@pytest.fixture(scope="module")
def deployment() -> Deployment:
    return Deployment(
        job="market",
        topology="market",
        configuration=configuration(),
        cluster=Cluster(bootstrap="127.0.0.1:1", registry=""),
    )


@pytest.fixture
def events() -> Events:
    return queue.Queue()


@pytest.fixture
def warm(deployment: Deployment, events: Events) -> Iterator[Warm]:
    made = Warm(deployment, events)
    yield made
    made.end()


def _heard(events: Events, who: Any, name: str) -> dict[str, Any]:
    deadline = time.monotonic() + SECONDS
    while True:
        said_by, event = events.get(timeout=max(0.1, deadline - time.monotonic()))
        if said_by is who and event["event"] == name:
            return event


def _until(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _parent_of(process: int) -> int:
    with open(f"/proc/{process}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])


def test_shards_are_forks_of_one_process_and_each_end_is_told_with_its_own_code(
    warm: Warm, events: Events
) -> None:
    early = Child(warm)  # asked for before the kernels are loaded
    _heard(events, warm, "warm")
    forks = [early, *(Child(warm) for _ in range(3))]
    _until(lambda: all(each.pid for each in forks))
    assert {_parent_of(each.pid) for each in forks} == {warm.process.pid}
    killed, crashed, told, left = forks
    killed.kill()
    assert _heard(events, killed, "ended")["code"] == -signal.SIGKILL
    os.kill(crashed.pid, signal.SIGSEGV)
    assert _heard(events, crashed, "ended")["code"] == -signal.SIGSEGV
    told.drain()  # it has no shard
    assert _heard(events, told, "ended")["code"] == 0
    left._input.close()  # as the end of the member does
    assert _heard(events, left, "ended")["code"] == ORPHANED
    assert [each.returncode for each in forks] == [-signal.SIGKILL, -signal.SIGSEGV, 0, ORPHANED]


def test_a_fork_outlives_its_warm_process_and_its_end_is_told_all_the_same(
    warm: Warm, events: Events
) -> None:
    fork = Child(warm)
    _heard(events, warm, "warm")
    _until(lambda: fork.pid > 0)
    os.kill(warm.process.pid, signal.SIGKILL)
    assert _heard(events, warm, "ended")["code"] == -signal.SIGKILL
    assert not fork.has_ended
    os.kill(fork.pid, 0)
    fork.kill()
    assert _heard(events, fork, "ended")["code"] == UNKNOWN
