"""docker-compose.yml: valid, pinned, closed, and in our own words.

Oracles: the Compose specification's schema (vendored by check-jsonschema), our argument parser for
every ``sq`` command, the code that reads each environment variable (for ``PG*``: libpq's own list),
the committed configurations for what is mounted where.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from psycopg import pq
from ruamel.yaml import YAML

from infra.kafka.container import BROKER_IMAGE, REGISTRY_IMAGE
from infra.monitoring.configuration import files
from jobs.live.parent import DRAIN_SECONDS
from jobs.sq import parser
from streams.log.kafka.cluster import find_cluster

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.yml"
OURS = "shrivenquant:local"


def yaml(text: str) -> Any:
    """Its content."""
    return YAML(typ="safe").load(text)


STACK: dict[str, Any] = yaml(FILE.read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = STACK["services"]
ENDING = {"prepare", "topics", "market", "feed"}
"""Jobs that end; all others stay and have a health check."""
EXPECTED = ENDING | {
    "broker",
    "registry",
    "pipeline",
    "lag",
    "postgres",
    "projection",
    "prometheus",
    "alertmanager",
    "grafana",
}


def ours() -> dict[str, dict[str, Any]]:
    """Services of our own image."""
    return {name: service for name, service in SERVICES.items() if service["image"] == OURS}


def sq_commands(service: dict[str, Any]) -> list[list[str]]:
    """The ``sq`` commands of a service, arguments without ``sq``; those inside a shell's line too.
    """
    command = service.get("command", [])
    if command[:1] == ["sq"]:
        return [command[1:]]
    if command[:2] == ["sh", "-c"]:
        parts = re.split(r"&&|\|\||[;{}]", command[2])
        return [shlex.split(part)[1:] for part in parts if part.split()[:1] == ["sq"]]
    return []


def seconds(text: str) -> int:
    """``30s`` as a number."""
    assert text.endswith("s")
    return int(text[:-1])


def faults(text: str) -> list[str]:
    """What the Compose specification says against it.

    Its schema is the one check-jsonschema brings; read as a file, for that command itself does not
    start beside the click that Faust is locked to.
    """
    package = importlib.util.find_spec("check_jsonschema")
    assert package and package.origin
    schema = json.loads(
        (
            Path(package.origin).parent / "builtin_schemas" / "vendor" / "compose-spec.json"
        ).read_text(encoding="utf-8")
    )
    return [
        f"{each.json_path}: {each.message}"
        for each in jsonschema.validators.validator_for(schema)(schema).iter_errors(yaml(text))
    ]


def test_it_follows_the_compose_specification() -> None:
    assert faults(FILE.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("right", "wrong", "place"),
    [
        ("    environment: *cluster", "    enviroment: *cluster", "$.services.topics"),
        ("condition: service_healthy", "condition: service_heathy", "$.services.topics.depends_on"),
        ("cap_drop: [ALL]", "cap_drop: ALL", "$.services.broker"),
    ],
)
def test_a_planted_fault_is_reported(right: str, wrong: str, place: str) -> None:
    found = faults(FILE.read_text(encoding="utf-8").replace(right, wrong, 1))
    assert any(each.startswith(place) for each in found), found


def test_the_whole_stack_is_there() -> None:
    assert set(SERVICES) == EXPECTED


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_an_image_is_pinned_by_an_exact_tag(name: str) -> None:
    image = SERVICES[name]["image"]
    tag = image.rpartition(":")[2]
    assert image == OURS or re.fullmatch(r"v?\d+\.\d+(\.\d+)?(-[a-z]+)?", tag), image


def test_broker_and_registry_are_those_of_sq_kafka() -> None:
    assert (SERVICES["broker"]["image"], SERVICES["registry"]["image"]) == (
        BROKER_IMAGE,
        REGISTRY_IMAGE,
    )


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_container_can_do_no_more_than_it_must(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"] and "cap_add" not in service
    assert "no-new-privileges:true" in service["security_opt"]
    assert "privileged" not in service and service.get("user", "1").split(":")[0] != "0"
    assert "stop_grace_period" in service


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_what_stays_has_a_health_check_and_is_started_again(name: str) -> None:
    service = SERVICES[name]
    if name in ENDING:
        assert service["healthcheck"] == {"disable": True} and service["restart"] in (
            "no",
            "on-failure",
        )
        return
    assert service["restart"] == "unless-stopped"
    if service["image"] == OURS:
        assert "healthcheck" not in service, "the image has one"
        assert re.search(
            r"^HEALTHCHECK .*healthy\.py",
            (ROOT / "Dockerfile").read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    else:
        assert service["healthcheck"]["test"][0] == "CMD" and {
            "interval",
            "timeout",
            "retries",
            "start_period",
        } <= set(service["healthcheck"])


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_service_waits_for_what_it_needs_in_a_way_that_can_come_true(name: str) -> None:
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        expected = "service_completed_successfully" if needed in ENDING else "service_healthy"
        assert how == {"condition": expected}, needed


@pytest.mark.parametrize("name", sorted(ours()))
def test_every_sq_command_is_understood(name: str) -> None:
    commands = sq_commands(SERVICES[name])
    assert commands
    for words in commands:
        try:
            parser().parse_args(words)
        except SystemExit as end:
            assert words == ["--version"] and end.code == 0, words


@pytest.mark.parametrize("name", sorted(ours()))
def test_every_variable_of_ours_is_one_that_the_code_reads(name: str) -> None:
    variables = SERVICES[name].get("environment", {})
    # refuses an unknown SQ_KAFKA_* by name
    found = find_cluster(environment=variables) if variables else None
    assert found is None or found.bootstrap in SERVICES["broker"]["environment"][
        "KAFKA_ADVERTISED_LISTENERS"
    ].replace("INSIDE://", "").split(",")
    for variable in variables:
        assert is_read(variable), variable


def is_read(variable: str) -> bool:
    """True if our sources name the variable, or libpq does."""
    if variable in {
        option.envvar.decode() for option in pq.Conninfo.get_defaults() if option.envvar
    }:
        return True
    sources = [
        path
        for top in ("jobs", "connectors", "streams", "schemas")
        for path in (ROOT / top).rglob("*.py")
    ]
    return any(f'"{variable}"' in path.read_text(encoding="utf-8") for path in sources)


def test_the_variables_of_the_image_are_read_and_a_made_up_one_is_not() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    set_there = re.findall(r"\b(SQ_[A-Z_]+)=", text)
    assert len(set_there) == 3 and [name for name in set_there if not is_read(name)] == []
    assert not is_read("SQ_KERNEL_CACHES") and not is_read("PGPASSWORT")


def test_ports_are_published_on_the_loopback_only_and_once() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    hosts = [port.split(":") for port in published]
    assert all(len(each) == 3 and each[0] == "127.0.0.1" for each in hosts)
    assert len({each[1] for each in hosts}) == len(hosts)


def test_the_broker_tells_each_side_an_address_that_it_can_reach() -> None:
    told = dict(
        each.split("://")
        for each in SERVICES["broker"]["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")
    )
    listens = dict(
        each.split("://")
        for each in SERVICES["broker"]["environment"]["KAFKA_LISTENERS"].split(",")
    )
    (published,) = SERVICES["broker"]["ports"]
    _, outside, inside = published.split(":")
    assert told == {"INSIDE": f"broker{listens['INSIDE']}", "HOST": f"localhost:{outside}"}
    assert listens["HOST"] == f":{inside}"


def test_a_stop_waits_longer_than_a_drain() -> None:
    assert seconds(SERVICES["pipeline"]["stop_grace_period"]) > DRAIN_SECONDS + 5


def test_volumes_are_declared_and_used_and_mounted_files_exist() -> None:
    mounts = [
        mount.split(":") for service in SERVICES.values() for mount in service.get("volumes", [])
    ]
    assert {each[0] for each in mounts if not each[0].startswith(".")} == set(STACK["volumes"])
    for source, _, mode in (each for each in mounts if each[0].startswith(".")):
        assert mode == "ro" and (ROOT / source).exists(), source


def test_monitoring_finds_its_files_where_they_are_mounted() -> None:
    inside = {
        mount.split(":")[1]
        for name in ("prometheus", "grafana")
        for mount in SERVICES[name]["volumes"]
    }
    text = "\n".join(files().values())
    named = [
        path
        for path in re.findall(r"(/(?:etc/prometheus|var/lib/grafana)/[a-z]+)", text)
        if path != "/etc/prometheus/prometheus"
    ]
    assert len(named) >= 3 and [path for path in named if path not in inside] == []
    home = re.search(r"SQ_KAFKA_HOME=(\S+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    assert home and f"targets:{home[1]}/targets" in SERVICES["pipeline"]["volumes"]
    assert "targets:/etc/prometheus/targets:ro" in SERVICES["prometheus"]["volumes"]


def test_every_address_inside_is_a_service() -> None:
    text = json.dumps(
        [service.get("environment", {}) for service in SERVICES.values()]
    ) + "\n".join(files().values())
    hosts = set(re.findall(r"(?:://|@)([a-z]+):\d+", text)) | set(
        re.findall(r"- ([a-z]+):\d+", text)
    )
    assert hosts - {"localhost"} <= set(SERVICES)
    assert {"broker", "registry", "postgres", "prometheus", "alertmanager"} <= hosts
