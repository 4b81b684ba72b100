"""The determinism lint (DEV-11, RPL-7): one planted violation per rule is caught, allowed
exceptions need a reason, our stages are clean.

Oracle: planted code whose breach is known; the clean twins beside them show that the lint does not
cry wolf.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.runtime.tools.lint import RULES, NotDeterministic, lint_file, lint_source
from streams.runtime.tools.strategy_lint import require_allowed

ROOT = Path(__file__).resolve().parents[1]
STAGES = (
    "aggregation",
    "toxicity",
    "microstructure",
    "signals",
    "risk",
    "routing",
    "venue",
    "portfolio",
    "reporting",
    "numeric",
)
# Tools that stand beside a stage and are never part of one: they read files or import modules
# before a run begins.
TOOLS = {
    f"streams/signals/{name}.py"
    for name in ("catalogue", "sources", "artefacts", "loading", "user_stage_loading")
}

PLANTED = [
    ("clock", "import time\n\ndef on_quote(state, quote, out):\n    return time.time()"),
    ("clock", "from datetime import datetime\nnow = datetime.now()"),
    ("clock", "import datetime as d"),
    ("random", "import random"),
    ("random", "from uuid import uuid4"),
    ("random", "import secrets"),
    ("random", "import numpy as np\nx = np.random.default_rng(1)"),
    ("random", "from numpy.random import default_rng"),
    ("environment", "import os\nx = os.environ['HOME']"),
    ("environment", "from os import environ"),
    ("environment", "import sys"),
    ("input-output", "def f():\n    return open('x').read()"),
    ("input-output", "print('hello')"),
    ("input-output", "import logging"),
    ("input-output", "from pathlib import Path"),
    ("input-output", "import socket"),
    ("threads", "import threading"),
    ("threads", "from concurrent.futures import ThreadPoolExecutor"),
    ("threads", "async def f():\n    pass"),
    ("hash", "x = hash('a')"),
    ("identity", "x = id(object())"),
    ("identity", "import weakref"),
    ("set-iteration", "for x in {1, 2}:\n    pass"),
    ("set-iteration", "names = set()\nfor x in names:\n    pass"),
    ("set-iteration", "def f(items: set[int]):\n    return [x for x in items]"),
    (
        "set-iteration",
        "class A:\n    def a(self):\n        self.seen = set()\n    def b(self):\n        for x in "
        "self.seen:\n            pass",
    ),
    ("set-iteration", "x = list({3, 1})"),
    ("set-iteration", "x = sum({0.1, 0.2})"),
    ("set-iteration", "a = {1}\nb = {2}\nfor x in a | b:\n    pass"),
    ("set-iteration", "a = frozenset([1])\nx = [*a]"),
    ("set-iteration", "a = {1}\nx = a.pop()"),
    (
        "set-iteration",
        "def first(items):\n    for x in items:\n        return x\ny = first({'a', 'b'})",
    ),
    ("set-iteration", "class A:\n    def a(self):\n        return self.b(items={'a'})"),
    ("set-iteration", "def names():\n    return {'a', 'b'}"),
    ("set-iteration", "for x in a.keys() & b.keys():\n    pass"),
    ("set-iteration", "x = sorted({'a', 'b'}, key=len)"),
    ("set-iteration", "x = min({'a', 'b'}, key=len)"),
    ("set-iteration", "x = [y for y in ({1} if a else [2])]"),
    ("set-iteration", "a = {1}\nfor x in a.union([2]):\n    pass"),
    ("set-iteration", "for i, x in enumerate({1, 2}):\n    pass"),
    ("float-reduction", "import numpy as np\nx = np.sum([0.1])"),
    ("float-reduction", "import numpy\nx = numpy.dot([1.0], [2.0])"),
    ("float-reduction", "x = a @ b"),
    ("unstable-math", "import math\nx = math.exp(1.0)"),
    ("unstable-math", "from math import log"),
    ("unstable-math", "import numpy as np\nx = np.tanh(0.5)"),
    ("fast-math", "@njit(fastmath=True)\ndef f():\n    pass"),
    ("fast-math", "@njit(parallel=True)\ndef f():\n    pass"),
    ("fast-math", "from numba import prange"),
    ("dynamic", "eval('1')"),
    ("dynamic", "import importlib"),
    ("environment", "if __name__ == '__main__':\n    pass\nelse:\n    import os"),
    ("set-iteration", "x = ','.join({'a', 'b'})"),
    ("global-state", "n = 0\ndef f():\n    global n\n    n += 1"),
]

CLEAN = [
    "x = 1 in {1, 2}",
    "seen = {1}\nseen.add(2)\nx = 2 in seen",
    "for x in sorted({2, 1}):\n    pass",
    "for x in {1: 2}:\n    pass",
    "import math\nx = math.sqrt(2.0)",
    "import numpy as np\nx = np.zeros(3)",
    "@njit(fastmath=False)\ndef f():\n    pass",
    "def f():\n    a = {1}\n    return 1 in a\n\ndef g(a):\n    for x in a:\n        pass",
    "x = sum([1, 2])",
    "time_open = 5",
    "if __name__ == '__main__':\n    import sys\n    sys.exit(0)",
]


@pytest.mark.parametrize(("rule", "source"), PLANTED)
def test_a_planted_violation_is_caught_by_its_rule(rule: str, source: str) -> None:
    assert rule in [finding.rule for finding in lint_source(source, "planted.py")]


def test_every_rule_has_a_planted_violation() -> None:
    # tests/runtime/test_strategy_lint.py
    of_strategies = {"import", "name", "attribute", "program"}
    assert set(RULES) == {rule for rule, _ in PLANTED} | of_strategies | {"reason"}


@pytest.mark.parametrize("source", CLEAN)
def test_clean_code_is_left_alone(source: str) -> None:
    assert lint_source(source, "clean.py") == []


def test_a_finding_names_file_line_and_what_to_use_instead() -> None:
    (finding,) = lint_source("x = 1\ny = hash('a')\n", "mine.py")
    assert str(finding).startswith("mine.py:2: hash: hash(); ")
    assert "hashlib" in str(finding)


def test_an_exception_with_a_reason_is_allowed() -> None:
    assert (
        lint_source("y = hash(1)  # lint: allow hash: integers hash to themselves\n", "mine.py")
        == []
    )


def test_an_exception_without_a_reason_is_a_finding() -> None:
    assert [
        finding.rule for finding in lint_source("y = hash(1)  # lint: allow hash\n", "mine.py")
    ] == ["reason"]


def test_an_exception_for_another_rule_does_not_help() -> None:
    assert [
        finding.rule for finding in lint_source("y = hash(1)  # lint: allow clock: x\n", "mine.py")
    ] == ["hash"]


def test_a_file_that_does_not_parse_is_a_finding() -> None:
    assert [finding.rule for finding in lint_source("def (:\n", "mine.py")] == ["syntax"]


def test_a_users_file_with_a_violation_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("import random\n\nx = id(random)\n")
    with pytest.raises(NotDeterministic, match=r"mine\.py:1: random[\s\S]*mine\.py:3: identity"):
        require_allowed({"mine": path})


@pytest.mark.parametrize("stage", STAGES)
def test_stages_keep_the_rules(stage: str) -> None:
    findings = []
    for path in sorted((ROOT / "streams" / stage).rglob("*.py")):
        if path.relative_to(ROOT).as_posix() not in TOOLS:
            findings += [str(finding) for finding in lint_file(path)]
    assert findings == []
