"""A JVM process that outlives the command that started it, known by its pid file."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from infra.kafka.errors import ServiceFailed

STOP_SECONDS = 30.0
PR_SET_PDEATHSIG = 1
WORDS_MAX = 300


class Process:
    """One program with a folder of its own: ``pid`` (pid and start time, so that a pid used anew is
    never taken for it) and a log.

    Args:
        name: for messages.
        folder: where ``<name>.pid`` and ``<name>.log`` lie.
        dies_with_parent: the kernel kills it when the thread that started it ends: for tests, so
            that nothing is left behind.
    """

    def __init__(self, name: str, folder: Path, *, dies_with_parent: bool = False) -> None:
        self.name = name
        self.folder = folder
        self.pid_file = folder / f"{name}.pid"
        self.log = folder / f"{name}.log"
        self._dies_with_parent = dies_with_parent
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its pid; 0 if it does not run."""
        if self._child is not None and self._child.poll() is not None:
            self._child = None
        try:
            pid, started = self.pid_file.read_text().split()
        except (OSError, ValueError):
            return 0
        return int(pid) if _started(int(pid)) == started else 0

    @property
    def alive(self) -> bool:
        """True while it runs, paused or not."""
        return self.pid != 0

    def start(self, command: Sequence[str]) -> None:
        """Start it in a session of its own; its output goes to the log. Raises ServiceFailed if it
        cannot be started.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            try:
                self._child = subprocess.Popen(
                    command,
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=_die_with_parent if self._dies_with_parent else None,
                )
            except OSError as problem:
                raise ServiceFailed(
                    f"{command[0]} cannot be started: {problem.strerror}"
                ) from problem
        self.pid_file.write_text(f"{self._child.pid} {_started(self._child.pid)}\n")

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """End it in good order (SIGTERM); killed if that takes longer than ``seconds``. Nothing to
        do if it does not run.
        """
        self._signal(signal.SIGTERM, signal.SIGCONT)
        if not self._gone(seconds):
            self._signal(signal.SIGKILL)
            self._gone(10)
        self.pid_file.unlink(missing_ok=True)

    def kill(self) -> None:
        """End it at once (SIGKILL), as a crash would."""
        self._signal(signal.SIGKILL)
        self._gone(10)
        self.pid_file.unlink(missing_ok=True)

    def pause(self) -> None:
        """Stand still (SIGSTOP): connections stay open, nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on after :meth:`pause`."""
        self._signal(signal.SIGCONT)

    def last_words(self) -> str:
        """The end of its log in one line, and where the rest is."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        return f"{cause_line(lines) or 'it said nothing'} (log: {self.log})"

    def _signal(self, *signals: signal.Signals) -> None:
        pid = self.pid
        for each in signals:
            if pid:
                try:
                    os.kill(pid, each)
                except ProcessLookupError:
                    return

    def _gone(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while self.alive:
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True


def cause_line(lines: Sequence[str]) -> str:
    """The line of a JVM's output that says most: the last exception or error, without its stack;
    else the last line.
    """
    spoken = [
        line.strip()
        for line in lines
        if line.strip() and not line.lstrip().startswith(("at ", "... "))
    ]
    problems = [
        line
        for line in spoken
        if "Exception" in line or "ERROR" in line or "FATAL" in line or "Error:" in line
    ]
    return (problems or spoken or [""])[-1][:WORDS_MAX]


def _started(pid: int) -> str:
    """When a process started; empty if there is none, or only its remains.

    A killed JVM's first thread is a zombie while the others still hold its ports: that one is still
    there.
    """
    folder = Path(f"/proc/{pid}")
    try:
        state, *fields = (folder / "stat").read_text().rpartition(")")[2].split()
        remains = state in "ZX" and len(list((folder / "task").iterdir())) <= 1
        return "" if remains else fields[18]
    except OSError:
        pass
    if Path("/proc/self/stat").exists():
        return ""
    told = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )  # systems without /proc
    return told.stdout.strip().replace(" ", "_")


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
