"""``cold.compile``: what a user waits for until machine code is there.

    python -m tests.benchmarks.cold [RUNS]

Commands run as a user runs them, with a folder of compiled code of their own. ``value`` is the wall
time of ``sq backtest --strategy ema-cross`` on the demo market with that folder empty; the CPU time
is that of its two processes. Then a constant of a user's strategy is changed, and what the next
backtest takes more than one with everything compiled is said for a strategy that the market stages
are compiled with, and for one that orders. ``first_line``: seconds to the first line of a command,
with everything compiled.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.benchmarks import quoting, recordings
from tests.benchmarks.timing import cores, row

SIGNALS = recordings.ROOT / "streams" / "signals"
RUNS = 3
DEMO = ("generate", "--minutes", "60", "--seed", "7")
CHANGES: dict[str, tuple[Callable[[], Path], str, str]] = {
    "upstream": (lambda: SIGNALS / "ema_cross.py", "strength = 1.0", "strength = 0.5"),
    "orders": (quoting.maker, "middle + away + 1", "middle + away + 2"),
}
"""A strategy's file, and the constant that is changed in a copy of it."""
COMMANDS = {
    "topics": ("topics", "{demo}"),
    "cat": ("cat", "{demo}", "md.trades", "--limit", "5"),
    "backtest": ("backtest", "{demo}", "--strategy", "ema-cross", "--out", "{new}"),
    "report": ("report", "{run}"),
    "verify": ("verify", "{run}"),
    "replay": ("replay", "{run}", "--out", "{new}"),
    "cache": ("cache",),
}


class Taken(NamedTuple):
    """Seconds of a command: wall, CPU of its process, CPU of those it started, to its first line.
    """

    wall: float
    first: float
    second: float
    line: float

    @property
    def cpu(self) -> float:
        """Of all its processes."""
        return self.first + self.second


class Commands:
    """Runs commands of ``sq`` with a folder of compiled code of their own.

    Args:
        folder: an empty one, for everything.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.demo, self.run_folder = folder / "demo", folder / "run"
        self._count = 0
        self.sq(*DEMO, "--out", str(self.demo))
        shutil.rmtree(self.kernels)

    @property
    def kernels(self) -> Path:
        """Where compiled code lies."""
        return self.folder / "kernels"

    def new(self) -> Path:
        """A folder that is not there."""
        self._count += 1
        return self.folder / f"out-{self._count}"

    def sq(self, *command: str) -> Taken:
        """What the command took. Raises RuntimeError: it did not end with 0."""
        places = {"SQ_KERNEL_CACHE": str(self.kernels), "SQ_HOME": str(self.folder / "home")}
        places["PYTHONUNBUFFERED"] = "1"  # a line is seen when it is written, as on a terminal
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "jobs.sq", *command],
            cwd=recordings.ROOT, env=os.environ | places,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert process.stdout is not None
        told = process.stdout.readline()
        line = time.perf_counter() - started
        told += process.stdout.read()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        first, second = cpu_of(process.pid)
        if process.wait():
            raise RuntimeError(f"sq {' '.join(command)} ended with {process.returncode}: {told!r}")
        return Taken(time.perf_counter() - started, first, second, line)

    def backtest(self, strategy: str) -> Taken:
        """One on the demo market."""
        return self.sq("backtest", str(self.demo), "--strategy", strategy, "--out", str(self.new()))


def cpu_of(pid: int) -> tuple[float, float]:
    """CPU seconds of a process that has ended and is not waited for, and of its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system, user_children, system_children = (int(field) for field in fields[11:15])
    tick = os.sysconf("SC_CLK_TCK")
    return (user + system) / tick, (user_children + system_children) / tick


def compile_cold(runs: int = RUNS) -> dict[str, Any]:
    """The row."""
    recordings.FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=recordings.FOLDER) as folder:
        commands = Commands(Path(folder))
        taken = []
        for _ in range(runs):
            shutil.rmtree(commands.kernels, ignore_errors=True)
            taken.append(commands.backtest("ema-cross"))
        changed = {name: change(commands, name) for name in CHANGES}
        lines = first_lines(commands)
    cpu = [each.cpu for each in taken]
    found = row("cold.compile", "s", [each.wall for each in taken], cores=cores())
    found["runs"] |= {"cpu": cpu}
    return found | {
        "cpu_s": statistics.median(cpu),
        "cpu_by_process": [statistics.median(each[at] for each in taken) for at in (1, 2)],
        "changed_constant_s": changed,
        "first_line_s": lines,
        "slowest_first_line_s": max(lines.values()),
    }


def change(commands: Commands, name: str) -> dict[str, float]:
    """What a backtest takes more, in wall and CPU seconds, after a constant of its strategy was
    changed.
    """
    source, old, new = CHANGES[name]
    text = source().read_text(encoding="utf-8")
    if text.count(old) != 1:
        raise RuntimeError(f"{old!r} does not stand once in the strategy {name}")
    file = commands.folder / f"{name}.py"
    file.write_text(text, encoding="utf-8")
    commands.backtest(str(file))
    warm = commands.backtest(str(file))
    file.write_text(text.replace(old, new), encoding="utf-8")
    after = commands.backtest(str(file))
    return {"wall": after.wall - warm.wall, "cpu": after.cpu - warm.cpu}


def first_lines(commands: Commands, runs: int = RUNS) -> dict[str, float]:
    """Seconds to the first line, by command; medians, everything compiled."""
    commands.sq(
        "backtest", str(commands.demo), "--strategy", "ema-cross", "--out", str(commands.run_folder)
    )
    found = {}
    for name, command in COMMANDS.items():
        timed = [commands.sq(*filled(commands, command)).line for _ in range(runs + 1)]
        found[name] = statistics.median(timed[1:])
    return found


def filled(commands: Commands, command: Sequence[str]) -> list[str]:
    """A command with its folders."""
    places = {"demo": commands.demo, "run": commands.run_folder, "new": commands.new()}
    return [part.format(**places) for part in command]


if __name__ == "__main__":
    print(json.dumps(compile_cold(*map(int, sys.argv[1:2])), indent=1))
