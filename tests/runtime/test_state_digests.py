"""State at the end does not depend on how it was reached. Oracle: the same run with other batches,
which skip and step the venue differently.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.log.local import LocalLog
from streams.runtime.journal.journal import BATCH
from streams.runtime.verify.verify import read_journal
from tests.scenario import backtest


def final_states(folder: Path) -> list[tuple[int, bytes]]:
    log = LocalLog.open(folder)
    states = [entry.states for entry in read_journal(log) if entry.kind == BATCH][-1]
    log.close()
    return states


@pytest.mark.parametrize("strategy", ["noop-python", "ema-cross"])
def test_state_digests_are_equal_for_every_batch_size_and_window(
    recording: Path, tmp_path: Path, strategy: str
) -> None:
    """One batch of the whole recording lets an idle venue take over the books and what printed of
    them; batches of 501 never do.
    """
    expected = final_states(backtest(recording, tmp_path / "whole", strategy, batch=1 << 20).folder)
    assert len(expected) > 8
    assert (
        final_states(backtest(recording, tmp_path / "small", strategy, batch=501).folder)
        == expected
    )
    assert (
        final_states(
            backtest(recording, tmp_path / "window", strategy, batch=17_000, book_window=128).folder
        )
        == expected
    )
