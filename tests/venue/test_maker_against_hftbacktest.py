"""A market maker at the touch gets the fills that hftbacktest gives the same rule.

Oracle: hftbacktest 2.4.4, which runs the rule over the same market with the same latency, fees and
risk-averse queue (``tests/benchmarks/making.py``, the row ``replay.mm``). What differs must be put
down to a rule of section 11 of the design that hftbacktest has not.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from jobs.sq import main
from tests.benchmarks import making, pipeline
from tests.benchmarks.making import FILL, FOLLOWS, REFUSED_BY_PEER, SPENT, compare
from tests.benchmarks.peers import install


def fills(*rows: tuple[int, ...]) -> np.ndarray:
    return np.array(list(rows), FILL)


def test_a_fill_that_the_other_has_not_is_put_down_to_what_it_did_with_the_order() -> None:
    """Worked by hand: (time, side, price, quantity, sent)."""
    ours = fills((9, 1, 100, 2, 3), (12, -1, 101, 1, 4), (13, -1, 101, 1, 4), (20, 1, 99, 2, 15))
    theirs = fills((9, 1, 100, 2, 3), (12, -1, 101, 2, 4), (17, 1, 99, 0, 15), (30, 1, 98, 1, 28))
    found = compare(ours, theirs)
    assert (found.ours, found.theirs, found.equal, found.share) == (4, 3, 1, 0.25)
    assert {why.partition(": ")[::2]: count for why, count in found.reasons.items()} == {
        ("ours", SPENT): 2,
        ("ours", REFUSED_BY_PEER): 1,
        ("the peer's", SPENT): 1,
        ("the peer's", FOLLOWS): 1,
    }


def test_records_of_one_instant_are_put_apart_and_others_keep_their_time() -> None:
    trades = np.array([(5,), (5,), (9,)], [("event_time", "i8")])
    depth = np.array([(5,), (8,)], [("event_time", "i8")])
    making.put_apart(trades, depth)
    assert trades["event_time"].tolist() == [5, 5 + making.APART, 9]
    assert depth["event_time"].tolist() == [5 + 2 * making.APART, 8]


@pytest.mark.parametrize(("size", "reasons"), [(1, set()), (10, {SPENT, FOLLOWS})])
def test_both_programs_fill_the_same_orders_of_a_maker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, reasons: set[str]
) -> None:
    """A print is spent once, and fills an order beyond which it is in full there: that shows where
    an order has more than one lot.
    """
    why = install.hftbacktest_reason()
    if why:
        pytest.skip(why)
    monkeypatch.setattr(making, "FOLDER", tmp_path)
    monkeypatch.setattr(pipeline, "RUN_FOLDER", tmp_path / "runs")
    generated, market = tmp_path / "generated", tmp_path / "market"
    assert main(["generate", "--minutes", "10", "--seed", "7", "--out", str(generated)]) == 0
    making.untie(generated, market)
    with making.Peer() as peer:
        peer.load(market)
        found = making.compared(market, peer, making.begin_of(market), size)
    assert found.ours > 300
    assert {why.partition(": ")[2] for why in found.reasons} == reasons
    assert (found.share == 1.0) is (not reasons)
    assert found.share > 0.9
