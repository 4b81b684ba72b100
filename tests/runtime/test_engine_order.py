"""The engine under a strategy that does everything at once: batches, restarts and snapshots
anywhere change nothing.

Oracle: the same run in one batch, and for ids and times what design sections 4 and 5 say of them.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.configuration import Configuration
from jobs.pipeline import build_execution
from jobs.runs import Backtest, Run, open_recording
from jobs.verification import verify_run
from streams.log.local import LocalLog
from streams.numeric import identity
from streams.runtime.journal.snapshot import read_snapshots
from streams.runtime.order.blocks import BlockSource
from streams.runtime.order.feed import Feed
from streams.runtime.schedule.context import StageContext
from streams.runtime.schedule.states import restore, stage_states
from tests.scenario import START, backtest, configuration, digests, records_in

BUSY = f"{Path(__file__).with_name('busy.py')}:Busy"
MINUTE = 60_000_000_000
TRADES = 3_000


def options(seed: int = 1, **more: Any) -> dict[str, Any]:
    """Options of a busy run."""
    return {"set": {"seed": str(seed)}, **more}


@pytest.fixture(scope="module")
def busy(proof_market: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Run]:
    """A whole run for each seed."""
    folder = tmp_path_factory.mktemp("busy")
    return {
        seed: backtest(proof_market, folder / str(seed), BUSY, **options(seed))
        for seed in (1, 2, 3)
    }


def test_the_busy_strategy_is_busy(busy: dict[int, Run]) -> None:
    for run in busy.values():
        counts = {name: facts["count"] for name, facts in run.manifest["topics"].items()}
        assert (
            min(
                counts[topic]
                for topic in ("orders.requests", "fills", "signals", "venue.reports", "positions")
            )
            >= 5
        ), counts
        status = {event["status"] for event in records_in(run.folder, "orders.events")}
        assert {"SUBMITTED", "ACCEPTED", "FILLED", "CANCELLED", "REJECTED"} <= status


@pytest.mark.parametrize(("seed", "batch"), [(1, 1), (1, 2), (2, 7), (2, 640), (3, 13), (3, 1000)])
def test_no_batch_size_changes_a_busy_run(
    busy: dict[int, Run], proof_market: Path, tmp_path: Path, seed: int, batch: int
) -> None:
    run = backtest(
        proof_market, tmp_path / "run", BUSY, **options(seed, batch=batch, state_digest_records=997)
    )
    assert digests(run) == digests(busy[seed])
    assert verify_run(run.folder).is_good


class Stopped(BaseException):
    """Ends a run as a kill would."""


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_restarts_anywhere_change_nothing(
    busy: dict[int, Run], proof_market: Path, tmp_path: Path, seed: int
) -> None:
    """Stopped six times at drawn steps, each time going on in other batches."""
    draw = random.Random(seed)
    for _ in range(6):
        left = [draw.randrange(20, 130)]

        def watch(_name: str, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise Stopped

        chosen = configuration(
            BUSY, **options(seed, batch=draw.choice((50, 190, 700)), state_digest_records=701)
        )
        try:
            Backtest(chosen, proof_market, tmp_path / "run", on_step=watch).run()
        except Stopped:
            continue
    run = backtest(proof_market, tmp_path / "run", BUSY, **options(seed, state_digest_records=701))
    assert digests(run) == digests(busy[seed])
    assert {key: run.manifest[key] for key in ("records", "clock_end")} == {
        key: busy[seed].manifest[key] for key in ("records", "clock_end")
    }
    assert verify_run(run.folder).is_good


# -- ids


@given(
    st.integers(0, 2**24 - 1),
    st.integers(0, 2**10 - 1),
    st.lists(st.integers(0, 2**48 - 4098), min_size=1, max_size=3),
    st.integers(1, 4),
)
def test_the_context_builds_the_ids_that_identity_does(
    journal: int, shard: int, starts: list[int], each: int
) -> None:
    """Oracle: streams.numeric.identity, which is tested against the hundred bits. 4,096 inputs
    share the first characters of their ids.
    """
    context = StageContext(journal, shard)
    for sequence in sorted({start + step for start in starts for step in (0, 1, 4095, 4096, 4097)}):
        context.sequence = sequence
        assert [context.order_id() for _ in range(each)] == [
            identity.order_id(journal, shard, sequence, ordinal) for ordinal in range(each)
        ]


def test_an_ordinal_that_does_not_fit_is_refused() -> None:
    context = StageContext(1)
    context.order_id()
    context.ordinal = 2**18
    with pytest.raises(OverflowError):
        context.order_id()


def test_ids_are_unique_sorted_and_name_the_record_they_come_from(busy: dict[int, Run]) -> None:
    """Requests are emitted in order, so their ids ascend; an id's sequence counts input records,
    and its ordinal starts at 0.
    """
    for run in busy.values():
        ids = [
            request["order_id"]
            for request in records_in(run.folder, "orders.requests")
            if request["kind"] == "NEW"
        ]
        assert ids == sorted(set(ids))
        parts = [identity.parse_id(each) for each in ids]
        assert {part.journal_id for part in parts} == {run.manifest["journal_id"]}
        assert all(0 < part.sequence <= run.manifest["records"] for part in parts)
        first = {part.sequence: part.ordinal for part in reversed(parts)}
        assert set(first.values()) == {0}


# -- times


@pytest.mark.parametrize("batch", [97, 65_536])
def test_pnl_falls_on_whole_minutes_whatever_the_batch(
    recording: Path, tmp_path: Path, batch: int
) -> None:
    """Each account has a record at the first mark, at each multiple of a minute behind it, and at
    the end: timers fire at their deadlines.
    """
    run = backtest(recording, tmp_path / "run", batch=batch)
    times = [record["event_time"] for record in records_in(run.folder, "pnl")]
    end = run.manifest["clock_end"]
    first = min(record["event_time"] for record in records_in(run.folder, "md.marks"))
    expected = list(range((first // MINUTE + 1) * MINUTE, end + 1, MINUTE))
    assert times == [first, *expected, *([end] if end % MINUTE else [])]


def test_order_side_records_carry_the_clock_and_never_go_back(busy: dict[int, Run]) -> None:
    for run in busy.values():
        for topic in (
            "orders.requests",
            "orders.decisions",
            "orders.events",
            "venue.commands",
            "venue.reports",
            "fills",
            "pnl",
        ):
            times = [record["event_time"] for record in records_in(run.folder, topic)]
            assert times == sorted(times), topic
            assert times[0] >= START


# -- states and feeds


def execution_of(chosen: Configuration, log: LocalLog) -> Any:
    return build_execution(chosen, log, 7)


@pytest.mark.parametrize("strategy", ["ema-cross", "ema-cross-python", BUSY])
def test_a_restored_state_goes_on_as_the_straight_run_does(
    proof_market: Path, strategy: str
) -> None:
    """At drawn positions: states taken, put into a new execution, and both run on to the end, in
    other batches, to equal digests.
    """
    draw = random.Random(9)
    chosen = configuration(strategy)
    with open_recording(proof_market) as log:
        straight = execution_of(chosen, log)
        while not straight.engine.ended:
            straight.next_batch(draw.randrange(1, 1500))
            states, positions = dict(stage_states(straight.engine)), straight.positions()
            restored = execution_of(chosen, log)
            restore(restored.engine, states)
            restored.seek(positions)
            assert restored.state_digests() == straight.state_digests()
            assert restored.positions() == positions, (
                "asked again at once, a restored execution says the same"
            )
            if straight.engine.ended:
                break
            one, other = straight.next_batch(300), restored.next_batch(300)
            assert [(o.topic, o.digest) for o in one.outputs] == [
                (o.topic, o.digest) for o in other.outputs
            ]
            assert one.inputs == other.inputs
            assert one.elements.tolist() == other.elements.tolist()
            assert restored.state_digests() == straight.state_digests()


def trades_of(log: LocalLog) -> Feed:
    """The trades of a recording as an input."""
    return Feed("md.trades", 0, BlockSource(log.reader("md.trades")))


def test_a_feed_sought_in_the_middle_of_a_block_gives_the_same_rows(proof_market: Path) -> None:
    """Oracle: a feed read from the start. Blocks hold 1,000 records."""
    with open_recording(proof_market) as log:
        whole = trades_of(log)
        while whole.refill():
            pass
        for place in (0, 1, 999, 1000, 1001, 2500, TRADES - 1, TRADES):
            feed = trades_of(log)
            feed.seek(place, int(whole.keys[place - 1]) if place else 0)
            assert feed.next_offset == place
            while feed.refill():
                pass
            assert feed.next_offset == place
            count = TRADES - place
            assert feed.count - feed.first == count
            assert feed.rows[feed.first : feed.count].tolist() == whole.rows[place:TRADES].tolist()
            assert feed.keys[feed.first : feed.count].tolist() == whole.keys[place:TRADES].tolist()
            if count:
                assert feed.body_of(feed.first) == whole.body_of(place)
                feed.compact()
                assert feed.first <= feed.count - feed.first
                assert (
                    feed.rows[feed.first : feed.count].tolist() == whole.rows[place:TRADES].tolist()
                )


def test_a_feed_remembers_its_running_maximum_while_nothing_of_it_is_read(
    proof_market: Path,
) -> None:
    """Times may go back within a topic; after a restart, and another one before the next record,
    the merge key must be what it was.
    """
    with open_recording(proof_market) as log:
        feed = trades_of(log)
        feed.seek(1000, START + 10**15)
        assert feed.maximum_consumed == START + 10**15
        feed.refill()
        assert feed.maximum_consumed == START + 10**15
        assert int(feed.keys[0]) == START + 10**15


def test_snapshots_are_taken_where_batches_do_not_matter(
    proof_market: Path, tmp_path: Path
) -> None:
    """At every 701st input record, whatever the batch size, with the same states."""
    found = []
    for batch in (100, 5000):
        run = backtest(proof_market, tmp_path / str(batch), batch=batch, state_digest_records=701)
        with LocalLog.open(run.folder) as log:
            snapshots, _ = read_snapshots(log)
            found.append(
                [(each.sequence, each.digests(), each.feeds, each.counts) for each in snapshots]
            )
    assert found[0] == found[1]
    assert [sequence for sequence, *_ in found[0]] == list(range(701 * 7, 0, -701))
