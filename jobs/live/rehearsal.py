"""A rehearsal: a few made-up records through the whole task's code, so that every kernel is
compiled or loaded before a shard is owned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from jobs.live.deployment import Deployment, maker, spec_of
from jobs.ticker import TICKERS
from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.records import BookTicker, DepthUpdate, Trade
from schemas.vocabulary import DepthKind, Side
from streams.log.kafka.framing import header
from streams.log.kafka.transport import NOTHING, Chunk, Fetched, Partition
from streams.runtime.failures import StageFailed
from streams.runtime.journal.journal import BATCH, JournalEntry, decode_entry
from streams.runtime.live.stored import split
from streams.runtime.order.sample_instrument import MADE_UP

START = 1_700_000_000_000_000_000
SECOND = 1_000_000_000


class Script:
    """A reader of made-up values, one partition."""

    def __init__(self, values: Mapping[str, list[bytes]]) -> None:
        self._values = values
        self._left: list[bytes] = []
        self._at = 0

    def assign(self, positions: Mapping[Partition, int]) -> None:
        """Begin."""
        for topic, _ in positions:
            self._left = list(self._values.get(topic, []))

    def fetch(self, limit: int, wait_seconds: float) -> Chunk:
        """All of them, once."""
        if not self._left:
            return NOTHING
        values, self._left = self._left, []
        self._at = len(values)
        return Chunk(list(range(len(values))), values, START // 1_000_000)

    def poll(self, limit: int, wait_seconds: float) -> Sequence[Fetched]:
        """Not used."""
        return ()

    def position(self, partition: Partition) -> int:
        """After what was read."""
        return self._at

    def is_behind(self, partition: Partition) -> bool:
        """Never."""
        return False

    def end(self, partition: Partition) -> int:
        """After what was read."""
        return self._at

    def start(self, partition: Partition) -> int:
        """The first."""
        return 0

    def commit_position(self, offsets: Mapping[Partition, int], wait: bool = False) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""


class ScriptLog:
    """A log of scripts."""

    def __init__(self, values: Mapping[str, list[bytes]]) -> None:
        self._values = values

    def reader(self, group: str) -> Script:
        """A script."""
        return Script(self._values)


def rehearse(deployment: Deployment, outputs: Sequence[str]) -> None:
    """Run a task's code over a few records; nothing of it is kept."""
    instrument = msgspec.structs.replace(
        MADE_UP, quote=deployment.configuration.currency, event_time=START
    )
    configuration = msgspec.structs.replace(deployment.configuration, symbols=[])
    deployment = msgspec.structs.replace(deployment, configuration=configuration, clock="event")
    made: dict[str, list[Any]] = {
        "ref.instruments": [instrument],
        "md.depth": _depth(),
        "md.trades": _trades(),
    }
    made |= {TICKERS: _tickers()} if TICKERS in deployment.inputs() else {}
    ids = {topic: deployment.schema_ids.get(topic, 0) for topic in deployment.topics()}
    deployment.schema_ids = ids
    spec = msgspec.structs.replace(
        spec_of(deployment, 0, outputs), environment="", topology="pipeline"
    )
    values = {
        topic: [
            header(ids[topic]) + codec(topic_of(topic).record).encode_records([record])
            for record in records
        ]
        for topic, records in made.items()
    }
    make, starts = maker(deployment), dict.fromkeys(spec.inputs, 0)
    order = make(ScriptLog(values), spec, starts)
    execution = order.execution
    for feed in execution.feeds:
        feed.fill(0)
    try:
        while (batch := order.next_live(8)) is not None:
            for output in batch.outputs:
                split(output.body, output.count, topic_of(output.topic).record)
            decode_entry(
                JournalEntry(
                    sequence=1, kind=BATCH, elements=batch.elements, inputs=batch.inputs
                ).encode()
            )
        taken_up = make(ScriptLog({}), spec, starts).execution  # as by a shard's next owner
        taken_up.restore(
            execution.known, execution.stage_states(), execution.positions(), execution.skips()
        )
    except StageFailed:
        # a user's strategy may refuse a made-up market; the real one it meets halts it loudly
        return


def _depth() -> list[DepthUpdate]:
    return [
        DepthUpdate(
            instrument=MADE_UP.instrument,
            event_time=START + number * SECOND,
            receive_time=START + number * SECOND,
            kind=int(DepthKind.SNAPSHOT if not number else DepthKind.DELTA),
            first_update_id=number + 1,
            final_update_id=number + 1,
            previous_update_id=number,
            flags=0,
            bids=[(100_00 + number, 5_000)],
            asks=[(100_10 + number, 5_000)],
        )
        for number in range(12)
    ]


def _trades() -> list[Trade]:
    return [
        Trade(
            instrument=MADE_UP.instrument,
            event_time=START + number * 10 * SECOND,
            receive_time=START + number * 10 * SECOND,
            trade_id=number + 1,
            trade_count=1,
            price=100_05,
            quantity=1_000,
            aggressor_side=int(Side.BUY),
            flags=0,
        )
        for number in range(12)
    ]


def _tickers() -> list[BookTicker]:
    return [
        BookTicker(
            instrument=MADE_UP.instrument,
            event_time=START + number * SECOND,
            receive_time=START + number * SECOND,
            update_id=number + 1,
            bid_price=100_00 + number,
            bid_quantity=5_000,
            ask_price=100_10 + number,
            ask_quantity=5_000,
            flags=0,
        )
        for number in range(12)
    ]
