"""Books that follow the records of ``md.depth``, for who keeps books of its own."""

from __future__ import annotations

from typing import Any

from streams.numeric.book import apply, slot_of
from streams.numeric.borrowing import borrowing_kernel


@borrowing_kernel
def take_records(books: Any, updates: Any, levels: Any) -> None:
    """Take depth records, one after the other. ``updates``: rows; ``levels``: theirs."""
    for place in range(len(updates)):
        update = updates[place]
        apply(books, slot_of(books, update.instrument), update, levels)
