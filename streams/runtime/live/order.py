"""The live order: which of the records that have arrived come next, and what halts a task before
them.

The next record is the head with the lowest (running maximum of event time, topic rank, partition).
An empty buffer whose partition holds more is waited for, by the caller and for a bounded time; one
at its end does not block. The journal records the order chosen, so whoever executes it again needs
an :class:`streams.runtime.recovery.execution.Execution` and no order.
"""

from __future__ import annotations

import numpy as np

from schemas.errors import BadData, ShrivenError
from schemas.reasons import GOOD
from schemas.vocabulary import ControlKind
from streams.runtime.journal.batch import Batch
from streams.runtime.order.feed import Feed
from streams.runtime.order.flood import FloodLimit, flood_of
from streams.runtime.order.skip import obey
from streams.runtime.recovery.execution import Execution

SKIP = int(ControlKind.SKIP)


class LiveOrder:
    """See the module's head.

    Args:
        execution: of a topology, over what has arrived.
        flood: most dead letters of an input, see streams.runtime.order.flood.

    Attributes:
        awaited: the feed at which the last order stopped, if it did.
    """

    def __init__(self, execution: Execution, flood: FloodLimit = FloodLimit()) -> None:
        self.execution = execution
        self.flood = flood
        self.awaited: Feed | None = None

    def set_time(self, now: int) -> None:
        """This host's clock, before records are taken: what is dated too far ahead of it is not
        believed.
        """
        for feed in self.execution.feeds:
            feed.believe(now, self.execution.clock_jump_max)

    def is_ready(self) -> bool:
        """True if there is something to begin with: market data and an instrument, or stages that
        run already.
        """
        execution = self.execution
        if execution.is_started:
            return True
        has_market_data = any(
            feed.holds_market_data for feed in execution.feeds if feed.is_market_data
        )
        return (
            has_market_data and execution.reference is not None and execution.reference.waiting > 0
        )

    def next_live(self, wanted: int, clock: int = 0) -> Batch | None:
        """Execute at most ``wanted`` of the records that have arrived; None if the order allows
        none (``awaited`` says which feed it waits for).

        1. An operator's skip is obeyed before anything else: what is left out is known before the
           batch, and from the journal alone. The batch then ends with the commands that wait.
        2. The first batch begins with every instrument known now; the stages are built over them.
        3. The rest is merged.
        4. The batch ends before a record that halts the task, or raises what halts it.
        5. Without records the batch is a tick of the wall clock, where there is one.

        Args:
            wanted: bound.
            clock: ns UTC of the wall clock; a batch without records is then a tick of it.

        Raises:
            DeadLetterFlood: the next record is a dead letter too many. Nothing was executed; the
                state is that of the batch before.
            UnresolvedSchemaId, UnansweredSchemaId: it is of a schema that nobody knows; likewise.
        """
        execution = self.execution
        if not execution.is_started and not self.is_ready():
            return None
        first_of, least = None, 0
        control = execution.control
        if control is not None and _has_skip(control):
            first_of, wanted = control, control.count - control.first
            least = wanted
            obey(control, least, execution.feeds, execution.name)
            control.come_first(control.offset_at(control.count - 1))
        if not execution.is_started and execution.reference is not None:
            first_of = execution.reference
            instruments = first_of.count - first_of.first
            execution.start_over(instruments)
            least += instruments
            wanted = max(wanted, instruments) if least == instruments else least
        self.awaited = execution.merge(wanted, clock, first_of)
        most = self._before_halt(least)
        if most >= 0:
            execution.merge(most, clock, first_of)
        if not execution.input_batch.count:
            if not execution.is_wall:
                return None
            execution.merger.tick(execution.input_batch, max(execution.present, clock))
        return execution.execute_merged()

    def _before_halt(self, least: int) -> int:
        """How many records of the slice come before one that halts the task; -1: all. Raises what
        it halts by if fewer than ``least`` do, or none.
        """
        most = -1
        halt: ShrivenError = BadData("")
        input_batch = self.execution.input_batch
        for feed in self.execution.feeds:
            if not feed.waiting:
                continue
            count = input_batch.count_of(feed)
            flood = feed.guard.excess(feed, count, self.flood) if feed.guard is not None else -1
            stray = feed.first_unresolved(count)
            row = min((each for each in (flood, stray) if each >= 0), default=-1)
            if row < 0:
                continue
            place = int(np.flatnonzero(input_batch.origin[: input_batch.count] == feed.code)[row])
            if most < 0 or place < most:
                most = place
                halt = self._halt_of(feed, feed.first + row, row == stray)
        if 0 <= most < max(least, 1):  # those are never cut
            raise halt
        return most

    def _halt_of(self, feed: Feed, row: int, is_stray: bool) -> ShrivenError:
        """What the record in this row halts the task by."""
        problem = feed.source.schema_problem(feed, row) if is_stray else None
        return problem or flood_of(feed, row, self.flood)


def _has_skip(control: Feed) -> bool:
    """True if an operator's command to leave a record out waits."""
    rows = range(control.first, control.count)
    return any(control.status[row] == GOOD and control.records[row].kind == SKIP for row in rows)
