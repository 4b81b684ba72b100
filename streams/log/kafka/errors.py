"""librdkafka's errors in words: what happened, what it means, what to do.

:func:`explain` turns one into a typed error. :func:`reach` finds out within seconds whether a
cluster can be used at all: librdkafka itself goes on trying for ever, and tells the reason (wrong
password, no TLS) only beside the call that then times out. Its own log lines go to the logger
``streams.log.kafka.librdkafka``, never to standard error: ``cluster.client(**quiet())``.
"""

from __future__ import annotations

import os
import re
import socket
import time
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from schemas.errors import ShrivenError, WrongUse
from streams.log.kafka.cluster import Cluster, find_cluster
from streams.log.kafka.silence import SILENT

LOGGER = SILENT
REACH_SECONDS = 10.0
TRY_SECONDS = 1.0
WHEN = re.compile(r" \(after \d+ms in state \w+(, \d+ identical error\(s\) suppressed)?\)")


class KafkaTrouble(ShrivenError):
    """The cluster answers with an error that has no name of its own here; the text has Kafka's."""

    code = "kafka_trouble"


class BrokerUnreachable(KafkaTrouble):
    """No broker answers: transient, says nothing about any data."""

    code = "broker_unreachable"


class CredentialsRefused(WrongUse):
    """The cluster does not take who we say we are, or how we speak (TLS, SASL)."""

    code = "credentials_refused"
    restart_helps = True


class NotAllowed(WrongUse):
    """The cluster knows us and does not let us do this."""

    code = "not_allowed"
    restart_helps = True


class NotAuthorised(NotAllowed):
    """The cluster hides from us what was asked for: what looks like nothing may be everything."""

    code = "not_authorised"
    exit_code = 1


class MissingTopic(WrongUse):
    """A topic is not on the cluster."""

    code = "missing_topic"
    restart_helps = True


class WrongPartitions(WrongUse):
    """A topic has another number of partitions than it must have."""

    code = "wrong_partitions"


class RecordTooLarge(ShrivenError):
    """A record exceeds what its topic takes."""

    code = "record_too_large"
    restart_helps = False


class BadSetting(WrongUse):
    """librdkafka does not know a setting, or does not take its value."""

    code = "bad_setting"


class BadTopicSetting(WrongUse):
    """The cluster does not take a topic as it was asked for."""

    code = "bad_topic_setting"


_CREDENTIALS = (
    KafkaError._AUTHENTICATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError._SSL,
    KafkaError.UNSUPPORTED_SASL_MECHANISM,
)
REFUSED_CERTIFICATE = "certificate verify failed"
"""OpenSSL's words. librdkafka reports a repeated one as a failure of transport, not of SSL."""
_NOT_ALLOWED = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
)
_UNREACHABLE = (
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._RESOLVE,
    KafkaError._TIMED_OUT,
    KafkaError._TIMED_OUT_QUEUE,
)
_MISSING = (
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
)
_TOO_LARGE = (
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.RECORD_LIST_TOO_LARGE,
    KafkaError.INVALID_MSG_SIZE,
)
_BAD_TOPIC = (
    KafkaError.INVALID_CONFIG,
    KafkaError.INVALID_PARTITIONS,
    KafkaError.INVALID_REPLICATION_FACTOR,
    KafkaError.POLICY_VIOLATION,
    KafkaError.TOPIC_EXCEPTION,
)


def is_too_large(error: KafkaError | None) -> bool:
    """True if a record was refused for its size: by the client before it is sent, or by the broker.
    """
    return error is not None and error.code() in _TOO_LARGE


def too_large(topic: str, partition: int, length: int) -> RecordTooLarge:
    """A record that the client or the broker refused for its size. Trying again cannot help."""
    return RecordTooLarge(
        f"a record of {length} bytes for {topic}/{partition} is larger than the topic or the "
        "client takes; nothing of its transaction is kept. Make it smaller at its source, or "
        f"raise max.message.bytes of {topic} and message.max.bytes in the cluster's settings"
    )


def quiet() -> dict[str, Any]:
    """Arguments of :meth:`Cluster.client` that send librdkafka's own lines to our logger, and its
    healing errors nowhere.
    """
    return {"logger": LOGGER, "error_cb": _ignore}


def explain(
    problem: KafkaError | KafkaException | TimeoutError,
    cluster: Cluster | None = None,
    what: str = "",
) -> ShrivenError:
    """The typed error behind librdkafka's.

    Args:
        problem: as it was raised, or reported by a message or callback.
        cluster: names the address and what to look at.
        what: what was being done: ``writing to md.trades``.
    """
    error = _error_of(problem)
    code, where = error.code(), f"the cluster at {cluster.bootstrap}" if cluster else "the cluster"
    doing = f" ({what})" if what else ""
    if code in _CREDENTIALS or REFUSED_CERTIFICATE in error.str():
        return CredentialsRefused(
            f"{where} refuses the connection{doing}: {_words(error)}; check security.protocol, "
            "user, password and certificates"
        )
    if code in _NOT_ALLOWED:
        return NotAllowed(
            f"not authorised: {where} does not allow this{doing}: {_words(error)}; grant the right "
            "to this user, or use another"
        )
    if code in _MISSING:
        return MissingTopic(
            f"a topic or partition is not on {where}{doing}: {_words(error)}; run 'sq topics apply'"
        )
    if code in _TOO_LARGE:
        return RecordTooLarge(
            f"a record is too large for its topic{doing}: {_words(error)}; send less at once, or "
            "raise its max.message.bytes"
        )
    if code in _BAD_TOPIC:
        return BadTopicSetting(
            f"{where} does not take a topic as it was asked for{doing}: {_words(error)}"
        )
    if code == KafkaError._BAD_MSG:
        at = cluster.bootstrap if cluster else "that address"
        return BadSetting(
            f"what answers at {at} is no Kafka broker: {_words(error)}; check the address and "
            "security.protocol"
        )
    if code == KafkaError._INVALID_ARG:
        return BadSetting(
            f"a client setting cannot be used{doing}: {_words(error)}; see 'settings' of the "
            "cluster's file and SQ_KAFKA_SETTING_*"
        )
    if code == KafkaError.UNSUPPORTED_VERSION or code == KafkaError._UNSUPPORTED_FEATURE:
        return KafkaTrouble(
            f"{where} is too old for this{doing}: {_words(error)}; Kafka 3.7 or newer is needed"
        )
    if code in _UNREACHABLE or error.retriable():
        is_local = cluster is None or cluster.bootstrap.startswith("127.")
        hint = (
            "'sq kafka status' shows the local one"
            if is_local
            else "check the address and the network"
        )
        return BrokerUnreachable(f"{where} does not answer{doing}: {_words(error)}; {hint}")
    return KafkaTrouble(f"{where} answers with {error.name()}{doing}: {_words(error)}")


def reach(cluster: Cluster, seconds: float = REACH_SECONDS) -> AdminClient:
    """The admin client of a cluster that has just answered; the same one for every call.

    Raises:
        BrokerUnreachable: no answer within ``seconds``.
        CredentialsRefused, NotAllowed, BadSetting: as soon as the cluster or the client says so.
    """
    admin, told = _admin(cluster)
    told.clear()
    end = time.monotonic() + seconds
    while True:
        try:
            admin.list_topics(timeout=TRY_SECONDS)
            return admin
        except KafkaException as problem:
            admin.poll(0)
            worst = _worst([_error_of(problem), *told])
            found = explain(worst, cluster)
            if isinstance(found, BrokerUnreachable) and time.monotonic() < end:
                continue
            if isinstance(found, BrokerUnreachable) and _accepts(cluster.bootstrap):
                protocol = cluster.settings.get("security.protocol", "PLAINTEXT")
                raise BrokerUnreachable(
                    f"the cluster at {cluster.bootstrap} takes connections and gives no answer in "
                    f"{protocol}: {_words(worst)}; it is starting or stuck, or wants another "
                    "security.protocol"
                ) from None
            raise found from None


def reached_cluster(url: str = "") -> Cluster:
    """The cluster to use, once it has answered: for commands, which say at once what is wrong with
    it. Raises as ``find_cluster`` and ``reach``.
    """
    cluster = find_cluster(url)
    reach(cluster)
    return cluster


_ADMINS: dict[tuple[int, str], tuple[AdminClient, list[KafkaError]]] = {}
"""One admin client for each cluster and process, kept: one that is let go just as an answer arrives
is freed on its own background thread, and librdkafka aborts the process for that (seen on a busy
machine).
"""


def _admin(cluster: Cluster) -> tuple[AdminClient, list[KafkaError]]:
    """The cluster's admin client, and the errors it has told. Raises BadSetting."""
    key = (os.getpid(), repr(cluster))
    if key not in _ADMINS:
        told: list[KafkaError] = []
        settings = cluster.client(
            logger=LOGGER,
            error_cb=told.append,
            reconnect_backoff_ms=50,
            reconnect_backoff_max_ms=1000,
        )
        try:
            _ADMINS[key] = AdminClient(settings), told
        except KafkaException as problem:
            raise explain(problem, cluster, "making a client") from None
    return _ADMINS[key]


def _accepts(bootstrap: str) -> bool:
    """True if something listens at the first address."""
    host, _, port = bootstrap.partition(",")[0].rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=2):
            return True
    except (OSError, ValueError):
        return False


def _worst(errors: list[KafkaError]) -> KafkaError:
    """The one that says most: a refusal, else a name that does not resolve, else what the
    connection said, else a time-out.
    """

    def weight(error: KafkaError) -> int:
        code = error.code()
        vague = (KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT, KafkaError._TIMED_OUT_QUEUE)
        if code in _CREDENTIALS or code in _NOT_ALLOWED:
            return 4
        if code == KafkaError._RESOLVE:
            return 3
        if code in vague or "Failed to get metadata" in error.str():
            return 0
        return 2 if code == KafkaError._TRANSPORT else 1

    return max(errors, key=weight)


def _error_of(problem: KafkaError | KafkaException | TimeoutError) -> KafkaError:
    if isinstance(problem, KafkaError):
        return problem
    if isinstance(problem, TimeoutError):
        return KafkaError(KafkaError._TIMED_OUT)
    inner = problem.args[0]
    return inner if isinstance(inner, KafkaError) else KafkaError(KafkaError._FAIL, str(inner))


def _words(error: KafkaError) -> str:
    """Its text in one line, without the client's own name and address prefix."""
    text = " ".join(error.str().split())
    head, separator, rest = text.partition("/bootstrap: ")
    return WHEN.sub("", rest if separator else head).removesuffix(".")[:300]


def _ignore(_: KafkaError) -> None:
    """Errors that heal by themselves; what does not heal is raised by the call that meets it."""
