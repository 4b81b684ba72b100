"""A broker that wants TLS and a password, and clients that come with the right and the wrong ones.
Oracle: the broker lets in or not.

Certificates are made here, by the cryptography package, for this run only.
"""

from __future__ import annotations

import datetime
import ipaddress
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import NewTopic
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from needs import need_broker
from prometheus_client import CollectorRegistry

from infra.kafka.broker import Broker
from infra.kafka.ready import TOPIC
from jobs.lag.cluster import KafkaLagSource
from jobs.lag.exporter import LagExporter
from jobs.lag.quiet import Calendar
from jobs.lag.settings import LagSettings
from jobs.lag.watching import Watch
from schemas.errors import ShrivenError
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.errors import BadSetting, BrokerUnreachable, CredentialsRefused, quiet, reach
from tests.kafka.edge_topics import Ended
from tests.kafka.members import edge_of

pytestmark = pytest.mark.broker
SECONDS_MAX = 25.0  # on two busy cores; alone it is about ten


def certificate(folder: Path, name: str) -> Path:
    """A self-signed certificate of 127.0.0.1 with its key, as PEM; its path."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = made.public_bytes(serialization.Encoding.PEM)
    (folder / f"{name}.crt").write_bytes(public)
    (folder / f"{name}.pem").write_bytes(secret + public)
    return folder / f"{name}.crt"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The cluster as a client with everything right sees it."""
    need_broker()
    folder = tmp_path_factory.mktemp("secured")
    authority = certificate(folder, "broker")
    certificate(folder, "stranger")
    login = (
        'org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="correct '
        'horse" user_bob="no rights";'
    )
    properties = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS;User:alice",
        "listener.security.protocol.map": "CLIENT:SASL_SSL,INNER:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "listener.name.client.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.client.plain.sasl.jaas.config": login,
        "listener.name.client.ssl.keystore.type": "PEM",
        "listener.name.client.ssl.keystore.location": str(folder / "broker.pem"),
    }
    with Broker(folder / "broker", properties=properties, dies_with_parent=True) as broker:
        broker.start()
        settings = {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "PLAIN",
            "sasl.username": "alice",
            "sasl.password": "correct horse",
            "ssl.ca.location": str(authority),
        }
        yield Cluster(bootstrap=broker.bootstrap, settings=settings)


def changed(secured: Cluster, **settings: str) -> Cluster:
    own = {key.replace("_", "."): value for key, value in settings.items()}
    return Cluster(bootstrap=secured.bootstrap, settings={**secured.settings, **own})


def test_settings_pass_through_and_a_record_goes_in(secured: Cluster) -> None:
    assert TOPIC in reach(secured, 30).list_topics(timeout=10).topics
    producer = Producer(secured.client(**quiet()))
    problems: list[object] = []
    producer.produce(
        TOPIC, b"secured", partition=0, on_delivery=lambda problem, _: problems.append(problem)
    )
    producer.flush(30)
    assert problems == [None]


@pytest.mark.parametrize(
    ("settings", "kind", "says"),
    [
        ({"sasl_password": "wrong"}, CredentialsRefused, "user, password"),
        ({"ssl_ca_location": "{stranger}"}, CredentialsRefused, "certificate"),
        (
            {"security_protocol": "PLAINTEXT"},
            BrokerUnreachable,
            "no answer in PLAINTEXT.*security.protocol",
        ),
        ({"security_protocol": "SASL_TLS"}, BadSetting, "SASL_TLS"),
        ({"sasl_mechanism": "SCRAM-SHA-512"}, CredentialsRefused, "mechanism"),
    ],
    ids=["password", "authority", "no TLS", "unknown protocol", "mechanism"],
)
def test_a_client_that_is_wrong_is_told_what_within_seconds(
    secured: Cluster,
    settings: dict[str, str],
    kind: type[ShrivenError],
    says: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    stranger = secured.settings["ssl.ca.location"].replace("broker.crt", "stranger.crt")
    began = time.monotonic()
    with pytest.raises(kind, match=says) as refused:
        reach(
            changed(
                secured,
                **{key: value.replace("{stranger}", stranger) for key, value in settings.items()},
            )
        )
    assert time.monotonic() - began < SECONDS_MAX
    assert "\n" not in refused.value.text
    assert capfd.readouterr().err == ""  # librdkafka's own lines stay away


def command(cluster: Cluster, tmp_path: Path, *arguments: str) -> Ended:
    """A command as a user types it, with this cluster's settings as variables."""
    settings = {
        f"SQ_KAFKA_SETTING_{key.upper().replace('.', '_')}": value
        for key, value in cluster.settings.items()
    }
    return edge_of(cluster).sq(*arguments, **settings, SQ_KAFKA_HOME=str(tmp_path / "home"))


COMMANDS: tuple[tuple[str, ...], ...] = (
    ("lag",),
    ("status",),
    ("topics", "plan", "--no-registry"),
    ("stop", "pipeline", "--close"),
    ("run", "market"),
    ("verify", "kafka://{0}", "--topology", "pipeline"),
    ("cat", "kafka://{0}", "fills"),
    ("pull", "kafka://{0}", "--out", "{1}", "--topology", "pipeline"),
    ("dlq", "list"),
    ("skip", "md.depth/0/7", "--reason", "x"),
)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"sasl_password": "wrong"}, "refuses the connection.*user, password and certificates"),
        ({"ssl_ca_location": "/nowhere/ca.pem"}, "ssl.ca.location|certificate"),
        ({"ssl_ca_location": "{stranger}"}, "refuses the connection.*certificate"),
    ],
    ids=["password", "no authority file", "authority"],
)
def test_every_command_says_what_is_wrong_with_how_it_speaks_to_the_cluster(
    secured: Cluster, settings: dict[str, str], says: str, tmp_path: Path
) -> None:
    stranger = secured.settings["ssl.ca.location"].replace("broker.crt", "stranger.crt")
    wrong = changed(
        secured, **{key: value.replace("{stranger}", stranger) for key, value in settings.items()}
    )
    for each in COMMANDS:
        ended = command(
            wrong, tmp_path, *(word.format(wrong.bootstrap, tmp_path / "pulled") for word in each)
        )
        assert ended.returncode != 0, each
        assert (
            re.search(says, ended.stderr)
            and len(ended.stderr.splitlines()) == 1
            and "defect" not in ended.stderr
        ), (each, ended.stderr)


def test_a_user_without_rights_is_told_so_and_is_not_shown_an_empty_cluster(
    secured: Cluster, tmp_path: Path
) -> None:
    admin = reach(secured, 30)
    admin.create_topics([NewTopic("topologies", 1)])["topologies"].result(30)
    place = ConsumerGroupTopicPartitions("somebody", [TopicPartition("topologies", 0, 0)])
    admin.alter_consumer_group_offsets([place])["somebody"].result(30)
    assert command(secured, tmp_path, "lag").returncode == 0
    bob = changed(secured, sasl_username="bob", sasl_password="no rights")
    for each in (("lag",), ("lag", "--json"), ("topics", "plan", "--no-registry"), ("status",)):
        ended = command(bob, tmp_path, *each)
        assert "not authorised" in ended.stderr and len(ended.stderr.splitlines()) == 1, (
            each,
            ended,
        )
        assert ended.returncode == (2 if each == ("status",) else 1), each
    settings = LagSettings(request_seconds=10.0)
    exporter = LagExporter(Watch(KafkaLagSource(bob, settings), settings), 5.0, Calendar())
    registry = CollectorRegistry(auto_describe=False)
    registry.register(exporter)
    exporter.collect_once()
    assert (
        registry.get_sample_value("shriven_lag_exporter_unread_total", {"cause": "not_authorized"})
        == 1
    ), "LagExporterBlind fires"
    assert registry.get_sample_value("shriven_lag_exporter_groups") == 0
    assert registry.get_sample_value("shriven_lag_exporter_up", {"environment": "local"}) == 1, (
        "the cluster answers"
    )
    assert exporter.problem.startswith("not authorised")
