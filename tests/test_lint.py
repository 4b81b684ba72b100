"""The tree keeps its own rules: style, types, size of files. Oracles: ruff and mypy with the
project's settings; the rules written here.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOPS = ("schemas", "streams", "connectors", "jobs", "infra", "shrivenquant", "tests")
GENERATED = ("schemas/compiled/", "schemas/records.py", "schemas/vocabulary.py")
CACHE = ROOT / ".mypy_cache"
LINES_MAX = 500
# longer ones, and why
LONG = {
    "connectors/simulators/order_flow.py": "one kernel: a compiled function cannot span files "
    "without paying for its arguments",
    "jobs/telemetry/metrics.py": "a table of the metrics",
    "streams/reporting/metrics.py": "a table of the metrics, each with its formula",
    "tests/aggregation/test_bars.py": "one stage, a case each",
    "tests/connectors/test_import_cases.py": "a table of cases",
    "tests/jobs/test_bad_recordings.py": "a table of what may be wrong, and what is said",
    "tests/risk/test_account.py": "one account, a case each",
    "tests/risk/test_risk_checks.py": "one truth table",
    "tests/routing/test_routing_stage.py": "one stage, a case each",
    "tests/runtime/test_forgeries.py": "a table of forgeries, and what is found",
    "tests/runtime/test_reads.py": "one strategy and its twin, a value each",
    "tests/venue/venue_harness.py": "one harness for two venues",
}


FUNCTION_LINES_MAX = 60
# longer functions, and why
LONG_FUNCTIONS = {
    "connectors/dead_letters.py "
    "DeadLetters._decide": "the steps of the module's head, in their order",
    "connectors/instruments.py specified": "each filter of a venue, and what it refuses",
    "jobs/commands/backtest.py add": "the options of one command",
    "jobs/commands/backtest.py run": "what a run says, line by line",
    "jobs/commands/dlq.py add": "the options of one command",
    "jobs/commands/run.py add": "the options of one command",
    "jobs/configuration.py build": "a configuration, a field a line",
    "jobs/live/parent.py Parent._ended": "each way in which a child ends",
    "jobs/pipeline.py topology_over": "the topology, a stage each",
    "jobs/verification.py "
    "_other_identity": "each part of an identity, and what to do where it differs",
    "schemas/msgpack.py write_rows": "one kernel",
    "streams/log/writer.py TopicWriter.append": "each bound is looked at before the first byte",
    "streams/reporting/accounting.py checks": "a list of checks",
    "streams/reporting/charts.py price_chart": "one picture, layer by layer",
    "streams/reporting/headlines.py headlines": "a table of the headlines",
    "streams/runtime/schedule/engine.py "
    "Engine.__init__": "what the compiled loop is handed, a field each",
    "streams/runtime/schedule/topology.py Topology.__init__": "what a topology knows, a field each",
    "tests/benchmarks/log.py run": "the rows of one benchmark, in one process",
    "tests/benchmarks/venue.py run": "the rows of one benchmark, in one process",
    "tests/connectors/test_fuzzed_inputs.py change_line": "a table of changes",
    "tests/jobs/test_bad_recordings.py strange": "a table of strange recordings",
    "tests/kafka/test_image_on_a_cluster.py "
    "test_a_container_of_the_image_runs_a_shard_and_drains_it_when_it_is_stopped": "one story",
    "tests/kafka/test_monitoring_pipeline.py running": "one story",
    "tests/kafka/test_poison.py "
    "test_a_record_that_kills_is_named_and_quarantined_and_its_skip_passes_it": "one story",
    "tests/kafka/test_run_command.py "
    "test_from_nothing_to_a_proof_and_to_the_end_as_typed": "one story",
    "tests/kafka/test_scaling.py "
    "test_scaled_from_one_member_to_four_and_back_under_load_nothing_is_"
    "lost_and_pauses_are_short": "one story",
    "tests/kafka/test_standby.py "
    "test_a_standby_member_is_promoted_when_its_leader_is_killed_and_when_it_drains": "one story",
    "tests/kafka/trading_day.py orders_of_day": "a day by hand",
    "tests/recordings.py usdm": "a recording by hand",
    "tests/routing/test_order_machine.py "
    "test_random_histories_should_end_as_the_venue_says": "one history, rule by rule",
    "tests/scenario.py make_market": "a market by hand",
    "tests/signals/test_strategy_kit.py "
    "test_a_strategy_reads_what_the_list_says_of_its_account_and_the_"
    "book": "a strategy's text, and what it reads",
    "tests/simulation/pipeline.py PipelineSubject.feed": "a feed by hand",
    "tests/simulation/world.py World.__init__": "what a world holds, a field each",
    "streams/runtime/schedule/loop.py LoopText._body": "the text of one loop, in its order",
    "streams/reporting/handlers.py on_fill": "each capacity is looked at before the first store",
    "streams/reporting/report_warnings.py warnings": "a list of warnings, a condition each",
    "jobs/reports.py read_records": "what a report is made from, a fact a line",
    "tests/jobs/test_venue_models.py "
    "test_a_run_with_other_models_is_another_run_is_proved_and_says_so": "one run, every command",
    "tests/risk/readable_checks.py failed_checks": "the oracle keeps its text: every check in "
    "order",
    "jobs/pipeline.py stages_of": "a table of the stages and their settings",
    "tests/reporting/reporting_demo_market.py demo_input": "a day by hand",
    "tests/benchmarks/faust_exactly_once.py run_faust": "a peer's whole program",
    "tests/runtime/forgery.py forge_run": "a run is written anew, file by file",
    "tests/jobs/test_tear_sheet_of_runs.py test_markouts_equal_an_asof_join_by_polars": "one join",
    "tests/runtime/test_reads.py compare": "every value that is read, against its twin",
    "tests/portfolio/readable_portfolio.py ReadablePortfolio.value": "the oracle keeps its text",
}
COLUMNS_MAX = 100


def files() -> list[Path]:
    """Python files of the tree, but for those that ``python -m schemas.generate`` writes."""
    found = [path for top in TOPS for path in sorted((ROOT / top).rglob("*.py"))]
    return [path for path in found if not path.relative_to(ROOT).as_posix().startswith(GENERATED)]


def test_should_be_clean_under_ruff() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_should_be_clean_under_mypy() -> None:
    """With the cache of the checkout, as ``make lint``: mypy looks again at what changed and at
    what depends on it.
    """
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(CACHE)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def test_a_planted_type_error_is_caught(tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text("def f(x: int) -> str:\n    return x\n")
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--cache-dir",
        str(CACHE),
        "--config-file",
        str(ROOT / "pyproject.toml"),
        str(planted),
    ]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 1 and "planted.py:2" in found.stdout, found.stdout + found.stderr


def test_no_file_is_too_long_to_read() -> None:
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in files()
    }
    assert {
        name: length for name, length in lengths.items() if length > LINES_MAX and name not in LONG
    } == {}


def test_an_exemption_from_the_length_is_still_needed() -> None:
    assert [
        name
        for name in LONG
        if len((ROOT / name).read_text(encoding="utf-8").splitlines()) <= LINES_MAX
    ] == []


def docstring_lines(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a docstring: what a reader passes over to see the code."""
    if ast.get_docstring(node, clean=False) is None:
        return 0
    return (node.body[0].end_lineno or 0) - node.body[0].lineno + 1


def long_functions() -> dict[str, int]:
    """Lines, without the docstring, of functions that do not fit a screen, by file and name."""
    found: dict[str, int] = {}

    def look(node: ast.AST, place: str, names: tuple[str, ...]) -> None:
        for child in ast.iter_child_nodes(node):
            inner = names
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                inner = (*names, child.name)
                lines = (child.end_lineno or 0) - child.lineno + 1 - docstring_lines(child)
                if not isinstance(child, ast.ClassDef) and lines > FUNCTION_LINES_MAX:
                    found[f"{place} {'.'.join(inner)}"] = lines
            look(child, place, inner)

    for path in files():
        place = path.relative_to(ROOT).as_posix()
        look(ast.parse(path.read_text(encoding="utf-8")), place, ())
    return found


def test_functions_fit_a_screen() -> None:
    """Those that do not for a reason stand in the table, and no others do."""
    assert sorted(long_functions()) == sorted(LONG_FUNCTIONS)


def test_a_line_has_at_most_100_columns_and_an_exemption_is_still_needed() -> None:
    """ruff refuses longer ones; pyproject.toml names the files that have some, and why."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]
    exempt = settings["lint"]["per-file-ignores"]
    assert settings["line-length"] == COLUMNS_MAX
    for pattern in (each for each, rules in exempt.items() if "E501" in rules):
        lines = [line for path in ROOT.glob(pattern) for line in path.read_text().splitlines()]
        assert any(len(line) > COLUMNS_MAX for line in lines), f"{pattern} needs no exemption"


@pytest.mark.parametrize("top", TOPS)
def test_every_module_says_what_it_is(top: str) -> None:
    silent = []
    for path in files():
        text = path.read_text(encoding="utf-8")
        if (
            path.relative_to(ROOT).parts[0] == top
            and text.strip()
            and ast.get_docstring(ast.parse(text)) is None
        ):
            silent.append(str(path.relative_to(ROOT)))
    assert silent == []


def test_test_files_have_names_of_their_own() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(dict.fromkeys(names))


def test_a_helper_of_tests_is_imported_by_one_name() -> None:
    """``from scenario import x`` and ``from tests.scenario import x`` are two modules with two
    states.
    """
    names: dict[str, set[str]] = {}
    helpers = {path.stem: path for path in (ROOT / "tests").rglob("*.py")}
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            if isinstance(node, ast.Import):
                modules = [each.name for each in node.names]
            for module in modules:
                top, last = module.partition(".")[0], module.rpartition(".")[2]
                if last in helpers and (top == "tests" or module == last):
                    names.setdefault(last, set()).add(module)
    assert {helper: used for helper, used in names.items() if len(used) > 1} == {}


def test_no_file_names_a_place_on_one_machine() -> None:
    places = re.compile(r"(?<![\w.])/(?:home|root|work|Users)/\w+")
    found = []
    for path in files():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if places.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}")
    assert found == []
