"""F7: a worker that cannot reach its broker, or only part of it, for longer than its transaction
may last.

Oracle: an uninterrupted run's records, and the journal's chain: no transaction is torn, nothing is
there twice.
"""

from __future__ import annotations

import time

import pytest
from fault_proxy import COORDINATOR, FaultProxy

from tests.kafka.live_market import LiveMarket, carried_through, said, stopped

pytestmark = pytest.mark.broker
AWAY_SECONDS = 13.0
"""Longer than ``transaction.timeout.ms``, after which the broker aborts what is open."""


@pytest.mark.parametrize(
    "way", ["to the broker", "from the broker", "both ways", "coordinator only"]
)
def test_a_partition_that_outlasts_the_transaction_tears_nothing(
    way: str, behind_a_proxy: tuple[LiveMarket, FaultProxy], undisturbed: dict[str, str]
) -> None:
    market, proxy = behind_a_proxy
    fed = market.feed()
    process = market.process(batch=50, quiet_seconds=20)
    try:
        said(process, "consumed")
        if way in ("to the broker", "both ways"):
            proxy.stall("up")
        if way in ("from the broker", "both ways"):
            proxy.stall("down")
        if way == "coordinator only":
            proxy.drop(COORDINATOR)
        time.sleep(AWAY_SECONDS)
        proxy.heal()
        began = time.monotonic()
        ends = carried_through(market, fed, process)
        print(  # noqa: T201
            f"{way}: all consumed {time.monotonic() - began:.1f} s after it ended, ends on the "
            f"way: {ends or 'none'}"
        )
        assert way != "coordinator only" or proxy.dropped, (
            "no request was dropped: nothing was tested"
        )
    finally:
        stopped(process)
    assert market.digests() == undisturbed
    assert [entry.sequence for entry in market.journal()] == list(range(len(market.journal())))
