"""The tree keeps its own rules: style, types, size of files. Oracles: ruff and mypy with the project's settings; the rules written here."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOPS = ("schemas", "streams", "connectors", "jobs", "infra", "shrivenquant", "tests")
GENERATED = ("schemas/compiled/", "schemas/records.py", "schemas/vocabulary.py")
CACHE = ROOT / ".mypy_cache"
LINES_MAX = 400
# longer ones, and why
LONG = {
    "connectors/simulators/order_flow.py": "one kernel: a compiled function cannot span files without paying for its arguments",
    "tests/risk/test_risk_checks.py": "one truth table",
}


def files() -> list[Path]:
    """Python files of the tree, but for those that ``python -m schemas.generate`` writes."""
    found = [path for top in TOPS for path in sorted((ROOT / top).rglob("*.py"))]
    return [path for path in found if not path.relative_to(ROOT).as_posix().startswith(GENERATED)]


def test_should_be_clean_under_ruff() -> None:
    found = subprocess.run([sys.executable, "-m", "ruff", "check", "--no-cache", "."], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def test_should_be_clean_under_mypy() -> None:
    """With the cache of the checkout, as ``make lint``: mypy looks again at what changed and at what depends on it."""
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(CACHE)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def test_a_planted_type_error_is_caught(tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text("def f(x: int) -> str:\n    return x\n")
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(CACHE), "--config-file", str(ROOT / "pyproject.toml"), str(planted)]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 1 and "planted.py:2" in found.stdout, found.stdout + found.stderr


def test_no_file_is_too_long_to_read() -> None:
    lengths = {path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines()) for path in files()}
    assert {name: length for name, length in lengths.items() if length > LINES_MAX and name not in LONG} == {}


def test_an_exemption_from_the_length_is_still_needed() -> None:
    assert [name for name in LONG if len((ROOT / name).read_text(encoding="utf-8").splitlines()) <= LINES_MAX] == []


@pytest.mark.parametrize("top", TOPS)
def test_every_module_says_what_it_is(top: str) -> None:
    silent = []
    for path in files():
        text = path.read_text(encoding="utf-8")
        if path.relative_to(ROOT).parts[0] == top and text.strip() and ast.get_docstring(ast.parse(text)) is None:
            silent.append(str(path.relative_to(ROOT)))
    assert silent == []


def test_test_files_have_names_of_their_own() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(dict.fromkeys(names))


def test_a_helper_of_tests_is_imported_by_one_name() -> None:
    """``from scenario import x`` and ``from tests.scenario import x`` are two modules with two states."""
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
