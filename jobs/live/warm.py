"""The warm process of a member: everything imported, every kernel compiled or loaded, and then the
process of each shard is a fork of it.

So a shard that is given to a member runs at once, however many are given together, where a process
of its own would first be warmed for seconds; and code and kernels lie in memory once. It holds no
connection and no thread, so that nothing can be forked in the middle; what needs either is made in
the fork (``child.py``).

It speaks with its member by packets of JSON over its standard input, which is a socket. In: the
deployment, then ``{"fork": NUMBER}`` with three descriptors, the fork's standard input and output
and its black box, and ``{"kill": NUMBER}``. Out: ``warm`` or ``failed``; ``forked`` and ``ended``
with the number. The end of its input means that its member is gone, and so it ends, a little after
its forks, which find that out by their own.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys
import time
from typing import Any

import msgspec

from jobs.live import child
from jobs.live.blackbox import BlackBox
from jobs.live.deployment import Deployment
from jobs.live.rehearsal import rehearse
from schemas.errors import ShrivenError

PACKET_BYTES = 1 << 18
DEFECT = 1
LAST_SECONDS = 5.0


class Forks:
    """See the module's head.

    Args:
        member: the socket.
        deployment: what every fork runs a shard of.
        outputs: its topics.
    """

    def __init__(self, member: socket.socket, deployment: Deployment, outputs: list[str]) -> None:
        self.member = member
        self.deployment = deployment
        self.outputs = outputs
        self._numbers: dict[int, int] = {}
        self._woken, self._wakes = os.pipe()
        os.set_blocking(self._wakes, False)

    def say(self, event: str, **facts: Any) -> None:
        """A packet to the member, if it is there."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.member.send(json.dumps({"event": event, **facts}).encode())

    def serve(self) -> None:
        """Until the member is gone."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wakes, warn_on_full_buffer=False)
        while True:
            ready, _, _ = select.select([self.member.fileno(), self._woken], [], [])
            if self._woken in ready:
                os.read(self._woken, 4096)
                self._reap()
            if self.member.fileno() in ready:
                packet, descriptors, _, _ = socket.recv_fds(self.member, PACKET_BYTES, 3)
                if not packet:
                    return self._wait_for_last()
                order = json.loads(packet)
                if "fork" in order:
                    self._fork(order["fork"], descriptors)
                else:
                    self._kill(order["kill"])

    def _fork(self, number: int, descriptors: list[int]) -> None:
        try:
            process = os.fork()
        except OSError:
            self.say("ended", number=number, code=DEFECT)
        else:
            if not process:
                self._become(descriptors)
            self._numbers[process] = number
            self.say("forked", number=number, pid=process)
        for each in descriptors:
            os.close(each)

    def _become(self, descriptors: list[int]) -> None:
        """The fork: a process of a shard from here on. Never returns."""
        code = DEFECT
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            box = BlackBox(descriptors[2])
            for place, each in enumerate(descriptors[:2]):
                os.dup2(each, place)
            for each in (*descriptors, self._woken, self._wakes):
                os.close(each)
            self.member.detach()  # its descriptor is the standard input's
            sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
            code = child.main(self.deployment, self.outputs, box)
            sys.stdout.flush()
        finally:
            os._exit(code)  # what librdkafka's threads still wait for was decided by the commit

    def _kill(self, number: int) -> None:
        for process, each in self._numbers.items():
            if each == number:
                os.kill(process, signal.SIGKILL)

    def _wait_for_last(self) -> None:
        """What forks used is known once they were waited for."""
        deadline = time.monotonic() + LAST_SECONDS
        while self._numbers and time.monotonic() < deadline:
            select.select([self._woken], [], [], deadline - time.monotonic())
            self._reap()

    def _reap(self) -> None:
        while self._numbers:
            process, status = os.waitpid(-1, os.WNOHANG)
            if not process:
                return
            self.say(
                "ended", number=self._numbers.pop(process), code=os.waitstatus_to_exitcode(status)
            )


def main() -> int:
    """Entry of the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    member = socket.socket(fileno=0)
    deployment = msgspec.json.decode(member.recv(PACKET_BYTES), type=Deployment)
    outputs = deployment.outputs()
    forks = Forks(member, deployment, outputs)
    try:
        rehearse(deployment, outputs)
    except ShrivenError as problem:
        forks.say("failed", code=problem.code, text=problem.text)
        return problem.exit_code
    except Exception as problem:  # noqa: BLE001 - a defect of ours still ends in words
        forks.say(
            "failed",
            code="defect",
            text=f"{type(problem).__name__}: {problem}",
            trace=child.place_of(problem),
        )
        return DEFECT
    gc.collect()
    gc.freeze()  # no page is copied for the sake of counting what never goes
    forks.say("warm", pid=os.getpid())
    forks.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
