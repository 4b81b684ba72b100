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
        self.parts: list[Any] = []
        self.count = 0


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
                    encoded.parts.append(coder.pack_trusted(waiting))
                except ShrivenError as problem:
                    raise bad_emission(waiting, coder.encode_trusted, problem) from problem
                encoded.count += len(waiting)
                waiting.clear()

    def put(self, topic: str, body: Any, count: int) -> None:
        """Records of a ledger's topic that were made without it, behind those packed so far."""
        encoded = self._encoded[topic]
        encoded.parts.append(body)
        encoded.count += count

    def take(self, ahead: Mapping[str, tuple[Any, int]]) -> list[tuple[str, list[Any], int]]:
        """(topic, parts, count) of everything since the last call, in catalogue order, empty topics left out; ``body_of`` makes a body of parts.

        Args:
            ahead: (body, count) by topic of what the ahead loop made.

        Raises:
            BadEmission: a ledger emitted what its schema does not allow.
        """
        taken: list[tuple[str, list[Any], int]] = []
        self.pack()
        for topic in self._topics:
            if topic in self.lists:
                encoded = self._encoded[topic]
                if encoded.count:
                    taken.append((topic, encoded.parts, encoded.count))
                    encoded.parts, encoded.count = [], 0
            elif topic in ahead:
                body, count = ahead[topic]
                taken.append((topic, [body], count))
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


def body_of(parts: Sequence[Any]) -> Any:
    """The body that the parts of a topic make, on whatever thread.

    Raises:
        BadEmission: a ledger emitted what its schema does not allow.
    """
    bodies: list[Any] = []
    for part in parts:
        try:
            bodies.append(part.body() if isinstance(part, Packed) else part)
        except ShrivenError as problem:
            raise bad_emission(part.records(), part.codec.encode_trusted, problem) from problem
    return bodies[0] if len(bodies) == 1 else b"".join(bodies)
