"""A compiled strategy that reads fills and places orders decides what the same rule in Python does.

Oracles: twins in plain Python (``maker_twin.py``, ``busy_twin.py``) under the same journal id, so
that records are equal with their ids; the readable scheduler; a run that is not interrupted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from compiled_runs import (
    SLOW,
    check_batches,
    check_refused,
    check_resumed,
    check_scheduler,
    topics_of,
)

from jobs.configuration import BadConfiguration
from schemas.errors import CapacityExceeded, ShrivenError
from streams.runtime.failures import BadEmission, StageFailed
from streams.runtime.schedule.runner import BadKernel
from streams.runtime.schedule.topology import BadTopology
from tests.digests.found import Recordings
from tests.runtime.user_stages import FILES
from tests.scenario import backtest, records_in
from tests.test_documents import blocks

HERE = Path(__file__).parent
BENCHMARKS = HERE.parent / "benchmarks"
PAGE = HERE.parents[1] / "docs" / "strategies.md"
MAKER = next(block for block in blocks(PAGE, "python") if block.startswith("# maker.py"))
FREE: dict[str, Any] = {"fees": "maker=0,taker=0", "latency": "feed=0,entry=0,response=0"}
TWINS = {
    "maker": f"{HERE / 'maker_twin.py'}:MakerTwin",
    "busy": f"{HERE / 'busy_twin.py'}:BusyTwin",
}
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a maker": ("maker", "perpetual", {}),
    "a maker, slow": ("maker", "three", {"latency": SLOW, "set": {"away": "1"}}),
    "a maker, free, at once": ("maker", "perpetual", {"set": {"away": "1", "most": "2"}, **FREE}),
    "a maker on three instruments": ("maker", "three", {"set": {"away": "1"}}),
    "a maker that is denied": ("maker", "perpetual", {"risk": {"max_position": "0.02"}}),
    "everything": ("busy", "perpetual", {"set": {"seed": "7"}}),
    "everything, slow": ("busy", "gap", {"latency": SLOW, "set": {"seed": "2", "rate": "80"}}),
    "everything on three instruments": ("busy", "three", {"set": {"seed": "3"}}),
}


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The compiled ones, by name."""
    maker = tmp_path_factory.mktemp("maker") / "maker.py"
    maker.write_text(MAKER)
    return {"maker": str(maker), "busy": str(HERE / "busy_kernel.py")}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Recordings:
    return Recordings(tmp_path_factory.mktemp("compiled"), Path())


@pytest.mark.parametrize("name", CASES)
def test_it_decides_what_its_twin_in_python_decides(
    kernels: dict[str, str], recordings: Recordings, tmp_path: Path, name: str
) -> None:
    strategy, recording, options = CASES[name]
    place = recordings.path(recording)
    found = topics_of(place, tmp_path / "compiled", kernels[strategy], 1000, options)
    assert found == topics_of(place, tmp_path / "python", TWINS[strategy], 777, options)
    assert found["orders.requests"]["count"] > 100
    assert found["fills"]["count"] > 5


def test_the_benchmark_orders_what_its_source_in_python_orders(
    proof_market: Path, tmp_path: Path
) -> None:
    """But for ids: a strategy in Python that reads market data only has ordinals of its own."""
    sources = {"compiled": "ordering_compiled.py", "python": "ordering.py:Ordering"}
    found = {}
    for name, source in sources.items():
        free = {"risk": {"max_position": "off"}, **FREE}
        topics_of(proof_market, tmp_path / name, str(BENCHMARKS / source), 1000, free)
        found[name] = [
            [each | {"order_id": ""} for each in records_in(tmp_path / name, topic)]
            for topic in ("orders.requests", "fills")
        ]
    assert found["compiled"] == found["python"]
    assert min(map(len, found["compiled"])) > 100


@pytest.mark.parametrize("batch", [1, 13, 65_536])
def test_batches_change_nothing(
    kernels: dict[str, str], proof_market: Path, tmp_path: Path, batch: int
) -> None:
    check_batches(proof_market, tmp_path, kernels["busy"], batch)


@pytest.mark.parametrize("name", ["maker", "busy"])
def test_it_goes_on_from_a_snapshot_and_verifies(
    kernels: dict[str, str], recording: Path, tmp_path: Path, name: str
) -> None:
    check_resumed(recording, tmp_path, kernels[name])


@pytest.mark.parametrize("name", ["maker", "busy"])
def test_the_scheduler_calls_it_as_the_readable_one_does(
    kernels: dict[str, str],
    recording: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    check_scheduler(recording, tmp_path, monkeypatch, kernels[name])


def test_the_maker_is_a_maker(kernels: dict[str, str], recording: Path, tmp_path: Path) -> None:
    """Oracle: what the page says, over the run's own topics."""
    run = backtest(recording, tmp_path / "run", kernels["maker"])
    fills, requests = (records_in(run.folder, topic) for topic in ("fills", "orders.requests"))
    assert len(fills) > 100 and {fill["liquidity"] for fill in fills} == {"MAKER"}
    held = [record["quantity"] for record in records_in(run.folder, "positions")]
    assert max(map(abs, held)) <= 60 and min(held) < 0 < max(held), "most, and what is under way"
    new = [each for each in requests if each["kind"] == "NEW"]
    assert all(each["post_only"] and each["order_type"] == "LIMIT" for each in new)
    assert sum(each["kind"] == "CANCEL" for each in requests) > 1000
    ids = [each["order_id"] for each in new]
    assert len(set(ids)) == len(ids)


# -- what is refused

WRONG: dict[str, tuple[dict[str, str], type[ShrivenError], str]] = {
    "a side that there is none of": ({"side": "7"}, BadEmission, "asked for .*side"),
    "an instrument beyond its field": (
        {"instrument": str(2**40 + 1)}, BadEmission, "asked for .*instrument=1099511627777",
    ),
    "a negative enum": ({"life": "-1"}, BadEmission, "asked for .*time_in_force"),
    "a boolean that is none": ({"post_only": "2"}, BadEmission, "asked for .*post_only"),
    "an id of nobody": (
        {"cancel_high": str(2**50), "cancel_low": "1"}, BadEmission, f"asked for .*{2**50}:1",
    ),
    "more requests than reserved": (
        {"orders": "3"}, CapacityExceeded,
        r"publishes more than 2 records of orders.requests in one call; raise RESERVE\['orders.req",
    ),
    "a fault of its own": ({"own_fault": "4"}, CapacityExceeded, "fault 4 is full"),
    "a timer that stays": (
        {"timer": "5"}, StageFailed, "the timer of asking at 5 does not move on",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_ends_the_run_and_names_the_strategy(
    proof_market: Path, tmp_path: Path, what: str
) -> None:
    chosen, kind, said = WRONG[what]
    with pytest.raises(kind, match=said) as raised:
        backtest(proof_market, tmp_path / "run", str(HERE / "asking_kernel.py"), set=chosen)
    assert "asking" in str(raised.value) and "offset" in str(raised.value)


def test_what_is_right_does_not(proof_market: Path, tmp_path: Path) -> None:
    """The settings of the test before, as they are."""
    run = backtest(proof_market, tmp_path / "run", str(HERE / "asking_kernel.py"))
    assert run.manifest["topics"]["orders.requests"]["count"] > 10


REFUSED: dict[str, tuple[tuple[str, str], type[ShrivenError], str]] = {
    "a float": (
        ("line.wanted, GTC", "line.wanted * 1.0, GTC"), BadKernel,
        r'of strategy_maker_\w+ do not compile: .*float64.* File ".*maker.py", line \d+',
    ),
    "a field that there is none of": (
        ("line.wanted, GTC", "line.strength, GTC"), BadKernel, "do not compile",
    ),
    "depth": (('"md.quotes",', '"md.quotes", "md.depth",'), BadTopology, "maker .* reads md.depth"),
    "specifications": (
        ('"md.quotes",', '"md.quotes", "ref.instruments",'), BadTopology, "reads ref.instruments",
    ),
    "a view of the book": (
        ("STATE_VERSION = 1\n", "STATE_VERSION = 1\nVIEWS = ('book',)\n"), BadTopology, "VIEWS",
    ),
    "no handler": (
        ("def on_fill(", "def of_fill("), BadTopology, r"reads fills and has no on_fill\(state",
    ),
    "nothing reserved": (
        ('RESERVE = {"orders.requests": 2}', "RESERVE = {}"),
        BadTopology, "publishes orders.requests; say in RESERVE",
    ),
    "a topic of others": (
        ('OUTPUTS = ("orders.requests",)', 'OUTPUTS = ("orders.requests", "fills")'),
        BadConfiguration, "has fills in OUTPUTS",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_is_named(proof_market: Path, tmp_path: Path, what: str) -> None:
    (old, new), kind, said = REFUSED[what]
    assert old in MAKER
    check_refused(proof_market, tmp_path / "maker.py", MAKER.replace(old, new), kind, said)


def test_the_topic_of_a_users_stage_is_refused(proof_market: Path, tmp_path: Path) -> None:
    """Its records have no rows: they are Python's."""
    stage, strategy = tmp_path / "spread.py", tmp_path / "asking.py"
    stage.write_text(FILES["spread.py"])
    text = (HERE / "asking_kernel.py").read_text().replace('"md.quotes"', '"user.spread"')
    strategy.write_text(text.replace("def on_quote(", "def on_user_spread("))
    stages = {"spread": {"file": str(stage)}}
    with pytest.raises(BadTopology, match="reads user.spread; it takes rows of a fixed width"):
        backtest(proof_market, tmp_path / "run", str(strategy), stages=stages)
