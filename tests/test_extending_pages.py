"""The pages "Add a topic", "Add a strategy", "Add a metric" and "Add a risk check", done in a copy
of the sources.

Oracles: fastavro and polars for the topic; the same file run by its path for the strategy; sums
over the round trips of a run for the metric; for the risk check decisions worked by hand. A page
whose change does not fit the sources any more fails.
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
from tests.page_files import apply, copy_of_sources, files_of
from tests.scenario import backtest, make_recording, records_in
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
    "add-a-risk-check.md": [
        "streams/risk/checks/max_spread.py",
        *("schemas/risk_decision.avsc", "schemas/risk_event.avsc"),
        *("streams/risk/codes.py", "docs/examples/run.toml"),
    ],
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


BOUNDS_OF_CHECK = (
    "test_no_sum_difference_or_product_of_a_kernel_leaves_int64[streams/risk/checks/max_spread.py]"
)


KEYS_OF_EXAMPLE = """
from pathlib import Path
from jobs.configuration import read_file
from streams.risk.codes import LIMITS
example = read_file(Path("docs/examples/run.toml"))["risk"]
print({each.name: example[each.name] for each in LIMITS} == {x.name: x.default for x in LIMITS})
"""


def test_a_risk_check_is_a_module_and_a_line_of_the_table(tree: Path) -> None:
    """Its rows of the truth table, the published page, the example of a configuration, and the lint
    of integer bounds.
    """
    checks, bounds = "tests/risk/test_risk_checks.py", "tests/numeric/test_integer_bounds.py"
    tests = (
        f"{checks}::test_the_truth_table_should_hold",
        f"{checks}::test_the_table_should_name_every_code_once",
        f"{checks}::test_the_published_page_should_be_current",
        f"{bounds}::{BOUNDS_OF_CHECK}",
    )
    done(tree, "pytest", "-q", "-p", "no:cacheprovider", "-o", "pythonpath=tests", *tests)
    names = re.findall(
        r"^\| \d+ \| (\w+) \|", (tree / "docs/risk_codes.md").read_text(), re.MULTILINE
    )
    assert names[names.index("MAX_SPREAD") - 1] == "PRICE_COLLAR"
    assert done(tree, code=KEYS_OF_EXAMPLE) == "True\n"


BUYER = """
from typing import Any
import msgspec
from schemas.records import Mark
from streams.signals.strategy import BUY, Strategy, StrategyState

class Buyer(Strategy):
    '''One market order at the first mark.'''
    NAME = "buyer"
    WAKES = ("marks",)
    READS = ("account",)

    class State(StrategyState):
        asked: bool = False

    def on_mark(self, mark: Mark, context: Any) -> None:
        if mark.flags == 0 and mark.ask_price > mark.bid_price > 0 and not self.state.asked:
            self.state.asked = True
            self.order(context, mark.instrument, BUY, context.instrument(mark.instrument).lot_size)
"""


@pytest.mark.long
def test_a_run_denies_by_the_new_check_and_its_report_says_so(
    tree: Path, market: Path, tmp_path: Path
) -> None:
    """Oracle: the spread of the last mark before the order, worked by hand from the records."""
    own, configuration = tmp_path / "buyer.py", tmp_path / "narrow.toml"
    own.write_text(BUYER)
    configuration.write_text('[risk]\nmax_spread_bp = "0"\n')
    out = tree.parent / "denied"
    given = ("--strategy", f"{own}:Buyer", "--config", str(configuration), "--out", str(out))
    done(tree, "jobs.sq", "backtest", str(market), *given)
    done(tree, "jobs.sq", "verify", str(out))
    (denied,) = records_in(out, "orders.decisions")
    assert (denied["outcome"], denied["code"]) == ("DENIED", "MAX_SPREAD")
    marks = records_in(out, "md.marks")
    (mark, *_) = (
        each for each in marks if not each["flags"] and each["ask_price"] > each["bid_price"] > 0
    )
    assert (denied["observed"], denied["limit"]) == (mark["ask_price"] - mark["bid_price"], 0)
    assert records_in(out, "venue.reports") == []
    (row,) = json.loads((out / "report.json").read_text())["orders"]["denied_by_code"]
    assert row["meaning"] == "the spread was too wide for a market order"
    assert row["setting"] == "[risk] max_spread_bp"


@pytest.mark.parametrize(
    ("word", "others"),
    [
        ("OUTSIDE_WINDOW", ["schemas/risk_decision.avsc", "schemas/risk_event.avsc"]),
        ("mark_age_max", ["docs/examples/run.toml"]),
    ],
)
def test_a_code_and_a_limit_stand_in_their_module_and_where_the_page_says(
    word: str, others: list[str]
) -> None:
    module = {"OUTSIDE_WINDOW": "outside_window", "mark_age_max": "stale_data"}[word]
    found = {
        str(path.relative_to(ROOT))
        for folder in ("schemas", "streams", "connectors", "jobs", "infra", "docs/examples")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".avsc", ".toml", ".yaml", ".yml", ".json")
        and re.search(rf"\b{word}\b", path.read_text(encoding="utf-8"))
    }
    own = {f"streams/risk/checks/{module}.py"}
    assert found - {"schemas/vocabulary.py"} == own | set(others), "the vocabulary is generated"
