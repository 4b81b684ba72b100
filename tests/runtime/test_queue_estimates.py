"""How much a strategy believes stands ahead of its resting orders.

Oracles: the simulated venue, whose own queue positions the estimates equal where nothing is late
and the fill model is the same; a twin in plain Python that keeps its own by what the page says
(``queue_twin.py``), at any latency. That a compiled strategy reads the same numbers is part of
``test_compiled_reads.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from compiled_runs import SLOW

from jobs.verification import verify_run
from schemas.errors import ShrivenError
from streams.numeric.identity import text_of_halves
from streams.signals.services import StrategyServices
from tests.digests.found import Recordings
from tests.scenario import backtest, records_in

TWIN = f"{Path(__file__).with_name('queue_twin.py')}:QueueTwin"
AT_ONCE = {"latency": "feed=0,entry=0,response=0"}
RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "at once": ("perpetual", AT_ONCE),
    "slow, with a gap": ("gap", {"latency": SLOW, "set": {"seed": "4"}}),
    "three instruments": ("three", {"set": {"rate": "5"}}),
    "another fill model": ("perpetual", {"fill_model": "log-prob", "set": {"seed": "7"}}),
}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Recordings:
    return Recordings(tmp_path_factory.mktemp("queues"), Path())


@pytest.mark.parametrize("name", RUNS)
def test_it_is_what_the_page_says(recordings: Recordings, tmp_path: Path, name: str) -> None:
    recording, options = RUNS[name]
    run = backtest(recordings.path(recording), tmp_path / "run", TWIN, **options)
    lines = [line["text"] for line in records_in(run.folder, "strategy.log")]
    words = lines[-1].split()
    compared, moved, wrong = (int(words[place]) for place in (1, 3, 5))
    assert not wrong, lines[:20]
    assert compared > 3_000 and moved > 300 and run.manifest["topics"]["fills"]["count"] > 10
    assert verify_run(run.folder).is_good


def test_it_is_the_venue_s_where_nothing_is_late(
    recordings: Recordings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int | None, int]] = []
    own = StrategyServices.queue_estimate

    def compared(self: Any, order_id: str) -> int | None:
        self._stages.read_book(1, 1)  # the venue takes the records up to the present one
        orders = self._stages.on_demand.stages[0].state.orders
        for row in orders[orders["quantity"] > orders["filled"]].tolist():
            named = dict(zip(orders.dtype.names, row, strict=True))
            if text_of_halves(named["order_id_high"], named["order_id_low"]) == order_id:
                seen.append((own(self, order_id), named["queue_ahead"]))
        return own(self, order_id)

    monkeypatch.setattr(StrategyServices, "queue_estimate", compared)
    backtest(recordings.path("perpetual"), tmp_path / "run", TWIN, **AT_ONCE)
    assert len(seen) > 3_000 and len({pair for pair in seen if pair[1]}) > 100
    assert [pair for pair in seen if pair[0] != pair[1]] == []


STRATEGY = """
from streams.signals.strategy import Strategy

class Curious(Strategy):
    WAKES = ("quotes",)
    READS = {reads}

    def on_quote(self, quote, context):
        context.{asks}
"""

ASKS, BOTH = 'queue_estimate("0" * 20)', ("account", "queue")


@pytest.mark.parametrize(
    ("reads", "asks", "words"),
    [
        (("account",), ASKS, 'write READS = ("account", "queue",) in Curious (curious.py:9)'),
        (("queue",), ASKS, 'queue positions without its orders; write READS = ("account", "queue"'),
        (BOTH, "queue_estimate(5)", "order_id is 5, a int; give the id that self.order returned"),
        (BOTH, "queue_estimate('5')", "'5' is not an id of this system"),
        (BOTH, "modify(None, price=1)", "order_id is None, a NoneType; give the id that self.ord"),
    ],
)
def test_what_is_wrong_is_refused(
    recordings: Recordings, tmp_path: Path, reads: tuple[str, ...], asks: str, words: str
) -> None:
    file = tmp_path / "curious.py"
    file.write_text(STRATEGY.format(reads=reads, asks=asks))
    with pytest.raises(ShrivenError) as caught:
        backtest(recordings.path("perpetual"), tmp_path / "run", f"{file}:Curious")
    assert words in caught.value.text
