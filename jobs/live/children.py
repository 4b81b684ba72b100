"""A member's processes: one shard each, spoken to by lines of JSON (see ``child.py``)."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from typing import Any

import msgspec

from jobs.live.deployment import Deployment


class Child:
    """One process and what it said last."""

    def __init__(self, deployment: Deployment, events: queue.Queue[tuple[Child, dict[str, Any]]]) -> None:
        self.shard: int | None = None
        self.is_warm = False
        self.is_drained = threading.Event()
        self.failure: dict[str, Any] = {}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jobs.live.child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, close_fds=True
        )
        self._events = events
        self._send(msgspec.json.encode(deployment).decode())
        threading.Thread(target=self._listen, daemon=True).start()

    def _send(self, line: str) -> None:
        try:
            assert self.process.stdin is not None
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError):
            return  # it has ended; its end is an event of its own

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if event["event"] == "failed":
                self.failure = event
            self._events.put((self, event))
        self.process.wait()
        self.is_drained.set()
        self._events.put((self, {"event": "ended", "code": self.process.returncode}))

    def follow(self, shard: int, member: str) -> None:
        """Let it be the standby of the shard, in the name of this member."""
        self.shard = shard
        self._send(json.dumps({"follow": shard, "member": member}))

    def own(self, shard: int) -> None:
        """Give it the shard."""
        self.shard = shard
        self._send(json.dumps({"own": shard}))

    def drain(self) -> None:
        """Tell it to stop well."""
        self._send(json.dumps({"drain": True}))

    def kill(self) -> None:
        """End it now."""
        self.process.kill()
