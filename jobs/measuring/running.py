"""The market's stages over a recording, as job ``market`` runs them; their rows are kept in memory
and nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from jobs.configuration import CHOSEN, Configuration
from jobs.granularity import answered
from jobs.pipeline import NEVER, feeds_of, read_instruments, select, topology_over
from jobs.runs import open_recording
from jobs.ticker import settled
from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.errors import WrongUse
from schemas.records import Instrument
from streams.runtime.recovery.recorded import recorded_execution

TOPICS = ("md.features", "md.toxicity", "md.microstructure")
JOB = "market"
BATCH = 65_536


class Measured(NamedTuple):
    """Rows by topic, of these instruments."""

    instruments: list[Instrument]
    rows: dict[str, Any]


class NoMeasures(WrongUse):
    """A topic that the market's stages do not measure."""

    code = "no_measures"


def check_topics(names: Sequence[str]) -> list[str]:
    """The topics, in the order of TOPICS; all of them where none is named. Raises NoMeasures."""
    for name in names:
        if name not in TOPICS:
            raise NoMeasures(f"{name} has no measures; name one of {', '.join(TOPICS)}")
    return [name for name in TOPICS if not names or name in names]


def with_stages_of(configuration: Configuration, topics: Sequence[str]) -> Configuration:
    """The configuration with the stages that these topics need, and no other that may be left;
    users' own stages measure none of them.
    """
    wanted = {topic_of(name).owner for name in topics}
    stages = {
        name: settings
        for name, settings in configuration.stages.items()
        if name not in CHOSEN or name in wanted
    }
    stages |= {name: stages.get(name, {}) for name in CHOSEN if name in wanted}
    return msgspec.structs.replace(configuration, stages=stages, user_stages={})


def measure(
    recording: Path,
    configuration: Configuration,
    topics: Sequence[str],
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Measured:
    """Run the stages to the end of the recording, or to the configuration's ``to``."""
    with open_recording(recording) as log:
        chosen = settled(answered(with_stages_of(configuration, topics), log), False)
        known = read_instruments(log)
        topology = topology_over(chosen, known, feeds_of(log, chosen), JOB)
        end = NEVER if chosen.to_time is None else chosen.to_time
        execution = recorded_execution(topology, log, 0, known, chosen.clock_jump_max, end)
        total = sum(feed.end_offset - feed.offset for feed in execution.feeds)
        found: dict[str, list[Any]] = {name: [] for name in topics}
        has_ended = False
        while not has_ended:
            batch = execution.next_batch(BATCH)
            for output in batch.outputs:
                if output.topic in found:
                    decoder = codec(topic_of(output.topic).record)
                    found[output.topic].append(decoder.decode_rows(output.body, output.count))
            has_ended = batch.ended
            on_progress(batch.consumed, total)
        return Measured(
            select(known, chosen.symbols),
            {name: _joined(name, parts) for name, parts in found.items()},
        )


def _joined(topic: str, parts: list[Any]) -> Any:
    empty = np.zeros(0, codec(topic_of(topic).record).dtype)
    return np.concatenate([empty, *parts])
