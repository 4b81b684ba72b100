"""The account that is named goes through every stage, compiled and not; an order for another one is
refused with its code.

Oracle: the same run as account 1, in which nothing but the number and the journal's id may differ.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobs.commands.backtest import one_account, partition_pulled
from jobs.configuration import BadConfiguration, Configuration
from jobs.reports import report_of
from jobs.runs import Run
from jobs.verification import verify_run
from schemas.vocabulary import RiskCode
from streams.log.local import LocalLog
from streams.log.manifest import LOG_MANIFEST, write_manifest
from streams.numeric import identity
from tests.scenario import backtest, configuration, records_in

HERE = Path(__file__).parent
STRATEGIES = ("ema-cross", f"{HERE / 'eager.py'}:Eager", f"{HERE / 'busy.py'}:Busy")
ORDER_SIDE = (
    "orders.requests",
    "orders.decisions",
    "orders.events",
    "fills",
    "positions",
    "pnl",
    "risk.events",
    "reports",
)
FOREIGN = """
from schemas.records import OrderRequest
from schemas.vocabulary import OrderType, RequestKind, Side, TimeInForce
from streams.signals.strategy import BUY, Strategy, StrategyState

class Foreign(Strategy):
    NAME = "foreign"
    WAKES = ("quotes",)
    {constant}

    class State(StrategyState):
        quotes: int = 0

    def on_quote(self, quote, context):
        self.state.quotes += 1
        if self.state.quotes % 50 == 0:
            {act}
"""
BY_CONSTANT = FOREIGN.format(
    constant="ACCOUNT = 8", act="self.order(context, quote.instrument, BUY, 1000)"
)
BY_HAND = FOREIGN.format(
    constant="",
    act="context.emit(OrderRequest(context.order_id(), context.account + 1, 1, quote.instrument, "
    "context.clock, RequestKind.NEW, Side.BUY, OrderType.MARKET, TimeInForce.IOC, False, 1000, 0))",
)


def rows(run: Run, topic: str) -> list[dict[str, Any]]:
    """A topic's records, ids without the journal's."""
    found = records_in(run.folder, topic)
    for record in found:
        if record.get("order_id", "").strip("0"):
            parts = identity.parse_id(record["order_id"])
            record["order_id"] = parts.shard, parts.sequence, parts.ordinal
    return found


@pytest.mark.parametrize("strategy", STRATEGIES, ids=("ema-cross", "eager", "busy"))
def test_another_account_does_what_account_1_does(
    proof_market: Path, tmp_path: Path, strategy: str
) -> None:
    expected = backtest(proof_market, tmp_path / "one", strategy)
    run = backtest(proof_market, tmp_path / "other", strategy, accounts=[2_147_483_647])
    assert len(rows(run, "fills")) > 5
    for topic in ORDER_SIDE:
        found = rows(run, topic)
        assert {record.pop("account") for record in found} <= {2_147_483_647}, topic
        assert {record["account"] for record in rows(expected, topic)} <= {1}, topic
        assert found == [
            {key: value for key, value in record.items() if key != "account"}
            for record in rows(expected, topic)
        ], topic
    assert verify_run(run.folder).is_good
    with LocalLog.open(run.folder) as log:
        assert report_of(log, run.manifest).model["account"] == 2_147_483_647


@pytest.mark.parametrize(
    "source", [BY_CONSTANT, BY_HAND], ids=["by the class", "by a record of its own"]
)
def test_a_strategy_that_names_a_foreign_account_is_denied_with_the_code(
    proof_market: Path, tmp_path: Path, source: str
) -> None:
    file = tmp_path / "foreign.py"
    file.write_text(source)
    run = backtest(proof_market, tmp_path / "run", f"{file}:Foreign", accounts=[7])
    decisions = rows(run, "orders.decisions")
    assert len(decisions) == len(rows(run, "orders.requests")) > 5
    assert {
        (each["account"], each["outcome"], each["code"], each["observed"], each["limit"])
        for each in decisions
    } == {(8, "DENIED", RiskCode.FOREIGN_ACCOUNT.name, 8, 7)}
    assert rows(run, "fills") == [] and {each["account"] for each in rows(run, "pnl")} == {7}


def test_account_1_is_the_default_and_no_part_of_the_identity() -> None:
    plain, named, other = (
        configuration(**more).identity([], {}, "")
        for more in ({}, {"accounts": "1"}, {"accounts": [2]})
    )
    assert plain == named and "accounts" not in plain
    assert other == {**plain, "accounts": [2]}


@pytest.mark.parametrize(
    ("accounts", "shard", "expected"),
    [
        ([], None, []),
        ([], 0, []),
        ([], 2, [3]),
        ([9], None, [9]),
        ([9], 1, [9]),
        ([9, 8], 1, [8]),
        ([9, 8], None, [9, 8]),
    ],
)
def test_a_backtest_takes_the_account_of_the_shard_it_is(
    accounts: list[int], shard: int | None, expected: list[int]
) -> None:
    assert one_account(Configuration(strategy="ema-cross", accounts=accounts), shard) == expected


def test_a_shard_without_an_account_is_refused() -> None:
    with pytest.raises(BadConfiguration, match="there is no shard 2: accounts names 2"):
        one_account(Configuration(strategy="ema-cross", accounts=[9, 8]), 2)


PULLED = {"ref.instruments": {"partition": 0}, "md.trades": {"partition": 1}}


@pytest.mark.parametrize(
    ("manifest", "partition"),
    [
        ({"command": "pull", "sources": PULLED}, 1),
        ({"command": "import", "sources": [{"file": "a"}]}, None),
        ({"topics": {}}, None),
        (None, None),
    ],
    ids=["pulled", "imported", "made", "unfinished"],
)
def test_a_recording_that_was_pulled_says_of_which_shard_it_is(
    tmp_path: Path, manifest: dict[str, Any] | None, partition: int | None
) -> None:
    if manifest is not None:
        write_manifest(tmp_path / LOG_MANIFEST, manifest)
    assert partition_pulled(tmp_path) == partition
