"""The lowest free instance index of this host, held by a lock that dies with its process: it makes
the member's instance id stable over restarts.

A restart with the same index re-joins in a fraction of a second, where a new member waits for the
old one's session to end.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket

from schemas.errors import WrongUse
from streams.log.kafka.cluster import Cluster, home

INSTANCES_MAX = 256


class NoInstanceIndex(WrongUse):
    """Too many members of one topology on this host."""

    code = "no_slot"


def _key(cluster: Cluster, topology: str) -> str:
    return hashlib.sha256(f"{cluster.bootstrap} {cluster.name(topology)}".encode()).hexdigest()[:16]


def members_here(cluster: Cluster, topology: str) -> list[int]:
    """Process ids of the topology's members on this host."""
    found: list[int] = []
    for path in sorted((home() / "slots").glob(f"{_key(cluster, topology)}.*")):
        with path.open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                text = file.read().strip()
                if text.isdigit():
                    found.append(int(text))
    return found


class InstanceIndex:
    """A held index.

    Attributes:
        number: from 0.
        instance_id: for ``group.instance.id``.
    """

    def __init__(self, cluster: Cluster, topology: str) -> None:
        folder = home() / "slots"
        folder.mkdir(parents=True, exist_ok=True)
        key = _key(cluster, topology)
        for number in range(INSTANCES_MAX):
            descriptor = os.open(
                folder / f"{key}.{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                continue
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
            self.number = number
            self._descriptor = descriptor
            self.instance_id = f"{cluster.name(topology)}.{socket.gethostname()}.{number}"
            return
        raise NoInstanceIndex(
            f"{INSTANCES_MAX} members of {topology} run on this host already; stop some"
        )

    def release(self) -> None:
        """Give it back."""
        os.close(self._descriptor)
