"""Users' own stages: the stage_files of docs/extending/add-a-stage.md, run, killed, changed and
misused.

Oracle: the page's sums made again over the run's own topics in Python integers; fastavro and polars
as readers of the stage_files; a run that is not interrupted, and one without the stages.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import fastavro
import polars as pl
import pytest
from forgery import forge_run, replaced

import schemas.records
from jobs.configuration import build, read_file
from jobs.runs import Backtest
from jobs.sq import main
from jobs.verification import verify_run
from schemas.catalogue import TOPICS
from schemas.errors import ShrivenError, WrongUse
from schemas.shapes import shapes
from schemas.user_topics import scope
from streams.runtime.tools.strategy_lint import lint_strategy
from tests.runtime.user_stages import (
    FILES,
    expected_costs,
    expected_spreads,
    run_of_page,
    spread_with,
    timeless,
    with_stage,
)
from tests.scenario import Killed, backtest, digests, records_in

QUOTES = "quote.ask_price - quote.bid_price"


def test_the_page_runs_and_its_topics_hold_what_it_says(
    stage_market: Path, stage_files: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    for name in ("spread.py", "costs.py", "middle.py"):
        assert lint_strategy({"mine": stage_files / name}, users=("spread", "middle")) == []
    before, known = set(TOPICS), set(vars(schemas.records))
    assert (
        main(["backtest", str(stage_market), "--config", "run.toml", "--out", "run", "--json"]) == 0
    )
    found, quotes = (records_in(Path("run"), topic) for topic in ("user.spread", "md.quotes"))
    assert timeless(found) == expected_spreads(quotes)
    times = [quote["event_time"] for quote in quotes if not quote["flags"]]
    assert [record["event_time"] for record in found] == times
    fills, costs = (records_in(Path("run"), topic) for topic in ("fills", "user.costs"))
    assert timeless(costs) == expected_costs(fills)
    count = len(found)
    assert len(fills) > 10 and count > 1_000
    capfdbinary.readouterr()
    assert main(["cat", "run", "user.spread", "--limit", "3", "--decimal"]) == 0
    first = json.loads(capfdbinary.readouterr().out.splitlines()[0])
    assert Fraction(first["spread"]) == Fraction(found[0]["spread"], 100)
    assert main(["topics", "run", "--json"]) == 0
    listed = {row["topic"]: row for row in json.loads(capfdbinary.readouterr().out)}
    assert (listed["user.spread"]["record"], listed["user.spread"]["records"]) == (
        "UserSpread",
        count,
    )
    frame = pl.read_avro(Path("run/user.spread/0/00000000000000000000.avro"))
    assert frame["mean"].to_list() == [record["mean"] for record in found]
    with Path("run/user.costs/0/00000000000000000000.avro").open("rb") as file:
        schema = fastavro.reader(file).writer_schema
    assert isinstance(schema, dict) and schema["doc"] == "Fees of the last fills."
    assert main(["verify", "run"]) == 0
    assert main(["replay", "run", "--out", "again", "--mode", "merge"]) == 0
    assert (
        set(TOPICS) == before
        and set(vars(schemas.records)) == known
        and "UserSpread" not in shapes()
    )


def test_digests_are_equal_over_batch_sizes_and_a_kill(
    stage_market: Path, stage_files: Path
) -> None:
    whole = run_of_page(stage_market, Path("whole"))
    expected = digests(whole)
    assert {"user.spread", "user.costs"} <= expected.keys()
    assert digests(run_of_page(stage_market, Path("small"), batch=97)) == expected
    steps = 0

    def stop(step: str) -> None:
        nonlocal steps
        steps += 1
        if steps == 30:
            raise Killed

    options = build({**read_file(Path("run.toml")), "batch": 500})
    options.state_digest_records = 1_000
    with pytest.raises(Killed):
        Backtest(options, stage_market, Path("killed"), on_step=stop).run()
    resumed = Backtest(options, stage_market, Path("killed")).run()
    assert resumed.resumed_at and digests(resumed) == expected
    assert verify_run(Path("killed")).is_good


def test_a_timer_a_helper_and_an_artefact_are_the_stages_own(
    stage_market: Path, stage_files: Path
) -> None:
    Path("means.py").write_text("STEP = 5_000_000_000\n")
    Path("table.json").write_text('{"factor": 3}')
    text = '''
from streams.signals.user_stage import Stage, StageState
import means

class TickState(StageState):
    quotes: int = 0
    is_set: bool = False

class Tick(Stage):
    """Quotes between two ticks."""
    TOPIC = "user.ticks"
    FIELDS = {"quotes": ("long", "count", "Quotes so far, times a factor.")}
    ARTEFACTS = {"table": "table.json"}
    WAKES = ("quotes", "timers")
    State = TickState

    def on_quote(self, quote, context):
        self.state.quotes += 1
        if not self.state.is_set:
            self.state.is_set = True
            context.set_timer("tick", context.clock + means.STEP)

    def on_timer(self, name, context):
        self.state.is_set = False
        self.publish(context, quotes=self.state.quotes * context.artefact("table")["factor"])
'''
    run = with_stage(stage_market, Path("run"), text)
    found = records_in(run.folder, "user.ticks")
    times = [quote["event_time"] for quote in records_in(run.folder, "md.quotes")]
    assert len(found) > 5
    for record in found:
        assert record["quotes"] == 3 * sum(time < record["event_time"] for time in times)
    assert {path.name for path in (run.folder / "code/stages/mine").iterdir()} == {
        "mine.py",
        "means.py",
        "table.json",
    }
    assert run.manifest["identity"]["user_stages"]["mine"]["files"].keys() == {
        "means.py",
        "table.json",
    }
    assert (
        digests(with_stage(stage_market, Path("small"), text, batch=311)) == digests(run)
        and verify_run(run.folder).is_good
    )


def test_what_was_changed_afterwards_is_found(
    stage_market: Path, stage_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = backtest(
        stage_market, Path("run"), "noop-python", stages={"spread": {"file": "spread.py:Spread"}}
    )
    kept = run.folder / "code/stages/spread/spread.py"
    kept.write_text(spread_with(QUOTES, "quote.ask_price - quote.bid_price + 1"))
    assert "code/stages/spread/spread.py" in verify_run(run.folder).findings[0].text
    (run.folder / "run.json").unlink()
    assert "the stage spread kept in the run folder is not what the run was made with" in str(
        verify_run(run.folder).findings[0]
    )
    kept.write_text(FILES["spread.py"])
    monkeypatch.setenv("SQ_HOME", str(stage_files / "nobody"))
    for may_run, words in ((False, "--run-strategy"), (True, "not executed apart")):
        with pytest.raises(WrongUse, match="stage spread") as refused:
            verify_run(run.folder, run_strategy=may_run)
        assert words in str(refused.value)


def test_records_that_the_stage_did_not_write_are_found(
    stage_market: Path, stage_files: Path, tmp_path: Path
) -> None:
    """Digests made again, also those of the journal: only the stage itself knows better."""
    run = run_of_page(stage_market, Path("run"))

    def another(records: list[Any]) -> list[Any]:
        return [replaced(records[0], fees=records[0].fees + 1), *records[1:]]

    for is_rejournaled in (False, True):
        out = tmp_path / f"forged-{is_rejournaled}"
        with scope():
            forge_run(run.folder, out, {"user.costs": another}, is_rejournaled=is_rejournaled)
        findings = verify_run(out).findings
        assert findings and "user.costs" in str(findings[0])


def test_a_stage_changes_nothing_of_what_the_pipeline_writes(
    stage_market: Path, stage_files: Path
) -> None:
    """Ids aside, which hold the run's identity."""
    parameters = {"fast": "5", "slow": "12"}
    options = {"strategy": "ema-cross", "set": parameters, "cash": "1000000USDT"}
    stages = {
        "spread": {"file": "spread.py:Spread"},
        "costs": {"file": "costs.py:Costs", "set": {"window": 3}},
    }
    plain = Backtest(build(options), stage_market, Path("plain")).run()
    more = Backtest(build({**options, "stages": stages}), stage_market, Path("more")).run()
    there, here = digests(plain), digests(more)
    assert here.keys() - there.keys() == {"user.spread", "user.costs"}
    assert all(here[topic] == there[topic] for topic in there if topic.startswith(("md.", "ref.")))
    for topic in (
        "orders.requests",
        "orders.decisions",
        "orders.events",
        "fills",
        "positions",
        "pnl",
    ):
        before, after = (
            [{name: value for name, value in each.items() if not is_id(value)} for each in found]
            for found in (records_in(plain.folder, topic), records_in(more.folder, topic))
        )
        assert before == after and before, topic


def is_id(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 20


def test_another_schema_is_another_run_and_old_folders_open_with_their_own(
    stage_market: Path, stage_files: Path, capfdbinary: Any
) -> None:
    stages = {"stages": {"spread": {"file": "spread.py:Spread"}}}
    backtest(stage_market, Path("old"), "noop-python", **stages)
    added = spread_with(
        'Mean of all spreads."),\n',
        'Mean of all spreads."),\n        "count": ("long?", "count", "Spreads so far."),\n',
    )
    Path("spread.py").write_text(added)
    with pytest.raises(ShrivenError, match="another run|other"):
        backtest(stage_market, Path("old"), "noop-python", **stages)
    new = backtest(stage_market, Path("new"), "noop-python", **stages)
    assert records_in(new.folder, "user.spread")[0]["count"] is None
    assert (
        main(["cat", "old", "user.spread", "--limit", "1"]) == 0
        and main(["cat", "new", "user.spread", "--limit", "1"]) == 0
    )
    old, now = map(json.loads, capfdbinary.readouterr().out.splitlines())
    assert "count" not in old and now["count"] is None
