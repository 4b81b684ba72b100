"""A peer's process, and a recording's rows to hand to it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Self

import numpy as np

from schemas.catalogue import topic as topic_of
from schemas.codec import NO_LEVELS, codec
from streams.log.local import LocalLog

Array = np.ndarray[Any, Any]


class Server:
    """A program in an environment of its own: one JSON command a line in, one JSON answer a line
    out. A context manager.

    Args:
        name: of the peer.
        environment: its folder.
        program: the script.
        errors: the file that gets its standard error.
    """

    def __init__(self, name: str, environment: Path, program: Path, errors: Path) -> None:
        self.name, self.errors = name, errors
        self._command = [str(environment / "bin" / "python"), str(program)]

    def __enter__(self) -> Self:
        self.errors.parent.mkdir(parents=True, exist_ok=True)
        with self.errors.open("w") as errors:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)

    def ask(self, **command: Any) -> dict[str, Any]:
        """Its answer to a command. Raises RuntimeError: it has ended."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # the empty answer below says that it has ended
        answer = self._process.stdout.readline()
        if not answer:
            last = self.errors.read_text().strip().splitlines()[-1:]
            code, done = self._process.wait(60), command["do"]
            raise RuntimeError(
                f"{self.name}'s process ended with {code} at {done}: {last}; see {self.errors}"
            )
        found: dict[str, Any] = json.loads(answer)
        return found


def rows_of(log: LocalLog, topic: str) -> tuple[Array, Array]:
    """All rows of a topic, and the levels of all its rows in one table."""
    form = codec(topic_of(topic).record)
    rows: list[Array] = [np.zeros(0, form.dtype)]
    levels: list[Array] = [NO_LEVELS]
    count = 0
    for block in log.reader(topic).blocks():
        found = form.decode_rows(block.body, block.count)
        if form.has_levels:
            found, table = found
            found["first_level"] += count
            count += len(table)
            levels.append(table)
        rows.append(found)
    return np.concatenate(rows), np.concatenate(levels)
