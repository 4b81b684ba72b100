"""One watch over a cluster: reads, looks, judges, and hands out a snapshot that never changes.

A collection, step by step:

1. read groups, offsets and ends (``reading.py`` says in which order, and why);
2. for every position that what is known does not answer, want a look; look, bounded in time;
3. measure lag, add it to the position's history, judge the state;
4. forget positions and histories that are gone.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

from jobs.lag.measuring import Measured, Memory, measure, want
from jobs.lag.members import Readers, is_owners, readers
from jobs.lag.reading import Bounds, Group, LagSource, Member, Partition, Reading, Want
from jobs.lag.settings import LagSettings
from jobs.lag.shards import (
    GroupFacts,
    ShardState,
    environments,
    facts_of,
    is_closed,
    is_tool,
    shard_states,
)
from jobs.lag.states import History, Sample, eta_drain_seconds, lag_state, replay_speed


class Lag(NamedTuple):
    """Lag of one group in one partition. What is unknown is None, and ``reason`` says why."""

    group: str
    topic: str
    partition: int
    purpose: str
    position: int | None
    lag_records: int | None
    lag_seconds: float | None
    state: str | None
    reason: str | None
    eta_drain_seconds: float | None
    retention_margin_seconds: float | None
    replay_speed: float | None
    replay_progress: float | None
    member: Member | None
    whose: GroupFacts = GroupFacts("")


class Snapshot(NamedTuple):
    """What one collection found. ``time`` is wall-clock seconds; ``transaction_age`` seconds by
    partition that has one open.

    ``whose`` by group; ``environments`` are those of the cluster that have topologies; ``shards``
    those of open topologies.
    """

    time: float
    lags: tuple[Lag, ...]
    members: Mapping[str, tuple[str, int]]
    reading: Reading
    transaction_age: Mapping[Partition, float]
    skew: Mapping[str, int]
    looks: int
    looks_saved: int
    whose: Mapping[str, GroupFacts] = {}
    environments: frozenset[str] = frozenset()
    shards: tuple[ShardState, ...] = ()


class Watch:
    """Collects again and again, and remembers what states and looks need.

    Args:
        source: the cluster.
        settings: see LagSettings.
        clock: monotonic seconds.
        environment: that it was started in; it watches all of them.
    """

    def __init__(
        self,
        source: LagSource,
        settings: LagSettings,
        clock: Callable[[], float] = time.monotonic,
        environment: str = "",
    ) -> None:
        self.source = source
        self.settings = settings
        self.clock = clock
        self.memory = Memory()
        self.histories: dict[tuple[str, Partition], History] = {}
        self.consuming: set[str] = set()
        self.transactions: dict[tuple[Partition, int], int] = {}
        self.skew: Counter[str] = Counter()
        self.environment = environment
        self.looks = 0
        self.looks_saved = 0
        self.turn = 0

    def collect(self) -> Snapshot:
        """One collection. Raises the source's typed errors."""
        reading = self.source.read()
        known = environments(reading.topics)
        topologies = {(each.environment, each.name): each for each in reading.topologies}
        whose = {
            group.name: facts_of(group, known, topologies)
            for group in reading.groups
            if not is_tool(group.name)
        }
        wanted = (
            group
            for group in reading.groups
            if group.name in whose and fnmatchcase(group.name, self.settings.groups)
        )
        groups = [group for group in wanted if not is_closed(whose[group.name], topologies)]
        self._look(reading, groups)
        ages = self._transaction_ages(reading)
        by_name = {group.name: group for group in reading.groups}
        lags: list[Lag] = []
        members: dict[str, tuple[str, int]] = {}
        for group in groups:
            found = readers(group, by_name, reading.topics)
            purpose = self._purpose(group.name)
            self._notice(group, found)
            members[group.name] = (purpose, found.members)
            rows = [
                self._lag(group, purpose, partition, found, reading, ages)
                for partition in _partitions(group)
            ]
            lags += [lag._replace(whose=whose[group.name]) for lag in rows]
        self._forget(lags)
        stalled = {
            lag.whose for lag in lags if lag.state == "STALLED" and ".standby." not in lag.group
        }
        shards = tuple(shard_states(reading, stalled))
        shown = {name: whose[name] for name in members}
        return Snapshot(
            reading.time,
            tuple(lags),
            members,
            reading,
            ages,
            dict(self.skew),
            self.looks,
            self.looks_saved,
            shown,
            frozenset(known),
            shards,
        )

    def _purpose(self, group: str) -> str:
        return (
            "replay"
            if any(fnmatchcase(group, glob) for glob in self.settings.replay_groups)
            else "live"
        )

    def _look(self, reading: Reading, groups: list[Group]) -> None:
        """Meet every want that remains; a group at the same position as another shares its look."""
        wants: dict[Want, tuple[Partition, int]] = {}
        compacted = {name for name, each in reading.settings.items() if each.is_compacted}
        self.memory.expire(compacted, reading.time - self.settings.recount_seconds)
        for group in groups:
            for partition, position in group.offsets.items():
                bounds = reading.bounds.get(partition)
                if bounds is None or position >= bounds.last_stable:
                    continue
                exact = (
                    bounds.last_stable
                    if partition[0] in compacted
                    else self.settings.exact_lag_records
                )
                asked = want(
                    partition, position, bounds, self.memory.at(partition, position), exact
                )
                if asked is None:
                    self.looks_saved += 1
                else:
                    wants[asked] = (partition, position)
        for partition, bounds in reading.bounds.items():
            if bounds.hold and (partition, bounds.last_stable) not in self.transactions:
                asked = Want(
                    *partition,
                    bounds.last_stable,
                    bounds.high_watermark,
                    counted=False,
                    committed=False,
                )
                wants[asked] = (partition, bounds.last_stable)
        self.turn += 1  # when time runs out, other ones are first the next time
        order = list(wants)
        start = self.turn % len(order) if order else 0
        self.looks += len(order)
        for asked, seen in self.source.look(order[start:] + order[:start]).items():
            partition, position = wants[asked]
            if not asked.committed:
                if seen.first_timestamp_ms is not None:
                    self.transactions[(partition, position)] = seen.first_timestamp_ms
            elif (
                self.memory.learn(partition, position, asked, seen, reading.time)
                and (seen.first_timestamp_ms or 0) / 1000 > reading.time
            ):
                self.skew[partition[0]] += 1

    def _transaction_ages(self, reading: Reading) -> dict[Partition, float]:
        """Seconds since the oldest open transaction of a partition wrote its first record: the
        record at the last stable offset.
        """
        ages = {}
        for partition, bounds in reading.bounds.items():
            opened = self.transactions.get((partition, bounds.last_stable))
            if bounds.hold and opened is not None:
                ages[partition] = max(0.0, reading.time - opened / 1000)
        self.transactions = {
            key: value for key, value in self.transactions.items() if key[0] in ages
        }
        return ages

    def _lag(
        self,
        group: Group,
        purpose: str,
        partition: Partition,
        found: Readers,
        reading: Reading,
        ages: Mapping[Partition, float],
    ) -> Lag:
        position = group.offsets.get(partition)
        bounds = reading.bounds.get(partition)
        measured = self._measure(partition, position, bounds, reading)
        history = self.histories.setdefault((group.name, partition), History())
        history.add(
            Sample(
                self.clock(),
                position,
                bounds.last_stable if bounds else 0,
                measured.records,
                measured.seconds,
                measured.lost,
                ages.get(partition, 0.0),
                found.owned(partition),
                measured.position_time,
                measured.reason == "beyond_log_end",
                group.name in self.consuming,
            ),
            self.settings.window_seconds,
        )
        state = None if bounds is None and not measured.lost else lag_state(history, self.settings)
        replays = purpose == "replay"
        return Lag(
            group.name,
            *partition,
            purpose,
            position,
            measured.records,
            measured.seconds,
            state,
            measured.reason or ("one_look" if state is None else None),
            eta_drain_seconds(history),
            _margin(measured, partition, reading),
            replay_speed(history) if replays else None,
            _progress(position, bounds) if replays else None,
            found.of(partition),
        )

    def _notice(self, group: Group, found: Readers) -> None:
        """Remember whether a group without members consumes all the same."""
        if found.members:
            self.consuming.discard(group.name)
            return
        for partition, position in group.offsets.items():
            history = self.histories.get((group.name, partition))
            before = history.samples[-1].position if history is not None else None
            if before is not None and position > before:
                self.consuming.add(group.name)

    def _measure(
        self, partition: Partition, position: int | None, bounds: Bounds | None, reading: Reading
    ) -> Measured:
        if position is None:
            return Measured(None, None, "no_commit")
        if bounds is None:
            return Measured(None, None, reading.unreadable.get(partition, "topic_gone"))
        return measure(position, bounds, self.memory.at(partition, position), reading.time)

    def _forget(self, lags: list[Lag]) -> None:
        self.memory.keep(
            {(lag.topic, lag.partition, lag.position) for lag in lags if lag.position is not None}
        )
        present = {(lag.group, (lag.topic, lag.partition)) for lag in lags}
        self.consuming &= {lag.group for lag in lags}
        self.histories = {key: history for key, history in self.histories.items() if key in present}


def _partitions(group: Group) -> list[Partition]:
    """Partitions with a commit, and those that a member owns without one. Owners groups commit
    nothing, by design: their rows would only say so.
    """
    owned = (
        set()
        if is_owners(group.name)
        else {partition for member in group.members for partition in member.partitions}
    )
    return sorted({*group.offsets, *owned})


def _margin(measured: Measured, partition: Partition, reading: Reading) -> float | None:
    """Retention removes a segment once its newest record is too old, so no record goes before its
    own age has passed: a lower bound.
    """
    settings = reading.settings.get(partition[0])
    if settings is None or settings.retention_seconds is None or measured.seconds is None:
        return None
    return settings.retention_seconds - measured.seconds


def _progress(position: int | None, bounds: Bounds | None) -> float | None:
    if position is None or bounds is None:
        return None
    kept = bounds.last_stable - bounds.log_start
    return 1.0 if kept <= 0 else min(1.0, max(0.0, (position - bounds.log_start) / kept))
