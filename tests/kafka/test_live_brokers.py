"""F4, F5, F8, F9, F11: what happens below the job. Oracle: an uninterrupted run's records, and the
journal's chain.

A task that meets what it cannot wait out ends with a typed error; its supervisor starts another.
``carried_through`` is that supervisor.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from fault_proxy import FaultProxy
from lost_markers import lose_markers

from infra.kafka.broker import Broker
from jobs.live.proof import verify_cluster
from streams.log.kafka.cluster import Cluster
from tests.kafka.live_market import (
    LiveMarket,
    carried_through,
    ended,
    run_to_end,
    said,
    stopped,
    wait_until,
)

pytestmark = pytest.mark.broker
END_TXN = 26


@pytest.mark.parametrize("how", ["swallow", pytest.param("cut", marks=pytest.mark.smoke), "half"])
def test_a_lost_answer_to_a_commit_leaves_neither_a_duplicate_nor_a_gap(
    how: str, behind_a_proxy: tuple[LiveMarket, FaultProxy]
) -> None:
    """F8: the transaction commits on the broker, its answer never comes. Oracle: the count of what
    was fed, and the journal executed again.
    """
    market, proxy = behind_a_proxy
    fed = market.feed(0.0, 0.4)
    process = market.process(batch=100, quiet_seconds=10)
    try:
        while said(process, "consumed")["records"] < fed:
            pass
        loss = proxy.lose_answer(END_TXN, how)  # type: ignore[arg-type]
        fed += market.feed(0.4, 1.0)
        carried_through(market, fed, process)
        assert loss.done.is_set(), "no answer was lost: nothing was tested"
    finally:
        stopped(process)
    assert sum(item.count for entry in market.journal() for item in entry.inputs) == fed
    assert verify_cluster(market.cluster, "pipeline")[0].findings == []
    assert [entry.sequence for entry in market.journal()] == list(range(len(market.journal())))


def test_resets_and_latency_are_waited_out(
    behind_a_proxy: tuple[LiveMarket, FaultProxy], undisturbed: dict[str, str]
) -> None:
    market, proxy = behind_a_proxy
    fed = market.feed()
    proxy.latency_seconds, proxy.jitter_seconds = 0.05, 0.05
    process = market.process(batch=100)
    try:
        said(process, "consumed")
        for _ in range(4):
            proxy.reset()
            time.sleep(0.3)
        proxy.heal()
        carried_through(market, fed, process)
    finally:
        stopped(process)
    assert market.digests() == undisturbed


@pytest.mark.parametrize("way", ["killed", "stopped"])
def test_a_broker_that_goes_and_comes_back_loses_nothing(
    way: str,
    own_broker: Callable[..., Broker],
    shared_registry: str,
    small_recording: Path,
    undisturbed: dict[str, str],
) -> None:
    """F4, F5: SIGKILL and a clean restart, away for some seconds, under load."""
    broker = own_broker()
    broker.start()
    market = LiveMarket(
        Cluster(bootstrap=broker.bootstrap, registry=shared_registry), small_recording
    )
    fed = market.feed()
    process = market.process(batch=50, quiet_seconds=8)
    try:
        said(process, "consumed")
        if way == "killed":
            broker.kill()
        else:
            broker.stop()
        time.sleep(4)
        broker.restart()
        began = time.monotonic()
        ends = carried_through(market, fed, process)
        print(  # noqa: T201
            f"{way}: all consumed {time.monotonic() - began:.1f} s after the broker came back, "
            f"ends on the way: {ends or 'none'}"
        )
    finally:
        stopped(process)
    assert market.digests() == undisturbed


def test_a_hung_transaction_holds_readers_back_no_longer_than_its_timeout(
    own_broker: Callable[..., Broker], shared_registry: str, small_recording: Path
) -> None:
    """F9: killed with the transaction open, and nobody takes over: the last stable offset stands,
    and is freed by the broker.
    """
    broker = own_broker(
        properties={"transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000"}
    )
    broker.start()
    market = LiveMarket(
        Cluster(bootstrap=broker.bootstrap, registry=shared_registry), small_recording
    )
    market.feed()
    process = market.process(die_at="journal written", occurrence=4, linger_seconds=1.0)
    assert ended(process) == -signal.SIGKILL
    reader = market.log.reader("test")
    journal = market.cluster.name("pipeline.journal"), 0
    held = reader.end(journal)
    started = time.monotonic()
    freed = wait_until(
        lambda: (end := reader.end(journal)) > held and end,
        seconds=40,
        what="the release of the open transaction",
    )
    waited = time.monotonic() - started
    assert freed > held
    assert waited < 30, "transaction.timeout.ms is 10 s"
    assert len(market.records("pipeline.journal")) == 3, (
        "what was open is not visible: the genesis record and two batches are"
    )


@pytest.mark.parametrize("outcome", ["commit", "abort"])
def test_a_transaction_whose_marker_the_broker_lost_is_carried_out_again(
    outcome: Literal["commit", "abort"],
    own_broker: Callable[..., Broker],
    shared_registry: str,
    small_recording: Path,
    undisturbed: dict[str, str],
) -> None:
    """A broker that ended uncleanly may call a transaction complete without writing its markers
    (decision 36): its records hang.

    Left alone, the next commit of the same producer makes them visible, those of an aborted batch
    as well.
    """
    broker = own_broker()
    broker.start()
    market = LiveMarket(
        Cluster(bootstrap=broker.bootstrap, registry=shared_registry), small_recording
    )
    fed = market.feed()
    assert (
        ended(market.process(die_at="journal written", occurrence=3, linger_seconds=1.0))
        == -signal.SIGKILL
    )
    lose_markers(broker, "pipeline.0.0", outcome)
    steps: list[str] = []
    task = market.task(steps.append)
    task.prepare()
    assert steps.count("hanging aborted") == steps.count("carried out again") == 1
    run_to_end(task, fed)
    task.drain()
    assert [entry.sequence for entry in market.journal()] == list(range(len(market.journal())))
    assert market.digests() == undisturbed
    assert verify_cluster(market.cluster, "pipeline")[0].findings == []


def test_a_takeover_frees_a_hung_transaction_at_once(
    cluster: Cluster, small_recording: Path, undisturbed: dict[str, str]
) -> None:
    market = LiveMarket(cluster, small_recording)
    fed = market.feed()
    assert (
        ended(market.process(die_at="journal written", occurrence=4, linger_seconds=1.0))
        == -signal.SIGKILL
    )
    task = market.task()
    started = time.monotonic()
    task.prepare()
    assert time.monotonic() - started < 9, "the takeover waited for the transaction's time-out"
    run_to_end(task, fed)
    task.drain()
    assert market.digests() == undisturbed


def test_a_broker_whose_disk_is_full_comes_back_and_nothing_is_lost(
    own_broker: Callable[..., Broker], shared_registry: str, small_recording: Path, tmp_path: Path
) -> None:
    """F11: the broker's log folder is full; it halts; space returns, it is started again."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if (
        os.geteuid()
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(disk)], capture_output=True
        ).returncode
    ):
        pytest.skip("a file system of a limited size cannot be mounted here (root is needed)")
    filler = disk / "filler"
    try:
        broker = own_broker(
            data=disk / "data",
            properties={"log.segment.bytes": "1048576", "log.index.size.max.bytes": "65536"},
        )
        broker.start()
        market = LiveMarket(
            Cluster(bootstrap=broker.bootstrap, registry=shared_registry), small_recording
        )
        fed = market.feed(0.0, 0.5)
        process = market.process(batch=50, quiet_seconds=6)
        said(process, "consumed")
        left = shutil.disk_usage(disk).free
        with filler.open("wb") as file:
            try:
                for _ in range(left // 65536 + 1):
                    file.write(b"\0" * 65536)
                    file.flush()
            except OSError:
                pass
        time.sleep(4)
        process.kill()
        process.communicate()
        filler.unlink()
        broker.restart()
        fed += market.feed(0.5, 1.0)
        carried_through(market, fed)
        assert [entry.sequence for entry in market.journal()] == list(range(len(market.journal())))
        assert sum(item.count for entry in market.journal() for item in entry.inputs) == fed
        broker.kill()
    finally:
        subprocess.run(["umount", "-l", str(disk)], capture_output=True, check=False)
