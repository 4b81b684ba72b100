"""Dead letters: what becomes of input records that no stage can use."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from schemas.reasons import REASONS, UNSEEN
from schemas.records import DeadLetter
from streams.runtime.feed import Feed
from streams.runtime.loop import SKIP
from streams.runtime.merge import Slice

DEAD_LETTERS = "pipeline.dlq"


def dead_letters(piece: Slice, feeds: Sequence[Feed]) -> list[DeadLetter]:
    """Of the slice's bad records, in order. Records that nobody selected are none."""
    letters: list[DeadLetter] = []
    skipped = np.flatnonzero(piece.source[: piece.count] == SKIP)
    bad = np.zeros(len(skipped), bool)
    for feed in feeds:
        mine = np.flatnonzero(piece.origin[skipped] == feed.code)
        bad[mine] = ~np.isin(feed.status[piece.index[skipped[mine]]], UNSEEN)
    for place in skipped[bad].tolist():
        feed = feeds[int(piece.origin[place])]
        row = int(piece.index[place])
        letters.append(
            DeadLetter(
                reason=REASONS[int(feed.status[row])],
                detail=feed.detail_of(row),
                origin_topic=feed.topic,
                origin_partition=feed.partition[1],
                origin_offset=feed.offset_at(row),
                payload=feed.body_of(row),
            )
        )
    return letters
