"""The accounts of a deployment: one for each shard, fixed when it begins; journals of before say
what they traded.
"""

from __future__ import annotations

from typing import Any

import pytest

from jobs.configuration import BadConfiguration, build
from jobs.live.accounts import accounts_of, with_accounts
from jobs.live.deployment import Deployment, facts_of
from streams.log.kafka.cluster import Cluster


def fixed(shards: int, trades: bool = True, **options: Any) -> list[int]:
    return with_accounts(build({"strategy": "ema-cross", **options}), shards, trades).accounts


def test_shard_s_trades_account_s_plus_1_unless_accounts_are_named() -> None:
    assert (fixed(1), fixed(4)) == ([1], [1, 2, 3, 4])
    assert fixed(3, accounts="30,10,20") == [30, 10, 20]


def test_a_job_that_trades_nothing_has_no_accounts() -> None:
    assert fixed(4, trades=False, accounts=[1, 2]) == []


@pytest.mark.parametrize("accounts", [[5], [5, 6, 7]])
def test_more_or_fewer_accounts_than_shards_are_refused(accounts: list[int]) -> None:
    with pytest.raises(
        BadConfiguration,
        match=f"names {len(accounts)} .*the topology has 2 shards; name one for each",
    ):
        fixed(2, accounts=accounts)


def test_a_stage_of_a_live_topology_has_no_account_of_its_own() -> None:
    with pytest.raises(BadConfiguration, match=r"\[sizing\] sets account"):
        fixed(1, sizing={"account": 7})


def test_the_genesis_record_names_them_and_a_journal_of_before_traded_account_1() -> None:
    configuration = with_accounts(build({"strategy": "ema-cross", "accounts": [7, 3]}), 2, True)
    deployment = Deployment(
        job="pipeline",
        topology="pipeline",
        configuration=configuration,
        cluster=Cluster(bootstrap="x:0"),
        shards=2,
    )
    facts: dict[str, Any] = {
        **facts_of(deployment),
        "outputs": [{"topic": topic} for topic in deployment.outputs()],
    }
    assert facts["identity"]["accounts"] == accounts_of(facts) == [7, 3]
    del facts["configuration"]["accounts"]
    assert accounts_of(facts) == [1, 1]
    assert accounts_of({**facts, "outputs": [{"topic": "md.quotes"}]}) == []
