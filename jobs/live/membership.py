"""Which shards this member owns: the assignment of a consumer that subscribes to the journal topic
and reads nothing.

Classic protocol, cooperative-sticky, session 6 s, heartbeat 300 ms, a stable instance id. Leaving
is ``unsubscribe()``, polled until the revoke and a second more, and only then ``close()``: a static
member's ``close()`` alone does not leave, and shards would wait for the session to end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException

from streams.log.kafka.cluster import Cluster
from streams.log.kafka.silence import SILENT
from streams.log.kafka.transport import TransportFailed

POLL_SECONDS = 0.1
LEAVE_SECONDS = 10.0
AFTER_REVOKE_SECONDS = 1.0


class Membership:
    """Runs on a thread of its own; the callbacks are called on that thread.

    Args:
        cluster: where.
        topology: its name in the catalogue's sense.
        instance_id: stable over restarts with the same index.
        on_assigned: shards that are this member's from now on.
        on_revoked: shards that another member gets as soon as this returns: drain them in it.
        on_lost: shards that another member may own already.
    """

    def __init__(
        self,
        cluster: Cluster,
        topology: str,
        instance_id: str,
        on_assigned: Callable[[list[int]], None],
        on_revoked: Callable[[list[int]], None],
        on_lost: Callable[[list[int]], None],
    ) -> None:
        self.topic = cluster.name(f"{topology}.journal")
        self.group = cluster.name(f"{topology}.owners")
        self.failure: TransportFailed | None = None
        self._on_assigned, self._on_revoked, self._on_lost = on_assigned, on_revoked, on_lost
        self._is_leaving = threading.Event()
        self._is_revoked = threading.Event()
        self._consumer = Consumer(
            cluster.client(
                group_id=self.group,
                group_instance_id=instance_id,
                partition_assignment_strategy="cooperative-sticky",
                session_timeout_ms=6000,
                heartbeat_interval_ms=300,
                max_poll_interval_ms=60_000,
                enable_auto_commit=False,
                auto_offset_reset="latest",
                logger=SILENT,
                error_cb=lambda _: None,
            )
        )
        self._thread = threading.Thread(target=self._run, name="membership", daemon=True)

    def join(self) -> None:
        """Begin."""
        self._thread.start()

    def leave(self) -> None:
        """Give every shard up, so that others own it at once; waits for it."""
        self._is_leaving.set()
        self._thread.join(LEAVE_SECONDS + AFTER_REVOKE_SECONDS + 5)

    def _assigned(self, consumer: Consumer, partitions: list[Any]) -> None:
        consumer.incremental_assign(partitions)
        consumer.pause(partitions)
        self._is_revoked.clear()
        self._on_assigned([each.partition for each in partitions])

    def _revoked(self, consumer: Consumer, partitions: list[Any]) -> None:
        self._on_revoked([each.partition for each in partitions])
        consumer.incremental_unassign(partitions)
        self._is_revoked.set()

    def _lost(self, consumer: Consumer, partitions: list[Any]) -> None:
        self._on_lost([each.partition for each in partitions])
        consumer.incremental_unassign(partitions)
        self._is_revoked.set()

    def _run(self) -> None:
        consumer = self._consumer
        try:
            consumer.subscribe(
                [self.topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
            )
            while not self._is_leaving.is_set():
                self._meet(consumer.poll(POLL_SECONDS))
            consumer.unsubscribe()
            deadline = time.monotonic() + LEAVE_SECONDS
            while (
                not self._is_revoked.is_set()
                and time.monotonic() < deadline
                and consumer.assignment()
            ):
                consumer.poll(POLL_SECONDS)
            until = time.monotonic() + AFTER_REVOKE_SECONDS
            while time.monotonic() < until:
                consumer.poll(POLL_SECONDS)
        except KafkaException as problem:
            self.failure = TransportFailed(
                f"membership in {self.group} ended: {problem.args[0].str()}; check the broker and "
                "the credentials"
            )
        except TransportFailed as problem:
            self.failure = problem
        finally:
            consumer.close()

    def _meet(self, message: Any) -> None:
        """Errors that do not heal end the membership."""
        error = message.error() if message is not None else None
        if error is None:
            return
        if error.code() in (KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID) or error.fatal():
            raise TransportFailed(
                f"another process has this member's instance id: {error.str()}; it goes on, this "
                "one ends"
            )
        if error.code() in (
            KafkaError.TOPIC_AUTHORIZATION_FAILED,
            KafkaError.GROUP_AUTHORIZATION_FAILED,
            KafkaError._AUTHENTICATION,
        ):
            raise TransportFailed(
                f"membership in {self.group} is refused: {error.str()}; check the credentials and "
                "the access rules"
            )
