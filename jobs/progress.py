"""A progress bar on standard error: nothing for the first two seconds, then rate and time left, or
that kernels are being compiled.
"""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import Any

SILENT_SECONDS = 2.0
WIDTH = 28
PREPARING = "preparing (functions are compiled the first time, up to a minute)"


class ProgressBar:
    """Shows ``done`` of ``total`` units; on a terminal one line that moves, elsewhere a line every
    ten seconds.

    The rate counts from the first update, so that preparation is not taken for slow work. Until
    then a second thread says that it is preparing, and for how long, if a kernel is compiled: those
    that lie in the cache are loaded without a word. What ends well ends with 100 %.
    """

    def __init__(self, what: str, unit: str) -> None:
        self.what = what
        self.unit = unit
        self.is_terminal = sys.stderr.isatty()
        self.shown = False
        self._shown_at = time.monotonic() + SILENT_SECONDS - 0.2
        self._first: tuple[float, int] | None = None
        self._is_open = False  # the last line said less than 100 %
        self._compiling: Any = None
        self._stop = threading.Event()
        self._waiting = threading.Thread(target=self._wait, args=(time.monotonic(),), daemon=True)

    def __enter__(self) -> ProgressBar:
        self._waiting.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end_waiting()
        if self._compiling is not None:
            sys.modules["numba.core.event"].unregister("numba:compile", self._compiling)
        if kind is None and self._is_open:
            self._bar(1.0, "")
        if self.shown and self.is_terminal:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()

    def update(self, done: int, total: int) -> None:
        """Say how far it is; cheap to call often."""
        now = time.monotonic()
        if self._first is None:
            self._end_waiting()
            self._first = now, done
        if now < self._shown_at + 0.2:
            return
        self._shown_at = now if self.is_terminal else now + 10.0
        first_time, first_done = self._first
        rate = (done - first_done) / (now - first_time) if now > first_time else 0.0
        pace = (
            f"  {rate:,.0f} {self.unit}/s  {_clock((total - done) / rate)} left"
            if rate > 0 and total >= done
            else ""
        )
        share = min(1.0, done / total) if total else 0.0
        self._bar(share, pace)

    def _bar(self, share: float, pace: str) -> None:
        self._is_open = share < 1.0
        bar = "#" * int(share * WIDTH) + "-" * (WIDTH - int(share * WIDTH))
        self._show(f"{self.what} [{bar}] {100 * share:3.0f} %{pace}")

    def _end_waiting(self) -> None:
        self._stop.set()
        if self._waiting.is_alive():
            self._waiting.join()

    def _wait(self, started: float) -> None:
        """The second thread: says that it is preparing until the first update, if kernels are
        compiled.
        """
        self._compiles()
        pause = SILENT_SECONDS
        while not self._stop.wait(pause):
            pause = 0.5
            if not self._compiles():
                continue
            elapsed = time.monotonic() - started
            clock = f"  {_clock(elapsed)}" if self.is_terminal else ""
            self._show(f"{self.what}: {PREPARING}{self._compiled()}{clock}")
            pause = 1.0 if self.is_terminal else 10.0

    def _compiles(self) -> bool:
        """True once a kernel was compiled since this was asked first; Numba says so, where it is
        loaded.
        """
        event = sys.modules.get("numba.core.event")
        if event is None:
            return False
        if self._compiling is None:
            self._compiling = event.RecordingListener()
            event.register("numba:compile", self._compiling)
        return bool(self._compiling.buffer)

    def _compiled(self) -> str:
        """How many functions were compiled, and how many of a topology's are left, where that is
        known.
        """
        ended = [event for _, event in list(self._compiling.buffer) if event.is_end]
        compiling = sys.modules.get("streams.runtime.tools.compiling")
        left = compiling.to_compile() if compiling is not None else 0
        return f"  {len(ended)} compiled, {left} left" if left else ""

    def _show(self, line: str) -> None:
        self.shown = True
        sys.stderr.write(f"\r\033[K{line}" if self.is_terminal else f"{line}\n")
        sys.stderr.flush()


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return (
        f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
        if whole >= 3600
        else f"{whole // 60}:{whole % 60:02d}"
    )
