"""The allow-list for strategies: every way found to a clock, a file, hidden state or the program
itself is refused by rule and line.

Oracle: planted lines whose breach is known (findings A13 and F2), each in an honest strategy;
honest strategies are left alone.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from streams.runtime.tools import allowed
from streams.runtime.tools.lint import RULES
from streams.runtime.tools.strategy_lint import lint_strategy

ROOT = Path(__file__).resolve().parents[2]
STRATEGY = """\
import math
import msgspec
import numpy as np
from schemas.records import OrderRequest, Signal
from streams.signals.strategy import BUY, Strategy, StrategyState
{top}
class Leg(msgspec.Struct):
    size: int = 0

class Mine(Strategy):
    NAME = "mine"
    WAKES = ("marks",)
    {body}
    class State(StrategyState):
        seen: int = 0
        means: list[float] = []
        legs: dict[int, Leg] = msgspec.field(default_factory=dict)

    def on_mark(self, mark, context):
        state = self.state
        {act}
"""
HERE = "# here"

# rule, where the planted lines stand (top of the module, body of the class, act of the handler),
# the lines; "# here" marks the line of the finding
FORMS = [
    # clocks and randomness
    ("clock", "top", "import time  # here"),
    ("clock", "act", "import datetime  # here"),
    ("clock", "top", "from time import time_ns as now  # here"),
    ("random", "top", "import numpy.random as draws  # here"),
    ("random", "act", "state.seen = np.random.default_rng(1)  # here"),
    ("random", "top", "from numpy import random as draws  # here"),
    ("import", "top", "from streams.signals import catalogue  # here"),
    ("import", "top", "import pandas as pd  # here"),
    ("import", "top", "from math import *  # here"),
    ("import", "top", "from streams.signals.strategy import Any  # here"),
    ("import", "top", "from schemas.records import msgspec as m  # here"),
    # files
    ("import", "top", "import polars as pl  # here\nMARKS = pl.read_avro('m.avro')"),
    ("input-output", "act", "state.means = np.load('w.npy')  # here"),
    ("input-output", "act", "state.means = np.fromfile('w')  # here"),
    ("input-output", "act", "state.means = np.memmap('w')  # here"),
    ("input-output", "act", "np.ctypeslib  # here"),
    ("input-output", "act", "np.lib.npyio.DataSource()  # here"),
    ("input-output", "top", "from numpy import genfromtxt  # here"),
    ("input-output", "act", "np.zeros(3).tofile('x')  # here"),
    ("input-output", "act", "read = np.zeros(3).dump  # here"),
    ("input-output", "act", "open('x')  # here"),
    ("input-output", "act", "for read in (open,): read('x')  # here"),
    ("input-output", "top", "import io  # here"),
    ("input-output", "act", "print(mark)  # here"),
    ("environment", "top", "import sys  # here"),
    (
        "environment",
        "top",
        "if __name__ == '__main__':\n    import json\nelse:\n    import os  # here",
    ),
    # state that no snapshot holds
    ("global-state", "top", "SEEN = []\ndef keep(value):\n    SEEN.append(value)  # here"),
    ("global-state", "top", "SEEN = {}\ndef keep(value):\n    SEEN[value] = 1  # here"),
    (
        "global-state",
        "top",
        "SEEN = {}\ndef keep(value):\n    seen = SEEN  # here\n    seen[value] = 1",
    ),
    (
        "global-state",
        "top",
        "SEEN = [[]]\ndef keep(value):\n    return [each for each in SEEN]  # here",
    ),
    ("global-state", "top", "def keep(value, seen=[]):  # here\n    seen.append(value)"),
    ("global-state", "top", "def keep(value, *, seen=dict()):  # here\n    seen[value] = 1"),
    (
        "global-state",
        "top",
        "def count():\n    yield 1\nTICKS = count()\ndef tick():\n    return next(TICKS)  # here",
    ),
    (
        "global-state",
        "top",
        "import itertools\nTICKS = itertools.count()\ndef tick():\n    return next(TICKS)  # here",
    ),
    ("global-state", "top", "tick = lambda seen=[]: seen  # here"),
    (
        "global-state",
        "top",
        "def maker():\n    n = 0\n    def tick():\n        nonlocal n  # here\n        n += 1\n    "
        "return 1",
    ),
    (
        "global-state",
        "top",
        "def maker():\n    return lambda: 1\nTICK = maker()\ndef tick():\n    return TICK()  # "
        "here",
    ),
    ("global-state", "top", "class Box:\n    kept = {}  # here"),
    ("global-state", "body", "cache = []  # here"),
    ("global-state", "body", "cache: dict = {}  # here"),
    ("global-state", "body", "for step in range(3): pass  # here"),
    ("global-state", "top", "class Box(msgspec.Struct):\n    kept: 'ClassVar[list]' = []  # here"),
    ("global-state", "act", "self.settings.prices.append(1)  # here"),
    ("global-state", "top", "N = 0\ndef keep():\n    global N  # here\n    N = 1"),
    ("global-state", "top", "W = np.zeros(3)\ndef keep():\n    W[0] += 1  # here"),
    (
        "global-state",
        "top",
        "BOX = Leg = None\nLEG = msgspec.field()\ndef keep():\n    LEG.size = 1  # here",
    ),
    ("program", "top", "def keep():\n    keep.seen = 1  # here"),
    ("program", "act", "Mine.NAME = 'x'  # here"),
    ("import", "top", "from functools import lru_cache  # here"),
    # changes to the program
    ("program", "act", "Strategy.order = None  # here"),
    ("program", "act", "kind = Strategy  # here\nkind.order = None"),
    ("program", "act", "self.give(Strategy)  # here"),
    ("program", "act", "math.sqrt = None  # here"),
    ("program", "act", "maths = [math]  # here"),
    ("program", "act", "setattr(Strategy, 'order', None)  # here"),
    ("program", "act", "getattr(math, 'exp')  # here"),
    ("program", "act", "vars(Strategy)  # here"),
    ("dynamic", "act", "globals()  # here"),
    ("dynamic", "act", "__builtins__  # here"),
    ("program", "act", "self.__dict__['seen'] = 1  # here"),
    ("program", "act", "self.__class__.seen = 1  # here"),
    ("program", "act", "type(self).seen = 1  # here"),
    ("program", "act", "object.__setattr__(self, 'seen', 1)  # here"),
    ("program", "act", "().__class__.__base__.__subclasses__()  # here"),
    ("program", "act", "[c for c in ().__class__.__mro__]  # here"),
    ("program", "act", "(lambda: 0).__globals__  # here"),
    ("program", "act", "self.order.__func__  # here"),
    ("program", "act", "'mark'.__hash__()  # here"),
    ("program", "act", "(each for each in ()).gi_frame.f_globals  # here"),
    (
        "program",
        "act",
        "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    error.__traceback__.tb_frame  # "
        "here",
    ),
    (
        "program",
        "act",
        "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    error.with_traceback(None)  # "
        "here",
    ),
    ("program", "act", "match mark:\n    case Leg(__class__=kind):  # here\n        pass"),
    ("dynamic", "act", "'{0.__class__}'.format(mark)  # here"),
    ("dynamic", "act", "'{a.__class__}'.format_map({'a': mark})  # here"),
    ("program", "act", "f'{mark.__class__}'  # here"),
    ("dynamic", "act", "eval('1')  # here"),
    ("dynamic", "top", "class Box(msgspec.Struct):\n    kept: \"eval('1')\" = 0  # here"),
    (
        "program",
        "top",
        "def swap(function):\n    return function\n@swap\ndef keep():  # here\n    pass",
    ),
    ("program", "top", "class Box(metaclass=Leg):  # here\n    pass"),
    ("program", "body", "def __setattr__(self, name, value): pass  # here"),
    ("program", "body", "def __getattr__(self, name): pass  # here"),
    ("program", "top", "__name__ = '__main__'  # here"),
    ("program", "top", "def open(values):  # here\n    return 1"),
    ("program", "act", "context.clock = 0  # here"),
    ("program", "act", "mine = context\nmine.account = 2  # here"),
    ("program", "act", "mark.bid_price = 0  # here"),
    ("program", "act", "del context.pending[:]  # here"),
    ("program", "act", "context.emit(mark)  # here"),
    ("program", "act", "context.emit(msgspec.structs.replace(mark, bid_price=1))  # here"),
    ("program", "act", "publish = context.emit  # here"),
    ("program", "act", "list(map(self.give, (Strategy,)))  # here"),
    ("program", "act", "self.give(key=Strategy)  # here"),
    ("program", "act", "kind = self.State  # here\nkind.order = None"),
    ("program", "act", "self.Settings.order = None  # here"),
    (
        "program",
        "top",
        "def poison(kind):\n    return int\nclass Box(msgspec.Struct):\n    kept: poison(Strategy) "
        "= 0  # here",
    ),
    (
        "program",
        "top",
        "def poison(kind):\n    return kind\nclass Box(poison(Strategy)):  # here\n    pass",
    ),
    (
        "program",
        "top",
        "class Box(msgspec.Struct):\n    pending: int = 0\ndef give(box):\n    "
        "box.pending.append(1)  # here",
    ),
    (
        "global-state",
        "top",
        "class Box:\n    pass\nBOX = Box()\ndef tick():\n    return BOX.add(1)  # here",
    ),
    ("set-iteration", "act", "','.join({'a', 'b'})  # here"),
    ("attribute", "act", "context.handlers  # here"),
    ("attribute", "act", "np.empty(3)  # here"),
    ("input-output", "act", "np.ndarray((3,), np.int64)  # here"),
    ("name", "act", "try:\n    pass\nexcept:  # here\n    pass"),
    ("name", "act", "repr(mark)  # here"),
    # numbers whose last bits depend on the machine
    ("float-reduction", "act", "state.seen = np.zeros(3).mean()  # here"),
    ("float-reduction", "act", "np.add.reduce([1.0])  # here"),
    ("unstable-math", "act", "state.seen = state.seen ** 0.5  # here"),
    ("unstable-math", "act", "state.seen **= 2  # here"),
    ("unstable-math", "act", "pow(2.0, 0.5)  # here"),
    ("unstable-math", "act", "math.exp(1.0)  # here"),
    ("unstable-math", "act", "np.log(state.seen)  # here"),
    ("unstable-math", "act", "np.zeros(3).log()  # here"),
    ("unstable-math", "act", "state.seen.log()  # here"),
    ("program", "act", "log = context.services  # here"),
    ("program", "act", "context.cash = 5  # here"),
    (
        "float-reduction",
        "top",
        "from streams.signals.indicators import Window\ndef mean(values):\n    return "
        "values.mean()  # here",
    ),
    ("import", "top", "from streams.signals.indicators import msgspec as m  # here"),
    ("import", "top", "from streams.numeric.elementary_tables import EXP_HIGH  # here"),
    ("identity", "act", "mark is context  # here"),
    ("threads", "body", "async def more(self): pass  # here"),
]


def planted(where: str, lines: str) -> str:
    """The strategy with these lines in one place."""
    indents = {"top": "", "body": "    ", "act": "        "}
    parts = {name: "pass" if name != "top" else "" for name in indents}
    parts["body"] = ""
    parts[where] = textwrap.indent(lines, indents[where]).strip()
    return STRATEGY.format(**parts)


def findings(source: str, folder: Path) -> list[tuple[int, str, str]]:
    path = folder / "mine.py"
    path.write_text(source)
    return [(finding.line, finding.rule, finding.text) for finding in lint_strategy({"mine": path})]


@pytest.mark.parametrize(("rule", "where", "lines"), FORMS)
def test_every_form_is_refused_by_rule_and_line_with_what_to_use_instead(
    rule: str, where: str, lines: str, tmp_path: Path
) -> None:
    source = planted(where, lines)
    line = next(number for number, text in enumerate(source.splitlines(), 1) if HERE in text)
    found = findings(source, tmp_path)
    assert (line, rule) in [(at, name) for at, name, _ in found], found
    assert all(RULES[name] in text for _, name, text in found)


HONEST = [
    "context.log(f'{context.cash} {context.position(1).average_price} {context.book(1).bids[0]} "
    "{context.open_orders()[0].remaining}')",
    "context.order_target_percent(1, 0.5, price=context.last_mark(1).bid_price)",
    "context.modify(context.open_orders(1)[0].order_id, quantity=5)",
    "context.set_timer('name', context.clock + 5)",
    "state.seen += 1",
    "leg = state.legs.setdefault(mark.instrument, Leg())\nleg.size += 1",
    "state.means.append(math.sqrt(float(mark.bid_price)))\nstate.means.sort()",
    "state.seen = sum(each for each in state.means if each > 0) // 1",
    "best = max(state.legs.values(), key=lambda each: each.size, default=None)\nif best is not "
    "None:\n    state.seen = best.size",
    "open = mark.bid_price\nstate.seen = open * 10 ** self.instruments[0].price_precision",
    "request = OrderRequest(context.order_id(), context.account, 1, 1, context.clock, 1, BUY, 1, "
    "1, False, 1, 0)\ncontext.emit(request)",
    "weights = np.array([1, 2, 3])\nweights[0] = 5\nstate.seen = int(weights.max())",
    "parts = [int(each) for each in 'a:b'.split(':') if each.isdigit()]\nstate.seen = len(parts)",
    "seen = {1, 2}\nstate.seen = sorted(seen)[0]",
    "name = f'{mark.instrument}:{state.seen:06d}'\nstate.seen = len(name)",
    "try:\n    state.seen = 1 // mark.bid_price\nexcept ZeroDivisionError:\n    state.seen = 0",
    "match state.seen:\n    case 1 | 2:\n        self.signal(context, 1, 1)\n    case _:\n        "
    "pass",
    "state.means.sort(key=abs)\nstate.seen = isinstance(mark, (Leg, int))",
    "legs = sorted(state.legs.items(), key=lambda each: each[1].size)\nstate.seen = legs[0][0]",
    "weights = context.artefact('weights')\nstate.seen = int(weights[0])",
]
TOPS = [
    "LEVELS = (1, 2, 3)\nTABLE = {'a': 1}\nLIMIT = 10**9\ndef level(name):\n    return TABLE[name] "
    "+ LEVELS[0] + TABLE.get('b', 0) + len(TABLE)",
    "from enum import IntEnum\nclass Phase(IntEnum):\n    WAIT = 1\n    GO = 2\ndef phase():\n    "
    "return Phase.WAIT",
    "from typing import Annotated, Literal, TypeAlias\nPrice: TypeAlias = Annotated[int, "
    "msgspec.Meta(ge=1, description='a price')]\nclass Line(msgspec.Struct):\n    price: 'Price' = "
    "1\n    kind: Literal['own', 'other'] = 'own'",
    "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Pair:\n    bid: int\n    "
    "ask: int",
    "def doubled(values: list[int]) -> list[int]:\n    return list(map(int, sorted(values, "
    "key=abs)))",
    "if __name__ == '__main__':\n    import sys\n    print(sys.argv)",
    "from decimal import ROUND_HALF_UP, Decimal\nSTEP = Decimal('0.01')\ndef rounded(x):\n    "
    "return int(Decimal(x).quantize(STEP, ROUND_HALF_UP))",
    "from streams.numeric import session\nfrom streams.numeric.elementary import exp, log, "
    "pow\nfrom streams.numeric.error_function import erfc\ndef curve(x):\n    return exp(x) + "
    "log(x) + pow(x, 0.5) + erfc(x) + session.time_of_day(session.NSE, 1)",
    "from streams.signals.indicators import Ema, Window\nclass Book(msgspec.Struct):\n    fast: "
    "Ema\n    window: Window\ndef seen(book, x):\n    book.window.push(x)\n    low = "
    "book.window.bands()[0]\n    return book.fast.update(x) + book.window.mean + low if "
    "book.fast.ready else 0.0",
    "from streams.numeric.shared import shared_step\n@shared_step\ndef halved(x):\n    return 0.5 "
    "* x",
]


@pytest.mark.parametrize(
    ("where", "lines"), [*(("act", each) for each in HONEST), *(("top", each) for each in TOPS)]
)
def test_honest_code_is_left_alone(where: str, lines: str, tmp_path: Path) -> None:
    assert findings(planted(where, lines), tmp_path) == []


OURS = [
    *(
        f"streams/signals/{name}.py"
        for name in ("template", "ema_cross", "ema_cross_python", "noop_python")
    ),
    *("tests/runtime/busy.py", "tests/runtime/eager.py", "tests/benchmarks/ordering.py"),
    *("tests/benchmarks/ordering_compiled.py", "tests/benchmarks/kafka/strategies.py"),
]


@pytest.mark.parametrize("name", OURS)
def test_the_strategies_of_the_repository_are_allowed(name: str) -> None:
    assert lint_strategy({"mine": ROOT / name}) == []


def test_the_strategy_of_the_documents_is_allowed(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text()
    source = next(
        part.removeprefix("python\n")
        for part in text.split("```")
        if part.startswith("python\n") and "Strategy)" in part
    )
    assert findings(source, tmp_path) == []


def test_a_plan_from_parameters_is_allowed(tmp_path: Path) -> None:
    """A script of orders as users write it: annotations from typing, lists, texts split into
    integers.
    """
    source = planted("body", "plan: 'Annotated[str, msgspec.Meta(max_length=9)]' = ''").replace(
        "plan: ", "PLAN: "
    )
    source = source.replace(
        "import math", "import math\nfrom typing import Annotated, Any"
    ).replace("def on_mark(self, mark, context)", "{steps}")
    steps = (
        "def steps(self) -> list[list[str]]:\n        return [part.split(':') for part in "
        "self.PLAN.split(';') if part]\n\n"
    )
    source = source.replace(
        "{steps}", steps + "    def on_mark(self, mark: Any, context: Any) -> None"
    )
    assert findings(source, tmp_path) == []


@pytest.mark.parametrize(
    "rule",
    [
        "clock",
        "random",
        "environment",
        "input-output",
        "threads",
        "dynamic",
        "program",
        "global-state",
    ],
)
def test_no_reason_excepts_what_would_break_a_replay_or_reach_the_program(
    rule: str, tmp_path: Path
) -> None:
    form = next((where, lines) for name, where, lines in FORMS if name == rule)
    source = planted(*form).replace(HERE, f"# lint: allow {rule}: I know what I do")
    assert rule in [name for _, name, _ in findings(source, tmp_path)]


def test_a_reason_excepts_a_hash_and_a_library_from_its_line_but_never_for_a_stranger(
    tmp_path: Path,
) -> None:
    source = planted(
        "top",
        "import talib  # lint: allow import: indicators, version pinned\nX = hash(1)  # lint: "
        "allow hash: an integer",
    )
    assert findings(source, tmp_path) == []
    assert {
        each.rule for each in lint_strategy({"mine": tmp_path / "mine.py"}, is_strange=True)
    } == {"import", "hash"}


@pytest.mark.parametrize("rule", ["clock", "float-reduction", "unstable-math"])
def test_what_a_rule_says_to_use_instead_may_be_imported(rule: str) -> None:
    """Finding B10: the lint sent strategies to a module that had none of it."""
    named = re.findall(r"streams\.[a-z_]+\.[a-z_]+", RULES[rule])
    assert named and all(allowed.is_module(module) for module in named)
    found = set().union(*(allowed.names_of(module) or () for module in named))
    wanted = {
        "clock": {"in_session"},
        "float-reduction": {"Window", "window_mean"},
        "unstable-math": {"exp", "log", "pow", "erfc"},
    }
    assert wanted[rule] <= found


def test_no_table_allows_what_another_refuses() -> None:
    # data of records, refused as calls where they are functions of others
    fields = {"open", "count", "index"}
    assert not allowed.ALWAYS_REFUSED & (allowed.VALUES | allowed.STRATEGY | allowed.FIELDS)
    assert set(allowed.REFUSED) & (allowed.VALUES | allowed.FIELDS) <= fields
    assert not [
        name
        for name in allowed.BUILTINS
        if name in ("open", "eval", "exec", "type", "vars", "getattr", "setattr", "__import__")
    ]
