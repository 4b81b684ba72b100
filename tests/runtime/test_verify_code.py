"""Other code, stale machine code and strategies that are not deterministic: caught by the lint, or
by executing again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from forgery import STRATEGY, forge_run, kinds, text
from numba.core import caching

from jobs.runs import Run
from jobs.sq import main
from jobs.verification import verify_run
from schemas.cache_root import cache_root
from schemas.records import Instrument
from streams.portfolio.stage import Portfolio
from tests.scenario import backtest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("schemas", "streams", "connectors", "jobs")

LINE_OF_QUANTITY = 15


def strategy(folder: Path, quantity: str, imports: str = "") -> str:
    """A strategy file whose order size is this expression."""
    path = folder / "mine.py"
    path.write_text(STRATEGY.format(imports=imports, quantity=quantity))
    return f"{path}:Mine"


# -- the project's own code


def verify_by(tree: Path, run: Path) -> subprocess.CompletedProcess[str]:
    """``sq verify`` by another source tree, with this process's kernel cache."""
    command = [sys.executable, "-m", "jobs.sq", "verify", str(run)]
    return subprocess.run(
        command,
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=False,
    )


def edit(path: Path, before: str, after: str) -> None:
    """Change a line so that neither the file's length nor its time tells: Numba's own cache would
    not notice.
    """
    content, times = path.read_text(), path.stat()
    assert content.count(before) == 1, before
    assert len(before) == len(after)
    path.write_text(content.replace(before, after))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    """A copy of the sources that finds this tree's machine code in the kernel cache, as if it had
    run before.

    Numba files machine code by the source folder's path, so each folder of the copy gets a second
    name in the cache while the test runs.
    """
    tree, links = tmp_path / "tree", []
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for source in {path.parent for path in tree.rglob("*.py")}:
        new = caching._CacheLocator.get_suitable_cache_subpath(str(source / "any.py"))
        old = caching._CacheLocator.get_suitable_cache_subpath(
            str(ROOT / source.relative_to(tree) / "any.py")
        )
        for found in cache_root().glob(f"*/{old}"):
            links.append(found.with_name(new))
            links[-1].symlink_to(old)
    yield tree
    for link in links:
        link.unlink()


def test_a_changed_line_of_kernel_code_is_named_and_no_stale_machine_code_hides_it(
    proof_run: Run, tree: Path
) -> None:
    """A line of a strategy and one of a helper that no loop names, with the machine code of both
    unchanged files in the cache.
    """
    unchanged = verify_by(tree, proof_run.folder)
    assert unchanged.returncode == 0, unchanged.stderr
    assert (
        "records, no divergence; order: recomputed from the input"
        in unchanged.stdout.splitlines()[-1]
    )
    edit(
        tree / "streams/signals/ema_cross.py",
        "    if means.fast > means.slow:",
        "    if means.fast < means.slow:",
    )
    edit(
        tree / "streams/aggregation/quotes.py",
        "row.bid_quantity = top.bid_quantity",
        "row.bid_quantity = top.ask_quantity",
    )
    changed = verify_by(tree, proof_run.folder)
    assert changed.returncode == 1
    assert "code: batch 1: code diverged: md.quotes" in changed.stderr
    assert "md.quotes offset 0: bid_quantity" in changed.stderr
    assert (
        "differs from the run's in streams/aggregation/quotes.py, streams/signals/ema_cross.py"
        in changed.stderr
    )
    assert "Traceback" not in changed.stderr


def test_a_changed_stage_is_named(proof_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The portfolio is changed in this process: the sources are as they were, the records are not.
    """
    listed = Portfolio._list

    def listed_wrong(self: Portfolio, instrument: Instrument) -> None:
        listed(self, msgspec.structs.replace(instrument, multiplier=2 * instrument.multiplier))

    monkeypatch.setattr(Portfolio, "_list", listed_wrong)
    verdict = verify_run(proof_run.folder)
    assert kinds(verdict) == ["code"]
    assert "positions offset 0: cost" in text(verdict)
    assert "not deterministic" in text(verdict)


# -- strategies


@pytest.mark.parametrize(
    ("quantity", "imports", "rule", "line"),
    [
        ("time.time_ns() % 100 + 1", "import time", "clock", 3),
        ("datetime.now().microsecond + 1", "from datetime import datetime", "clock", 3),
        ("uuid.uuid4().int % 100 + 1", "import uuid", "random", 3),
        ("random.randint(1, 100)", "import random", "random", 3),
        ("id(mark) % 100 + 1", "", "identity", LINE_OF_QUANTITY),
        ("hash(str(mark)) % 100 + 1", "", "hash", LINE_OF_QUANTITY),
        ("[int(x) for x in {'1', '2', '3'}][0]", "", "set-iteration", LINE_OF_QUANTITY),
        ("__import__('ti' + 'me').time_ns() % 100 + 1", "", "dynamic", LINE_OF_QUANTITY),
        ("int(open('/proc/uptime').read()[0]) + 1", "", "input-output", LINE_OF_QUANTITY),
    ],
)
def test_the_lint_refuses_by_file_and_line(
    proof_market: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    quantity: str,
    imports: str,
    rule: str,
    line: int,
) -> None:
    name = strategy(tmp_path, quantity, imports)
    code = main(["backtest", str(proof_market), "--strategy", name, "--out", str(tmp_path / "run")])
    assert code == 2
    assert f"mine.py:{line}: {rule}: " in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.fixture
def no_lint(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is proved must not rest on the lint."""
    monkeypatch.setattr("jobs.strategies.require_allowed", lambda *_: None)


@pytest.mark.parametrize(
    ("quantity", "imports"),
    [
        ("time.time_ns() % 1000 + 1", "import time"),
        ("random.randrange(10**6) + 1", "import random"),
    ],
)
def test_what_evades_the_lint_is_named_by_verify(
    proof_market: Path, tmp_path: Path, no_lint: None, quantity: str, imports: str
) -> None:
    run = backtest(
        proof_market, tmp_path / "run", strategy(tmp_path, quantity, imports), batch=1000
    )
    verdict = verify_run(run.folder)
    assert kinds(verdict) == ["code"]
    assert "batch 1: code diverged: orders.requests" in text(verdict)
    assert "orders.requests offset 0: quantity" in text(verdict)


HASHED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.scenario import backtest
backtest(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
"""


def test_an_order_that_depends_on_the_hash_seed_is_named_by_verify(
    proof_market: Path, tmp_path: Path
) -> None:
    """The run is made under another seed than this process has; the lint does not see a set's order
    in its text.
    """
    # of 504 orders, not of 9
    name = strategy(tmp_path, "int(str({str(n) for n in range(9)})[2::5]) % 1000 + 1")
    command = [
        sys.executable,
        "-c",
        HASHED,
        str(ROOT / "tests"),
        str(proof_market),
        str(tmp_path / "run"),
        name,
    ]
    made = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "77"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    verdict = verify_run(tmp_path / "run")
    assert kinds(verdict) == ["code"]
    assert "orders.requests offset 0: quantity" in text(verdict)


def test_a_command_runs_under_one_hash_seed_and_verify_under_another(
    proof_market: Path, tmp_path: Path
) -> None:
    """So what depends on the order of a set is the same in every run, and found by every
    verification: no coin is tossed.
    """
    name = strategy(tmp_path, "int(str({str(n) for n in range(5)})[2]) + 1")
    plain = {key: value for key, value in os.environ.items() if key != "PYTHONHASHSEED"}

    def sq(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "jobs.sq", *map(str, arguments)]
        return subprocess.run(
            command, cwd=ROOT, env=plain, capture_output=True, text=True, check=False
        )

    made = sq("backtest", proof_market, "--strategy", name, "--out", tmp_path / "run")
    assert made.returncode == 0, made.stderr
    verdict = sq("verify", tmp_path / "run")
    assert (verdict.returncode, "orders.requests offset 0: quantity" in verdict.stderr) == (
        1,
        True,
    ), verdict


SETTLED = """
def sized():
    try:
        assert False
    except AssertionError:
        return len(str(10 ** 1000))
    return 1
"""


def test_settings_of_the_interpreter_in_the_environment_change_no_result(
    proof_market: Path, tmp_path: Path
) -> None:
    """Oracle: this process, which has none of them. It was another quantity, and a ValueError."""
    variables = {"PYTHONINTMAXSTRDIGITS": "700", "PYTHONOPTIMIZE": "1", "PYTHONWARNINGS": "error"}
    command = [
        sys.executable,
        "-m",
        "jobs.sq",
        "backtest",
        str(proof_market),
        "--out",
        str(tmp_path / "run"),
    ]
    command += ["--strategy", strategy(tmp_path, "sized()", SETTLED)]
    made = subprocess.run(
        command, cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    verdict = verify_run(tmp_path / "run")
    assert verdict.is_good, text(verdict)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["-O"], 2),
        (["-X", "int_max_str_digits=700"], 2),
        (["-W", "error"], 2),
        (["-W", "ignore"], 0),
    ],
)
def test_options_of_the_interpreter_that_change_results_are_refused(
    options: list[str], code: int
) -> None:
    ended = subprocess.run(
        [sys.executable, *options, "-m", "jobs.sq", "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == code
    assert ("start sq without it" in ended.stderr) == bool(code)


def test_a_user_s_strategy_is_verified_from_the_run_s_own_copy(
    proof_market: Path, tmp_path: Path
) -> None:
    name = strategy(tmp_path, "7")
    run = backtest(proof_market, tmp_path / "run", name)
    strategy(tmp_path, "8")
    assert verify_run(run.folder).is_good
    (tmp_path / "mine.py").unlink()
    assert verify_run(run.folder).is_good


def test_another_strategy_in_the_run_s_copy_is_named_and_executed_nowhere(
    proof_market: Path, tmp_path: Path
) -> None:
    """The forger seals the folder again, so that only the genesis record can tell."""
    run: Any = backtest(proof_market, tmp_path / "run", strategy(tmp_path, "7"))
    path = run.folder / "code" / "mine.py"
    path.write_text(path.read_text().replace("1, 7)", "1, 8)"))
    verdict = verify_run(forge_run(run.folder, tmp_path / "forged"))
    assert kinds(verdict) == ["code"]
    assert "the strategy kept in the run folder" in text(verdict)
    assert verdict.batches == 0
