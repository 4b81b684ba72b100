"""What came out of a slice, by topic: records that ledgers emitted, packed as they come, and rows of the ahead loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.catalogue import topic as topic_of
from schemas.codec import Packed, codec
from schemas.errors import ShrivenError
from streams.runtime.failures import bad_emission
from streams.runtime.handed import Handed
from streams.runtime.runner import LoopRunner


class _Encoded:
    """Bodies of what ledgers emitted to one topic."""

    __slots__ = ("count", "parts")

    def __init__(self) -> None:
        self.parts: list[tuple[Any, int]] = []
        self.count = 0

    def add(self, part: Any, count: int) -> None:
        self.parts.append((part, count))
        self.count += count


class Emitted:
    """Gathers it.

    Attributes:
        lists: records by topic that ledgers write, from whoever emits them; packed now and then.

    Args:
        topics: every output, in catalogue order.
        by_ledgers: those that ledgers write.
    """

    def __init__(self, topics: Sequence[str], by_ledgers: Sequence[str]) -> None:
        self._topics = list(topics)
        self.lists: dict[str, list[Any]] = {topic: [] for topic in by_ledgers}
        self._encoded = {topic: _Encoded() for topic in self.lists}
        self._encoders = [(self._encoded[topic], codec(topic_of(topic).record), waiting) for topic, waiting in self.lists.items()]

    def pack(self) -> None:
        """Pack what ledgers emitted so far: a few hundred records at a time stay in the processor's cache, a batch of them does not.

        Raises:
            BadEmission: a ledger emitted what its schema does not allow.
        """
        for encoded, coder, waiting in self._encoders:
            if waiting:
                try:
                    encoded.add(coder.pack_trusted(waiting), len(waiting))
                except ShrivenError as problem:
                    raise bad_emission(waiting, coder.encode_trusted, problem) from problem
                waiting.clear()

    def put(self, topic: str, body: Any, count: int) -> None:
        """Records of a ledger's topic that were made without it, behind those packed so far."""
        self._encoded[topic].add(body, count)

    def take(self, ahead: Mapping[str, tuple[Any, int]]) -> list[tuple[str, list[tuple[Any, int]], int]]:
        """(topic, parts, count) of everything since the last call, in catalogue order, empty topics left out.

        A part is (what ``body_of`` makes a body of, count).

        Args:
            ahead: (body, count) by topic of what the ahead loop made.

        Raises:
            BadEmission: a ledger emitted what its schema does not allow.
        """
        taken: list[tuple[str, list[tuple[Any, int]], int]] = []
        self.pack()
        for topic in self._topics:
            if topic in self.lists:
                encoded = self._encoded[topic]
                if encoded.count:
                    taken.append((topic, encoded.parts, encoded.count))
                    encoded.parts, encoded.count = [], 0
            elif topic in ahead:
                body, count = ahead[topic]
                taken.append((topic, [(body, count)], count))
        return taken


def encode_ahead(ahead: LoopRunner | Handed | None) -> dict[str, tuple[Any, int]]:
    """(body, count) by topic of what the ahead loop made; a loop's rows are forgotten then."""
    if ahead is None:
        return {}
    found: dict[str, tuple[Any, int]] = {}
    for topic, rows in ahead.rows.items():
        count = ahead.count_of(topic)
        if count:
            found[topic] = codec(topic_of(topic).record).encode_rows(rows, count), count
    if isinstance(ahead, LoopRunner):
        ahead.clear_rows()
    return found


def body_of(parts: Sequence[tuple[Any, int]]) -> tuple[Any, list[tuple[int, int]]]:
    """The body that the parts of a topic make, and (records, bytes) of each of them; on whatever thread.

    Raises:
        BadEmission: a ledger emitted what its schema does not allow.
    """
    bodies: list[Any] = []
    for part, _ in parts:
        try:
            bodies.append(part.body() if isinstance(part, Packed) else part)
        except ShrivenError as problem:
            raise bad_emission(part.records(), part.codec.encode_trusted, problem) from problem
    sizes = [(count, len(body)) for (_, count), body in zip(parts, bodies, strict=True)]
    return bodies[0] if len(bodies) == 1 else b"".join(bodies), sizes
