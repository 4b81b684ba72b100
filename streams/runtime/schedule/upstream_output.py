"""What the upstream pass made of one input batch, taken out of the loop so that it can go on with
the next input batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class UpstreamOutput:
    """Rows and events of one input batch.

    Attributes:
        rows: by output topic; the first ``counts[topic]`` are the input batch's.
        events: deliveries to order-side stages; the first ``event_count`` are the input batch's.
        books: the books as they are behind the input batch; None without books.
    """

    __slots__ = ("books", "counts", "event_count", "events", "rows")

    def __init__(
        self,
        rows: dict[str, Array],
        counts: dict[str, int],
        events: Array,
        event_count: int,
        books: Any,
    ) -> None:
        self.rows = rows
        self.counts = counts
        self.events = events
        self.event_count = event_count
        self.books = books

    def count_of(self, topic: str) -> int:
        """Rows of the topic."""
        return self.counts[topic]
