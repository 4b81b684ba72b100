"""What heals by itself on a cluster, and how long it is waited for."""

from __future__ import annotations

import time

from confluent_kafka import KafkaError, KafkaException

from streams.log.kafka.transport import TransportFailed

TIMEOUT_SECONDS = 30.0
HEALING = frozenset(
    (
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._RESOLVE,
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._NODE_UPDATE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.NOT_COORDINATOR,
    )
)


def retry(problem: KafkaException, deadline: float, what: str) -> None:
    """Return to try again; raise once the deadline has passed or where trying again cannot help."""
    error = problem.args[0]
    if time.monotonic() < deadline and (error.code() in HEALING or error.retriable()):
        time.sleep(0.05)
        return
    raise TransportFailed(
        f"{what}: {error.str()} ({error.name()}); check that the broker is up and the topic exists"
    ) from problem
