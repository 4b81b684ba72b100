"""Batches of a log that goes on: what has arrived, merged, executed, with everything that came out and its digests.

The stages are built at the first batch: its order begins with every instrument known then, and those are the instruments of the topology for
good. So a job can be started on an empty cluster, and what it was built from is in its journal. Market data waits until there are instruments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from schemas.codec import codec
from schemas.errors import BadData, ShrivenError
from schemas.records import Instrument
from schemas.vocabulary import ControlKind
from streams.runtime.engine import Engine
from streams.runtime.execution import Batch, Execution
from streams.runtime.judging import INSTRUMENTS_LIMIT, Judge
from streams.runtime.live.feed import LiveFeed
from streams.runtime.live.flood import FloodGuard, FloodLimit, flood_of
from streams.runtime.live.merge import CLOCK, LiveMerger
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
        self.build = build
        self.name = name
        self.outputs = list(outputs)
        self.live = list(feeds)
        self.feeds = list(feeds)
        self.journal_id = journal_id
        self.shard = shard
        self.clock_jump_max = clock_jump_max
        self.is_wall = is_wall
        self.flood = flood
        self._guards = [FloodGuard() for _ in feeds]
        self.merger = self._merger = LiveMerger(feeds, is_wall)
        self.is_started = False
        self.awaited: LiveFeed | None = None
        self.witness: Callable[[Sequence[Run]], None] | None = None
        self.known: list[Any] = []
        self._piece = Slice(1 << 12)
        self._dead_letters = codec("DeadLetter")
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

    def _start(self, records: Sequence[Any]) -> None:
        """Build the stages over these instruments and judge what was held back until now."""
        found = {record.instrument: record for record in records if record is not None and 0 <= record.instrument < INSTRUMENTS_LIMIT}
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
        first_of = None
        if not self.is_started:
            if self._reference is None or not self.is_ready():
                return None
            first_of = self._reference
            self._start(first_of.records[first_of.first : first_of.count])
        if first_of is None and self._has_skip():
            first_of, wanted = self._control, 0  # what is left out is known before the next batch, and from the journal alone
        wanted = max(wanted, first_of.count - first_of.first if first_of is not None else 0)
        if wanted > len(self._piece.index) - 1:
            self._piece = Slice(wanted)
        present = max(self.engine.present, clock)
        self.awaited = self._merger.take_live(self._piece, wanted, present, first_of)
        most = self._before_flood(first_of)
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

    def _before_flood(self, first_of: LiveFeed | None) -> int:
        """How many records of the slice come before the first that is a dead letter too many; -1: all. Raises DeadLetterFlood if that is none."""
        most, cause = -1, (self.live[0], 0)
        for feed, guard in zip(self.live, self._guards, strict=True):
            before = guard.excess(feed, self._consumed_of(feed), self.flood) if feed.waiting else -1
            if before < 0:
                continue
            place = int(np.flatnonzero(self._piece.origin[: self._piece.count] == feed.code)[before])
            if most < 0 or place < most:
                most, cause = place, (feed, feed.first + before)
        least = 1 if first_of is None else first_of.count - first_of.first  # these are never cut
        if 0 <= most < least:
            raise flood_of(*cause, self.flood)
        return most

    def _has_skip(self) -> bool:
        """True if an operator's command to leave a record out waits."""
        feed = self._control
        return feed is not None and any(record is not None and record.kind == SKIP for record in feed.records[feed.first : feed.count])

    def _finished(self, present: int) -> Batch:
        """Execute the slice; what it says is to be left out is left out of every later batch."""
        feed = self._control
        before = feed.first if feed is not None else 0
        runs = []
        for each, guard in zip(self.live, self._guards, strict=True):
            guard.note(each, count := self._consumed_of(each))
            if count:
                runs.append(Run(each.topic, each.partition[1], each.offset_at(each.first), each.offset_at(each.first + count - 1), count))
        witness = self.witness or _unseen
        witness(runs)
        batch = self._execute()
        witness(())
        if feed is not None:
            for record in feed.records[before : feed.first]:
                self._leave_out(record)
        return self._with_clock(batch, present)

    def _leave_out(self, record: Any) -> None:
        request = skip_of(record) if record is not None else None
        if request is None or request.topology != self.name or request.partition != self.shard:
            return
        for each in self.live:
            if each.topic == request.topic and each.is_market_data:
                each.skip(request.offset, f"left out by {record.issued_by}: {record.reason}")

    def _with_clock(self, batch: Batch, present: int) -> Batch:
        """The batch, the clock element before its runs where the clock is the wall's."""
        if not self.is_wall:
            return batch
        elements = np.zeros(len(batch.elements) + 1, ELEMENT)
        elements[0] = (CLOCK, present, present, 1)
        elements[1:] = batch.elements
        return Batch(elements, batch.inputs, batch.outputs, batch.clock, batch.consumed, False)

    def repeat_batch(self, elements: Array) -> Batch:
        """Execute the input records that a journal's elements name, in their order, at its clock.

        Raises:
            MalformedJournal: they are no order of inputs.
        """
        require_sound(elements, len(self.live))
        clocks = elements["input"] == CLOCK
        runs = elements[~clocks]
        if not len(elements):
            return Batch(NO_ELEMENTS, [], [], self.present, self.consumed, False)
        if not self.is_started:
            self._start(self._leading(runs))
        present = max(self.engine.present, int(elements["first_offset"][clocks][-1])) if clocks.any() else self.engine.present
        if len(runs):
            self.check_elements(runs)
            self._merger.repeat(self._piece, runs, present)
            self._piece.ticked = False
        else:
            self._merger.tick(self._piece, present)
        return self._finished(present)

    def _leading(self, runs: Array) -> list[Any]:
        """The instruments that a journal's first batch begins with. Raises BadData if it begins with something else."""
        feed = self._reference
        if feed is None or not len(runs) or int(runs["input"][0]) != feed.code:
            raise BadData("the first batch of the journal does not begin with the instruments; the journal is not one of this version")
        count = int(runs["count"][0])
        while feed.count - feed.first < count and feed.refill():
            pass
        return feed.records[feed.first : feed.first + count]

    def check_elements(self, elements: Array) -> None:
        """Refuse elements that are not what the inputs hold next.

        Raises:
            BadData: names the input and the offsets.
        """
        for code in np.unique(elements["input"]).tolist():
            if code == CLOCK:
                continue
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
