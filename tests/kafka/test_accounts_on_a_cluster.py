"""Shards of one topology trade accounts of their own: live, recovered, followed, verified, pulled,
and as a user types it (design, section 3).

Oracle: the records themselves, added up by account here; the journals executed again; a backtest of
the shard's market.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobs.live.proof import verify_cluster
from jobs.verification import verify_run
from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.vocabulary import Side
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.framing import header
from streams.log.kafka.partitions import partition_of_instrument
from streams.log.local import LocalLog
from streams.runtime.failures import OtherIdentity
from streams.runtime.order.dead_letters import DEAD_LETTERS
from tests.kafka.edge_topics import ROOT, EdgeTopics
from tests.kafka.live_market import LiveMarket, run_to_end, wait_until
from tests.kafka.members import Run, consumed, edge_of, sq, status
from tests.scenario import INSTRUMENT, make_recording, write_recording

pytestmark = pytest.mark.broker

BUSY = f"{ROOT / 'tests' / 'runtime' / 'busy.py'}:Busy"
ORDER_SIDE = (
    "orders.requests",
    "orders.decisions",
    "orders.events",
    "fills",
    "positions",
    "pnl",
    "risk.events",
)
CASH = 1_000_000
SECOND = 1_000_000_000


def two_instruments(folder: Path) -> Path:
    """A recording of two instruments, each with a market of its own."""
    found: dict[str, list[Any]] = {"md.trades": [], "md.depth": []}
    for number in (1, 2):
        with LocalLog.open(
            make_recording(folder / f"market{number}", updates=300, trades=400, seed=number)
        ) as log:
            for topic, records in found.items():
                decode = codec(topic_of(topic).record).decode_records
                for block in log.reader(topic).blocks():
                    records += [
                        msgspec.structs.replace(each, instrument=number)
                        for each in decode(block.body, block.count)
                    ]
    instruments = [
        INSTRUMENT,
        msgspec.structs.replace(INSTRUMENT, instrument=2, symbol="OTHERUSDT"),
    ]
    by_time = [sorted(records, key=lambda each: each.event_time) for records in found.values()]
    return write_recording(folder / "recording", instruments, *by_time)


def feed(market: LiveMarket) -> dict[int, int]:
    """Every record to its partition, as ``sq feed`` does it; input records by shard."""
    counts = {0: 0, 1: 0}
    with LocalLog.open(market.recording) as source:
        for topic in ("ref.instruments", "md.trades", "md.depth"):
            encoder = codec(topic_of(topic).record)
            values: dict[int, list[bytes]] = {0: [], 1: []}
            for block in source.reader(topic).blocks():
                for record in encoder.decode_records(block.body, block.count):
                    place = (
                        0
                        if topic.startswith("ref.")
                        else partition_of_instrument(record.instrument, 2)
                    )
                    values[place].append(
                        header(market.ids[topic]) + encoder.encode_records([record])
                    )
            for partition, framed in values.items():
                count = market.write(topic, framed, partition) if framed else 0
                for shard in (
                    counts if topic.startswith("ref.") and partition == 0 else (partition,)
                ):
                    counts[shard] += count
    return counts


def records(market: LiveMarket, topic: str, shard: int) -> list[Any]:
    decode = codec(topic_of(topic).record).decode_records
    return [record for body in market.records(topic, shard) for record in decode(body, 1)]


def ran(market: LiveMarket, shard: int, fed: int) -> None:
    """The shard from where it is to the end of what was fed, and drained."""
    task = market.task(shard=shard)
    task.prepare()
    run_to_end(task, fed)
    task.drain()
    task.close()


@pytest.mark.smoke
def test_each_shard_trades_an_account_of_its_own_and_its_cash_is_there_once(
    cluster: Cluster, tmp_path: Path
) -> None:
    options: dict[str, Any] = {
        "strategy": BUSY,
        "set": {"rate": "9"},
        "portfolio": {"pnl_interval": SECOND},
    }
    market = LiveMarket(cluster, two_instruments(tmp_path), shards=2, accounts=[101, 7], **options)
    fed = feed(market)
    fed[1] += market.write("md.trades", [b"no record"], 1)
    ran(market, 0, fed[0])
    first, standby = market.task(shard=1), market.task(shard=1)
    first.prepare()
    run_to_end(first, fed[1] // 2)
    first.log.abandon()
    first.close()
    assert standby.follow(1.0) > 0
    standby.prepare()
    run_to_end(standby, fed[1] - 50)
    standby.log.abandon()
    standby.close()
    ran(market, 1, fed[1])
    for shard, account in ((0, 101), (1, 7)):
        by_topic = {topic: records(market, topic, shard) for topic in ORDER_SIDE}
        assert min(len(by_topic["fills"]), len(by_topic["pnl"])) > 3
        assert {each.account for found in by_topic.values() for each in found} == {account}
        assert {each.instrument for each in by_topic["fills"]} == {2 - shard}, (
            "traded is what the shard has the market of"
        )
        adds_up(by_topic, account)
    assert [(each.origin_partition, each.payload) for each in records(market, DEAD_LETTERS, 1)] == [
        (1, b"no record")
    ]
    proved(market, tmp_path, fed)
    market.deployment.configuration.accounts = [7, 101]
    for shard in (0, 1):
        with pytest.raises(
            OtherIdentity,
            match=r"accounts was \[101, 7\], now \[7, 101\] \(--accounts\); start it as it was",
        ):
            market.task(shard=shard).prepare()


def adds_up(by_topic: dict[str, list[Any]], account: int) -> None:
    """Positions are the fills', and cash is the starting cash, what was traded and its fees: of
    this account alone.
    """
    fills, position, last = by_topic["fills"], by_topic["positions"][-1], by_topic["pnl"][-1]
    signed = [each.quantity if each.side == Side.BUY else -each.quantity for each in fills]
    assert (position.quantity, position.fees) == (sum(signed), sum(each.fee for each in fills)), (
        account
    )
    assert (
        last.fees > 0
        and last.equity
        == CASH * 10**last.amount_precision + last.realized + last.unrealized - last.fees
    ), account


def proved(market: LiveMarket, tmp_path: Path, fed: dict[int, int]) -> None:
    """From the cluster, and from what was pulled of each shard, whose report is of its account."""
    edge = edge_of(market.cluster)
    verdicts = verify_cluster(market.cluster, "pipeline")
    assert [(each.findings, each.records) for each in verdicts] == [([], fed[0]), ([], fed[1])]
    for shard, account in ((0, 101), (1, 7)):
        out = tmp_path / f"pulled{shard}"
        sq(
            edge,
            tmp_path,
            "pull",
            market.cluster.url,
            "--topology",
            "pipeline",
            "--shard",
            str(shard),
            "--out",
            str(out),
        )
        verdict = verify_run(out)
        assert (verdict.findings, verdict.records) == ([], fed[shard])
        sq(edge, tmp_path, "report", str(out), "--out", str(out / "report"))
        assert json.loads((out / "report" / "report.json").read_text())["account"] == account


def test_where_accounts_are_not_named_shard_s_trades_account_s_plus_1(
    cluster: Cluster, tmp_path: Path
) -> None:
    market = LiveMarket(
        cluster, two_instruments(tmp_path), shards=2, set={"fast": "3", "slow": "8"}
    )
    fed = feed(market)
    for shard in (0, 1):
        ran(market, shard, fed[shard])
        assert {each.account for topic in ORDER_SIDE for each in records(market, topic, shard)} == {
            shard + 1
        }
    assert [each.findings for each in verify_cluster(market.cluster, "pipeline")] == [[], []]


def test_accounts_as_typed_from_the_deployment_to_a_backtest_of_one_shard(
    edge: EdgeTopics, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQ_PULL_CACHE", str(tmp_path / "cache"))
    named = tmp_path / "run.toml"
    named.write_text('strategy = "ema-cross"\naccounts = [101, 102]\n[set]\nfast = 3\nslow = 8\n')
    command = ("pipeline", "--clock", "event", "--linger", "0s", "--config", str(named))
    sq(edge, tmp_path, "topics", "apply", "--shards", "2")
    refused = edge.sq("run", *command, "--accounts", "101", SQ_KAFKA_HOME=str(tmp_path / "home"))
    assert refused.returncode == 2 and "names 1 (101), the topology has 2 shards" in refused.stderr
    assert status(edge, tmp_path) == [], "a topology that is refused claims nothing"
    member = run(*command)
    member.wait("running", 2)
    topics = json.loads(
        sq(
            edge, tmp_path, "feed", str(two_instruments(tmp_path)), "--speed", "max", "--json"
        ).stdout
    )["topics"]
    fed = topics["md.trades"] + topics["md.depth"] + 2 * topics["ref.instruments"]
    wait_until(lambda: consumed(edge, tmp_path) == fed, what="everything consumed")
    assert [(row["shard"], row["account"]) for row in status(edge, tmp_path)] == [
        (0, 101),
        (1, 102),
    ]
    assert "  102  running" in sq(edge, tmp_path, "status").stdout
    assert member.stop() == 0
    sq(edge, tmp_path, "verify", edge.cluster.url, "--topology", "pipeline")
    other = run(*command, "--accounts", "102,101")
    assert other.process.wait(60) == 2
    assert "accounts was [101, 102], now [102, 101] (--accounts)" in other.log.read_text()
    backtested = ("backtest", edge.cluster.url, "--config", str(named), "--out")
    unsaid = edge.sq(*backtested, str(tmp_path / "unsaid"))
    assert unsaid.returncode == 2 and "name it with --shard" in unsaid.stderr
    sq(edge, tmp_path, *backtested, str(tmp_path / "backtest"), "--shard", "1")
    fills = [*account_and_side(tmp_path / "backtest")]
    assert fills == [*fills_of(edge, 1)] and {account for account, _ in fills} == {102}
    sq(edge, tmp_path, "verify", str(tmp_path / "backtest"))


def account_and_side(folder: Path) -> Iterator[tuple[int, int]]:
    """Of every fill of a run."""
    with LocalLog.open(folder) as log:
        for block in log.reader("fills").blocks():
            for fill in codec("Fill").decode_records(block.body, block.count):
                yield fill.account, fill.side


def fills_of(edge: EdgeTopics, shard: int) -> Iterator[tuple[int, int]]:
    """The same of a shard's, on the cluster."""
    found = [each for each in edge.read("fills") if each.partition == shard]
    for each in found:
        (fill,) = codec("Fill").decode_records(each.value[5:], 1)
        yield fill.account, fill.side
