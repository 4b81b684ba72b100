"""A strategy of the upstream pass that is called in another process, among the order side's stages.

In a run the order side knows nothing of its calls: it has what comes of them. So where nothing
does, the order side has not been at the record or timer of the call.
"""

from __future__ import annotations

from typing import Any

from streams.runtime.schedule.schedule_words import (
    CLOCK,
    KEPT_CLOCK,
    KEPT_LIMIT,
    KEPT_LIMIT_CLOCK,
    KEPT_SEQUENCE,
    LIMIT,
    LIMIT_CLOCK,
    SEQUENCE,
)


def go_back(words: Any, ids: Any, context: Any) -> None:
    """Be where the order side was before the call, if it emitted nothing.

    Args:
        words: the schedule's; ``keep_place`` of ``scheduler.py`` has kept the place in them.
        ids: the schedule's source of ids.
        context: of the call.
    """
    if context.pending:
        return
    words[CLOCK], words[SEQUENCE] = words[KEPT_CLOCK], words[KEPT_SEQUENCE]
    words[LIMIT], words[LIMIT_CLOCK] = words[KEPT_LIMIT], words[KEPT_LIMIT_CLOCK]
    ids.rows["sequence"] = words[SEQUENCE]
