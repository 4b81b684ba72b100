"""The first process of a container: starts the command, passes signals on, collects orphans, ends
as the command ended.

A process with pid 1 is special twice: signals it has no handler for are dropped, so that a SIGTERM
while a program still starts would be lost, and orphans become its children. Neither is the business
of ``sq``. Exit code: the command's, or 128 + the signal that ended it; 127 if there is no such
command.

    python -m infra.image.init sq run pipeline --strategy ema-cross
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

PASSED = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
)


def run(command: Sequence[str]) -> int:
    """Run the command as the only child that matters; returns its exit code."""
    # blocked until the child exists: a signal that comes before has somebody to go to
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED)
    child = os.fork()
    if not child:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED)
        try:
            os.execvp(command[0], list(command))
        except OSError as problem:
            os.write(2, f"{command[0]}: {problem.strerror}\n".encode())
            os._exit(127)

    def forward(number: int, _: FrameType | None) -> None:
        os.kill(child, number)

    for number in PASSED:
        signal.signal(number, forward)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED)
    while True:
        # orphans too; the child is not collected before this returns it, so its pid is nobody
        # else's
        pid, status = os.wait()
        if pid == child:
            return (
                os.waitstatus_to_exitcode(status)
                if os.WIFEXITED(status)
                else 128 + os.WTERMSIG(status)
            )


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:] or ["sq", "--help"]))
