"""Loops compiled in a second process. Oracle: the compiler of this process, which must find nothing
left to do, or everything.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba.core import event

from streams.runtime.tools import compiling
from streams.runtime.tools.compiling import SecondCompiler, is_compiled, second_compiler
from streams.runtime.tools.generated import load_module

TEXT = """from streams.numeric.borrowing import borrowing_kernel
@borrowing_kernel
def run(packed):
    packed[0] = {number}
"""


@pytest.fixture
def part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes modules in a cache of their own."""
    monkeypatch.setenv("SQ_KERNEL_CACHE", str(tmp_path))

    def make(number: int) -> Any:
        module = load_module(TEXT.format(number=number), str(tmp_path).encode())
        return module, ["run"]

    return make


def test_what_a_second_process_compiled_is_loaded(part):
    parts = [part(1), part(2)]
    assert not any(map(is_compiled, parts))
    second = SecondCompiler(parts)
    second.wait_for(parts[1][0])
    assert all(map(is_compiled, parts))
    for number, (module, _) in enumerate(parts, 1):
        packed = np.zeros(1, np.int64)
        module.run(packed)
        assert (
            packed[0],
            sum(module.run.stats.cache_hits.values()),
            sum(module.run.stats.cache_misses.values()),
        ) == (number, 1, 0)
    second.stop()


def test_a_process_that_ends_early_or_cannot_start_leaves_the_work_to_this_one(part, monkeypatch):
    first, other = part(3), part(4)
    for executable in ("/bin/false", "/not/there"):
        monkeypatch.setattr(sys, "executable", executable)
        second = SecondCompiler([first, other])
        second.wait_for(other[0])
        assert not is_compiled(first)
    packed = np.zeros(1, np.int64)
    first[0].run(packed)
    assert packed[0] == 3


def test_no_process_is_started_where_that_saves_nothing(part, monkeypatch):
    first, other = part(5), part(6)
    monkeypatch.setattr(compiling, "processors", lambda: 1)
    assert second_compiler(first, [other]) is None
    monkeypatch.setattr(compiling, "processors", lambda: 2)
    first[0].run(np.zeros(1, np.int64))
    assert second_compiler(first, [other]) is None


STARTER = """import sys, time, types
from streams.runtime.tools.compiling import SecondCompiler
second = SecondCompiler([(types.SimpleNamespace(__file__=sys.argv[1]), ["run"])])
time.sleep(100)
"""
SLOW = """import fcntl, time
lock = open({lock!r}, "w")
fcntl.flock(lock, fcntl.LOCK_EX)
open({begun!r}, "w")
time.sleep(100)
"""


def test_the_second_process_ends_with_one_that_is_killed(tmp_path):
    """A command that was killed left a process that compiled on for a minute. Oracle: a lock, which
    the system frees at its end.
    """
    lock, begun, slow = tmp_path / "lock", tmp_path / "begun", tmp_path / "slow.py"
    slow.write_text(SLOW.format(lock=str(lock), begun=str(begun)))
    starter = subprocess.Popen([sys.executable, "-c", STARTER, str(slow)])
    for _ in range(600):
        if begun.exists():
            break
        time.sleep(0.1)
    starter.kill()
    starter.wait()
    with lock.open() as held:
        for _ in range(100):
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                time.sleep(0.1)
    pytest.fail("it goes on")


COUNTED = """from schemas.kernel import inlined, kernel
from tests.runtime import overrun
@inlined
def step(x):
    return x + 1
@kernel
def inner(x):
    return step(x) * 2
@kernel
def unused(x):
    return x
@kernel
def run(packed):
    packed[0] = inner(packed[0]) + step(1) + overrun.beyond(packed)
"""


def test_what_is_left_to_compile_is_what_numba_then_compiles(tmp_path, monkeypatch):
    """Oracle: Numba's own events. What a module's text names through another module counts too;
    what lies in the cache does not.
    """
    monkeypatch.setenv("SQ_KERNEL_CACHE", str(tmp_path))
    module = load_module(COUNTED, str(tmp_path).encode())
    monkeypatch.setattr(compiling, "_announced", [])
    compiling.announce([(module, ["run"])])
    left = compiling.to_compile()
    with event.install_recorder("numba:compile") as recorder:
        compiling.compile_entry(module.run)
    assert (
        left
        == len({id(each.data["dispatcher"]) for _, each in recorder.buffer if each.is_end})
        >= 3
    )
    assert compiling.to_compile() == 0
