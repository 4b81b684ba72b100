"""A service that the processes of one test run share: the first that needs it starts it, and ends
it when no other uses it any more.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

POLL_SECONDS = 0.2


@contextmanager
def shared(
    name: str, started: Callable[[], AbstractContextManager[str]], folder: Path
) -> Iterator[str]:
    """Address of the service.

    Args:
        name: of its files in the folder.
        started: starts it, gives its address, ends it.
        folder: common to all processes that may share it.
    """
    address = folder / f"{name}.address"
    with (folder / f"{name}.users").open("a") as users:
        with _alone(folder, name):
            found = address.read_text() if address.exists() else ""
            if found:
                fcntl.flock(users, fcntl.LOCK_SH)  # until this process has left
            else:
                service = started()
                address.write_text(service.__enter__())
        if found:
            yield found
            return
        try:
            yield address.read_text()
        finally:
            _when_unused(folder, name, users.fileno(), lambda: address.unlink())
            service.__exit__(None, None, None)


def _when_unused(folder: Path, name: str, users: int, act: Callable[[], None]) -> None:
    """Act as soon as nobody else uses the service, while nobody can begin to."""
    while True:
        with _alone(folder, name):
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass
            else:
                act()
                return
        time.sleep(POLL_SECONDS)


@contextmanager
def _alone(folder: Path, name: str) -> Iterator[None]:
    with (folder / f"{name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
