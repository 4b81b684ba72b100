"""Real brokers for tests.

One broker and one registry serve the whole session, started by the first test that asks, on free
ports, in the session's temporary folder; ``cluster`` gives each test an environment of its own on
them, so that names never meet. A test that breaks a broker makes its own with ``own_broker`` or
``own_registry``; what it leaves running is killed, also when the test run itself is.

``SQ_TEST_KAFKA_HOME`` names the home of a cluster that runs already (``sq kafka up``): used in
place of the session's own, to save its start. With ``SQ_TEST_SHARE_SERVICES`` set, as ``make test``
does, the processes of one test run share a broker and a registry (``shared_service.py``); the lane
of every fault has them for each process, since some of its tests measure.
"""

from __future__ import annotations

import itertools
import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fault_proxy import FaultProxy
from needs import need_broker, need_registry
from shared_service import shared

from infra.kafka.broker import Broker
from infra.kafka.registry import Registry
from streams.log.kafka.cluster import Cluster
from tests.kafka.edge_topics import EdgeTopics
from tests.kafka.live_market import LiveMarket, fresh_environment, uninterrupted
from tests.kafka.members import Run, edge_of, members
from tests.scenario import make_recording

RUNNING = "SQ_TEST_KAFKA_HOME"
SHARE = "SQ_TEST_SHARE_SERVICES"
NUMBERS = itertools.count(1)
SESSION = secrets.token_hex(3)


def _running() -> dict[str, str] | None:
    home = os.environ.get(RUNNING)
    return json.loads((Path(home) / "cluster.json").read_text()) if home else None


def _common_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the processes that share a service meet; one that shares nothing meets nobody in its
    own folder.
    """
    own = tmp_path_factory.getbasetemp()
    return own.parent if os.environ.get(SHARE) and "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def shared_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``HOST:PORT`` of the session's broker: never to be stopped by a test."""
    running = _running()
    if running:
        yield running["bootstrap"]
        return
    need_broker()

    @contextmanager
    def started() -> Iterator[str]:
        broker = Broker(tmp_path_factory.mktemp("broker"), dies_with_parent=True)
        try:
            broker.start()
            yield broker.bootstrap
        finally:
            broker.kill()
            broker.wipe()

    with shared("broker", started, _common_folder(tmp_path_factory)) as bootstrap:
        yield bootstrap


@pytest.fixture(scope="session")
def shared_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of the session's registry: never to be stopped by a test."""
    running = _running()
    if running:
        yield running["registry"]
        return
    need_registry()

    @contextmanager
    def started() -> Iterator[str]:
        registry = Registry(
            tmp_path_factory.mktemp("registry"), in_memory=True, dies_with_parent=True
        )
        try:
            registry.start()
            yield registry.url
        finally:
            registry.kill()

    with shared("registry", started, _common_folder(tmp_path_factory)) as url:
        yield url


@pytest.fixture
def environment() -> str:
    """A prefix that no other test uses."""
    return f"t{SESSION}-{next(NUMBERS)}"


@pytest.fixture
def cluster(shared_registry: str, shared_bootstrap: str, environment: str) -> Cluster:
    """The session's broker and registry, seen through an environment of this test's own."""
    return Cluster(bootstrap=shared_bootstrap, registry=shared_registry, environment=environment)


@pytest.fixture(scope="session")
def small_recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some 1,200 records."""
    return make_recording(tmp_path_factory.mktemp("small") / "recording", updates=500, trades=700)


@pytest.fixture(scope="session")
def undisturbed(
    shared_bootstrap: str, shared_registry: str, small_recording: Path
) -> dict[str, str]:
    """Digest of each topic of a run over it that nothing disturbs."""
    environment = fresh_environment("undisturbed")
    market = LiveMarket(
        Cluster(bootstrap=shared_bootstrap, registry=shared_registry, environment=environment),
        small_recording,
    )
    return uninterrupted(market, market.feed())


@pytest.fixture
def behind_a_proxy(
    own_broker: Callable[..., Broker], shared_registry: str, small_recording: Path
) -> Iterator[tuple[LiveMarket, FaultProxy]]:
    """A market on a broker of its own, reached through a proxy."""
    with FaultProxy() as proxy:
        broker = own_broker(
            advertised=proxy.address,
            properties={"transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000"},
        )
        proxy.target = f"127.0.0.1:{broker.port}"
        broker.start()
        yield (
            LiveMarket(Cluster(bootstrap=proxy.address, registry=shared_registry), small_recording),
            proxy,
        )


@pytest.fixture
def edge(cluster: Cluster) -> EdgeTopics:
    """Topics and commands on it, as a user has them."""
    return edge_of(cluster)


@pytest.fixture
def run(edge: EdgeTopics, tmp_path: Path) -> Iterator[Run]:
    """Starts ``sq run``; what still runs in the end is killed."""
    yield from members(edge, tmp_path)


@pytest.fixture
def bare_cluster(shared_bootstrap: str, environment: str) -> Cluster:
    """The session's broker without a registry."""
    return Cluster(bootstrap=shared_bootstrap, environment=environment)


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    """Makes brokers (not started) that belong to this test: ``own_broker(name="a",
    advertised=proxy.address, properties={...})``.
    """
    need_broker()
    made: list[Broker] = []

    def make(name: str = "broker", **options: Any) -> Broker:
        made.append(Broker(tmp_path / name, dies_with_parent=True, **options))
        return made[-1]

    yield make
    for broker in made:
        broker.kill()


@pytest.fixture
def own_registry(tmp_path: Path) -> Iterator[Callable[..., Registry]]:
    """Makes registries (not started) that belong to this test: ``own_registry(name="a",
    port=...)``.
    """
    need_registry()
    made: list[Registry] = []

    def make(name: str = "registry", **options: Any) -> Registry:
        made.append(Registry(tmp_path / name, dies_with_parent=True, **options))
        return made[-1]

    yield make
    for registry in made:
        registry.kill()
