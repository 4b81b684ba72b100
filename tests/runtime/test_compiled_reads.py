"""A compiled strategy reads what the same rule in Python reads, at every instant, and decides
alike.

Oracles: twins in plain Python (``reading_twin.py``, ``keeper_twin.py``, ``weight_twin.py``),
whose own reads ``test_reads.py`` compares with the run's topics; the readable scheduler; a run that
is not interrupted. ``reading_kernel.py`` mixes all that it reads into what it does next, so that
one value that differs changes its orders.
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

from schemas.errors import ShrivenError, WrongUse
from streams.numeric.bad_strategy import BadStrategy
from streams.numeric.undeclared_read import UndeclaredRead
from streams.runtime.schedule.topology import BadTopology
from streams.signals import kit, view_stage
from tests.digests.found import Recordings
from tests.scenario import backtest, records_in
from tests.test_documents import blocks

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "strategies.md"
KEEPER, WEIGHT = (
    next(block for block in blocks(PAGE, "python") if block.startswith(f"# {name}.py"))
    for name in ("keeper", "weight")
)
READING = str(HERE / "reading_kernel.py")
TWINS = {
    "keeper": f"{HERE / 'keeper_twin.py'}:KeeperTwin",
    "weight": f"{HERE / 'weight_twin.py'}:WeightTwin",
    "reading": f"{HERE / 'reading_twin.py'}:ReadingTwin",
}
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a keeper": ("keeper", "perpetual", {}),
    "a keeper on three instruments": ("keeper", "three", {"set": {"most": "2"}}),
    "a keeper that has lost too much": ("keeper", "perpetual", {"set": {"floor": "99999"}}),
    "who weighs the book": ("weight", "perpetual", {"set": {"levels": "3"}}),
    "who weighs all of three books": ("weight", "three", {"set": {"levels": "0", "times": "1"}}),
    "all there is to read": ("reading", "perpetual", {}),
    "the same, slow": ("reading", "gap", {"latency": SLOW, "set": {"seed": "2"}}),
    "the same, spot": ("reading", "spot", {"cash": "100000USDT", "set": {"seed": "5"}}),
    "the same, denied": ("reading", "perpetual", {"risk": {"max_position": "0.02"}}),
    "the same on three instruments": ("reading", "three", {"set": {"seed": "3", "rate": "10"}}),
}


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The compiled ones, by name."""
    folder = tmp_path_factory.mktemp("kernels")
    for name, text in (("keeper", KEEPER), ("weight", WEIGHT)):
        (folder / f"{name}.py").write_text(text)
    own = {name: str(folder / f"{name}.py") for name in ("keeper", "weight")}
    return {**own, "reading": READING}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Recordings:
    return Recordings(tmp_path_factory.mktemp("reads"), Path())


@pytest.mark.parametrize("name", CASES)
def test_it_reads_and_decides_what_its_twin_in_python_does(
    kernels: dict[str, str], recordings: Recordings, tmp_path: Path, name: str
) -> None:
    strategy, recording, options = CASES[name]
    place = recordings.path(recording)
    found = topics_of(place, tmp_path / "compiled", kernels[strategy], 1000, options)
    assert found == topics_of(place, tmp_path / "python", TWINS[strategy], 777, options)
    assert found["orders.requests"]["count"] > 100
    assert found["fills"]["count"] > 5


@pytest.mark.parametrize("batch", [1, 13, 65_536])
def test_batches_change_nothing(proof_market: Path, tmp_path: Path, batch: int) -> None:
    check_batches(proof_market, tmp_path, READING, batch)


@pytest.mark.parametrize("name", ["keeper", "reading"])
def test_it_goes_on_from_a_snapshot_and_verifies(
    kernels: dict[str, str], recording: Path, tmp_path: Path, name: str
) -> None:
    check_resumed(recording, tmp_path, kernels[name])


def test_the_scheduler_calls_it_as_the_readable_one_does(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = dict.fromkeys(("instruments", "bars", "orders"), 1)
    tables = [(view_stage.ViewState, "LENGTHS", lengths)]
    check_scheduler(recording, tmp_path, monkeypatch, READING, tables)


def test_the_keeper_keeps_its_bounds(
    kernels: dict[str, str], recording: Path, tmp_path: Path
) -> None:
    """Oracle: what the page says, over the run's own topics."""
    run = backtest(recording, tmp_path / "run", kernels["keeper"])
    held = [record["quantity"] for record in records_in(run.folder, "positions")]
    assert max(map(abs, held)) <= 60 and min(held) < 0 < max(held), "most, and what is under way"
    open_sides: dict[str, tuple[int, str]] = {}
    for event in records_in(run.folder, "orders.events"):
        if event["status"] in ("FILLED", "CANCELLED", "REJECTED", "EXPIRED", "DENIED"):
            open_sides.pop(event["order_id"], None)
        else:
            open_sides[event["order_id"]] = (event["instrument"], event["side"])
        assert len(set(open_sides.values())) == len(open_sides), "one order a side"


# -- what is refused

WRONG: dict[str, tuple[tuple[str, str], type[ShrivenError], str]] = {
    "a read that it does not declare": (
        ('READS = ("account",)', 'READS = ("quotes",)'), UndeclaredRead,
        r'keeper reads account, which its READS does not name; write READS = \("quotes", "account"',
    ),
    "an instrument that there is none of": (
        ("position(out, quote.instrument)", "position(out, quote.instrument + 8)"), UndeclaredRead,
        "keeper asks for instrument 9; it is given: 1",
    ),
    "what there is not": (
        ('READS = ("account",)', 'READS = ("account", "prices")'), BadTopology,
        "keeper is compiled and has READS = .*; give a tuple of: account, book, trades",
    ),
    "the book, undeclared": (
        ("held = position", "book(out, quote.instrument, 5)\n    held = position"), UndeclaredRead,
        r'keeper reads book, which its READS does not name; write READS = \("account", "book"',
    ),
    "queue positions, undeclared": (
        ("held = position", "queue_estimate(out, -1)\n    held = position"), UndeclaredRead,
        r'keeper reads queue, which its READS does not name; write READS = \("account", "queue"',
    ),
    "queue positions without orders": (
        ('READS = ("account",)', 'READS = ("queue",)'), BadTopology,
        r'keeper is compiled and reads queue positions without its orders; write READS = \("acc',
    ),
    "fewer levels than none": (
        ("held = position", "book(out, quote.instrument, -2)\n    held = position"), BadStrategy,
        "strategy keeper asks for -2 levels of the book; give 1 or more, or 0 for all of them",
    ),
    "a text": (('READS = ("account",)', 'READS = "account"'), BadTopology, "give a tuple of"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_named(proof_market: Path, tmp_path: Path, what: str) -> None:
    (old, new), kind, said = WRONG[what]
    assert old in KEEPER
    names = "import (\n    book, queue_estimate, amount"
    text = KEEPER.replace(old, new).replace("import (\n    amount", names)
    if "fewer" in what:
        text = text.replace('READS = ("account",)', 'READS = ("account", "book")')
    check_refused(proof_market, tmp_path / "keeper.py", text, kind, said)


def test_the_kit_says_that_it_answers_no_reads(kernels: dict[str, str]) -> None:
    with pytest.raises(WrongUse, match="keeper is compiled and has READS"):
        kit.run(kernels["keeper"], [], instruments=[])
