"""Batches of a log that goes on: what has arrived, merged, executed, with everything that came out and its digests.

The stages are built at the first batch: its order begins with every instrument known then, and those are the instruments of the topology for
good. So a job can be started on an empty cluster, and what it was built from is in its journal. Market data waits until there are instruments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from schemas.errors import BadData, ShrivenError
from schemas.reasons import GOOD, UNRESOLVED
from schemas.records import Instrument
from schemas.vocabulary import ControlKind
from streams.runtime.engine import Engine
from streams.runtime.execution import Batch, Execution
from streams.runtime.judging import INSTRUMENTS_LIMIT, Judge
from streams.runtime.live.feed import LiveFeed
from streams.runtime.live.flood import FloodGuard, FloodLimit, flood_of
from streams.runtime.live.merge import AHEAD, CLOCK, LiveMerger
from streams.runtime.live.spec import Run
from streams.runtime.merge import ELEMENT, Slice
from streams.runtime.skip import skip_of
from streams.runtime.states import restore, stage_states, state_digests
from streams.runtime.topology import Topology
from streams.runtime.validation import require_sound

Array = np.ndarray[Any, Any]
REFERENCE, CONTROL = "ref.instruments", "control"
SKIP = int(ControlKind.SKIP)
NO_ELEMENTS = np.zeros(0, ELEMENT)


def _unseen(_: Sequence[Run]) -> None:
    return None


class NotStarted(ShrivenError):
    """A state was asked of stages that are not built yet."""

    code = "not_started"


class LiveExecution(Execution):
    """See the module's head.

    Args:
        build: makes the topology over these instruments.
        outputs: topics it writes, dead letters last.
        feeds: input partitions in merge order.
        name: of the topology.
        journal_id, shard: go into built ids.
        clock_jump_max: ns, see Judge.
        is_wall: the clock is handed in.
        flood: most dead letters, see streams.runtime.live.flood.

    Attributes:
        witness: told of the records that are executed next, and with none of them that it is done.
    """

    def __init__(
        self,
        build: Callable[[Sequence[Instrument]], Topology],
        outputs: Sequence[str],
        feeds: Sequence[LiveFeed],
        journal_id: int,
        shard: int,
        clock_jump_max: int,
        is_wall: bool,
        name: str = "pipeline",
        flood: FloodLimit = FloodLimit(),
    ) -> None:
        self._merger = LiveMerger(feeds, is_wall)
        super().__init__(outputs, feeds, self._merger)
        self.build = build
        self.name = name
        self.live = list(feeds)
        self.journal_id = journal_id
        self.shard = shard
        self.clock_jump_max = clock_jump_max
        self.is_wall = is_wall
        self.flood = flood
        self._guards = [FloodGuard() for _ in feeds]
        self.is_started = False
        self.awaited: LiveFeed | None = None
        self.witness: Callable[[Sequence[Run]], None] | None = None
        self.known: list[Any] = []
        self._reference = next((feed for feed in self.live if feed.topic == REFERENCE), None)
        self._control = next((feed for feed in self.live if feed.topic == CONTROL), None)

    def close(self) -> None:
        """Give the inputs' connections back."""
        for feed in self.live:
            feed.source.close()

    @property
    def consumed(self) -> int:
        """Records consumed since genesis."""
        return self.engine.consumed if self.is_started else 0

    @property
    def present(self) -> int:
        """The clock."""
        return self.engine.present if self.is_started else 0

    def tell_time(self, now: int) -> None:
        """This host's clock, before records are taken: what is dated too far ahead of it is not believed."""
        for feed in self.live:
            feed.believe(now, self.clock_jump_max)

    def _start_over(self, feed: LiveFeed, count: int) -> None:
        """Build the stages over the instruments among this many rows of the feed."""
        rows = range(feed.first, feed.first + count)
        self._start([feed.records[row] for row in rows if feed.status[row] == GOOD])

    def _start(self, records: Sequence[Any]) -> None:
        """Build the stages over these instruments and judge what was held back until now."""
        found = {record.instrument: record for record in records if 0 <= record.instrument < INSTRUMENTS_LIMIT}
        self.known = [found[key] for key in sorted(found)]
        self.topology = self.build(self.known)
        self.engine = Engine(self.topology, self.journal_id, self.shard)
        judge = Judge(sorted(found), [each.instrument for each in self.topology.instruments], self.clock_jump_max)
        for feed in self.live:
            if feed.is_market_data:
                feed.judged_by(judge)
        self.is_started = True

    def is_ready(self) -> bool:
        """True if there is something to begin with: market data and an instrument, or stages that run already."""
        if self.is_started:
            return True
        has_market_data = any(feed.holds_market_data for feed in self.live if feed.is_market_data)
        return has_market_data and self._reference is not None and self._reference.waiting > 0

    def next_live(self, wanted: int, clock: int = 0) -> Batch | None:
        """Execute at most ``wanted`` of the records that have arrived; None if the order allows none (``awaited`` says which feed it waits for).

        Args:
            wanted: bound.
            clock: ns UTC of the wall clock; a batch without records is then a tick of it.

        Raises:
            DeadLetterFlood: the next record is a dead letter too many. Nothing was executed; the state is that of the batch before.
        """
        if not self.is_started and (self._reference is None or not self.is_ready()):
            return None
        first_of, least = None, 0
        if self._control is not None and self._has_skip():  # what is left out is known before the next batch, and from the journal alone
            first_of, least = self._control, self._control.count - self._control.first
            wanted = least
            self._obey(first_of, least)
            first_of.come_first(first_of.offset_at(first_of.count - 1))
        if not self.is_started and self._reference is not None:
            first_of = self._reference
            instruments = first_of.count - first_of.first
            self._start_over(first_of, instruments)
            least += instruments
            wanted = max(wanted, instruments) if least == instruments else least
        if wanted > len(self._piece.index) - 1:
            self._piece = Slice(wanted)
        present = max(self.engine.present, clock)
        self.awaited = self._merger.take_live(self._piece, wanted, present, first_of)
        most = self._before_halt(least)
        if most >= 0:
            self._merger.take_live(self._piece, most, present, first_of)
        if not self._piece.count:
            if not self.is_wall:
                return None
            self._merger.tick(self._piece, present)
        return self._finished(present)

    def _consumed_of(self, feed: LiveFeed) -> int:
        """How many of the feed's rows the slice holds."""
        return int(np.count_nonzero(self._piece.origin[: self._piece.count] == feed.code))

    def _before_halt(self, least: int) -> int:
        """How many records of the slice come before one that halts the task; -1: all. Raises what it halts by if fewer than ``least`` do, or none."""
        most = -1
        halt: ShrivenError = BadData("")
        for feed, guard in zip(self.live, self._guards, strict=True):
            if not feed.waiting:
                continue
            count = self._consumed_of(feed)
            flood, stray = guard.excess(feed, count, self.flood), self._first_unresolved(feed, count)
            row = min((each for each in (flood, stray) if each >= 0), default=-1)
            if row < 0:
                continue
            place = int(np.flatnonzero(self._piece.origin[: self._piece.count] == feed.code)[row])
            if most < 0 or place < most:
                most = place
                halt = feed.unresolved(feed.first + row) if row == stray else flood_of(feed, feed.first + row, self.flood)
        if 0 <= most < max(least, 1):  # those are never cut
            raise halt
        return most

    @staticmethod
    def _first_unresolved(feed: LiveFeed, count: int) -> int:
        """The first of the feed's next rows that is of an unknown schema; -1: none is."""
        if not feed.has_unresolved:
            return -1
        found = np.flatnonzero(feed.status[feed.first : feed.first + count] == UNRESOLVED)
        return int(found[0]) if len(found) else -1

    def _has_skip(self) -> bool:
        """True if an operator's command to leave a record out waits."""
        feed = self._control
        return feed is not None and any(self._is_skip(feed, row) for row in range(feed.first, feed.count))

    @staticmethod
    def _is_skip(feed: LiveFeed, row: int) -> bool:
        return bool(feed.status[row] == GOOD) and feed.records[row].kind == SKIP

    def _obey(self, feed: LiveFeed, count: int) -> None:
        """Leave out what the next so many commands say, of this batch as of every later one."""
        for row in range(feed.first, feed.first + count):
            if self._is_skip(feed, row):
                self._leave_out(feed.records[row])

    def _finished(self, present: int) -> Batch:
        """Execute the slice."""
        runs = []
        ahead: list[tuple[int, int, int, int]] = []
        for each, guard in zip(self.live, self._guards, strict=True):
            guard.note(each, count := self._consumed_of(each))
            if count:
                last = each.offset_at(each.first + count - 1)
                ahead += [(AHEAD - each.code, offset, each.ahead.pop(offset), 1) for offset in sorted(each.ahead) if offset <= last]
                runs.append(Run(each.topic, each.partition[1], each.offset_at(each.first), last, count))
        witness = self.witness or _unseen
        witness(runs)
        batch = self._execute()
        witness(())
        return self._with_marks(batch, present, ahead)

    def _leave_out(self, record: Any) -> None:
        request = skip_of(record)
        if request is None or request.topology != self.name:
            return
        for each in self.live:
            if each.topic == request.topic and each.partition[1] == request.partition:
                each.skip(request.offset, f"left out by {record.issued_by}: {record.reason}")

    def _with_marks(self, batch: Batch, present: int, ahead: list[tuple[int, int, int, int]]) -> Batch:
        """The batch; before its runs the clock, where that is the wall's, and which of its records were not believed."""
        marks = [(CLOCK, present, present, 1), *ahead] if self.is_wall else ahead
        if not marks:
            return batch
        elements = np.concatenate((np.array(marks, ELEMENT), batch.elements))
        return Batch(elements, batch.inputs, batch.outputs, batch.clock, batch.consumed, False)

    def repeat_batch(self, elements: Array) -> Batch:
        """Execute the input records that a journal's elements name, in their order, at its clock.

        Raises:
            MalformedJournal: they are no order of inputs.
        """
        require_sound(elements, len(self.live))
        if not len(elements):
            return Batch(NO_ELEMENTS, [], [], self.present, self.consumed, False)
        runs, marks = elements[elements["input"] >= 0], elements[elements["input"] <= AHEAD]
        clocks = elements["first_offset"][elements["input"] == CLOCK]
        control = self._control
        said = int(runs["count"][runs["input"] == control.code].sum()) if control is not None else 0
        if control is not None and said:
            self.check_elements(runs[runs["input"] == control.code])
            self._mark_ahead(marks[marks["input"] == AHEAD - control.code])
            self._obey(control, said)
        if not self.is_started:
            self._start_leading(runs, marks)
        self.check_elements(runs)
        for feed in self.live:
            if feed is not control and (self._reference is not feed or self.engine.consumed):
                self._mark_ahead(marks[marks["input"] == AHEAD - feed.code])
        present = max(self.engine.present, int(clocks[-1])) if len(clocks) else self.engine.present
        if len(runs):
            self._merger.repeat(self._piece, runs, present)
            self._piece.ticked = False
        else:
            self._merger.tick(self._piece, present)
        self._check_answered()
        return self._finished(present)

    def _check_answered(self) -> None:
        """Raise UnansweredSchemaId where a record of the slice is one that only the registry could tell how to read."""
        for feed in self.live:
            row = self._first_unresolved(feed, self._consumed_of(feed))
            unanswered = feed.unanswered(feed.first + row) if row >= 0 else None
            if unanswered is not None:
                raise unanswered

    def _mark_ahead(self, marks: Array) -> None:
        """What the owner did not believe is not believed now. Raises BadData where it could have been."""
        for code, offset, now, _ in marks.tolist():
            self.live[AHEAD - code].mark_ahead(offset, now, self.clock_jump_max)

    def _start_leading(self, runs: Array, marks: Array) -> None:
        """Build the stages over the instruments that a journal's first batch begins with. Raises BadData if it begins with something else."""
        feed = self._reference
        if feed is None or not len(runs) or int(runs["input"][0]) != feed.code:
            raise BadData("the first batch of the journal does not begin with the instruments; the journal is not one of this version")
        self.check_elements(runs[:1])
        self._mark_ahead(marks[marks["input"] == AHEAD - feed.code])
        self._start_over(feed, int(runs["count"][0]))

    def check_elements(self, elements: Array) -> None:
        """Refuse elements that are not what the inputs hold next.

        Raises:
            BadData: names the input and the offsets.
        """
        for code in np.unique(elements["input"]).tolist():
            mine = elements[elements["input"] == code]
            feed = self.live[code] if 0 <= code < len(self.live) else None
            if feed is None:
                raise BadData(f"input changed: the journal names input {code}, this topology has {len(self.live)}")
            ends = np.cumsum(mine["count"])
            while feed.count - feed.first < ends[-1] and feed.refill():
                pass
            rows = feed.first + ends
            if feed.count < rows[-1]:
                last = int(mine["last_offset"][-1])
                raise BadData(f"input changed: the journal names {feed.topic} offsets up to {last}, the log holds no such record any more")
            offsets = feed.offsets
            assert offsets is not None
            wrong = (offsets[rows - mine["count"]] != mine["first_offset"]) | (offsets[rows - 1] != mine["last_offset"])
            if wrong.any():
                run = mine[int(np.flatnonzero(wrong)[0])]
                raise BadData(
                    f"input changed: the journal names {int(run['count'])} records of {feed.topic} at offsets {int(run['first_offset'])} to "
                    f"{int(run['last_offset'])}, the log holds others there"
                )

    def stage_states(self) -> dict[str, bytes]:
        """Canonical state by stage. Raises NotStarted."""
        if not self.is_started:
            raise NotStarted("nothing was consumed yet: there is no state")
        return dict(stage_states(self.engine))

    def state_digests(self) -> list[tuple[str, bytes]]:
        """SHA-256 by stage, in stage order."""
        return state_digests(self.engine)

    def skips(self) -> list[tuple[str, int, str]]:
        """(topic, offset, why) of the records that operators left out."""
        return [(feed.topic, offset, why) for feed in self.live for offset, why in feed.skipped.items()]

    def positions(self) -> list[list[int]]:
        """Per feed: next offset, running maximum of event time before it, and what its guard counted."""
        return [[*place, *guard.state()] for place, guard in zip(super().positions(), self._guards, strict=True)]

    def restore(
        self, instruments: Sequence[Any], states: dict[str, bytes], positions: list[list[int]], skips: Sequence[tuple[str, int, str]] = ()
    ) -> None:
        """Take up a snapshot: the stages over its instruments, their states, the inputs' positions, what was left out.

        Raises:
            StageFailed: a state is not of the type its stage declares.
        """
        for feed, guard, (offset, maximum, *counted) in zip(self.live, self._guards, positions, strict=True):
            feed.seek(offset, maximum)
            guard.restore(counted)
            feed.skipped.update({place: why for topic, place, why in skips if topic == feed.topic})
        self._start(instruments)
        restore(self.engine, states)
