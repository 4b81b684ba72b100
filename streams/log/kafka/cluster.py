"""Which Kafka cluster, how to reach it, and what topics, groups and transactional ids are called
there.

Found in this order: an address given (``kafka://HOST:PORT``), ``SQ_KAFKA_*`` variables, the file
``SQ_KAFKA_CONFIG`` names, the cluster that ``sq kafka up`` started (its state file). Later ones
fill what earlier ones leave open, so an address alone keeps a file's credentials.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from schemas.errors import WrongUse

SCHEME = "kafka://"
UNDOTTED = ("log_level", "error_cb", "stats_cb", "throttle_cb", "logger")
VARIABLES = {
    "SQ_KAFKA_BOOTSTRAP": "bootstrap",
    "SQ_KAFKA_REGISTRY": "registry",
    "SQ_KAFKA_ENVIRONMENT": "environment",
}
SETTING = "SQ_KAFKA_SETTING_"
CONFIG = "SQ_KAFKA_CONFIG"
HOME = "SQ_KAFKA_HOME"
STATE_FILE = "cluster.json"
PROTECTED = frozenset(
    {
        "isolation.level",
        "auto.offset.reset",
        "enable.auto.commit",
        "auto.commit.enable",
        "enable.auto.offset.store",
        "enable.partition.eof",
        "group.id",
        "group.instance.id",
        "group.protocol",
        "group.remote.assignor",
        "partition.assignment.strategy",
        "transactional.id",
        "transaction.timeout.ms",
        "enable.idempotence",
        "enable.gapless.guarantee",
        "acks",
        "request.required.acks",
        "max.in.flight",
        "max.in.flight.requests.per.connection",
        "message.send.max.retries",
        "retries",
        "bootstrap.servers",
        "metadata.broker.list",
    }
)
"""librdkafka settings that exactly-once rests on, with their other names. A cluster's configuration
cannot change them.
"""
ENVIRONMENT = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")


class NoCluster(WrongUse):
    """No cluster is named anywhere."""

    code = "no_cluster"


class BadClusterFile(WrongUse):
    """The cluster's configuration cannot be used; the text names the key."""

    code = "bad_cluster_file"


class Cluster(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cluster as its clients need it.

    Attributes:
        bootstrap: ``HOST:PORT``, or several separated by commas.
        registry: URL of a Confluent-compatible schema registry; empty if there is none.
        environment: prefix of every name on the cluster; empty for the local one.
        settings: librdkafka settings of every client, passed through as they are (TLS, SASL,
            anything).
        registry_settings: settings of the registry's client, passed through
            (``basic.auth.user.info``, ``ssl.ca.location``).
        retention: how long topics are kept where it is not as in the catalogue: ``{"md.trades":
            "30d"}``; for ``sq topics``.
    """

    bootstrap: str
    registry: str = ""
    environment: str = ""
    settings: dict[str, str] = {}
    registry_settings: dict[str, str] = {}
    retention: dict[str, str] = {}

    def name(self, name: str) -> str:
        """What a topic, group, transactional id or subject is called on the cluster:
        ``<environment>.<name>``.
        """
        return f"{self.environment}.{name}" if self.environment else name

    def client(self, **settings: Any) -> dict[str, Any]:
        """librdkafka settings of one client: this cluster's, and over them ``settings`` with ``_``
        for ``.``.
        """
        own = {
            key if key in UNDOTTED else key.replace("_", "."): value
            for key, value in settings.items()
        }
        return {"bootstrap.servers": self.bootstrap, **own, **self.settings}

    @property
    def url(self) -> str:
        """``kafka://HOST:PORT``."""
        return f"{SCHEME}{self.bootstrap}"


def home() -> Path:
    """The folder of the cluster that ``sq kafka up`` keeps: ``SQ_KAFKA_HOME``, or one below the
    user's state folder.
    """
    given = os.environ.get(HOME)
    if given:
        return Path(given)
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "shrivenquant" / "kafka"


def is_cluster(text: str) -> bool:
    """True if the text names a cluster, and no folder."""
    return text.startswith(SCHEME)


def find_cluster(url: str = "", environment: Mapping[str, str] = os.environ) -> Cluster:
    """The cluster to use.

    Args:
        url: ``kafka://HOST:PORT``, or empty to use what is configured.
        environment: variables.

    Raises:
        NoCluster: nothing names one.
        BadClusterFile: a file or variable that names one cannot be used.
    """
    found: dict[str, Any] = {}
    if url:
        if not is_cluster(url) or not url[len(SCHEME) :].strip("/"):
            raise NoCluster(f"{url!r} is no cluster; write kafka://HOST:PORT")
        found["bootstrap"] = url[len(SCHEME) :].strip("/")
    for variable, key in VARIABLES.items():
        if environment.get(variable):
            found.setdefault(key, environment[variable])
    settings = {
        name[len(SETTING) :].lower().replace("_", "."): value
        for name, value in environment.items()
        if name.startswith(SETTING)
    }
    known = (*VARIABLES, CONFIG, HOME)
    unknown = [
        name
        for name in environment
        if name.startswith("SQ_KAFKA_") and name not in known and not name.startswith(SETTING)
    ]
    if unknown:
        near = _near(unknown[0], known)
        raise BadClusterFile(
            f"{unknown[0]} is not known{near}; librdkafka's own settings are "
            f"{SETTING}SECURITY_PROTOCOL and so on"
        )
    if environment.get(CONFIG):
        _fill(found, settings, _read(Path(environment[CONFIG])))
    state = home() / STATE_FILE
    if state.is_file():
        local = _read_state(state)
        if found.get("bootstrap", local["bootstrap"]) == local["bootstrap"]:
            _fill(found, settings, local)
    protected = sorted(PROTECTED & settings.keys())
    if protected:
        name, variable = protected[0], SETTING + protected[0].upper().replace(".", "_")
        raise BadClusterFile(
            f"the setting {name} cannot be changed: exactly-once rests on it; remove it from "
            f"[settings], or unset {variable}"
        )
    if "bootstrap" not in found:
        raise NoCluster(
            "no Kafka cluster is named: start one with 'sq kafka up', or set "
            "SQ_KAFKA_BOOTSTRAP=HOST:PORT"
        )
    try:
        cluster = msgspec.convert({**found, "settings": settings}, Cluster)
    except msgspec.ValidationError as problem:
        raise BadClusterFile(
            f"the cluster's configuration cannot be used: {problem}; values are text in quotes"
        ) from problem
    if cluster.environment and not ENVIRONMENT.fullmatch(cluster.environment):
        raise BadClusterFile(
            f"environment {cluster.environment!r} is no prefix; use lower-case letters, digits and "
            "hyphens"
        )
    return cluster


def _fill(found: dict[str, Any], settings: dict[str, str], given: dict[str, Any]) -> None:
    for key, value in given.items():
        if key in ("settings", "registry_settings", "retention"):
            if not isinstance(value, dict):
                raise BadClusterFile(
                    f"{key} is a table: write [{key}] on a line of its own, and below it one "
                    "setting a line"
                )
            kept = settings if key == "settings" else found.setdefault(key, {})
            for name, setting in value.items():
                kept.setdefault(
                    name, str(setting).lower() if isinstance(setting, bool) else str(setting)
                )
        elif key in Cluster.__struct_fields__:
            found.setdefault(key, value)


def _read_state(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        return {"bootstrap": content["bootstrap"], **content}
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise BadClusterFile(f"{path} cannot be used; 'sq kafka up' writes it anew") from problem


def _read(path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text())
    except OSError as problem:
        raise BadClusterFile(
            f"cannot read {path}: {problem.strerror}; {CONFIG} names a TOML file"
        ) from problem
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise BadClusterFile(f"{path} is no TOML: {problem}") from problem
    for key in content:
        if key not in Cluster.__struct_fields__:
            near = _near(key, Cluster.__struct_fields__)
            raise BadClusterFile(
                f"{path}: {key!r} is not known{near}; keys are "
                f"{', '.join(Cluster.__struct_fields__)}"
            )
    return content


def _near(name: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f", did you mean {near[0]}?" if near else ""
