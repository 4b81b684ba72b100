"""Clusters that cannot be used, as a user meets them: one line that says what to do, soon, and
nothing else on standard error.

Oracle: what is really at the address: nothing, a web server, a broker without TLS.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException

from streams.log.kafka.cluster import Cluster
from streams.log.kafka.errors import (
    BrokerUnreachable,
    CredentialsRefused,
    KafkaTrouble,
    MissingTopic,
    NotAllowed,
    RecordTooLarge,
    explain,
)

SECONDS_MAX = 40.0  # the command's own limit is ten; starting Python on a busy machine comes to it


def plan(home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    others = {name: value for name, value in os.environ.items() if not name.startswith("SQ_KAFKA_")}
    command = [sys.executable, "-m", "jobs.sq", "topics", "plan", "--no-registry"]
    environment = {**others, "SQ_KAFKA_HOME": str(home), **variables}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        (
            {"SQ_KAFKA_BOOTSTRAP": "127.0.0.1:9"},
            "sq: the cluster at 127.0.0.1:9 does not answer: Connect to ipv4#127.0.0.1:9 failed: ",
        ),
        (
            {"SQ_KAFKA_BOOTSTRAP": "no-such-host.invalid:9092"},
            "sq: the cluster at no-such-host.invalid:9092 does not answer: Failed to resolve",
        ),
        (
            {"SQ_KAFKA_BOOTSTRAP": "127.0.0.1:9", "SQ_KAFKA_SETTING_SECURTY_PROTOCOL": "SSL"},
            'No such configuration property: "securty.protocol"',
        ),
    ],
    ids=["nothing listens", "no such host", "misspelt setting"],
)
def test_a_cluster_that_cannot_be_used_is_one_line_within_seconds(
    tmp_path: Path, variables: dict[str, str], says: str
) -> None:
    began = time.monotonic()
    ended = plan(tmp_path, **variables)
    assert ended.returncode in (1, 2)
    assert says in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stdout == ""
    assert time.monotonic() - began < SECONDS_MAX


@pytest.mark.broker
def test_a_client_that_wants_tls_of_a_broker_without_is_told_so(
    tmp_path: Path, shared_bootstrap: str
) -> None:
    ended = plan(
        tmp_path, SQ_KAFKA_BOOTSTRAP=shared_bootstrap, SQ_KAFKA_SETTING_SECURITY_PROTOCOL="SSL"
    )
    assert ended.returncode == 1
    assert (
        "no answer in SSL" in ended.stderr
        and "security.protocol" in ended.stderr
        and len(ended.stderr.splitlines()) == 1
    )


@pytest.mark.broker
def test_a_web_server_is_no_broker(tmp_path: Path, shared_registry: str) -> None:
    ended = plan(tmp_path, SQ_KAFKA_BOOTSTRAP=shared_registry.split("/")[2])
    assert ended.returncode == 2
    assert "is no Kafka broker" in ended.stderr and len(ended.stderr.splitlines()) == 1


def test_a_certificate_that_is_refused_again_and_again_is_no_cluster_that_does_not_answer() -> None:
    """As librdkafka reports it from the second time on; recorded with a broker of another
    authority.
    """
    words = (
        "sasl_ssl://127.0.0.1:9/bootstrap: error:0A000086:SSL routines::certificate verify failed"
    )
    problem = KafkaError(KafkaError._TRANSPORT, f"{words} (after 4ms in state SSL_HANDSHAKE)")
    found = explain(problem, Cluster(bootstrap="127.0.0.1:9"))
    assert type(found) is CredentialsRefused
    assert "refuses the connection" in found.text and "certificates" in found.text


@pytest.mark.parametrize(
    ("code", "kind", "says"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, NotAllowed, "grant the right"),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, MissingTopic, "sq topics apply"),
        (KafkaError.MSG_SIZE_TOO_LARGE, RecordTooLarge, "max.message.bytes"),
        (KafkaError._ALL_BROKERS_DOWN, BrokerUnreachable, "sq kafka status"),
        (KafkaError.NOT_ENOUGH_REPLICAS, KafkaTrouble, "NOT_ENOUGH_REPLICAS|in-sync"),
        (KafkaError.UNKNOWN, KafkaTrouble, "UNKNOWN"),
    ],
)
def test_every_error_says_what_it_means_and_what_was_being_done(
    code: int, kind: type[KafkaTrouble], says: str
) -> None:
    cluster = Cluster(bootstrap="127.0.0.1:9")
    for problem in (KafkaError(code), KafkaException(KafkaError(code))):
        found = explain(problem, cluster, "writing to fills")
        assert type(found) is kind
        assert "writing to fills" in found.text
    with pytest.raises(kind, match=says):
        raise explain(KafkaError(code), cluster)
