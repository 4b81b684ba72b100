"""A bounded memory of what came last: a dictionary, and the ring of its keys in the order they
came. The oldest is forgotten where it is full.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Value = TypeVar("Value")


def keep(
    kept: dict[str, Value], ring: list[str], oldest: int, key: str, value: Value, capacity: int
) -> int:
    """Keep a value whose key is not kept yet; returns the slot that is the oldest from now on.

    Args:
        ring: keys of ``kept``, at most ``capacity``.
        oldest: slot of the oldest in a full ring, 0 before.
    """
    if len(ring) < capacity:
        ring.append(key)
    else:
        del kept[ring[oldest]]
        ring[oldest] = key
        oldest = (oldest + 1) % capacity
    kept[key] = value
    return oldest


def keep_all(
    kept: dict[str, Value],
    ring: list[str],
    oldest: int,
    keys: Sequence[str],
    values: Sequence[Value],
    capacity: int,
) -> int:
    """The same for many, one after the other."""
    # no more at once than there are slots, so that none forgets one of its own
    for start in range(0, len(keys), capacity):
        added = keys[start : start + capacity]
        room = capacity - len(ring)
        ring.extend(added[:room])
        left = added[room:]
        while left:
            end = min(oldest + len(left), capacity)
            for key in ring[oldest:end]:
                del kept[key]
            ring[oldest:end], left = left[: end - oldest], left[end - oldest :]
            oldest = end % capacity
        kept.update(zip(added, values[start : start + capacity], strict=True))
    return oldest
