"""The pages "Add a topic", "Add a strategy", "Add a metric" and "Add a risk check", done in a copy
of the sources.

Oracles: fastavro and polars for the topic; the same file run by its path for the strategy; sums
over the round trips of a run for the metric; for the risk check decisions worked by hand, and the
venue, which refuses the same order where the check is not there. A page whose change does not fit
the sources any more fails.
"""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import fastavro
import polars
import pytest

from jobs.verification import verify_run
from tests.page_files import FOLDER, apply, copy_of_sources, files_of
from tests.scenario import INSTRUMENT, backtest, make_recording, records_in
from tests.test_documents import ROOT

RATES = "1,1704067200000,0.0001\n1,1704096000000,-0.00002\n2,1704096000000,0.00000001\n"


PAGES = ("add-a-topic.md", "add-a-strategy.md", "add-a-metric.md", "add-a-risk-check.md")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which all pages are done, and what is generated is made anew."""
    tree = copy_of_sources(tmp_path_factory.mktemp("extending") / "tree")
    for page in PAGES:
        changed = apply(page, tree)
        assert places(changed) == PLACES[page]
    wrote = done(tree, "schemas.generate").split("\n")
    assert "wrote schemas/records.py" in wrote and "wrote schemas/compiled/funding_rate.py" in wrote
    done(tree, "jobs.telemetry.document")
    (tree / "docs/risk_codes.md").write_text(done(tree, "streams.risk.codes"), encoding="utf-8")
    return tree


PLACES = {
    "add-a-topic.md": [
        "connectors/funding.py",
        "schemas/funding_rate.avsc",
        "schemas/catalogue.py",
    ],
    "add-a-strategy.md": ["streams/signals/breakout.py", "streams/signals/catalogue.py"],
    "add-a-metric.md": [
        *("streams/reporting/metrics.py", "streams/reporting/estimates.py"),
        *("jobs/telemetry/metrics.py", "jobs/telemetry/domain.py"),
    ],
    "add-a-risk-check.md": ["streams/risk/checks.py", "streams/risk/codes.py"],
}
"""Files of the product that a page changes; that of metrics has two examples."""


def places(changed: list[str]) -> list[str]:
    return [name for name in dict.fromkeys(changed) if not name.startswith("tests/")]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("market") / "market"
    return make_recording(folder, updates=1_500, trades=2_500, seed=5)


@pytest.fixture(scope="module")
def runs(tree: Path, market: Path) -> dict[str, Path]:
    """Finished and verified runs: the strategy of the page by its name and by its file, and none.

    The copy compiles every kernel anew, for a schema more is another key of its cache.
    """
    own = tree.parent / "breakout.py"
    own.write_text((tree / "streams/signals/breakout.py").read_text())
    found: dict[str, Path] = {}
    for strategy in ("breakout", f"{own}:Breakout", "noop-python"):
        out = found[Path(strategy).name] = tree.parent / f"run{len(found)}"
        given = ("--set", "window=5") if "reakout" in strategy else ()
        given = ("--strategy", strategy, *given, "--out", str(out))
        done(tree, "jobs.sq", "backtest", str(market), *given)
        done(tree, "jobs.sq", "verify", str(out))
    return found


def done(tree: Path, *words: str, code: str = "") -> str:
    """What a Python process in the copy prints: a module with its arguments, or a program."""
    command = [sys.executable, "-c", code] if code else [sys.executable, "-m", *words]
    environment = os.environ | {"PYTHONPATH": str(tree)}
    found = subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


def test_a_topic_is_a_schema_a_row_and_who_writes_it(tree: Path, tmp_path: Path) -> None:
    assert done(tree, "schemas.generate") == "", "what it writes is what is there"
    (tmp_path / "rates.csv").write_text(RATES)
    record = "from pathlib import Path; from connectors.funding import record; "
    record += f"print(record(Path({str(tmp_path / 'rates.csv')!r}).open(), Path('rates')))"
    assert done(tree, code=record) == "3\n"
    printed = done(tree, "jobs.sq", "cat", "rates", "md.funding").splitlines()
    expected = [(1, 1704067200, 10_000), (1, 1704096000, -2_000), (2, 1704096000, 1)]
    rows = [(each["instrument"], each["rate"]) for each in map(json.loads, printed)]
    assert rows == [(instrument, rate) for instrument, _, rate in expected]
    found = records_in(tree / "rates", "md.funding")
    times = [each["event_time"] // 1_000_000_000 for each in found]
    assert times == [time for _, time, _ in expected]
    (listed,) = json.loads(done(tree, "jobs.sq", "topics", "rates", "--json"))
    assert (listed["record"], listed["records"]) == ("FundingRate", 3)
    (path,) = (tree / "rates" / "md.funding" / "0").glob("*.avro")
    assert polars.read_avro(path)["rate"].to_list() == [10_000, -2_000, 1]
    with path.open("rb") as file:
        assert (
            fastavro.schema.fullname(fastavro.reader(file).writer_schema)
            == "shrivenquant.FundingRate"
        )
    asked = "from schemas.catalogue import cluster_topics as t; print(*(x.name for x in t()))"
    assert "md.funding" in done(tree, code=asked).split()
    bad = record.replace("rates.csv", "bad.csv").replace("'rates'", "'bad'")
    (tmp_path / "bad.csv").write_text("1,2,0.000000001\n")
    refused = subprocess.run(
        [sys.executable, "-c", bad], cwd=tree, capture_output=True, text=True, check=False
    )
    assert "more than eight decimals" in refused.stderr


def test_a_strategy_is_a_file(market: Path, tmp_path: Path) -> None:
    own = tmp_path / "breakout.py"
    own.write_text(files_of("add-a-strategy.md")["streams/signals/breakout.py"])
    run = backtest(market, tmp_path / "run", f"{own}:Breakout", set={"window": "5"})
    found = turns(records_in(run.folder, "signals"))
    assert found == expected_turns(records_in(run.folder, "md.marks"), 5) and len(found) > 3
    assert verify_run(run.folder).is_good


def test_a_strategy_of_the_product_is_a_line_of_the_table_more(tree: Path) -> None:
    done(tree, "pytest", "-q", "-p", "no:cacheprovider", "tests/signals/test_breakout.py")


@pytest.mark.long
def test_by_its_name_the_strategy_decides_as_by_its_path(runs: dict[str, Path]) -> None:
    first, second = (records_in(runs[name], "signals") for name in runs if "reakout" in name)
    assert first == second and len(first) > 3


def turns(signals: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """(clock, direction) of each."""
    return [(each["event_time"], each["direction"]) for each in signals]


def expected_turns(marks: list[dict[str, Any]], window: int) -> list[tuple[int, int]]:
    """The page's rule over the run's own marks of one instrument."""
    found: list[tuple[int, int]] = []
    sums: list[int] = []
    for mark in marks:
        if mark["flags"] or not mark["bid_price"] or not mark["ask_price"]:
            continue
        total, before = mark["bid_price"] + mark["ask_price"], sums[-window:]
        sums.append(total)
        if len(before) == window and not min(before) <= total <= max(before):
            direction = 1 if total > max(before) else -1
            if not found or found[-1][1] != direction:
                found.append((mark["event_time"], direction))
    return found


MEASURED = """
from streams.reporting.metrics import Activity, TripTotals, measure_all
trips = TripTotals(trades=4, wins=1, losses=3, profit=700, loss=-900)
for each in (trips, TripTotals()):
    found = {each.name: each for each in measure_all(1000, [990], each, Activity(), 1)}
    print(found["expectancy"].value, found["expectancy"].samples)
"""


def test_a_metric_of_the_report_is_a_row_and_its_value(tree: Path) -> None:
    assert done(tree, code=MEASURED).splitlines() == ["-5.0 4", "None 0"]


@pytest.mark.long
def test_the_metric_is_in_reports_and_on_the_page(runs: dict[str, Path]) -> None:
    out = runs["breakout"]
    row = expectancy_of(out)
    with (out / "round_trips.csv").open() as file:
        profits = [Fraction(each["net"]) for each in csv.DictReader(file) if each["closed"]]
    assert row["samples"] == len(profits) > 3
    assert row["value"] == pytest.approx(float(sum(profits) / len(profits)), rel=1e-12)
    (record,) = [each for each in records_in(out, "reports") if each["name"] == "expectancy"]
    assert record["value"] == row["value"]
    row = expectancy_of(runs["noop-python"])
    assert (row["value"], row["explanation"]) == (None, "no round trip was closed")


def expectancy_of(run: Path) -> dict[str, Any]:
    report = json.loads((run / "report.json").read_text())
    (row,) = [each for each in report["metrics"] if each["name"] == "expectancy"]
    found: dict[str, Any] = row
    return found


SCRAPED = """
from types import SimpleNamespace
from prometheus_client import CollectorRegistry
from jobs.telemetry.domain import DomainMetrics, Symbol
from schemas.codec import codec
from schemas.records import Quote
registry = CollectorRegistry()
names = {"instrument": 1, "bid_price": 10005, "ask_price": 10015, "flags": 0}
quote = Quote(*(names.get(name, 1) for name in Quote.__struct_fields__))
body = codec("Quote").encode_records([quote])
metrics = DomainMetrics("pipeline", 0, registry, {1: Symbol("BTC", 2, 3)})
metrics.observe([SimpleNamespace(topic="md.quotes", body=body, count=1)])
labels = {"topology": "pipeline", "shard": "0", "symbol": "BTC"}
print(registry.get_sample_value("shriven_bid_price", labels))
"""


def test_a_metric_of_the_stream_jobs_is_a_row_and_the_line_that_sets_it(tree: Path) -> None:
    assert done(tree, code=SCRAPED) == "100.05\n"
    assert "| `shriven_bid_price` |" in (tree / "docs/reference/metrics.md").read_text()


BOUNDS_OF_CHECKS = (
    "test_no_sum_difference_or_product_of_a_kernel_leaves_int64[streams/risk/checks.py]"
)


def test_a_risk_check_is_a_condition_and_a_row_of_the_published_table(tree: Path) -> None:
    """Its rows of the truth table, the published page, and the lint of integer bounds."""
    checks, bounds = "tests/risk/test_risk_checks.py", "tests/numeric/test_integer_bounds.py"
    tests = (
        f"{checks}::test_the_truth_table_should_hold",
        f"{checks}::test_the_published_page_should_be_current",
        f"{bounds}::{BOUNDS_OF_CHECKS}",
    )
    done(tree, "pytest", "-q", "-p", "no:cacheprovider", "-o", "pythonpath=tests", *tests)
    (row,) = [
        line
        for line in (tree / "docs/risk_codes.md").read_text().splitlines()
        if "INVALID_PRICE" in line
    ]
    assert "would trade at once" in row


TAKER = """
from typing import Any
import msgspec
from schemas.records import Mark
from streams.signals.strategy import BUY, Strategy, StrategyState

class Taker(Strategy):
    '''One post-only order, a thousand ticks beyond the ask: it would take.'''
    NAME = "taker"
    WAKES = ("marks",)
    READS = ("account",)

    class State(StrategyState):
        asked: bool = False

    def on_mark(self, mark: Mark, context: Any) -> None:
        if mark.flags == 0 and mark.ask_price and not self.state.asked:
            self.state.asked = True
            terms = context.instrument(mark.instrument)
            size, price = 1_000 * terms.lot_size, mark.ask_price + 1_000 * terms.tick_size
            self.order(context, mark.instrument, BUY, size, price=price, post_only=True)
"""


@pytest.mark.long
def test_risk_denies_what_the_venue_refuses_without_the_check(
    tree: Path, market: Path, tmp_path: Path
) -> None:
    own = tmp_path / "taker.py"
    own.write_text(TAKER)
    run = backtest(market, tmp_path / "without", f"{own}:Taker")
    (decision,) = records_in(run.folder, "orders.decisions")
    assert (decision["outcome"], decision["code"]) == ("APPROVED", "NONE")
    assert [each["kind"] for each in records_in(run.folder, "venue.reports")] == ["REJECTED"]
    out = tree.parent / "denied"
    done(tree, "jobs.sq", "backtest", str(market), "--strategy", f"{own}:Taker", "--out", str(out))
    done(tree, "jobs.sq", "verify", str(out))
    (denied,) = records_in(out, "orders.decisions")
    assert (denied["outcome"], denied["code"]) == ("DENIED", "INVALID_PRICE")
    assert denied["observed"] == decision["price"] == denied["limit"] + 1_000 * INSTRUMENT.tick_size
    assert records_in(out, "venue.reports") == []


@pytest.mark.parametrize(
    ("heading", "word"),
    [("A code of its own", "OUTSIDE_WINDOW"), ("A limit of its own", "mark_age_max")],
)
def test_the_page_names_every_file_in_which_a_code_or_a_limit_stands(
    heading: str, word: str
) -> None:
    page = (FOLDER / "add-a-risk-check.md").read_text(encoding="utf-8")
    rows = page.split(f"## {heading}\n")[1].split("## ")[0].splitlines()
    named = {
        name
        for row in rows
        if row.startswith("| `")
        for name in re.findall(r"`([\w/]+\.\w+)`", row.split(" | ")[0])
    }
    found = {
        str(path.relative_to(ROOT))
        for folder in ("schemas", "streams", "connectors", "jobs", "infra", "docs/examples")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".avsc", ".toml", ".yaml", ".yml", ".json")
        and re.search(rf"\b{word}\b", path.read_text(encoding="utf-8"))
    }
    assert found - {"schemas/vocabulary.py"} == named, "the vocabulary is generated"
