"""What came out of a slice, by topic: records that order-side stages emitted, packed as they come,
and rows of the upstream pass.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from schemas.catalogue import topic as topic_of
from schemas.codec import Codec, Packed, codec
from schemas.errors import ShrivenError
from streams.runtime.failures import bad_emission
from streams.runtime.schedule.runner import LoopRunner
from streams.runtime.schedule.upstream_output import UpstreamOutput

NOTHING = np.empty(0, np.uint8)
HELD_BY_LIST = 2
"""References to what only a list holds, as ``getrefcount`` counts them: its argument is one."""
GIVEN_MAX = 3
"""Arrays of a topic that are waited for: two batches are under way at most."""


class Encoded(NamedTuple):
    """Records in one body, and (records, bytes) of the pieces they were encoded in."""

    body: Any
    sizes: list[tuple[int, int]]


class Bodies:
    """What was emitted to one topic, encoded piece by piece.

    Input batches of rows lie behind each other in one array: arrays of their own would be joined to
    another copy at the end. An array that was given away is filled again once nobody holds it: the
    first touch of memory that is new to the process costs as much as encoding into it.

    Attributes:
        count: of the records.
    """

    __slots__ = ("_array", "_given", "_parts", "_sizes", "_used", "count")

    def __init__(self) -> None:
        self._parts: list[tuple[Any, int]] = []
        self._array, self._used = NOTHING, 0
        self._given: list[Any] = []
        self._sizes: list[tuple[int, int]] = []
        self.count = 0

    def add(self, part: Any, count: int) -> None:
        """Records behind those before, as what ``body_of`` makes a body of."""
        self._end_array()
        self._parts.append((part, count))
        self.count += count

    def encode(self, coder: Codec, rows: Any, count: int) -> None:
        """The first ``count`` rows behind what there is. Raises BadRecord."""
        needed = self._used + coder.room_for(count)
        if needed > len(self._array):
            longer = np.empty(max(needed, 2 * len(self._array)), np.uint8)
            longer[: self._used] = self._array[: self._used]
            self._array = longer
        end = coder.encode_onto(rows, count, self._array, self._used)
        self._sizes.append((count, end - self._used))
        self._used = end
        self.count += count

    def take(self) -> list[tuple[Any, int]]:
        """(part, count) of everything, in order; there is nothing then."""
        self._end_array()
        parts, self._parts, self.count = self._parts, [], 0
        return parts

    def _end_array(self) -> None:
        if not self._sizes:
            return
        count = sum(count for count, _ in self._sizes)
        self._parts.append((Encoded(self._array[: self._used], self._sizes), count))
        self._given.append(self._array)
        self._array = self._free_array()
        self._used, self._sizes = 0, []

    def _free_array(self) -> Any:
        """The array given away longest ago, if nobody holds it or a view of it any more."""
        if sys.getrefcount(self._given[0]) <= HELD_BY_LIST:
            return self._given.pop(0)
        if len(self._given) > GIVEN_MAX:
            del self._given[0]
        return NOTHING


class OutputBuffer:
    """Gathers it.

    Attributes:
        lists: records by topic that order-side stages write, from whoever emits them; packed now
            and then.
        bodies: by topic that order-side stages write, what is encoded so far.

    Args:
        topics: every output, in catalogue order.
        by_order_side: those that order-side stages write.
    """

    def __init__(self, topics: Sequence[str], by_order_side: Sequence[str]) -> None:
        self._topics = list(topics)
        self.lists: dict[str, list[Any]] = {topic: [] for topic in by_order_side}
        self.bodies = {topic: Bodies() for topic in self.lists}
        self._encoders = [
            (self.bodies[topic], codec(topic_of(topic).record), waiting)
            for topic, waiting in self.lists.items()
        ]

    def pack(self) -> None:
        """Pack what order-side stages emitted so far: a few hundred records at a time stay in the
        processor's cache, a batch of them does not.

        Raises:
            BadEmission: an order-side stage emitted what its schema does not allow.
        """
        for bodies, coder, waiting in self._encoders:
            if waiting:
                try:
                    bodies.add(coder.pack_trusted(waiting), len(waiting))
                except ShrivenError as problem:
                    raise bad_emission(waiting, coder.encode_trusted, problem) from problem
                waiting.clear()

    def take(
        self, upstream: Mapping[str, tuple[Any, int]]
    ) -> list[tuple[str, list[tuple[Any, int]], int]]:
        """(topic, parts, count) of everything since the last call, in catalogue order, empty topics
        left out.

        A part is (what ``body_of`` makes a body of, count).

        Args:
            upstream: (body, count) by topic of what the upstream pass made.

        Raises:
            BadEmission: an order-side stage emitted what its schema does not allow.
        """
        taken: list[tuple[str, list[tuple[Any, int]], int]] = []
        self.pack()
        for topic in self._topics:
            if topic in self.lists:
                count = self.bodies[topic].count
                if count:
                    taken.append((topic, self.bodies[topic].take(), count))
            elif topic in upstream:
                body, count = upstream[topic]
                taken.append((topic, [(body, count)], count))
        return taken


def encode_upstream(upstream: LoopRunner | UpstreamOutput | None) -> dict[str, tuple[Any, int]]:
    """(body, count) by topic of what the upstream pass made; a loop's rows are forgotten then."""
    if upstream is None:
        return {}
    found: dict[str, tuple[Any, int]] = {}
    for topic, rows in upstream.rows.items():
        count = upstream.count_of(topic)
        if count:
            found[topic] = codec(topic_of(topic).record).encode_rows(rows, count), count
    if isinstance(upstream, LoopRunner):
        upstream.clear_rows()
    return found


def body_of(parts: Sequence[tuple[Any, int]]) -> tuple[Any, list[tuple[int, int]]]:
    """The body that the parts of a topic make, and (records, bytes) of each of them; on whatever
    thread.

    Raises:
        BadEmission: an order-side stage emitted what its schema does not allow.
    """
    bodies: list[Any] = []
    sizes: list[tuple[int, int]] = []
    for part, count in parts:
        try:
            bodies.append(_bytes_of(part))
        except ShrivenError as problem:
            raise bad_emission(part.records(), part.codec.encode_trusted, problem) from problem
        sizes += part.sizes if isinstance(part, Encoded) else [(count, len(bodies[-1]))]
    return bodies[0] if len(bodies) == 1 else b"".join(bodies), sizes


def _bytes_of(part: Any) -> Any:
    if isinstance(part, Packed):
        return part.body()
    return part.body if isinstance(part, Encoded) else part
