"""Helpers beside a strategy and artefacts that it declares: found, linted, hashed, kept with the
run, and named where they changed (A12, B12).

Oracle: a strategy whose order size is a helper's constant times an artefact's number: what was
traded says which files were read.
"""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.scenario import records_in

STRATEGY = """\
import sizes
from models import linear
from models.deep.inner import half
from streams.signals.strategy import Strategy, StrategyState

class Mine(Strategy):
    WAKES = ("marks",)
    ARTEFACTS = {"weights": "data/weights.npy", "rules": "rules.json"}

    class State(StrategyState):
        marks: int = 0

    def on_mark(self, mark, context):
        self.state.marks += 1
        if self.state.marks == context.artefact("rules")["at"][0]:
            size = sizes.scaled(int(context.artefact("weights")[1]))
            self.order(context, mark.instrument, 1, linear.one(half(size)))
"""
HELPERS = {
    "sizes.py": "from models.linear import one\nSCALE = 1000\n\ndef scaled(weight):\n    return "
    "one(SCALE * weight)\n",
    "models/linear.py": "from .deep import inner\n\ndef one(value):\n    return inner.half(value) "
    "* 2\n",
    "models/deep/inner.py": "def half(value):\n    return value // 2\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The strategy's folder: weight 6 at scale 1000, so that 3000 is ordered."""
    folder = tmp_path / "strategy"
    for name, text in {
        "mine.py": STRATEGY,
        **HELPERS,
        "rules.json": '{"at": [20, 1]}',
        "notes.txt": "not declared",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "data").mkdir()
    np.save(folder / "data/weights.npy", np.array([5, 6]))
    return folder


def test_what_a_strategy_is_made_of_is_part_of_the_run_and_named_where_it_changed(
    sq: Callable[..., Any], toy: Path, folder: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = ("backtest", toy, "--strategy", f"{folder / 'mine.py'}:Mine", "--out", run)
    assert sq(*command).code == 0
    assert [each["quantity"] for each in records_in(run, "orders.requests")] == [3000]
    kept = sorted(
        path.relative_to(run / "code").as_posix()
        for path in (run / "code").rglob("*")
        if path.is_file()
    )
    assert kept == [
        "data/weights.npy",
        "mine.py",
        "models/deep/inner.py",
        "models/linear.py",
        "rules.json",
        "sizes.py",
    ]
    assert sq(*command).code == 0, "the same files are the same run"
    assert sq("verify", run).code == 0

    listed = {entry["path"] for entry in json.loads((run / "run.json").read_text())["files"]}
    assert {f"code/{name}" for name in kept} <= listed
    moved = tmp_path / "moved"
    shutil.copytree(run, moved)
    for name, change in {
        "models/deep/inner.py": lambda path: path.write_text(
            "def half(value):\n    return value // 3\n"
        ),
        "data/weights.npy": lambda path: np.save(path, np.array([5, 8])),
    }.items():
        original = (folder / name).read_bytes()
        change(folder / name)
        refused = sq(*command)
        assert refused.code == 2
        assert "holds another run" in refused.err
        assert "strategy_files" in refused.err
        assert name in refused.err
        (folder / name).write_bytes(original)
        change(moved / "code" / name)
        found = sq("verify", moved)
        assert found.code == 1
        assert f"code/{name}" in found.err
        shutil.copyfile(run / "code" / name, moved / "code" / name)
    assert sq(*command).code == 0


def test_an_edited_helper_of_an_unfinished_run_is_named_by_verify(
    sq: Callable[..., Any], toy: Path, folder: Path, tmp_path: Path
) -> None:
    """An unfinished run has no manifest: what tells is its genesis record."""
    run = tmp_path / "run"
    (folder / "sizes.py").write_text(
        HELPERS["sizes.py"] + "\n\ndef unused(value):\n    return value\n"
    )
    text = STRATEGY.replace(
        "            size =", "            assert self.state.marks < 20\n            size ="
    )
    (folder / "mine.py").write_text(text)
    halted = sq("backtest", toy, "--strategy", folder / "mine.py", "--batch", 100, "--out", run)
    assert halted.code == 1
    assert "mine.py:16" in halted.err
    (run / "code/sizes.py").write_text(HELPERS["sizes.py"])
    found = sq("verify", run)
    assert found.code == 1
    assert (
        "sizes.py of the strategy kept in the run folder is not what the run was made with"
        in found.err
    )


REFUSED: dict[str, tuple[str, dict[str, str | bytes], str]] = {
    "a helper with a clock": (
        STRATEGY,
        {"sizes.py": "import time\n\ndef scaled(w):\n    return time.time_ns()\n"},
        "sizes.py:1: clock",
    ),
    "a module through a helper": (
        STRATEGY.replace("import sizes", "from sizes import math"),
        {"sizes.py": "import math\n\ndef scaled(w):\n    return w\n"},
        "mine.py:1: import: math is imported by sizes",
    ),
    "an artefact that was not declared": (
        STRATEGY.replace('artefact("rules")', 'artefact("notes")'),
        {},
        "declares no artefact 'notes'",
    ),
    "a file of the folder": (
        STRATEGY.replace("size = sizes", "open('notes.txt')\n            size = sizes"),
        {},
        "mine.py:16: input-output: open()",
    ),
    "an artefact that is missing": (
        STRATEGY.replace("rules.json", "rules.toml"),
        {},
        "rules.toml is no file",
    ),
    "an artefact outside": (
        STRATEGY.replace("rules.json", "../rules.json"),
        {},
        "outside of the strategy's folder",
    ),
    "a pickle": (
        STRATEGY.replace("rules.json", "rules.pkl"),
        {"rules.pkl": pickle.dumps(1)},
        "can execute code when it is read",
    ),
    "an array of objects": (STRATEGY, {"data/weights.npy": b""}, "is no .npy file"),
    "artefacts that are computed": (
        STRATEGY.replace('"rules.json"', '"rules" + ".json"'),
        {},
        "ARTEFACTS is not written out",
    ),
    "a value that is changed": (
        STRATEGY.replace(
            'context.artefact("weights")[1]', 'context.artefact("weights").sort() or 1'
        ),
        {},
        "read-only",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_declared_or_cannot_be_trusted_is_refused(
    sq: Callable[..., Any], toy: Path, folder: Path, tmp_path: Path, what: str
) -> None:
    text, files, said = REFUSED[what]
    (folder / "mine.py").write_text(text)
    for name, content in files.items():
        if name == "data/weights.npy":
            np.save(folder / name, np.array([{}, {}], dtype=object), allow_pickle=True)
        else:
            (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    ended = sq(
        "backtest", toy, "--strategy", f"{folder / 'mine.py'}:Mine", "--out", tmp_path / "run"
    )
    assert ended.code in (1, 2)
    assert said in ended.err


def test_a_compiled_strategy_is_compiled_anew_where_its_helper_changed(tmp_path: Path) -> None:
    """The helper is inlined into machine code, which is kept in a cache: an edit must not leave the
    old one in use.
    """
    from streams.signals.catalogue import find_strategy

    (tmp_path / "fast.py").write_text(
        "from twice import twice\nfrom schemas.kernel import kernel\nNAME = 'x'\nINPUTS = OUTPUTS "
        "= ()\nRESERVE = {}\nSTATE_VERSION = 1\nSettings = None\ndef new_state(i, s):\n    return "
        "None\n@kernel\ndef on_quote(x):\n    return twice(x)\n"
    )
    for factor in (2, 3):
        (tmp_path / "twice.py").write_text(
            "from schemas.kernel import inlined\n@inlined\ndef twice(x):\n    return x * "
            f"{factor}\n"
        )
        assert find_strategy(str(tmp_path / "fast.py")).on_quote(7) == 7 * factor
