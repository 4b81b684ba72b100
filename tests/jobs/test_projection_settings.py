"""A cluster's security settings as the projection's client takes them. Oracle: Faust's own
credential classes and the ssl module's contexts.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import faust
import pytest

from jobs.projection.consumer import READ_COMMITTED, CommittedConsumer, CommittedTransport
from jobs.projection.credentials import UnusableSetting, broker_credentials
from streams.log.kafka.cluster import Cluster


def credentials(**settings: str) -> Any:
    return broker_credentials(
        Cluster(
            bootstrap="127.0.0.1:1",
            settings={name.replace("_", "."): value for name, value in settings.items()},
        )
    )


def test_a_plaintext_cluster_needs_none() -> None:
    assert credentials() is None
    assert credentials(security_protocol="PLAINTEXT", socket_keepalive_enable="true") is None


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_user_and_password_are_carried_over(mechanism: str) -> None:
    found = credentials(
        security_protocol="sasl_plaintext",
        sasl_mechanism=mechanism,
        sasl_username="u",
        sasl_password="p",
    )
    assert isinstance(found, faust.SASLCredentials)
    assert (found.username, found.password, found.mechanism.value, found.ssl_context) == (
        "u",
        "p",
        mechanism,
        None,
    )


def test_tls_checks_certificates_unless_told_not_to() -> None:
    found = credentials(security_protocol="ssl")
    assert (
        isinstance(found, faust.SSLCredentials)
        and found.context.verify_mode == ssl.CERT_REQUIRED
        and found.context.check_hostname
    )
    lax = credentials(security_protocol="ssl", enable_ssl_certificate_verification="false")
    assert lax.context.verify_mode == ssl.CERT_NONE
    named = credentials(
        security_protocol="sasl_ssl",
        sasl_mechanisms="PLAIN",
        ssl_endpoint_identification_algorithm="none",
    )
    assert (
        named.ssl_context.verify_mode == ssl.CERT_REQUIRED and not named.ssl_context.check_hostname
    )


def test_what_cannot_be_carried_over_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UnusableSetting, match=r"sasl\.oauthbearer\.config"):
        credentials(security_protocol="sasl_ssl", sasl_oauthbearer_config="x")
    with pytest.raises(UnusableSetting, match="SASL_SSL GSSAPI"):
        credentials(security_protocol="sasl_ssl", sasl_mechanism="GSSAPI")
    with pytest.raises(UnusableSetting, match="cannot be read"):
        credentials(security_protocol="ssl", ssl_ca_location=str(tmp_path / "none.pem"))


def test_faust_still_keeps_its_isolation_where_it_is_forced() -> None:
    """The attribute that is set is the one aiokafka makes its fetcher with; the broker has its say
    in tests/kafka/test_projection.py.
    """
    import inspect

    import aiokafka

    source = inspect.getsource(aiokafka.AIOKafkaConsumer)
    assert "isolation_level=self._isolation_level" in source
    assert READ_COMMITTED in inspect.getsource(aiokafka.consumer.fetcher)
    assert CommittedTransport.Consumer is CommittedConsumer
