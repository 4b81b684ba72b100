"""What the ahead loop made of one slice, taken out of the loop so that it can go on with the next slice."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class Handed:
    """Rows and events of one slice.

    Attributes:
        rows: by output topic; the first ``counts[topic]`` are the slice's.
        events: deliveries to ledgers; the first ``event_count`` are the slice's.
        books: the books as they are behind the slice; None without books.
    """

    __slots__ = ("books", "counts", "event_count", "events", "rows")

    def __init__(self, rows: dict[str, Array], counts: dict[str, int], events: Array, event_count: int, books: Any) -> None:
        self.rows = rows
        self.counts = counts
        self.events = events
        self.event_count = event_count
        self.books = books

    def count_of(self, topic: str) -> int:
        """Rows of the topic."""
        return self.counts[topic]
