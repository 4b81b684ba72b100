"""The execution of a topology over a log folder: its inputs are merged as they were recorded."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.records import Instrument
from streams.log.local import LocalLog
from streams.runtime.journal.input_digests import InputDigests
from streams.runtime.order.blocks import BlockSource
from streams.runtime.order.dead_letters import DEAD_LETTERS
from streams.runtime.order.feed import Feed
from streams.runtime.order.merge import Merger
from streams.runtime.recovery.execution import Execution
from streams.runtime.schedule.topology import Topology


def recorded_execution(
    topology: Topology,
    source: LocalLog,
    journal_id: int,
    known: Sequence[Instrument],
    clock_jump_max: int,
    end_time: int,
) -> Execution:
    """A started execution; inputs are digested as they are read.

    Records of instruments that are known and not selected move the clock: a recording ends when it
    ends, whichever are selected.

    Args:
        topology: stages and wiring.
        source: log that holds the inputs.
        journal_id: goes into built ids.
        known: the recording's instruments.
        clock_jump_max: ns, see Validator.
        end_time: records later than this (ns) stay unread.
    """
    digests = InputDigests()
    feeds = []
    for code, topic in enumerate(topology.feeds):
        reader = source.reader(topic)
        digest = digests.of(topic, reader, codec(topic_of(topic).record))
        feeds.append(Feed(topic, code, BlockSource(reader, digest.read)))
    execution = Execution(
        lambda _: topology,
        [*topology.outputs, DEAD_LETTERS],
        Merger(feeds, end_time),
        journal_id,
        clock_jump_max=clock_jump_max,
        has_neighbours=True,
        read_digests=digests,
    )
    execution.start(known)
    return execution
