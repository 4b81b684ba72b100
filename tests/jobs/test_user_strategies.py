"""A user's own strategy file and its mistakes: named with file, line and record; what cannot start
leaves nothing, what halts reopens.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streams.log.local import LocalLog

HEAD = """\
import msgspec
from streams.signals.strategy import Strategy, StrategyState

class Mine(Strategy):
    NAME = "mine"
    WAKES = ("quotes",{wakes})

    class State(StrategyState):
        seen: int = 0
        kept: object = None

"""
KERNEL = """\
from typing import NamedTuple
import msgspec
import numpy as np
from streams.numeric.borrowing import borrowing_kernel

NAME = "{name}"
INPUTS = ("md.quotes",)
OUTPUTS = ("signals",)
RESERVE = {{"signals": 1}}
STATE_VERSION = 1

class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    every: int = 100

class State(NamedTuple):
    clock: object
    timer: object
    fault: object
    seen: object

def new_state(instruments, settings):
    return State(np.zeros(1, np.int64), np.full(1, 2**63 - 1, np.int64),
                 np.zeros({faults}, np.int64), np.array([0, settings.every]))

@borrowing_kernel
def on_quote(state, quote, out):
    state.seen[0] += 1
    if state.seen[0] % state.seen[1] == 0:
        {body}
        rows, count = out.signals
        row = rows[count[0]]
        row.instrument = quote.instrument
        row.event_time = state.clock[0]
        row.sequence = quote.sequence
        row.strategy = 1
        row.direction = 1 if (state.seen[0] // state.seen[1]) % 2 else -1
        row.strength = 1.0
        row.size = 0
        row.fast = 0.0
        row.slow = 0.0
        row.flags = quote.flags
        count[0] += 1
"""


def python(*lines: str, wakes: str = "") -> str:
    """A strategy whose methods are these lines."""
    return HEAD.format(wakes=wakes) + "".join(f"    {line}\n" for line in lines)


def on_quote(*lines: str) -> str:
    """A strategy that does this at each quote."""
    return python("def on_quote(self, quote, context):", *(f"    {line}" for line in lines))


UNUSABLE = {
    "no python": ("def f(:\n", 2, "mine.py:1: syntax"),
    "not UTF-8": (b"# \xe9\n", 2, "not UTF-8"),
    "empty": ("", 2, "has no strategy class 'Mine'"),
    "an import that is not there": (
        "import nothing_there\n",
        2,
        "mine.py:1: import: import of nothing_there",
    ),
    "a record that is not its own": (
        on_quote("context.emit(quote)"),
        2,
        "mine.py:13: program: context.emit(quote): only Signal",
    ),
    "undeclared state": (
        on_quote("self.state.more = 1"),
        2,
        "mine.py:13: program: self.state.more is written: more is declared nowhere",
    ),
    "no record at all": (
        on_quote("context.emit('hello')"),
        2,
        "only Signal(...) and OrderRequest(...)",
    ),
    "an error while it is imported": ("x = 1\ny = x // 0\n", 2, "line 2: ZeroDivisionError"),
    "a class without the contract": (
        "class Mine:\n    pass\n",
        2,
        "derives from streams.signals.strategy.Strategy",
    ),
    "another class": (on_quote("pass").replace("Mine", "Other"), 2, "it has: Other"),
    "a wake without its handler": (python("pass"), 2, "has no on_quote"),
    "a handler without its wake": (
        python("def on_quote(self, q, c): pass", "def on_bar(self, b, c): pass"),
        2,
        "not in WAKES",
    ),
    "an unknown wake": (
        python("def on_quote(self, q, c): pass", wakes=" 'dawn',"),
        2,
        "'dawn' wakes nothing",
    ),
    "an error in the constructor": (
        python(
            "def __init__(self, i, s):",
            "    raise RuntimeError('no')",
            "def on_quote(self, q, c): pass",
        ),
        2,
        "line 13: RuntimeError: no",
    ),
    "a constructor of its own": (
        python("def __init__(self): pass", "def on_quote(self, q, c): pass"),
        2,
        "TypeError",
    ),
    "state in the constructor": (
        python(
            "def __init__(self, i, s):",
            "    super().__init__(i, s)",
            "    self.seen = []",
            "def on_quote(self, q, c): pass",
        ),
        2,
        "declare it in Mine.State",
    ),
    "the name of another stage": (
        on_quote("pass").replace('"mine"', '"risk"'),
        2,
        "two stages are called 'risk'",
    ),
    "the clock": ("import time\n" + on_quote("pass"), 2, "mine.py:1: clock"),
}


@pytest.mark.parametrize("mistake", UNUSABLE)
def test_a_file_that_cannot_be_used_is_refused_before_anything_is_written(
    sq: Callable[..., Any], toy: Path, tmp_path: Path, mistake: str
) -> None:
    content, code, said = UNUSABLE[mistake]
    path = tmp_path / "mine.py"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    ended = sq("backtest", toy, "--strategy", f"{path}:Mine", "--out", tmp_path / "run")
    assert ended.code == code, ended.err
    assert said in ended.err
    assert not (tmp_path / "run").exists()


REQUEST = (
    "context.emit(OrderRequest({id}, 1, 1, 1, context.clock, 1, 1, 1, 2, False, {quantity}, 0))"
)
"""A market order that a strategy builds itself."""
LATER = ("self.state.seen += 1", "if self.state.seen == 100:")


def request(order_id: str, quantity: str = "5") -> str:
    """A strategy that builds its hundredth request itself."""
    content = on_quote(*LATER, "    " + REQUEST.format(id=order_id, quantity=quantity))
    return content.replace("import Strategy", "import OrderRequest, Strategy")


HALTS = {
    "an exception": (
        on_quote(
            "self.state.seen += 1", "if self.state.seen == 100:", "    raise ValueError('boom')"
        ),
        "ValueError: boom (mine.py:15)",
    ),
    "state beside the state": (on_quote("self.more = 1"), "declare more in Mine.State"),
    "a handler that takes too little": (
        python("def on_quote(self, quote): pass"),
        "takes 2 positional arguments",
    ),
    "a quantity that is text": (
        on_quote("self.order(context, 1, 1, 'lots')"),
        "quantity is 'lots', a str; give a whole number, in units of the instrument (mine.py:13), "
        "on Quote(instrument=1, ",
    ),
    "an error of a library": (
        "import bisect\n" + on_quote("bisect.insort([1], 'a')"),
        "not supported between instances of 'str' and 'int' (mine.py:14), on Quote(",
    ),
    "a number of NumPy in the state": (
        "import numpy as np\n" + on_quote("self.state.kept = [np.float64(1.0)]"),
        "Mine.State.kept holds a numpy.float64, which no snapshot can; keep a Python number: "
        ".item()",
    ),
    "a quantity beyond 64 bits": (on_quote("self.order(context, 1, 1, 10**30)"), "quantity = 1000"),
    "a side that is none": (on_quote("self.order(context, 1, 7, 5000)"), "side = 7"),
    "an id of its own making": (
        request("'x'"),
        "order_id = 'x' is not an id of 20 characters 0-9A-V; the schema says",
    ),
    "an id of other letters": (
        request("'abcdefghijklmnopqrst'"),
        "take each from context.order_id(), self.order() does (mine.py:15), on Quote(",
    ),
    "an id that is a list": (
        request("['x']"),
        "order_id = ['x'] is not an id of 20 characters 0-9A-V",
    ),
    "an id that is a number": (request("7"), "order_id = 7 is not an id of 20 characters 0-9A-V"),
    "an id of half a character": (
        request("chr(0xD800) * 20"),
        "is not an id of 20 characters 0-9A-V",
    ),
    "a request's quantity that is text": (
        request("context.order_id()", "'lots'"),
        "quantity = 'lots' is not an integer",
    ),
    "an unknown instrument": (on_quote("self.signal(context, 77, 1)"), "instrument 77"),
    "a direction that is none": (
        on_quote("self.signal(context, 1, 5)"),
        "direction is -1, 0 or +1",
    ),
    "an id that is none": (on_quote("self.cancel(context, 'x', 1, 1)"), "order_id = 'x'"),
    "state that no snapshot holds": (
        on_quote("self.state.kept = lambda: 0"),
        "the state of mine holds what no snapshot can",
    ),
    "a call without end": (on_quote("self.on_quote(quote, context)"), "RecursionError"),
    "orders without end": (
        python(
            "def on_quote(self, q, c):",
            "    self.order(c, 1, 1, 5)",
            "def on_order_event(self, e, c):",
            "    self.order(c, 1, 1, 5)",
            wakes="'order_events',",
        ),
        "answers what it causes without end",
    ),
    "a timer that does not move on": (
        python(
            "def on_quote(self, q, c):",
            "    self.state.timer = c.clock",
            "def on_timer(self, d, c): pass",
            wakes="'timer',",
        ),
        "does not move on",
    ),
}


@pytest.mark.parametrize("mistake", HALTS)
def test_a_stage_s_own_exception_halts_and_names_the_record(
    sq: Callable[..., Any], toy: Path, tmp_path: Path, mistake: str
) -> None:
    content, said = HALTS[mistake]
    path, out = tmp_path / "mine.py", tmp_path / "run"
    path.write_text(content)
    ended = sq("backtest", toy, "--strategy", f"{path}:Mine", "--out", out)
    assert ended.code in (1, 2)
    assert said in ended.err
    assert "snapshot" in said or "; at md." in ended.err
    assert " = " not in said or "(mine.py:1" in ended.err, (
        "what was emitted is refused where it was emitted"
    )
    LocalLog.open(out, writable=True).close()
    assert sq("verify", out).code == 1, "it committed nothing"
    path.write_text(on_quote("pass"))
    again = sq("backtest", toy, "--strategy", f"{path}:Mine", "--out", out)
    assert again.code == 2
    assert "strategy was" in again.err
    assert sq("backtest", toy, "--strategy", f"{path}:Mine", "--fresh", "--out", out).code == 0
    assert sq("verify", out).code == 0


EXECUTORS: dict[str, tuple[str, tuple[object, ...]]] = {
    "before the order side": ("", ()),
    "a record at a time": ("", ("--batch", 1)),
    "among the ledgers": ("'order_events',", ()),
    "beside a timer": ("'timer',", ()),
}


@pytest.mark.parametrize("order_id", ["'x'", "['x']"])
def test_an_id_of_one_s_own_making_ends_alike_wherever_the_strategy_runs(
    sq: Callable[..., Any], toy: Path, tmp_path: Path, order_id: str
) -> None:
    """It ended in an AssertionError of the venue or a TypeError of risk. Oracle: each other, and
    the clock that the strategy names itself.
    """
    said = set()
    for number, (wakes, options) in enumerate(EXECUTORS.values()):
        content = request(order_id).replace('"quotes",', f'"quotes",{wakes}')
        content += (
            "    def on_order_event(self, event, context): pass\n" if "order" in wakes else ""
        )
        content += (
            "    def on_timer(self, deadline, context): self.state.timer = 2**63 - 1\n"
            if "timer" in wakes
            else ""
        )
        path = tmp_path / "mine.py"
        path.write_text(content)
        ended = sq(
            "backtest", toy, "--strategy", f"{path}:Mine", "--out", tmp_path / str(number), *options
        )
        assert ended.code == 1
        said.add(ended.err.splitlines()[-1])
    assert len(said) == 1
    assert f"a stage emitted OrderRequest(order_id={order_id}" in said.pop()


def test_the_record_named_is_the_one_that_was_executed(
    sq: Callable[..., Any], toy: Path, tmp_path: Path
) -> None:
    """Oracle: the depth update whose final id the strategy itself puts into its exception. Each
    batch size names the same.
    """
    import json

    path = tmp_path / "mine.py"
    path.write_text(
        on_quote(
            "self.state.seen += 1",
            "if self.state.seen == 300:",
            "    raise ValueError(f'sequence {quote.sequence}.')",
        )
    )
    said = {
        sq(
            "backtest", toy, "--strategy", f"{path}:Mine", "--out", tmp_path / str(n), "--batch", n
        ).err.splitlines()[-1]  # a slow machine shows a bar of progress before it
        for n in (1, 7, 65536)
    }
    assert len(said) == 1
    text = said.pop()
    offset = int(text.split("at md.depth offset ")[1].split(",")[0])
    update = json.loads(sq("cat", toy, "md.depth", "--offset", offset, "--limit", 1).out)
    assert f"sequence {update['final_update_id']}." in text


def test_a_halted_run_verifies_what_it_committed_and_halts_again_at_the_same_record(
    sq: Callable[..., Any], toy: Path, tmp_path: Path
) -> None:
    path, out = tmp_path / "mine.py", tmp_path / "run"
    path.write_text(
        on_quote(
            "self.state.seen += 1", "if self.state.seen == 300:", "    raise ValueError('boom')"
        )
    )
    command = ("backtest", toy, "--strategy", f"{path}:Mine", "--out", out, "--batch", 100)
    first, second = sq(*command), sq(*command)
    assert first.code == second.code == 1
    assert [line for line in second.err.splitlines() if "boom" in line] == [
        line for line in first.err.splitlines() if "boom" in line
    ]
    verified = sq("verify", out)
    assert verified.code == 0
    assert "not finished" in verified.out


def test_a_kernel_of_one_s_own_trades(sq: Callable[..., Any], toy: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(KERNEL.format(name="mine", faults=4, body="pass"))
    ended = sq(
        "backtest",
        toy,
        "--strategy",
        path,
        "--set",
        "every=50",
        "--out",
        tmp_path / "run",
        "--json",
    )
    assert ended.code == 0, ended.err
    topics = ended.json()["topics"]
    assert topics["signals"] == topics["md.quotes"] // 50
    assert topics["fills"] > 0
    assert sq("verify", tmp_path / "run").code == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"body": "x = quote.nothing"}, "mine.py:29: attribute: .nothing"),
        ({"body": "x = unknown_name"}, "mine.py:29: name: unknown_name"),
        ({"body": "x = quote.bid_price + 'a'"}, "do not compile"),
        ({"faults": 3}, "needs fault: int64[4]"),
        ({"name": "my strategy; x"}, "letters, digits and hyphens"),
        ({"name": "venue"}, "two stages are called 'venue'"),
    ],
)
def test_a_kernel_that_cannot_be_used_is_refused_before_anything_is_written(
    sq: Callable[..., Any], toy: Path, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(KERNEL.format(**{"name": "mine", "faults": 4, "body": "pass", **changes}))
    ended = sq("backtest", toy, "--strategy", path, "--out", tmp_path / "run")
    assert ended.code == 2, ended.err
    assert said in ended.err
    assert not (tmp_path / "run").exists()


def test_a_side_in_words_is_told_the_names_there_are(
    sq: Callable[..., Any], toy: Path, tmp_path: Path
) -> None:
    """Issue 12, B15: the message was "the schema says enum, enum"."""
    source = (
        "from streams.signals.strategy import Strategy\n\nclass Words(Strategy):\n    WAKES = "
        "('marks',)\n\n"
    )
    source += (
        "    def on_mark(self, mark, context):\n        self.order(context, mark.instrument, "
        "'BUY', 1)\n"
    )
    (tmp_path / "words.py").write_text(source)
    ended = sq(
        "backtest", toy, "--strategy", f"{tmp_path / 'words.py'}:Words", "--out", tmp_path / "run"
    )
    assert ended.code == 1
    assert (
        "side = 'BUY' is not a symbol index of Side; the schema says 1 (BUY), 2 (SELL)" in ended.err
    )
