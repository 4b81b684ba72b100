"""What the guide says of configuration and runbooks. Oracle: the code that reads a cluster's
configuration, librdkafka, the alert rules.

That every command of it is understood is tested with all pages (tests/test_documents.py).
"""

from __future__ import annotations

import re
from pathlib import Path

import confluent_kafka
import pytest

from infra.prometheus.alerts import ALERTS
from streams.log.kafka.cluster import SETTING, Cluster, find_cluster

ROOT = Path(__file__).resolve().parents[1]
GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "docs" / "examples" / "kafka" / "cluster.toml"


@pytest.fixture(autouse=True)
def no_local_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQ_KAFKA_HOME", str(tmp_path))


def table() -> list[tuple[str, str]]:
    """(line in the file, variable) of the guide's table."""
    return re.findall(r"^\| `([^`]+)`[^|]*\| `(SQ_KAFKA_[^`]+)` \|$", GUIDE, re.MULTILINE)


def test_the_example_of_a_cluster_loads_and_librdkafka_knows_every_setting() -> None:
    cluster = find_cluster(environment={"SQ_KAFKA_CONFIG": str(EXAMPLE)})
    assert (
        cluster.environment == "staging"
        and len(cluster.settings) == 5
        and len(cluster.registry_settings) == 2
    )
    # it knows them all, and only then looks for the file
    with pytest.raises(confluent_kafka.KafkaException) as refused:
        confluent_kafka.Producer(cluster.client())
    assert "ssl.ca.location" in str(refused.value) and "No such configuration property" not in str(
        refused.value
    )


def test_file_and_variables_of_the_guide_say_the_same(tmp_path: Path) -> None:
    rows = table()
    assert len(rows) >= 8
    path = tmp_path / "cluster.toml"
    top = [line for line, _ in rows if not line.startswith('"')]
    below = [line for line, _ in rows if line.startswith('"')]
    path.write_text("\n".join([*top, "[settings]", *below]) + "\n")
    variables = dict(variable.split("=", 1) for _, variable in rows)
    by_file, by_variables = (
        find_cluster(environment={"SQ_KAFKA_CONFIG": str(path)}),
        find_cluster(environment=variables),
    )
    named = {
        name[len(SETTING) :].lower().replace("_", ".")
        for name in variables
        if name.startswith(SETTING)
    }
    assert by_file == by_variables and set(by_file.settings) == named


def test_the_example_names_every_key() -> None:
    assert [
        key for key in Cluster.__struct_fields__ if key not in EXAMPLE.read_text(encoding="utf-8")
    ] == []


def test_the_index_of_runbooks_names_every_alert_once() -> None:
    index = (ROOT / "docs" / "runbooks" / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| \[(\w+)\]", index, re.MULTILINE) == sorted(
        alert.name for alert in ALERTS
    )
