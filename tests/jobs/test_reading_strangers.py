"""Compiled strategies of strangers read what they may declare, in a process of their own: their
account, their places in queues, the book, every topic.

Oracle: the outputs, and the digests of every stage's state, of their authors' runs, where they are
called by address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from jobs.configuration import Configuration, build
from jobs.isolation import host
from jobs.isolation.answering import Answers
from jobs.isolation.asking import LEVELS, POSITION, RECORDS
from jobs.isolation.framing import StrategyStopped
from jobs.isolation.images import Copy, Mirror
from jobs.runs import Backtest, Run
from jobs.strangers import judging
from streams.runtime.schedule.context import StageContext
from streams.signals.replacing import Replacement, Replacements, Waiting
from streams.signals.view_stage import ViewStage
from tests.scenario import Killed, digests, records_in

HERE = Path(__file__).parent
STRATEGIES = {
    "deep": HERE / "deep_kernel.py",
    "seeing": HERE / "seeing_kernel.py",
    "reading": HERE.parent / "runtime" / "reading_kernel.py",
    "acting": HERE.parent / "runtime" / "acting_kernel.py",
}
LONG = [pytest.param(name, marks=pytest.mark.long) for name in ("reading", "acting")]


def chosen(name: str) -> Configuration:
    settings = {"batch": 300, "state_digest_records": 500, "ticker": "cap"}
    return build({"strategy": str(STRATEGIES[name]), "set": {}, **settings})


@pytest.fixture(scope="module")
def own_run(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """The author's run of a strategy."""
    made: dict[str, Run] = {}

    def run(name: str) -> Run:
        if name not in made:
            made[name] = Backtest(chosen(name), toy, tmp_path_factory.mktemp(name) / "run").run()
        return made[name]

    return run


@pytest.fixture
def another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From then on the user is one who has run nothing."""
    return lambda: monkeypatch.setenv("SQ_HOME", str(tmp_path / "another"))


@pytest.mark.parametrize("name", ["deep", "seeing", *LONG])
def test_what_it_reads_there_is_what_it_reads_by_address(
    sq: Callable[..., Any], own_run: Callable[[str], Run], another: Callable[[], None], name: str
) -> None:
    """One value that differs changes all that follows."""
    run = own_run(name).folder
    another()
    assert len(records_in(run, "signals" if name == "deep" else "orders.requests")) > 50
    assert records_in(run, "fills")
    refused = sq("verify", run)
    assert refused.code == 2
    assert "--run-strategy" in refused.err
    ended = sq("verify", run, "--run-strategy")
    assert ended.code == 0, ended.err
    assert "executed in a process of its own" in ended.err


def test_its_books_are_those_of_the_snapshot_that_a_run_goes_on_from(
    own_run: Callable[[str], Run], another: Callable[[], None], toy: Path, tmp_path: Path
) -> None:
    whole, seen = own_run("deep"), list[str]()
    another()

    def watch(step: str) -> None:
        seen.append(step)
        if seen.count("snapshot written") == 3:
            raise Killed

    with judging(may_run=True) as judgement:
        with pytest.raises(Killed):
            Backtest(chosen("deep"), toy, tmp_path / "run", on_step=watch).run()
        finished = Backtest(chosen("deep"), toy, tmp_path / "run").run()
        assert judgement.children
    assert finished.resumed_at > 3
    assert digests(finished) == digests(whole)


CHEATS = """\
import sys; sys.path.insert(0, sys.argv[1])
import msgspec
from jobs.isolation import serving
from jobs.isolation.child import start
packed = serving._packed
def other(record):
    is_order = type(record).__name__ == "OrderRequest" and record.quantity
    return msgspec.structs.replace(record, quantity=record.quantity + 1) if is_order else record
serving._packed = lambda emitted: packed(list(map(other, emitted)))
start(sys.argv[2:])
"""


def test_who_orders_other_than_in_the_run_is_found_and_named(
    sq: Callable[..., Any],
    own_run: Callable[[str], Run],
    another: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its process is all its own: it gives other orders to who verifies."""
    run = own_run("seeing").folder
    another()
    monkeypatch.setattr(host, "START", CHEATS)
    ended = sq("verify", run, "--run-strategy")
    assert ended.code == 1
    assert "orders.requests" in ended.out + ended.err


# -- what a process that says anything cannot do


@pytest.fixture
def view() -> Iterator[ViewStage]:
    yield ViewStage((), None)


def answers(view: ViewStage, *reads: str) -> Answers:
    stages = {"strategy-view": view, "replacements": Replacements((), None)}
    found = SimpleNamespace(stage=stages.get, books=None)
    return Answers(reads, 1, 2, found)


@pytest.mark.parametrize(
    ("reads", "name", "said"),
    [
        (("account",), LEVELS, "asked for what no context has"),
        (("book",), POSITION, "asked for what no context has"),
        (("account",), POSITION, "an instrument there is none of"),
    ],
)
def test_it_is_answered_nothing_that_is_not_its_to_ask(
    view: ViewStage, reads: tuple[str, ...], name: str, said: str
) -> None:
    given = bytes(RECORDS[name][1].itemsize)
    with pytest.raises(StrategyStopped, match=said):
        answers(view, *reads).answer(name, given, StageContext(5))
    with pytest.raises(StrategyStopped, match="asked for what no context has"):
        answers(view, *reads).answer(name, given + b"0", StageContext(5))


GOOD = Replacement("0" * 20, 1, 1, 5, 10, True)


@pytest.mark.parametrize(
    ("old_id", "new"),
    [
        ("0" * 19, GOOD),
        ("0" * 20, msgspec.structs.replace(GOOD, order_id="x")),
        ("0" * 20, msgspec.structs.replace(GOOD, side=7)),
        ("0" * 20, msgspec.structs.replace(GOOD, quantity=2**63)),
        ("0" * 20, msgspec.structs.replace(GOOD, instrument=2**40)),
    ],
)
def test_it_modifies_no_order_to_what_is_none(
    view: ViewStage, old_id: str, new: Replacement
) -> None:
    found, context = answers(view, "account"), StageContext(5)
    found.take_replacements(msgspec.msgpack.encode(Waiting(waiting={"0" * 20: GOOD})), context)
    with pytest.raises(StrategyStopped, match="modified an order to what is none"):
        found.take_replacements(msgspec.msgpack.encode(Waiting(waiting={old_id: new})), context)


def test_a_copy_is_what_the_host_has_whatever_was_noted_in_it(view: ViewStage) -> None:
    """Of the open orders: after changes here, there and of lengths, and none at all."""
    other = ViewStage((), None)
    mirror, copy = Mirror("view", view.state), Copy("view", other.state, ("asked_at",))
    other.state.row["asked_at"] = 77
    rows = np.zeros(3, view.state.tables["orders"].rows.dtype)
    rows["order_id_low"] = [4, 5, 6]
    for count, length in ((1, 64), (3, 64), (2, 128), (2, 128), (0, 128)):
        other.state.take_rows("orders", {"live": rows[:0], "asked": rows})
        view.state.reserve("orders", length - int(view.state.row["orders"]["taken"]))
        view.state.take_rows("orders", {"live": rows[:count], "asked": rows[:0]})
        copy.take(mirror.changes())
        assert other.state.chained("live")["order_id_low"].tolist() == [4, 5, 6][:count]
        assert other.open_orders(None) == view.open_orders(None)
        assert len(other.state.tables["orders"]) == len(view.state.tables["orders"])
        assert other.state.row["asked_at"] == 77
