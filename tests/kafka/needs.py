"""What a test of a real service needs of this machine; where it is not there, the test is skipped
and says so.
"""

from __future__ import annotations

import shutil

import pytest

from infra.kafka import artifacts, java
from infra.kafka.errors import NoJava


def need_broker() -> None:
    """Skip where no broker can run."""
    _need(17, "Apache Kafka", artifacts.have_kafka())


def need_registry() -> None:
    """Skip where no registry can run."""
    _need(21, "Apicurio Registry", artifacts.have_registry())


def _need(minimum: int, purpose: str, fetched: bool) -> None:
    try:
        java.find_java(minimum, purpose)
    except NoJava as problem:
        pytest.skip(str(problem))
    if not fetched and shutil.which("mvn") is None:
        pytest.skip(f"{purpose} is not in the cache and there is no Maven to fetch it")
