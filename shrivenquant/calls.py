"""The ``sq`` command as a function call: a process of its own, progress passed on, errors raised.

Why a process: the command runs under a hash seed that is always the same, which a Python that runs
already cannot take on; a notebook's own state cannot reach the stages; and interrupting the cell
ends the command as Ctrl-C does in a shell, after which the same call goes on where it was.
"""

from __future__ import annotations

import argparse
import importlib
import json
import keyword
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from jobs.called import ERRORS
from jobs.helping import Parser
from jobs.sq import parser
from schemas.errors import ShrivenError, WrongUse

OURS = ("schemas.", "streams.", "connectors.", "jobs.")


class CommandFailed(ShrivenError):
    """The command ended badly without a typed error: its last words, or the signal."""

    code = "command_failed"


def call(command: str, *arguments: str, good: Sequence[int] = (0,)) -> str:
    """Run ``sq COMMAND ...``; returns what it printed. What it says meanwhile goes to sys.stderr.

    Args:
        good: exit codes that are no error.

    Raises:
        ShrivenError: the command's own typed error, of its own class.
    """
    reading, writing = os.pipe()
    environment = {**os.environ, ERRORS: str(writing)}
    line = [sys.executable, "-P", "-m", "jobs.called", command, *arguments]
    with tempfile.TemporaryFile() as printed, os.fdopen(reading) as errors:
        try:
            process = subprocess.Popen(
                line, env=environment, process_group=0, stdin=subprocess.DEVNULL, stdout=printed,
                stderr=subprocess.PIPE, pass_fds=(writing,), text=True, errors="replace",
            )  # fmt: skip
        finally:
            os.close(writing)
        last = _follow(process)
        handed = errors.read()
        if handed:
            raise typed_error(json.loads(handed))
        if process.returncode not in good:
            raise _untyped(process.returncode, last)
        printed.seek(0)
        return printed.read().decode()


def _follow(process: subprocess.Popen[str]) -> str:
    """Pass on what the process says until it ends; returns its last words."""
    last = ""
    assert process.stderr is not None
    try:
        for said in process.stderr:
            last = said.strip() or last
            sys.stderr.write(said)
        process.wait()
    except BaseException:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait()
        raise
    finally:
        process.stderr.close()
    return last


def typed_error(content: dict[str, str]) -> ShrivenError:
    """The error that a command handed back, of its own class."""
    kind: Any = ShrivenError
    if content["module"].startswith(OURS):
        kind = getattr(importlib.import_module(content["module"]), content["name"], ShrivenError)
    if not (isinstance(kind, type) and issubclass(kind, ShrivenError)):
        kind = ShrivenError
    problem: ShrivenError = kind.__new__(kind)
    ShrivenError.__init__(problem, content["text"])
    return problem


def _untyped(returned: int, last: str) -> ShrivenError:
    """Wrong use is refused before anything runs; everything else is named by its last words."""
    if returned < 0:
        name = signal.Signals(-returned).name
        return CommandFailed(
            f"the command was ended by {name}; the same call goes on or starts over"
        )
    text = last.removeprefix("sq: ") or f"the command ended with exit code {returned}"
    return WrongUse(text) if returned == 2 else CommandFailed(text)


def options_of(command: str, options: Mapping[str, Any]) -> list[str]:
    """Keyword arguments as the command's options: ``from_="2024-01-01"`` is ``--from 2024-01-01``.

    None is left out; True and False are on and off, or the presence of a flag; lists are joined by
    commas; dicts are KEY=VALUE pairs; dates and times are ISO 8601 in UTC.

    Raises:
        WrongUse: the command has no such option.
    """
    known = _actions(command)
    found: list[str] = []
    for name, value in options.items():
        option = "--" + name.rstrip("_").replace("_", "-")
        action = known.get(option)
        if action is None:
            there = ", ".join(sorted(map(argument_of, known)))
            raise WrongUse(f"{command} takes no {name}; it takes {there}")
        if value is None or value is False and action.nargs == 0:
            continue
        if action.nargs == 0:
            found.append(option)
        elif name == "set":
            if not isinstance(value, Mapping):
                raise WrongUse(f'set is {value!r}; give a dict of parameters: set={{"fast": 20}}')
            for key, each in value.items():
                found += [option, f"{key}={text_of(each)}"]
        else:
            found += [option, text_of(value)]
    return found


def _actions(command: str) -> dict[str, argparse.Action]:
    """The command's options by their names, as its own parser has them."""
    root = parser(command)
    assert isinstance(root, Parser)
    actions = root.commands()[command]._actions  # noqa: SLF001 - argparse has no other way
    hidden = ("--help", "--json", "--out")
    return {
        option: action
        for action in actions
        for option in action.option_strings
        if option.startswith("--") and option not in hidden
    }


def argument_of(option: str) -> str:
    """The keyword argument of an option; Python's own words get a line behind them."""
    name = option.lstrip("-").replace("-", "_")
    return f"{name}_" if keyword.iskeyword(name) else name


def text_of(value: Any) -> str:
    """A value as it is typed in a shell."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, Mapping):
        return ",".join(f"{key}={text_of(each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return ",".join(map(text_of, value))
    if isinstance(value, datetime):
        moment = value if value.tzinfo is None else value.astimezone(UTC)
        return moment.replace(tzinfo=None).isoformat()
    return value.isoformat() if isinstance(value, date) else str(value)


def path_text(path: Path | str) -> str:
    """A path that no command takes for an option."""
    text = str(path)
    return f".{os.sep}{text}" if text.startswith("-") else text
