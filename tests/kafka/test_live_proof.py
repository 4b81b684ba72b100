"""Live equals replay: a run with kills in it is proved from the cluster, from pulled files, and
every planted change is named (RPL-1, RPL-12).

Oracle: the batch in which the planted change must first show, read from the journal by the test
itself.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

from jobs.live.proof import verify_cluster
from jobs.verification import verify_run
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.framing import header
from streams.log.local import LocalLog
from streams.portfolio.handlers import ON_MARK
from streams.portfolio.stage import Portfolio
from streams.runtime.journal.journal import BATCH
from tests.kafka.edge_topics import EdgeTopics
from tests.kafka.live_market import LiveMarket, ended
from tests.scenario import make_recording

pytestmark = pytest.mark.broker


@pytest.fixture
def market(cluster: Cluster, tmp_path: Path) -> LiveMarket:
    """Fed, run with two kills in it, drained."""
    market = LiveMarket(cluster, make_recording(tmp_path / "recording", updates=500, trades=600))
    market.feed()
    for step in ("output written", "committed"):
        assert ended(market.process(die_at=step, occurrence=4, batch=60)) != 0
    assert ended(market.process(batch=60)) == 0
    return market


def _pulled(market: LiveMarket, tmp_path: Path) -> Path:
    edge = EdgeTopics.__new__(EdgeTopics)
    edge.cluster = market.cluster
    out = tmp_path / "day"
    done = edge.sq("pull", market.cluster.url, "--topology", "pipeline", "--out", str(out))
    assert done.returncode == 0, done.stderr
    return out


def test_what_ran_is_proved_from_the_cluster_and_from_pulled_files(
    market: LiveMarket, tmp_path: Path
) -> None:
    from_cluster = verify_cluster(market.cluster, "pipeline")[0]
    from_files = verify_run(_pulled(market, tmp_path))
    assert from_cluster.findings == from_files.findings == []
    assert (
        from_cluster.batches
        == from_files.batches
        == len([entry for entry in market.journal() if entry.kind == BATCH])
    )
    assert from_cluster.records == from_files.records == market.journal()[-1].input_sequence


def test_a_change_in_a_stage_is_named_at_its_first_batch(
    market: LiveMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics = [item["topic"] for item in market.journal()[0].facts["outputs"]]
    first = next(
        entry.sequence
        for entry in market.journal()
        if any(topics[each.output] == "fills" for each in entry.outputs)
    )
    calls = Portfolio.calls
    without = {"md.marks": ON_MARK}  # fills go to the handler in Python, which does nothing
    monkeypatch.setattr(Portfolio, "calls", lambda self: calls(self)._replace(kinds=without))
    monkeypatch.setattr(Portfolio, "on_fill", lambda self, fill, context: None)
    verdict = verify_cluster(market.cluster, "pipeline")[0]
    assert [finding.kind for finding in verdict.findings] == ["code"]
    assert f"batch {first}:" in verdict.findings[0].text
    assert "positions" in verdict.findings[0].text


def test_one_edited_input_record_is_named_as_input(market: LiveMarket, tmp_path: Path) -> None:
    """The files are edited behind their own checksums: the folder is closed again, so that only the
    journal's digests can tell.
    """
    out = _pulled(market, tmp_path)
    edited = tmp_path / "edited"
    shutil.copytree(out, edited)
    _edit(edited, "md.trades")
    verdict = verify_run(edited)
    assert [finding.kind for finding in verdict.findings] == ["input"]
    assert "md.trades" in verdict.findings[0].text


def test_a_foreign_record_is_named_for_ever_and_what_comes_behind_the_close_is_another_topologys(
    market: LiveMarket, tmp_path: Path
) -> None:
    """E6: ``--close`` made it good. Oracle: the two records that the test wrote, before and behind
    the Close.
    """
    market.write(
        "orders.requests",
        [header(market.ids["orders.requests"]) + market.records("orders.requests")[0]],
    )
    found = verify_cluster(market.cluster, "pipeline")[0].findings
    assert [finding.kind for finding in found] == ["output"]
    assert "another writer" in found[0].text
    task = market.task()
    task.prepare()
    task.end()
    task.close()
    market.write(
        "orders.requests",
        [header(market.ids["orders.requests"]) + market.records("orders.requests")[0]],
    )
    pulled = _pulled(market, tmp_path)
    for verdict in (verify_cluster(market.cluster, "pipeline")[0], verify_run(pulled)):
        assert ["holds 1 records after offset" in finding.text for finding in verdict.findings] == [
            True
        ], "the one before the Close"
    with LocalLog.open(pulled) as log:
        assert log.reader("orders.requests").count == len(market.records("orders.requests")) - 1


def _edit(folder: Path, topic: str) -> None:
    """Write the topic anew with one quantity changed, as a skilful hand would: blocks, index and
    manifest agree with it.
    """
    from schemas.codec import codec
    from streams.log.manifest import read_manifest, write_manifest
    from streams.log.verify import file_entries

    manifest = read_manifest(folder / "run.json")
    (folder / "run.json").unlink()
    trades = codec("Trade")
    with LocalLog.open(folder) as log:
        blocks = [
            (trades.decode_records(block.body, block.count), block.offsets, block.first_offset)
            for block in log.reader(topic).blocks()
        ]
    shutil.rmtree(folder / topic)
    with LocalLog.open(folder, writable=True) as log:
        writer = log.writer(topic, has_holes=True)
        for number, (records, offsets, first) in enumerate(blocks):
            if number == 0:
                records[7] = msgspec.structs.replace(records[7], quantity=records[7].quantity + 1)
            listed = offsets if offsets is not None else np.arange(first, first + len(records))
            writer.append(
                trades.encode_records(records),
                len(records),
                max(each.event_time for each in records),
                offsets=listed,
            )
    manifest = {key: value for key, value in manifest.items() if key not in ("digest", "files")}
    write_manifest(folder / "run.json", {**manifest, "files": file_entries(folder)})
