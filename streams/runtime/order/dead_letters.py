"""Dead letters: what becomes of input records that no stage can use."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from schemas.reasons import REASONS, UNSEEN
from schemas.records import DeadLetter
from streams.runtime.order.feed import Feed
from streams.runtime.order.merge import SKIP, InputBatch

DEAD_LETTERS = "pipeline.dlq"


def dead_letters(input_batch: InputBatch, feeds: Sequence[Feed]) -> list[DeadLetter]:
    """Of the input batch's bad records, in order. Records that nobody selected are none."""
    letters: list[DeadLetter] = []
    skipped = np.flatnonzero(input_batch.source[: input_batch.count] == SKIP)
    bad = np.zeros(len(skipped), bool)
    for feed in feeds:
        mine = np.flatnonzero(input_batch.origin[skipped] == feed.code)
        bad[mine] = ~np.isin(feed.status[input_batch.index[skipped[mine]]], UNSEEN)
    for place in skipped[bad].tolist():
        feed = feeds[int(input_batch.origin[place])]
        row = int(input_batch.index[place])
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
