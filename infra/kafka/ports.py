"""The TCP ports of a service: free ones, chosen once and kept in its folder, so that clients find
it again after a restart.
"""

from __future__ import annotations

import json
import random
import socket
import time
from pathlib import Path

from infra.kafka.errors import ServiceFailed

FILE = "ports.json"
CHOICE = range(20000, 32000)
"""Below the ports that systems give to outgoing connections: a service finds its port free at its
next start.
"""
PATIENCE_SECONDS = 2.0


class Ports:
    """Ports by name; ``keep`` writes them down.

    Args:
        folder: where ``ports.json`` lies.
        given: ports that are fixed by the caller; 0 leaves the choice.
    """

    def __init__(self, folder: Path, **given: int) -> None:
        self._path = folder / FILE
        kept = json.loads(self._path.read_text()) if self._path.is_file() else {}
        self._ports = {name: port or kept.get(name) or free_port() for name, port in given.items()}

    def __getitem__(self, name: str) -> int:
        return self._ports[name]

    def keep(self) -> None:
        """Write them down for the next time."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(self._ports) + "\n")

    def must_be_free(self) -> None:
        """Raises ServiceFailed if something listens on one of them, also after a moment's patience.
        """
        end = time.monotonic() + PATIENCE_SECONDS
        for name, port in self._ports.items():
            while listens(port):
                if time.monotonic() > end:
                    raise ServiceFailed(
                        f"port {port} of 127.0.0.1 ({name}) is taken by another program; end that, "
                        "or take other ports: 'sq kafka down --wipe'"
                    )
                time.sleep(0.1)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing uses now. Raises ServiceFailed if there is none."""
    for _ in range(200):
        port = random.choice(CHOICE)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise ServiceFailed(
        f"no port of 127.0.0.1 between {CHOICE.start} and {CHOICE.stop} is free; end some of what "
        "listens there"
    )


def listens(port: int) -> bool:
    """True if something accepts connections on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
