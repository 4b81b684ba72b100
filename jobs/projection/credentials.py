"""A cluster's librdkafka settings as Faust and aiokafka want them: TLS and SASL by PLAIN or SCRAM,
certificates as files.
"""

from __future__ import annotations

import ssl
from typing import Any

import faust

from schemas.errors import WrongUse
from streams.log.kafka.cluster import Cluster

MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
PASSED = (
    "security.protocol", "sasl.mechanism", "sasl.mechanisms", "sasl.username", "sasl.password",
    "ssl.ca.location", "ssl.certificate.location",
    "ssl.key.location", "ssl.key.password", "ssl.endpoint.identification.algorithm",
    "enable.ssl.certificate.verification",
)  # fmt: skip


class UnusableSetting(WrongUse):
    """A security setting that this client has no counterpart of."""

    code = "unusable_setting"


def broker_credentials(cluster: Cluster) -> Any:
    """Faust's credentials; None for a plaintext cluster. Raises UnusableSetting, naming what cannot
    be carried over.
    """
    settings = cluster.settings
    unknown = sorted(
        key
        for key in settings
        if key.startswith(("sasl.", "ssl.", "security.", "enable.ssl.")) and key not in PASSED
    )
    if unknown:
        raise UnusableSetting(
            f"the projection's client has no counterpart of {unknown[0]}; it knows "
            f"{', '.join(PASSED)}"
        )
    protocol = settings.get("security.protocol", "plaintext").upper()
    if protocol == "PLAINTEXT":
        return None
    context = _context(settings) if protocol in ("SSL", "SASL_SSL") else None
    if protocol == "SSL":
        return faust.SSLCredentials(context)
    mechanism = settings.get("sasl.mechanism", settings.get("sasl.mechanisms", "")).upper()
    if protocol not in ("SASL_PLAINTEXT", "SASL_SSL") or mechanism not in MECHANISMS:
        raise UnusableSetting(
            f"the projection's client speaks {', '.join(MECHANISMS)} over TLS or plaintext, not "
            f"{protocol} {mechanism}"
        )
    return faust.SASLCredentials(
        username=settings.get("sasl.username", ""),
        password=settings.get("sasl.password", ""),
        mechanism=mechanism,
        ssl_context=context,
    )


def _context(settings: dict[str, str]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.get("ssl.ca.location"))
        if settings.get("ssl.certificate.location"):
            context.load_cert_chain(
                settings["ssl.certificate.location"],
                settings.get("ssl.key.location"),
                settings.get("ssl.key.password"),
            )
    except (OSError, ssl.SSLError) as problem:
        raise UnusableSetting(
            f"a certificate of the cluster's settings cannot be read: {problem}; check "
            "ssl.*.location"
        ) from problem
    if settings.get("ssl.endpoint.identification.algorithm", "https") in ("", "none"):
        context.check_hostname = False
    if settings.get("enable.ssl.certificate.verification", "true").lower() == "false":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
