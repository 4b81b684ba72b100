"""``/metrics`` and ``/healthz`` of one process, and the target file by which Prometheus finds its
port.

Every process serves on a port of its own (children too: each has its own registry) and writes
``<home>/targets/<job>-<host>-<pid>.json``, an entry of file_sd. The file goes when the process
ends; what a killed process left behind is removed by the next one that starts.

``/healthz`` answers while the interpreter runs. It asks neither Kafka nor the registry: a broker
that is away is no reason to kill a process that waits for it (fault F5).
"""

from __future__ import annotations

import atexit
import glob
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from schemas.errors import WrongUse

FOLDER = "targets"
HOST_VARIABLE = "SQ_METRICS_HOST"
"""Address to listen on; 127.0.0.1 unless set (in a container: 0.0.0.0)."""


WATCHED_SECONDS = 60.0
FINAL_SCRAPE_SECONDS = 20.0


class PortTaken(WrongUse):
    """The port that metrics should be served on is in use."""

    code = "port_taken"


class _Handler(BaseHTTPRequestHandler):
    registry: CollectorRegistry
    health: Callable[[], str]
    scraped: Callable[[float, bool], None]

    def do_GET(self) -> None:  # noqa: N802 - the base class's name
        path = self.path.split("?", 1)[0]
        if path == "/healthz":
            problem = self.health()
            return self._answer(
                503 if problem else 200,
                "text/plain; charset=utf-8",
                (problem or "ok").encode() + b"\n",
            )
        if path == "/metrics":
            began = time.monotonic()
            self.scraped(began, False)
            encode, content_type = choose_encoder(self.headers.get("Accept", ""))
            self._answer(200, content_type, encode(self.registry))
            return self.scraped(began, True)
        return self._answer(404, "text/plain; charset=utf-8", b"/metrics or /healthz\n")

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        try:
            self.end_headers()
            self.wfile.write(body)
        except ConnectionError:
            return  # whoever asked did not wait for the answer

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class's name
        """A scrape is no event."""


class Server:
    """A running endpoint. ``port`` is the port it really has; ``close`` ends it and removes its
    target file.
    """

    def __init__(self, server: ThreadingHTTPServer, target: Path | None) -> None:
        self._server = server
        self._target = target
        self._owner = os.getpid()
        self._scraped = threading.Condition()
        self._last_seen = self._last_answered = 0.0
        self.port = int(server.server_address[1])
        self._thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.2}, name="metrics", daemon=True
        )
        self._thread.start()
        atexit.register(self.close)

    def scraped(self, began: float, answered: bool) -> None:
        """A scrape that began then (monotonic seconds) was seen, and, later, was answered."""
        with self._scraped:
            self._last_seen = began
            if answered:
                self._last_answered = began
                self._scraped.notify_all()

    def wait_for_final_scrape(self) -> None:
        """Wait until the present values were scraped: for a process that ends with bad news.
        Without a Prometheus that watches there is no wait.
        """
        with self._scraped:
            now = time.monotonic()
            if self._last_seen and now - self._last_seen < WATCHED_SECONDS:
                self._scraped.wait_for(lambda: self._last_answered > now, FINAL_SCRAPE_SECONDS)

    def close(self) -> None:
        """End it; a second call does nothing. A forked child does not take its parent's file away.
        """
        atexit.unregister(self.close)
        if self._owner != os.getpid():
            return
        if self._target is not None:
            self._target.unlink(missing_ok=True)
        self._server.shutdown()
        self._server.server_close()


def serve(
    registry: CollectorRegistry,
    port: int = 0,
    *,
    job: str,
    home: Path | None = None,
    environment: str = "",
    health: Callable[[], str] = lambda: "",
) -> Server:
    """Serve a registry from a thread of its own.

    Args:
        registry: what to expose.
        port: to listen on; 0 takes a free one.
        job: Prometheus' job label: ``task``, ``member``, ``lag``, ``sink``, ...
        home: folder below which the target file is written (``streams.log.kafka.cluster.home()``);
            None writes none.
        environment: the cluster's environment; the local one, which has no name, is labelled
            ``local``.
        health: what is wrong with the process itself, empty if nothing: it must not wait for
            anything outside the process.

    Raises:
        PortTaken: another process has the port.
    """
    host = os.environ.get(HOST_VARIABLE, "127.0.0.1")
    made: list[Server] = []
    handler = type(
        "Handler",
        (_Handler,),
        {
            "registry": registry,
            "health": staticmethod(health),
            "scraped": staticmethod(
                lambda began, answered: made[0].scraped(began, answered) if made else None
            ),
        },
    )
    try:
        server = ThreadingHTTPServer((host, port), handler)
    except OSError as problem:
        raise PortTaken(
            f"cannot serve metrics on {host}:{port}: {problem.strerror}; choose another port, or 0 "
            "for a free one"
        ) from problem
    server.daemon_threads = True
    target = None
    if home is not None:
        prune(home)
        reached = socket.gethostname() if host == "0.0.0.0" else host  # noqa: S104 - a comparison
        target = write_target(home, job, f"{reached}:{server.server_address[1]}", environment)
    made.append(Server(server, target))
    return made[0]


def environment_label(environment: str) -> str:
    """Label of a cluster's environment: a label cannot be empty."""
    return environment or "local"


def write_target(
    home: Path, job: str, address: str, environment: str = "", pid: int | None = None
) -> Path:
    """Write a file_sd entry for ``address``; returns its path. Prometheus never sees half a file:
    it is moved into place.
    """
    folder = home / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    pid = os.getpid() if pid is None else pid
    path = folder / f"{job}-{socket.gethostname()}-{pid}.json"
    draft = folder / f".{path.name}.draft"
    draft.write_text(
        json.dumps(
            [
                {
                    "targets": [address],
                    "labels": {"job": job, "environment": environment_label(environment)},
                }
            ]
        )
        + "\n"
    )
    draft.rename(path)
    return path


def prune(home: Path) -> int:
    """Remove target files of this host's processes that are gone; returns how many. Containers that
    share the folder are hosts of their own.
    """
    removed = 0
    for path in (home / FOLDER).glob(f"*-{glob.escape(socket.gethostname())}-*.json"):
        pid = path.stem.rpartition("-")[2]
        if pid.isdigit() and not _alive(int(pid)):
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:  # a zombie still has its pid but no port
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return True
