"""A broker that wants TLS and a password, and clients that come with the right and the wrong ones. Oracle: the broker lets in or not.

Certificates are made here, by the cryptography package, for this run only.
"""

from __future__ import annotations

import datetime
import ipaddress
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from needs import need_broker

from infra.kafka.broker import Broker
from infra.kafka.ready import TOPIC
from schemas.errors import ShrivenError
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.errors import BadSetting, BrokerUnreachable, CredentialsRefused, quiet, reach

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
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
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
    login = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="correct horse";'
    properties = {
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
    producer.produce(TOPIC, b"secured", partition=0, on_delivery=lambda problem, _: problems.append(problem))
    producer.flush(30)
    assert problems == [None]


@pytest.mark.parametrize(
    ("settings", "kind", "says"),
    [
        ({"sasl_password": "wrong"}, CredentialsRefused, "user, password"),
        ({"ssl_ca_location": "{stranger}"}, CredentialsRefused, "certificate"),
        ({"security_protocol": "PLAINTEXT"}, BrokerUnreachable, "no answer in PLAINTEXT.*security.protocol"),
        ({"security_protocol": "SASL_TLS"}, BadSetting, "SASL_TLS"),
        ({"sasl_mechanism": "SCRAM-SHA-512"}, CredentialsRefused, "mechanism"),
    ],
    ids=["password", "authority", "no TLS", "unknown protocol", "mechanism"],
)
def test_a_client_that_is_wrong_is_told_what_within_seconds(
    secured: Cluster, settings: dict[str, str], kind: type[ShrivenError], says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    stranger = secured.settings["ssl.ca.location"].replace("broker.crt", "stranger.crt")
    began = time.monotonic()
    with pytest.raises(kind, match=says) as refused:
        reach(changed(secured, **{key: value.replace("{stranger}", stranger) for key, value in settings.items()}))
    assert time.monotonic() - began < SECONDS_MAX
    assert "\n" not in refused.value.text
    assert capfd.readouterr().err == ""  # librdkafka's own lines stay away
