"""Random draws that are functions, not streams: Philox 4x64-10, keyed by (seed, entity), counted by
(ordinal, purpose).

The same four numbers give the same draw under any batch size, restart, thread or hash seed, and a
draw more here changes none there. Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers:
as easy as 1, 2, 3" (SC 2011); constants from its Random123 library.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.numeric.bits import multiply_high
from streams.numeric.borrowing import borrowing_kernel

ROUNDS = 10
MULTIPLIER_0 = np.uint64(0xD2E7470EE14C6C93)
MULTIPLIER_1 = np.uint64(0xCA5A826395121157)
WEYL_0 = np.uint64(0x9E3779B97F4A7C15)
WEYL_1 = np.uint64(0xBB67AE8584CAA73B)
ZERO = np.uint64(0)
ONE = np.uint64(1)
SIGNIFICANT_BITS = np.uint64(11)
"""A double holds 53 bits of 64."""
UNIT = 2.0**-53


@borrowing_kernel
def philox(
    counter_0: Any, counter_1: Any, counter_2: Any, counter_3: Any, key_0: Any, key_1: Any
) -> Any:
    """Four uint64 of Philox 4x64-10 for a 256-bit counter and a 128-bit key, all uint64."""
    for _ in range(ROUNDS):
        high_0, low_0 = multiply_high(MULTIPLIER_0, counter_0), MULTIPLIER_0 * counter_0
        high_1, low_1 = multiply_high(MULTIPLIER_1, counter_2), MULTIPLIER_1 * counter_2
        counter_0, counter_1, counter_2, counter_3 = (
            high_1 ^ counter_1 ^ key_0,
            low_1,
            high_0 ^ counter_3 ^ key_1,
            low_0,
        )
        key_0 += WEYL_0
        key_1 += WEYL_1
    return counter_0, counter_1, counter_2, counter_3


@borrowing_kernel
def draw(seed: Any, entity: Any, ordinal: Any, purpose: Any) -> Any:
    """64 random bits (uint64) for the ``ordinal``-th event of an entity; ``purpose`` tells several
    draws of one event apart.
    """
    return philox(
        np.uint64(ordinal), np.uint64(purpose), ZERO, ZERO, np.uint64(seed), np.uint64(entity)
    )[0]


@borrowing_kernel
def uniform(seed: Any, entity: Any, ordinal: Any, purpose: Any) -> Any:
    """A double in [0, 1), a multiple of 2^-53: exact, so equal on every machine."""
    return np.float64(draw(seed, entity, ordinal, purpose) >> SIGNIFICANT_BITS) * UNIT


@borrowing_kernel
def below(limit: Any, seed: Any, entity: Any, ordinal: Any, purpose: Any) -> Any:
    """An int64 from 0 to limit - 1, limit >= 1; no value is likelier than another by more than
    limit / 2^64.
    """
    return np.int64(multiply_high(draw(seed, entity, ordinal, purpose), np.uint64(limit)))
