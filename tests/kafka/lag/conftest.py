"""Fixtures of the lag tests: cases of their own on the broker that ``tests/kafka`` starts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from lag_cases import LagCase, MakeCase

from streams.log.kafka.cluster import Cluster


@pytest.fixture
def make_case(bare_cluster: Cluster) -> Iterator[MakeCase]:
    """Makes cases, and removes them."""
    made: list[LagCase] = []

    def make(**how: Any) -> LagCase:
        made.append(LagCase(bare_cluster, **how))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def case(make_case: MakeCase) -> LagCase:
    """One case with one partition."""
    return make_case()
