"""Which cluster is used: an address, variables, a file, the local one, in this order; what is not
known is named with what is near.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streams.log.kafka.cluster import BadClusterFile, Cluster, NoCluster, find_cluster

STATE = {"bootstrap": "127.0.0.1:2", "registry": "http://127.0.0.1:3/apis/ccompat/v7"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("SQ_KAFKA_HOME", str(folder))
    return folder


def written(path: Path, text: str) -> dict[str, str]:
    path.write_text(text)
    return {"SQ_KAFKA_CONFIG": str(path)}


def test_without_anything_it_says_how_to_name_one() -> None:
    with pytest.raises(NoCluster, match=r"sq kafka up.*SQ_KAFKA_BOOTSTRAP"):
        find_cluster(environment={})


def test_the_local_cluster_is_found_by_itself(home: Path) -> None:
    (home / "cluster.json").write_text(json.dumps(STATE))
    assert find_cluster(environment={}) == Cluster(**STATE)


def test_the_first_that_names_something_wins_and_the_others_fill_in(
    home: Path, tmp_path: Path
) -> None:
    (home / "cluster.json").write_text(json.dumps(STATE))
    text = (
        'bootstrap = "file:1"\nregistry = "http://file"\nenvironment = '
        '"f"\n[settings]\n"client.id" = "file"\n"sasl.username" = "me"\n'
    )
    file = written(tmp_path / "c.toml", text)
    assert find_cluster(environment=file).bootstrap == "file:1"
    both = find_cluster(
        environment={
            **file,
            "SQ_KAFKA_BOOTSTRAP": "variable:1",
            "SQ_KAFKA_SETTING_CLIENT_ID": "variable",
        }
    )
    assert (both.bootstrap, both.registry, both.environment) == ("variable:1", "http://file", "f")
    assert both.settings == {"client.id": "variable", "sasl.username": "me"}
    given = find_cluster("kafka://given:1/", {**file, "SQ_KAFKA_BOOTSTRAP": "variable:1"})
    assert (given.bootstrap, given.settings["sasl.username"]) == ("given:1", "me")


def test_another_cluster_does_not_get_the_local_registry(home: Path) -> None:
    (home / "cluster.json").write_text(json.dumps(STATE))
    assert find_cluster("kafka://elsewhere:1", {}).registry == ""
    assert find_cluster("kafka://127.0.0.1:2", {}).registry == STATE["registry"]


@pytest.mark.parametrize(
    ("variable", "near"),
    [
        ("SQ_KAFKA_BOOTSTRAPS", "SQ_KAFKA_BOOTSTRAP"),
        ("SQ_KAFKA_REGISTERY", "SQ_KAFKA_REGISTRY"),
        ("SQ_KAFKA_ENVIROMENT", "SQ_KAFKA_ENVIRONMENT"),
    ],
)
def test_a_variable_that_is_not_known_is_an_error_that_names_the_nearest(
    variable: str, near: str
) -> None:
    with pytest.raises(BadClusterFile, match=rf"{variable} is not known, did you mean {near}\?"):
        find_cluster(environment={variable: "x", "SQ_KAFKA_BOOTSTRAP": "a:1"})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('bootstrp = "a:1"', "'bootstrp' is not known, did you mean bootstrap"),
        ('bootstrap = "a:1"\nsettngs = {}', "'settngs' is not known, did you mean settings"),
        ("bootstrap = ", "is no TOML"),
        ('bootstrap = "a:1"\nenvironment = "Pro duction"', "is no prefix"),
        ("bootstrap = 5", "bootstrap.*text in quotes"),
        ('bootstrap = "a:1"\nsettings = "none"', r"\[settings\] on a line of its own"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_key(
    tmp_path: Path, text: str, says: str
) -> None:
    with pytest.raises(BadClusterFile, match=says):
        find_cluster(environment=written(tmp_path / "c.toml", text))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadClusterFile, match="gone.toml"):
        find_cluster(environment={"SQ_KAFKA_CONFIG": str(tmp_path / "gone.toml")})


def test_settings_of_any_type_become_the_text_that_librdkafka_reads(tmp_path: Path) -> None:
    text = (
        'bootstrap = "a:1"\n[settings]\n"linger.ms" = 5\n"enable.ssl.certificate.verification" '
        "= false\n[registry_settings]\ntimeout = 2.5\n"
    )
    cluster = find_cluster(environment=written(tmp_path / "c.toml", text))
    assert cluster.settings == {"linger.ms": "5", "enable.ssl.certificate.verification": "false"}
    assert cluster.registry_settings == {"timeout": "2.5"}


@pytest.mark.parametrize(
    "name",
    [
        "isolation.level",
        "acks",
        "transactional.id",
        "auto.offset.reset",
        "enable.auto.commit",
        "group.id",
        "retries",
    ],
)
@pytest.mark.parametrize("where", ["variable", "file"])
def test_a_setting_that_exactly_once_rests_on_is_refused_by_name(
    name: str, where: str, tmp_path: Path
) -> None:
    """E7: it overrode what the product sets. Oracle: what ``reader.py``, ``producing.py`` and
    ``membership.py`` set for the sake of the proof.
    """
    given = {"SQ_KAFKA_BOOTSTRAP": "a:1", f"SQ_KAFKA_SETTING_{name.upper().replace('.', '_')}": "x"}
    if where == "file":
        given = written(tmp_path / "c.toml", f'bootstrap = "a:1"\n[settings]\n"{name}" = "x"\n')
    with pytest.raises(BadClusterFile, match=f"setting {name} cannot be changed"):
        find_cluster(environment=given)


def test_a_state_file_that_was_cut_short_is_named(home: Path) -> None:
    (home / "cluster.json").write_text('{"bootstrap": "127.0')
    with pytest.raises(
        BadClusterFile, match=r"cluster.json cannot be used; 'sq kafka up' writes it anew"
    ):
        find_cluster(environment={})


def test_what_is_no_address_is_refused() -> None:
    for text in ("data/btc", "kafka://", "kafka:///"):
        with pytest.raises(NoCluster, match="kafka://HOST:PORT"):
            find_cluster(text, {})


def test_every_name_carries_the_environment_and_settings_pass_through() -> None:
    plain = Cluster(bootstrap="a:1")
    staged = Cluster(
        bootstrap="a:1",
        environment="stage",
        settings={"security.protocol": "SSL", "linger.ms": "7"},
    )
    assert (plain.name("md.trades"), staged.name("md.trades")) == ("md.trades", "stage.md.trades")
    assert staged.client(linger_ms=1, group_id="g") == {
        "bootstrap.servers": "a:1",
        "group.id": "g",
        "linger.ms": "7",  # what the user says goes before what we would choose
        "security.protocol": "SSL",
    }
