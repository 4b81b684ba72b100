"""The same cluster as containers, where an engine has the images. Oracle: the engine's own list of
containers.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from infra.kafka.container import Container, engine, engine_answers, need_images
from infra.kafka.errors import NoEngine
from infra.kafka.local import LocalCluster
from schemas.errors import WrongUse
from schemas.registry import Registry
from streams.log.kafka.cluster import Cluster


@pytest.fixture
def images() -> None:
    if not engine_answers():
        pytest.skip(
            "no container engine answers here: the containers back end is not tested, JVM "
            "processes are"
        )
    try:
        need_images(lambda _: None)
    except NoEngine as problem:
        pytest.skip(str(problem))


@pytest.mark.broker
def test_a_cluster_of_containers_comes_up_keeps_its_data_and_is_wiped(
    images: None, tmp_path: Path
) -> None:
    local = LocalCluster(tmp_path / "home", backend="containers")
    try:
        facts = local.up()
        with Registry(Cluster(**facts)) as registry:
            given = registry.register("fills")
        broker, service = local._services()
        assert isinstance(broker.process, Container) and isinstance(service.process, Container)
        listed = engine("ps", "--format", "{{.Names}}").stdout.split()
        assert {broker.process.container, service.process.container} <= set(listed)
        assert local.up() == facts
        assert local.down()
        assert not {broker.process.container, service.process.container} & set(
            engine("ps", "--all", "--format", "{{.Names}}").stdout.split()
        )
        assert local.up() == facts
        with Registry(Cluster(**facts)) as registry:
            assert registry.resolve(["fills"]) == {"fills": given}
        broker.kill()
        assert not broker.alive
        broker.start()
        broker.pause()
        assert broker.alive
        broker.resume()
        admin = AdminClient({"bootstrap.servers": facts["bootstrap"], "log_level": 0})
        assert admin.list_topics(timeout=20).topics
        with pytest.raises(WrongUse, match="cluster of containers"):
            LocalCluster(tmp_path / "home", backend="jvm").up()
    finally:
        local.down(wipe=True)
    assert [path.name for path in (tmp_path / "home").iterdir()] == [".lock"]


def test_containers_that_cannot_be_had_are_said_so_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no engine's command on it
    with pytest.raises(NoEngine, match="no container engine answers.*--backend jvm"):
        LocalCluster(tmp_path / "home", backend="containers").up()
    assert not (tmp_path / "home" / "cluster.json").exists()
    assert not (tmp_path / "home" / "backend").exists()
