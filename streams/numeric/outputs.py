"""The type of ``out``, what a kernel appends its rows to: one class per list of topics.

A step takes the rows of a topic and their count by its name, dots as underscores, and appends:

    rows, count = out.md_quotes
    rows[count[0]].instrument = 1
    count[0] += 1
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from streams.numeric.state_arrays import StateArrays, array_of

_CLASSES: dict[tuple[str, ...], Any] = {}


class Outputs(StateArrays):
    """Rows and count of each topic, in the order of the topics; made of pairs of arrays."""

    def __init__(self, *pairs: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]) -> None:
        super().__init__(
            **dict(zip(self.FIELDS, (array for pair in pairs for array in pair), strict=True))
        )
        for name, pair in zip(self.PAIRS, pairs, strict=True):
            setattr(self, name, pair)

    def __iter__(self) -> Iterator[Any]:
        return iter([getattr(self, name) for name in self.PAIRS])


def outputs_type(topics: Sequence[str]) -> Any:
    """The class for these topics."""
    known = _CLASSES.get(tuple(topics))
    if known is None:
        names = [topic.replace(".", "_") for topic in topics]
        members: dict[str, Any] = {
            "PAIRS": {name: (f"{name}_rows", f"{name}_count") for name in names}
        }
        for topic, name in zip(topics, names, strict=True):
            members |= {
                f"{name}_rows": array_of(codec(topic_of(topic).record).dtype),
                f"{name}_count": array_of(np.int64),
            }
        known = _CLASSES[tuple(topics)] = type("Outputs", (Outputs,), members)
    return known
