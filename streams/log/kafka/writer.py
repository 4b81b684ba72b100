"""A transaction's records to a cluster, every failure a typed one.

Settings are part of the design, each for a measured reason:

- ``retry.backoff.ms=1``: by default the client sleeps 100 ms whenever the broker is still writing
  the markers of the transaction before;
- ``transaction.timeout.ms=10000``: a dead task holds readers back for no longer.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from confluent_kafka import KafkaError, KafkaException

from streams.log.kafka.cluster import Cluster
from streams.log.kafka.outbox import COMMIT_SECONDS, Outbox
from streams.log.kafka.retrying import TIMEOUT_SECONDS, retry
from streams.log.kafka.transport import VOID, Fenced, OutcomeUnknown, Partition, TransportFailed

ABORT_SECONDS = 2.0
FENCED = frozenset(
    (
        KafkaError._FENCED,
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.INVALID_PRODUCER_ID_MAPPING,
    )
)


class KafkaWriter:
    """A transactional producer; never rebuilt: any error that ends a transaction ends its owner."""

    def __init__(self, cluster: Cluster, transactional_id: str) -> None:
        self.transactional_id = transactional_id
        self._outbox = Outbox(
            cluster,
            transactional_id=transactional_id,
            transaction_timeout_ms=10_000,
            retry_backoff_ms=1,
            linger_ms=0,
            batch_num_messages=100_000,
        )
        self._producer = self._outbox.producer
        self._is_open = False

    def init(self) -> None:
        """See :class:`streams.log.kafka.transport.Writer`."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            try:
                # connects; without a connection the coordinator is sought each 0.5 s only
                self._producer.list_topics(timeout=TIMEOUT_SECONDS)
                self._producer.init_transactions(TIMEOUT_SECONDS)
                return
            except KafkaException as problem:
                self._raise_fatal(problem, "taking over")
                retry(
                    problem,
                    deadline,
                    f"transactional id {self.transactional_id} cannot be taken over",
                )

    def begin(self) -> None:
        """See :class:`streams.log.kafka.transport.Writer`."""
        self._outbox.forget()
        try:
            self._producer.begin_transaction()
        except KafkaException as problem:
            self._raise_fatal(problem, "beginning a transaction")
            raise TransportFailed(
                f"{self.transactional_id}: no transaction can begin: {problem.args[0].str()}"
            ) from problem
        self._is_open = True

    def produce(
        self,
        topic: str,
        partition: int,
        values: Sequence[bytes],
        keys: Sequence[bytes] | None = None,
    ) -> None:
        """See :class:`streams.log.kafka.transport.Writer`."""
        try:
            self._outbox.send(topic, partition, values, keys)
        except KafkaException as problem:
            self._raise_fatal(problem, f"writing to {topic}")
            self._raise_cause(f"writing to {topic}")
            raise TransportFailed(
                f"{topic}/{partition} takes no record: {problem.args[0].str()}; the batch is "
                "aborted and made again"
            ) from problem

    def commit(self) -> Mapping[Partition, int]:
        """See :class:`streams.log.kafka.transport.Writer`."""
        deadline = time.monotonic() + COMMIT_SECONDS
        while True:
            try:
                self._producer.commit_transaction(max(0.1, deadline - time.monotonic()))
                break
            except KafkaException as problem:
                error = problem.args[0]
                self._raise_fatal(problem, "committing")
                self._outbox.check_size()
                if error.txn_requires_abort():
                    self._raise_cause("committing")
                    reason = self._outbox.failed or error
                    what = f"{reason.str()} ({reason.name()})"
                    raise TransportFailed(
                        f"{self.transactional_id}: the transaction cannot be committed: {what}"
                    ) from problem
                if time.monotonic() >= deadline or not error.retriable():
                    raise OutcomeUnknown(
                        f"{self.transactional_id}: no answer to a commit within "
                        f"{COMMIT_SECONDS:.0f} s ({error.str()}); the journal will tell whether it "
                        "happened"
                    ) from problem
        self._is_open = False
        if self._outbox.failed is not None:
            raise TransportFailed(
                f"{self.transactional_id}: a record was not delivered: {self._outbox.failed.str()}"
            )
        return self._outbox.last

    def abort(self) -> None:
        """See :class:`streams.log.kafka.transport.Writer`."""
        if self._is_open:
            self._aborted()  # what fails here is aborted by the next owner's init

    def void(self, partitions: Sequence[Partition]) -> None:
        """See :class:`streams.log.kafka.transport.Writer`."""
        self.begin()
        for topic, partition in partitions:
            self.produce(topic, partition, [VOID], [VOID])
        try:  # an abort drops what was not sent, and its partitions get no marker then
            left = self._producer.flush(COMMIT_SECONDS)
        except (KafkaException, SystemError):  # fenced: raised amid callbacks; the abort says it
            left = 1
        reason = self._outbox.failed
        cause = self._aborted()
        if cause is not None:
            self._raise_fatal(cause, "aborting")
        if left or reason is not None or cause is not None:
            text = (
                reason.str()
                if reason is not None
                else cause.args[0].str()
                if cause is not None
                else "no answer"
            )
            raise TransportFailed(
                f"{self.transactional_id}: what hangs cannot be aborted: {text}; check the broker, "
                "then start again"
            )

    def close(self) -> None:
        """See :class:`streams.log.kafka.transport.Writer`."""
        self._producer.purge()

    def _aborted(self) -> KafkaException | None:
        """Abort; what that met, if it failed."""
        self._is_open = False
        try:
            self._producer.abort_transaction(ABORT_SECONDS)
        except KafkaException as problem:
            return problem
        return None

    def _raise_cause(self, doing: str) -> None:
        """Raise what a transaction that failed was failed by, if that is for good.

        The call that meets it is told of an erroneous state alone; the abort, which is due anyway,
        is told why.
        """
        cause = self._aborted()
        if cause is not None:
            self._raise_fatal(cause, doing)

    def _raise_fatal(self, problem: KafkaException, doing: str) -> None:
        error = problem.args[0]
        if error.code() in FENCED or (error.fatal() and "fenced" in error.str().lower()):
            raise Fenced(
                f"{self.transactional_id} was taken over by another owner while {doing}; this "
                "process ends, the other goes on"
            ) from problem
        if error.fatal():
            raise TransportFailed(
                f"{self.transactional_id}: {doing} failed for good: {error.str()} ({error.name()})"
            ) from problem
