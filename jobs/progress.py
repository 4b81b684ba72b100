"""A progress bar on standard error: nothing for the first two seconds, then rate and time left."""

from __future__ import annotations

import sys
import time
from types import TracebackType

SILENT_SECONDS = 2.0
WIDTH = 28


class ProgressBar:
    """Shows ``done`` of ``total`` units; on a terminal one line that moves, elsewhere a line every ten seconds."""

    def __init__(self, what: str, unit: str) -> None:
        self.what = what
        self.unit = unit
        self.started = time.monotonic()
        self.shown_at = self.started + SILENT_SECONDS - 0.2
        self.is_terminal = sys.stderr.isatty()
        self.shown = False

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.shown and self.is_terminal:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()

    def update(self, done: int, total: int) -> None:
        """Say how far it is; cheap to call often."""
        now = time.monotonic()
        if now < self.shown_at + 0.2:
            return
        self.shown_at = now if self.is_terminal else now + 10.0
        self.shown = True
        elapsed = max(now - self.started, 1e-9)
        rate = done / elapsed
        left = f"{_clock((total - done) / rate)} left" if rate > 0 and total >= done else ""
        share = min(1.0, done / total) if total else 0.0
        bar = "#" * int(share * WIDTH) + "-" * (WIDTH - int(share * WIDTH))
        line = f"{self.what} [{bar}] {100 * share:3.0f} %  {rate:,.0f} {self.unit}/s  {left}"
        sys.stderr.write(f"\r\033[K{line}" if self.is_terminal else f"{line}\n")
        sys.stderr.flush()

    def note(self, text: str) -> None:
        """A line above the bar."""
        sys.stderr.write(f"\r\033[K{text}\n" if self.is_terminal and self.shown else f"{text}\n")
        sys.stderr.flush()


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}" if whole >= 3600 else f"{whole // 60}:{whole % 60:02d}"
