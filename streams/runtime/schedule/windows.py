"""Upstream events of one input batch, a window at a time, and their records as Python stages take
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from streams.runtime.order.feed import Feed
from streams.runtime.schedule.loop import EVENT
from streams.runtime.schedule.market_data_only import MarketDataOnly
from streams.runtime.schedule.runner import LoopRunner
from streams.runtime.schedule.upstream_output import UpstreamOutput
from streams.runtime.tools.pointers import Address

Array = np.ndarray[Any, Any]
WINDOW = 4096
FEW = 16
NO_EVENTS = np.zeros(0, EVENT)


class Windows:
    """The events of one input batch, window by window.

    Attributes:
        events: those of the present window; the row of an event of a strategy that reads market
            data only is its place in ``made``.
        address: where they lie.
        made: what such strategies emitted in the window, by number.

    Args:
        names: topic by number; behind them come the numbers of what such strategies emit.
        strategies: which are run over each window before it is delivered.
    """

    def __init__(self, names: Sequence[str], strategies: MarketDataOnly) -> None:
        self._strategies = strategies
        self._upstream: LoopRunner | UpstreamOutput | None = None
        self._names = list(names)
        self._codecs = [codec(topic_of(name).record) for name in names]
        self._feeds: Sequence[Feed] = ()
        self.events = NO_EVENTS
        self.address = 0
        self._whole = Address()
        self._read: dict[int, Any] = {}
        self._loaded = self._count = self._before = self._records = 0

    @property
    def made(self) -> dict[int, list[Any]]:
        """What strategies emitted in the window, by number."""
        return self._strategies.made

    def begin(
        self,
        feeds: Sequence[Feed],
        before: int,
        count: int,
        upstream: LoopRunner | UpstreamOutput | None,
    ) -> None:
        """Start on the input batch of ``count`` records; ``before``: records consumed before it."""
        self._upstream = upstream
        self._feeds = feeds
        self._before = before
        self._records = count
        self._loaded = 0
        self._count = upstream.event_count if upstream is not None else 0

    def next_window(self) -> bool:
        """Load the next window, empty if nothing is left; True if it is the last one."""
        first, last = self._loaded, min(self._loaded + WINDOW, self._count)
        self._loaded = last
        self._read = {}
        strategies = self._strategies
        if first == last:
            self.events, strategies.made = NO_EVENTS, {}
            return True
        whole = self._upstream.events  # type: ignore[union-attr]
        self.events = whole[first:last]
        self.address = self._whole.of(whole) + first * EVENT.itemsize
        if strategies.handlers:
            self.events = strategies.run(self.events, self.sequences(), self._records_of_number)
            self.address = self.events.ctypes.data
        return last == self._count

    def sequences(self) -> Array:
        """Input sequence of each event of the window."""
        steps = self.events["step"]  # the end of input is no record
        return np.minimum((steps + 1) >> 1, self._records) + self._before  # type: ignore[no-any-return]

    def record(self, number: int, row: int) -> Any:
        """The record of an event of the window."""
        if number >= len(self._names):
            return self.made[number][row]
        found = self._read.get(number)
        if found is None:
            if len(self.events) <= FEW:
                return self._record_of(number, row)
            self._records_of_number(number)
            found = self._read[number]
        first, records = found
        return records[row - first] if first >= 0 else records[row]

    def rows_of(self, topic: str) -> Any:
        """The rows to which events of a topic point, of the upstream pass or of an input; None if
        there are none.
        """
        assert self._upstream is not None
        if topic in self._upstream.rows:
            return self._upstream.rows[topic]
        feed = next((feed for feed in self._feeds if feed.topic == topic), None)
        return feed.rows if feed is not None and feed.is_columnar else None

    def _records_of_number(self, number: int) -> Sequence[Any]:
        """All records of a topic in the window, in order; kept for those who ask again."""
        events = self.events
        rows = events["row"][events["topic"] == number]
        topic = self._names[number]
        records = self._records_of(topic, rows)
        if len(rows) and rows[-1] - rows[0] == len(rows) - 1:
            self._read[number] = int(rows[0]), records
        else:
            self._read[number] = -1, dict(zip(rows.tolist(), records, strict=True))
        return records

    def _record_of(self, number: int, row: int) -> Any:
        topic = self._names[number]
        rows = self._upstream.rows.get(topic)  # type: ignore[union-attr]
        if rows is not None:
            return self._codecs[number].row_to_record(rows, row)
        return self._records_of(topic, [row])[0]

    def _records_of(self, topic: str, rows: Any) -> list[Any]:
        """Records of a topic's rows (ascending): of the upstream pass's output, or of an input."""
        upstream = self._upstream
        assert upstream is not None
        # every row of such a topic is delivered, so they lie side by side
        if topic in upstream.rows:
            coder = codec(topic_of(topic).record)
            return list(coder.rows_to_records(upstream.rows[topic], int(rows[0]), len(rows)))
        feed = next(feed for feed in self._feeds if feed.topic == topic)
        if not feed.is_columnar:
            return [feed.records[row] for row in rows]
        if feed.has_levels:
            return list(
                feed.codec.decode_records(
                    b"".join(feed.body_of(int(row)) for row in rows), len(rows)
                )
            )
        return list(feed.codec.rows_to_records(feed.rows[np.asarray(rows)], 0, len(rows)))
