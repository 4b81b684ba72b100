"""The standby of one shard, in the process that may own it next: it follows the journal, and says
how far it is.

It holds no producer and fences nobody. How far it is, it says by the offset of a group of its own
(``TaskSpec.standby_group``): ``sq lag`` and ``sq status`` show it, and nothing here reads it back.
The group goes when the standby is promoted or told to stop.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from jobs.live.shard_observer import ShardObserver
from jobs.live.topology_status import lag_records
from schemas.errors import ShrivenError
from streams.log.kafka.admin import KafkaAdmin
from streams.runtime.live.shard import ShardTask

STEP_SECONDS = 0.05
REPORT_SECONDS = 1.0


class Standby:
    """See the module's head.

    Args:
        task: not prepared.
        admin: of its cluster.
        member: instance id of the member that it belongs to.
        observer: of the process.
        say: sends an event to the parent.
    """

    def __init__(
        self,
        task: ShardTask,
        admin: KafkaAdmin,
        member: str,
        observer: ShardObserver,
        say: Callable[..., None],
    ) -> None:
        self.task = task
        self.admin = admin
        self.group = task.log.spec.standby_group(member)
        self.observer = observer
        self.say = say
        self._said_at = -1
        self._reported_at = 0.0

    def follow(self, until: threading.Event) -> None:
        """Until the process is told what to do next.

        Raises:
            ShrivenError: the shard cannot be followed; it was said first, where ``sq status`` shows
                it.
        """
        shard = self.task.log.spec.shard
        try:
            while not until.is_set():
                repeated = self.task.follow(STEP_SECONDS)
                if self._said_at < 0 and self.task.recovery.is_begun and not repeated:
                    self._said_at = self.task.sequence
                    self.say("following", shard=shard, sequence=self.task.sequence)
                self._report()
        except ShrivenError as problem:
            self._note(f"halted: {problem.code}", wait=True)
            raise

    def _report(self) -> None:
        now = time.monotonic()
        if now - self._reported_at >= REPORT_SECONDS:
            self._reported_at = now
            position = self._note()
            if position >= 0:
                self.observer.following(
                    self.task.sequence, lag_records(position, self.task.recovery.end())
                )

    def _note(self, text: str = "", wait: bool = False) -> int:
        position = self.task.recovery.position()
        if position >= 0:
            self.admin.note_position(self.group, self.task.log.partition, position, text, wait)
        return position

    def end(self) -> None:
        """It is promoted, or told to stop."""
        self.observer.following(self.task.sequence, None)
        self.admin.settle()
        self.admin.forget_group(self.group)
        self.admin.settle()
