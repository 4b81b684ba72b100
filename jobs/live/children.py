"""A member's processes: the warm one, and its forks, one shard each, spoken to by lines of JSON
(see ``warm.py`` and ``child.py``).
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from typing import Any

import msgspec

from jobs.live.blackbox import PAGE_BYTES, BlackBox
from jobs.live.deployment import Deployment
from jobs.live.warm import LAST_SECONDS, PACKET_BYTES
from streams.runtime.journal.in_flight import Run

UNKNOWN = 255
"""Exit code of a fork whose warm process ended before it: nobody was told."""
Events = queue.Queue[tuple[Any, dict[str, Any]]]


class Warm:
    """The warm process, as its member sees it. What is asked of it before it is warm is done once
    it is.

    Attributes:
        is_warm: forks begin at once.
        is_gone: set when it has ended.
        failure: what it said before it ended by itself.
    """

    def __init__(self, deployment: Deployment, events: Events) -> None:
        self.is_warm = False
        self.is_gone = threading.Event()
        self.failure: dict[str, Any] = {}
        self.events = events
        self._numbers = itertools.count()
        self._forks: dict[int, Child] = {}
        self._socket, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with there:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jobs.live.warm"],
                stdin=there.fileno(),
                stdout=subprocess.DEVNULL,
            )
        self._send(msgspec.json.encode(deployment))
        threading.Thread(target=self._listen, daemon=True).start()

    def _send(self, packet: bytes, descriptors: tuple[int, ...] = ()) -> None:
        try:
            socket.send_fds(self._socket, [packet], descriptors)
        except OSError:
            return  # it has ended; its end is an event of its own

    def _listen(self) -> None:
        while True:
            try:
                packet = self._socket.recv(PACKET_BYTES)
            except OSError:
                packet = b""
            if not packet:
                break
            event = json.loads(packet)
            fork = self._forks.get(event.get("number", -1))
            if event["event"] == "forked" and fork is not None:
                fork.pid = event["pid"]
            elif event["event"] == "ended" and fork is not None:
                self._forks.pop(event["number"]).returncode = event["code"]
            elif event["event"] == "failed":
                self.failure = event
                self.events.put((self, event))
            elif event["event"] == "warm":
                self.is_warm = True
                self.events.put((self, event))
        self.is_gone.set()
        self.events.put((self, {"event": "ended", "code": self.process.wait()}))

    def fork(self, child: Child, descriptors: tuple[int, int, int]) -> int:
        """Ask for a process; returns its number."""
        number = next(self._numbers)
        self._forks[number] = child
        self._send(json.dumps({"fork": number}).encode(), descriptors)
        return number

    def kill(self, child: Child) -> None:
        """End the fork now."""
        if self.is_gone.is_set() and child.pid and not child.has_ended:
            os.kill(child.pid, signal.SIGKILL)
        else:
            self._send(json.dumps({"kill": child.number}).encode())

    def end(self) -> None:
        """It is not needed any more: it and what is left of its forks end."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        try:
            self.process.wait(2 * LAST_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()


class Child:
    """The process of one shard, and what it said last.

    Attributes:
        has_drained: it said that it has drained; ``is_drained`` is set by its end as well.
        has_ended: it has no output any more.
        returncode: as subprocess has it; None while nobody knows.
        box: what it is executing.
    """

    def __init__(self, warm: Warm) -> None:
        self.shard: int | None = None
        self.pid = 0
        self.has_ended = False
        self.returncode: int | None = None
        self.is_drained = threading.Event()
        self.has_drained = False
        self.failure: dict[str, Any] = {}
        self._warm = warm
        its_input, to_it = os.pipe()
        from_it, its_output = os.pipe()
        self._input, self._output = open(to_it, "w", buffering=1), open(from_it)  # noqa: SIM115
        with tempfile.TemporaryFile() as page:
            page.truncate(PAGE_BYTES)
            self.box = BlackBox(page.fileno())
            self.number = warm.fork(self, (its_input, its_output, page.fileno()))
        os.close(its_input)
        os.close(its_output)
        threading.Thread(target=self._listen, daemon=True).start()

    def _send(self, line: str) -> None:
        try:
            self._input.write(line + "\n")
            self._input.flush()
        except (BrokenPipeError, ValueError):
            return  # it has ended; its end is an event of its own

    def _listen(self) -> None:
        events = self._warm.events
        for line in self._output:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if event["event"] == "failed":
                self.failure = event
            elif event["event"] in ("drained", "stopped"):
                self.has_drained = event["event"] == "drained"
                self.is_drained.set()
            events.put((self, event))
        self.has_ended = True
        self.is_drained.set()
        while self.returncode is None and not self._warm.is_gone.wait(0.01):
            pass
        events.put(
            (
                self,
                {"event": "ended", "code": UNKNOWN if self.returncode is None else self.returncode},
            )
        )

    def follow(self, shard: int, member: str) -> None:
        """Let it be the standby of the shard, in the name of this member."""
        self.shard = shard
        self._send(json.dumps({"follow": shard, "member": member}))

    def own(self, shard: int, suspects: Sequence[Run] = ()) -> None:
        """Give it the shard; among the suspects is a record that killed the process before."""
        self.shard = shard
        self._send(json.dumps({"own": shard, "suspects": suspects}))

    def drain(self) -> None:
        """Tell it to stop well."""
        self._send(json.dumps({"drain": True}))

    def kill(self) -> None:
        """End it now."""
        if not self.has_ended:
            self._warm.kill(self)
