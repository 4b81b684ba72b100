"""The best bid and ask bound what orders take by the same rule everywhere: run, restart, proof,
pull and backtest with the flags nobody gives.

Oracle: the backtest of the recording, by a path that knows no cluster; that the rule binds there,
the same without it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka.admin import AdminClient, NewPartitions

from jobs.live.deployment import Deployment, prepared
from jobs.live.proof import verify_cluster
from jobs.verification import verify_run
from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.transport import TopicChanged
from streams.runtime.failures import OtherIdentity
from tests.kafka.live_market import LiveMarket, run_to_end
from tests.kafka.members import edge_of, sq
from tests.scenario import backtest, configuration, make_recording, records_in

pytestmark = pytest.mark.broker
LIFTER = f"{Path(__file__).resolve().parents[1] / 'venue' / 'lifter.py'}:Lifter"
OPTIONS: dict[str, Any] = {
    "set": {"every": "3"},
    "cash": "100000000USDT",
    "state_digest_records": 200,
}
COMPARED = ("orders.decisions", "venue.reports", "fills", "positions")
TICKERS = "md.book_tickers"


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_recording(
        tmp_path_factory.mktemp("ticker") / "recording", updates=300, trades=400, has_tickers=True
    )


@pytest.fixture
def market(cluster: Cluster, recording: Path) -> LiveMarket:
    return LiveMarket(cluster, recording, strategy=LIFTER, **OPTIONS)


def deployed(market: LiveMarket, ticker: str | None = None) -> tuple[Deployment, list[str]]:
    """The topology as ``sq run`` prepares it, and what it says."""
    told: list[str] = []
    chosen = configuration(LIFTER, **OPTIONS, **({"ticker": ticker} if ticker else {}))
    asked = msgspec.structs.replace(market.deployment, configuration=chosen)
    return prepared(asked, told.append), told


def ran(market: LiveMarket) -> int:
    """Feed everything, run it with a change of owners half-way, drain; returns the records."""
    fed = market.feed()
    first, second = market.task(), market.task()
    first.prepare()
    run_to_end(first, fed // 2)
    first.log.abandon()
    first.close()
    second.prepare()
    run_to_end(second, fed)
    second.drain()
    second.close()
    return fed


def without_ids(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A run's ids carry its journal id."""
    return [
        {name: value for name, value in record.items() if not name.endswith("_id")}
        for record in records
    ]


def live(market: LiveMarket, topic: str) -> list[dict[str, Any]]:
    found = codec(topic_of(topic).record)
    return [
        msgspec.structs.asdict(found.decode_records(body, 1)[0]) for body in market.records(topic)
    ]


def taken(records: list[dict[str, Any]]) -> list[tuple[int, ...]]:
    return [(each["event_time"], each["side"], each["price"], each["quantity"]) for each in records]


def test_live_restarted_proved_pulled_and_backtested_it_is_the_backtest_of_the_recording(
    market: LiveMarket, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = backtest(recording, tmp_path / "expected", LIFTER, **OPTIONS)
    tape_alone = backtest(recording, tmp_path / "off", LIFTER, **OPTIONS, ticker="off")
    assert taken(records_in(expected.folder, "fills")) != taken(
        records_in(tape_alone.folder, "fills")
    ), "the rule binds"
    market.deployment, told = deployed(market)
    assert told == [
        f"no order takes better than the best bid and ask in {market.cluster.name(TICKERS)} "
        "(--ticker auto)"
    ]
    fed = ran(market)
    assert market.journal()[0].facts["inputs"][-1]["topic"] == TICKERS
    again, told = deployed(market)
    assert again.inputs() == deployed(market, "cap")[
        0
    ].inputs() == market.deployment.inputs() and told[0].endswith("(as it was begun)")
    with pytest.raises(OtherIdentity, match=r"stages was .*cap.*\(--ticker, or"):
        deployed(market, "off")
    verdict = verify_cluster(market.cluster, "pipeline")[0]
    assert (verdict.findings, verdict.records) == ([], fed)

    edge = edge_of(market.cluster)
    pulled = tmp_path / "pulled"
    sq(edge, tmp_path, "pull", market.cluster.url, "--topology", "pipeline", "--out", str(pulled))
    assert verify_run(pulled).findings == []
    sq(edge, tmp_path, "report", str(pulled), "--out", str(tmp_path / "report"))
    assert json.loads((tmp_path / "report" / "report.json").read_text())["run"]["ticker"] == "cap"
    for topic in COMPARED:
        offline = [msgspec.structs.asdict(each) for each in _decoded(expected.folder, topic)]
        found = live(market, topic)
        assert len(found) > 20 and without_ids(found) == without_ids(offline[: len(found)]), topic

    monkeypatch.setenv("SQ_PULL_CACHE", str(tmp_path / "cache"))
    money = ("--set", "every=3", "--cash", OPTIONS["cash"])
    fetched = sq(
        edge,
        tmp_path,
        "backtest",
        market.cluster.url,
        "--strategy",
        LIFTER,
        *money,
        "--out",
        str(tmp_path / "again"),
        "--json",
    )
    assert json.loads(fetched.stdout)["ticker"] == "cap"
    for topic in COMPARED:
        assert without_ids(records_in(tmp_path / "again", topic)) == without_ids(
            records_in(expected.folder, topic)
        ), topic


def _decoded(folder: Path, topic: str) -> list[Any]:
    from streams.log.local import LocalLog

    with LocalLog.open(folder) as log:
        return [
            each
            for block in log.reader(topic).blocks()
            for each in codec(topic_of(topic).record).decode_records(block.body, block.count)
        ]


def test_a_topology_begun_without_tickers_never_reads_them(market: LiveMarket) -> None:
    """As every journal of the time before the rule: it says nothing, which is off, though the topic
    is there when it is started again.
    """
    topic = market.cluster.name(TICKERS)
    admin = AdminClient(market.cluster.client())
    admin.delete_topics([topic])[topic].result(30)
    made, told = deployed(market)
    assert TICKERS not in made.inputs() and "not bounded" in told[0]
    market.deployment = made
    task = market.task()
    task.prepare()
    assert [each["topic"] for each in task.genesis["inputs"]] == made.inputs()
    assert "venue" not in task.genesis["configuration"]["stages"]
    task.log.abandon()
    task.close()
    with pytest.raises(TopicChanged, match="has no .*md.book_tickers"):
        deployed(market, "cap")
    market.make_topics(1)
    again, told = deployed(market)
    assert again.inputs() == made.inputs() and told[0].endswith("(as it was begun)")
    again_task = market.task()
    again_task.prepare()
    again_task.close()


def test_tickers_divided_in_another_way_bound_nothing_and_this_is_said(market: LiveMarket) -> None:
    """The tickers of a shard's instruments would lie in a partition that it does not read."""
    topic = market.cluster.name(TICKERS)
    admin = AdminClient(market.cluster.client())
    admin.create_partitions([NewPartitions(topic, 2)])[topic].result(30)
    with pytest.raises(TopicChanged, match=r"has 2 partitions, .*md\.depth 1; .*--ticker off"):
        deployed(market, "cap")
    made, told = deployed(market)
    assert TICKERS not in made.inputs() and "has 2 partitions" in told[0]
