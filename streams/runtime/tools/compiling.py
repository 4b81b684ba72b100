"""The order side compiled in a second process, while this one compiles the upstream pass.

Numba compiles one function at a time in a process, and the two share little. So from nothing the
venue's loop, the stages' entries and the scheduler are compiled in a process of their own, which
leaves the machine code in the kernel cache. What it did not compile, for whatever reason, this
process compiles when it is called: a second process saves time and decides nothing. It ends with
the process that started it, killed or not, for it reads from a pipe that only that one keeps open.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
from numba.core.dispatcher import Dispatcher

from schemas.sources import ROOT
from streams.runtime.tools.generated import is_generated, load_file
from streams.runtime.tools.processors import processors

Part = tuple[ModuleType, Sequence[str]]
"""A module, generated or ours, and the names of its entries."""


def compile_entry(entry: Any) -> None:
    """Compile an entry, or load it: one of a loop takes the array of its arrays' addresses, one of
    a stage takes integers.
    """
    count = entry.py_func.__code__.co_argcount
    if count == 1 and is_generated(entry.py_func.__module__):
        entry.compile((numba.int64[::1],))
    else:
        entry.compile((numba.int64,) * count)


def is_compiled(part: Part) -> bool:
    """True if machine code of each entry lies in the kernel cache."""
    module, names = part
    return all(
        any(Path(getattr(module, name).stats.cache_path).glob(f"*.{name}-*.nbi")) for name in names
    )


_announced: list[Part] = []


def announce(parts: Iterable[Part]) -> None:
    """These parts are compiled next, by this process or a second one; see :func:`to_compile`."""
    _announced[:] = parts


def to_compile() -> int:
    """Functions that the announced parts still need compiled, entries included: those that their
    text names, directly or as a module's attribute, down to what lies in the kernel cache."""
    found: set[Any] = set()
    for module, names in _announced:
        for name in names:
            _add_called(getattr(module, name), found)
    return len(found)


def _add_called(function: Any, found: set[Any]) -> None:
    if function in found or function.signatures or _is_kept(function):
        return
    found.add(function)
    known = function.py_func.__globals__
    names = function.py_func.__code__.co_names
    values = [known[name] for name in names if name in known]
    modules = [value for value in values if isinstance(value, ModuleType)]
    values += [getattr(module, name, None) for module in modules for name in names]
    for value in values:
        if isinstance(value, Dispatcher):
            _add_called(value, found)


def _is_kept(function: Any) -> bool:
    folder, name = function.stats.cache_path, function.__name__
    return folder is not None and any(Path(folder).glob(f"*.{name}-*.nbi"))


class SecondCompiler:
    """Compiles parts one after the other in a process of its own.

    Args:
        parts: in the order they are needed.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._files = [str(module.__file__) for module, _ in parts]
        given = [f"{module.__file__}={','.join(names)}" for module, names in parts]
        command = [sys.executable, "-m", "streams.runtime.tools.compiling", *given]
        self._process: subprocess.Popen[str] | None = None
        try:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        except OSError:  # a system that starts no process: everything is compiled here
            return
        atexit.register(self.stop)

    def wait_for(self, module: ModuleType) -> None:
        """Wait until the part is compiled, or nothing more will be."""
        name = str(module.__file__)
        while (
            name in self._files and self._process is not None and self._process.stdout is not None
        ):
            done = self._process.stdout.readline().strip()
            if not done:
                self.stop()
            elif done in self._files:
                del self._files[: self._files.index(done) + 1]

    def stop(self) -> None:
        """End the process; parts that are not compiled stay so."""
        process, self._process = self._process, None
        if process is None:
            return
        atexit.unregister(self.stop)
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def second_compiler(first: Part, parts: Sequence[Part]) -> SecondCompiler | None:
    """A process that compiles ``parts`` while this one compiles ``first``; None where that saves
    nothing.
    """
    if processors() < 2 or is_compiled(first) or is_compiled(parts[0]):
        return None
    return SecondCompiler(parts)


def main(given: Sequence[str]) -> None:
    """Compile entries, ``FILE=NAME,NAME`` each, and say each file when it is done."""
    for each in given:
        file, _, names = each.rpartition("=")
        path = Path(file)
        is_ours = path.is_relative_to(ROOT)
        module: Any = import_module(_dotted(path)) if is_ours else load_file(path)
        for name in names.split(","):
            compile_entry(getattr(module, name))
        sys.stdout.write(f"{file}\n")
        sys.stdout.flush()


def _dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def _end_with_the_starter() -> None:
    """Wait for the end of the process that holds the other end of standard input, and end too."""
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with_the_starter, daemon=True).start()
    main(sys.argv[1:])
