"""The scheduler's tables of one topology: its topics, its stages, and who reads what."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from schemas import records
from schemas.catalogue import topic as topic_of
from streams.numeric.stage_calls import CompiledStage, StageCalls
from streams.numeric.table import Table
from streams.runtime.schedule import records as r
from streams.runtime.schedule.loop import handler_name
from streams.runtime.schedule.python_stage import HasTimer
from streams.runtime.schedule.rows import Rows, has_rows
from streams.runtime.schedule.topology import Topology
from streams.runtime.tools.pointers import entry_address

Handler = Callable[[Any, Any], None]


def compiled_stages(topology: Topology) -> list[CompiledStage]:
    """The compiled stages of the order side, in stage order."""
    return [stage.instance for stage in topology.late if isinstance(stage.instance, CompiledStage)]


def entry_part(stage: CompiledStage) -> tuple[ModuleType, list[str]]:
    """The module and the name of a stage's entry."""
    entry = stage.calls().entry
    return sys.modules[entry.py_func.__module__], [entry.__name__]


class Wiring:
    """Tables.

    Attributes:
        topics, stages, outputs, readers, timers: the scheduler's, see ``records.py``.
        stored: by number, the topics whose records are rows.
        relayed: numbers of the topics that a strategy of the upstream pass is called with.
        compiled: the compiled stages, in the order of ``stages``.
        functions: Python handlers, in the order that readers name them.
        deadlines: of the Python stages with a timer, which are ``timed``.

    Args:
        topology: whose stages these are.
        names: topic by number.
        written: topics that stages of the order side write; behind the numbers of ``names`` come
            those of what market-data-only strategies emit to them.
        observers: by topic, functions that have each of its records before its readers do.
    """

    def __init__(
        self,
        topology: Topology,
        names: Sequence[str],
        written: Sequence[str],
        observers: Mapping[str, Sequence[Callable[[Any], None]]],
    ) -> None:
        self._topology = topology
        self._names, self._written = list(names), list(written)
        self._observers = observers
        self.compiled: list[CompiledStage] = []
        self.functions: list[Handler] = []
        self.stored: dict[int, Rows] = {}
        self._stages(topology)
        count = len(self._names) + len(self._written)
        self.refused = count
        self.topics = Table(r.TOPIC, count + 1)
        own = len(self._names) - len(topology.relayed)
        self.relayed = range(own, len(self._names))
        self.readers_of: list[list[tuple[int, int]]] = [*map(self._readers, self._names[:own])]
        for topic in topology.relayed:
            self.readers_of.append([self._python(getattr(topology.stand_in, handler_name(topic)))])
        self._lay_out_topics()
        self._lay_out_timers()

    # -- stages

    def _stages(self, topology: Topology) -> None:
        self._places: dict[int, int] = {}
        self._calls: list[StageCalls] = []
        for stage in compiled_stages(topology):
            self._places[id(stage)] = len(self.compiled)
            self.compiled.append(stage)
            self._calls.append(stage.calls())
        numbers = {topic: number for number, topic in enumerate(self._names)}
        self.stages = Table(r.STAGE, len(self.compiled))
        self.outputs = Table(r.OUTPUT, sum(len(each.outputs) for each in self._calls))
        used = 0
        for row, calls in zip(self.stages.rows, self._calls, strict=True):
            row["entry"] = entry_address(calls.entry)
            row["header"], row["out"] = calls.header, calls.out
            row["first_output"], row["outputs"] = used, len(calls.outputs)
            row["sequence"], row["sequence_used"] = calls.sequence
            for output in calls.outputs:
                self.outputs.rows[used] = (numbers[output.topic], output.table, output.used, 0)
                used += 1

    def use_ids(self, address: int) -> None:
        """Have the stages make their ids of the source at this address."""
        for calls in self._calls:
            if calls.use_ids is not None:
                calls.use_ids(address)

    # -- topics and their readers

    def _readers(self, topic: str) -> list[tuple[int, int]]:
        """(stage, kind) of a topic's readers: observers, the stages in their order, the venue."""
        found = [self._python(_observing(each)) for each in self._observers.get(topic, ())]
        for instance in self._topology.late_readers(topic):
            place = self._places.get(id(instance), -1)
            kinds = self._calls[place].kinds if place >= 0 else {}
            if topic in kinds and (topic not in self._written or has_rows(topic)):
                found.append((place, kinds[topic]))
            else:
                found.append(self._python(getattr(instance, handler_name(topic))))
        if topic and topic == self._topology.command_topic:
            found.append((int(r.VENUE), 0))
        return found

    def _python(self, handler: Handler) -> tuple[int, int]:
        self.functions.append(handler)
        return int(r.PYTHON), len(self.functions) - 1

    def _lay_out_topics(self) -> None:
        self.readers = Table(r.READER, max(1, sum(map(len, self.readers_of))))
        rows, used = self.topics.rows, 0
        for number, (topic, found) in enumerate(zip(self._names, self.readers_of, strict=True)):
            rows[number]["first_reader"], rows[number]["readers"] = used, len(found)
            for pair in found:
                self.readers.rows[used] = pair
                used += 1
            if topic not in self._written:
                rows[number]["kind"] = r.RELAYED if number in self.relayed else r.UPSTREAM
            elif has_rows(topic):
                rows[number]["kind"] = r.STORED
                self.stored[number] = Rows(rows, number, topic_of(topic).record)
            else:
                rows[number]["kind"] = r.LISTED
        for place, topic in enumerate(self._written):
            target = self._names.index(topic)
            made = rows[len(self._names) + place]
            made["target"], made["stride"] = target, rows[target]["stride"]
            made["kind"] = r.MADE if target in self.stored else r.LISTED
            made["first_reader"] = rows[target]["first_reader"]
            made["readers"] = rows[target]["readers"]
        rows[self.refused]["kind"] = r.LISTED
        self.read_upstream = [
            number
            for number, found in enumerate(self.readers_of)
            if rows[number]["kind"] == r.UPSTREAM and any(stage >= 0 for stage, _ in found)
        ]

    # -- timers

    def _lay_out_timers(self) -> None:
        """Those of compiled stages lie in their state, those of Python stages in ``deadlines``."""
        found: list[tuple[int, int, int, int]] = []
        self.timed: list[Any] = []
        self.deadlines = np.zeros(len(self._topology.late) + 1, np.int64)
        self.deadline_words = self.deadlines.data  # NumPy takes twice as long for one
        for stage in self._topology.late:
            place = self._places.get(id(stage.instance), -1)
            if place >= 0:
                timer = self._calls[place].timer
                if timer is not None:
                    found.append((timer[0], place, timer[1], stage.rank))
            elif isinstance(stage.instance, HasTimer):
                deadline = self.deadlines.ctypes.data + 8 * len(self.timed)
                found.append((deadline, int(r.PYTHON), len(self.timed), stage.rank))
                self.timed.append(stage.instance)
        self.timers = Table(r.TIMER, len(found))
        for row, values in zip(self.timers.rows, found, strict=True):
            row["deadline"], row["stage"], row["kind"], row["rank"] = values

    def numbers(self) -> dict[type, int]:
        """The number of each topic that stages of the order side write, by the type of its record.
        """
        return {
            getattr(records, topic_of(topic).record): self._names.index(topic)
            for topic in self._written
        }


def _observing(observer: Callable[[Any], None]) -> Handler:
    return lambda record, context: observer(record)

