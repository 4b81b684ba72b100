"""When a service is up: it has answered what its users will ask of it, not merely opened a port."""

from __future__ import annotations

import functools
import logging
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from infra.kafka.errors import ServiceFailed

TOPIC = "_sq.ready"
"""The round trip's topic: names that begin with an underscore are nobody's, and no drift."""

_LOGGER = logging.getLogger("infra.kafka.ready")
_LOGGER.addHandler(logging.NullHandler())
_LOGGER.propagate = False
_QUIET: dict[str, Any] = {"logger": _LOGGER, "log_level": 3}


@functools.lru_cache(maxsize=16)
def _admin(bootstrap: str) -> AdminClient:
    """One admin client for each address, kept: one that is let go while an answer arrives is freed
    on its own thread, which aborts the process.
    """
    return AdminClient(
        {
            "bootstrap.servers": bootstrap,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 250,
            **_QUIET,
        }
    )


def wait_for(
    what: str,
    done: Callable[[], bool],
    alive: Callable[[], bool],
    seconds: float,
    last_words: Callable[[], str],
) -> None:
    """Wait until ``done``. Raises ServiceFailed when it is no longer ``alive``, or after
    ``seconds``; the error ends with its last words.
    """
    end = time.monotonic() + seconds
    while not done():
        if not alive():
            raise ServiceFailed(f"{what} ended while it started: {last_words()}")
        if time.monotonic() > end:
            raise ServiceFailed(f"{what} did not answer within {seconds:g} s: {last_words()}")
        time.sleep(0.05)


def broker_answers(bootstrap: str, seconds: float = 5.0) -> bool:
    """True if the cluster tells who it is and has a controller."""
    try:
        facts = _admin(bootstrap).describe_cluster(request_timeout=seconds).result(seconds + 1)
    except (KafkaException, TimeoutError):
        return False
    return bool(facts.nodes) and facts.controller is not None


def record_passes(bootstrap: str, seconds: float = 10.0) -> bool:
    """True if a record written now is read back."""
    admin = _admin(bootstrap)
    try:
        if TOPIC not in admin.list_topics(timeout=seconds).topics:
            admin.create_topics(
                [NewTopic(TOPIC, 1, config={"retention.ms": "3600000"})], operation_timeout=seconds
            )[TOPIC].result(seconds + 1)
    except (KafkaException, TimeoutError):
        return False
    token = uuid.uuid4().bytes
    landed: list[int | None] = []
    producer = Producer(
        {"bootstrap.servers": bootstrap, "message.timeout.ms": int(seconds * 1000), **_QUIET}
    )
    producer.produce(
        TOPIC,
        token,
        partition=0,
        on_delivery=lambda problem, message: None if problem else landed.append(message.offset()),
    )
    producer.flush(seconds)
    if not landed or landed[0] is None:
        return False
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "_sq.ready",
            "enable.auto.commit": False,
            **_QUIET,
        }
    )
    try:
        consumer.assign([TopicPartition(TOPIC, 0, landed[0])])
        message = consumer.poll(seconds)
        return message is not None and message.error() is None and message.value() == token
    finally:
        consumer.close()


def url_answers(url: str, seconds: float = 5.0) -> bool:
    """True if a GET is answered with success."""
    try:
        with urllib.request.urlopen(url, timeout=seconds) as answer:  # noqa: S310 - a URL of our own making
            return int(answer.status) < 300
    except (urllib.error.URLError, OSError):
        return False
