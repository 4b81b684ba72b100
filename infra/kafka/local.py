"""The cluster that ``sq kafka up`` keeps on this machine: a broker and a registry in one folder.

::

    <home>/cluster.json       bootstrap and registry, while it is up: what later commands find
    <home>/backend            jvm or containers
    <home>/broker|registry/   ports (chosen once, kept until wiped), configuration, data, log and
    pid of each
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.kafka.artifacts import APICURIO_VERSION, KAFKA_VERSION, Say, silent
from infra.kafka.broker import Broker
from infra.kafka.container import engine_answers, need_images
from infra.kafka.errors import NoEngine
from infra.kafka.ready import broker_answers, url_answers
from infra.kafka.registry import Registry
from infra.kafka.service import Backend
from schemas.errors import WrongUse

CLUSTER_FILE = "cluster.json"
BACKEND_FILE = "backend"


class LocalCluster:
    """Broker and registry of one home folder.

    Args:
        home: the folder; made at the first :meth:`up`.
        properties: broker properties over the defaults, used at the next start.
        backend: containers or JVM processes; None takes what the home has, else containers where an
            engine has the images, else JVM processes.
    """

    def __init__(
        self,
        home: Path,
        *,
        properties: dict[str, str] | None = None,
        backend: Backend | None = None,
    ) -> None:
        self.home = home
        self.properties = properties or {}
        self.backend = backend

    def up(self, say: Say = silent) -> dict[str, str]:
        """Start what does not run, wait until both answer, and write ``cluster.json``; returns its
        content. Does nothing if both run.

        Raises:
            NoJava, NoArtifacts, ServiceFailed: what is missing or went wrong; what was started is
                stopped again.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        with self._locked():
            backend = self._choose(say)
            (self.home / BACKEND_FILE).write_text(backend + "\n")
            broker, registry = self._services()
            fresh = [service for service in (registry, broker) if not service.alive]
            try:
                if fresh:
                    say(
                        f"starting Apache Kafka {KAFKA_VERSION} and Apicurio Registry "
                        f"{APICURIO_VERSION} in {self.home}"
                    )
                # the registry first: it starts while the broker's data are formatted
                for service in fresh:
                    service.begin(say)
                for service in (broker, registry):
                    service.wait()
            except BaseException:
                for service in fresh:
                    service.process.kill()
                raise
            facts = {"bootstrap": broker.bootstrap, "registry": registry.url}
            _write(self.home / CLUSTER_FILE, facts)
            return facts

    def down(self, *, wipe: bool = False) -> bool:
        """Stop both, keep the data unless ``wipe``; returns False if nothing ran."""
        if not self.home.is_dir():
            return False
        with self._locked():
            broker, registry = self._services()
            ran = broker.alive or registry.alive
            (self.home / CLUSTER_FILE).unlink(missing_ok=True)
            for service in (registry, broker):
                service.wipe() if wipe else service.stop()
            if wipe:
                (self.home / BACKEND_FILE).unlink(missing_ok=True)
        return ran

    def status(self) -> dict[str, Any]:
        """What runs, and whether it answers now: ``state`` is up, starting (runs, does not answer)
        or down.
        """
        broker, registry = self._services()
        rows: dict[str, tuple[Broker | Registry, str, bool]] = {
            "broker": (broker, broker.bootstrap, broker.alive and broker_answers(broker.bootstrap)),
            "registry": (
                registry,
                registry.url,
                registry.alive and url_answers(f"{registry.url}/subjects"),
            ),
        }
        services = {}
        for name, (service, address, answers) in rows.items():
            state = "up" if answers else "starting" if service.alive else "down"
            services[name] = {
                "state": state,
                "pid": service.pid,
                "address": address if service.alive else "",
            }
        return {
            "home": str(self.home),
            "backend": self._kept() or "",
            "up": all(answers for _, _, answers in rows.values()),
            "bootstrap": broker.bootstrap if broker.alive else "",
            "registry": registry.url if registry.alive else "",
            "bytes": _bytes(self.home),
            "services": services,
        }

    def _kept(self) -> Backend | None:
        """The back end that the home's data were made with."""
        try:
            return (
                "containers"
                if (self.home / BACKEND_FILE).read_text().strip() == "containers"
                else "jvm"
            )
        except OSError:
            return None

    def _choose(self, say: Say) -> Backend:
        """The back end to use. Raises WrongUse if the home has the other one, NoEngine if
        containers are asked for and cannot be had.
        """
        kept = self._kept()
        if kept and self.backend and kept != self.backend:
            raise WrongUse(
                f"{self.home} has a cluster of {kept}; run 'sq kafka down --wipe' first, or name "
                "another folder in SQ_KAFKA_HOME"
            )
        wanted = self.backend or kept
        if wanted == "containers" or (wanted is None and engine_answers()):
            try:
                need_images(say)
                return "containers"
            except NoEngine as problem:
                if wanted:
                    raise
                say(f"{problem.text.removesuffix('; use --backend jvm')}; JVM processes are used")
        return "jvm"

    def _services(self) -> tuple[Broker, Registry]:
        backend = self._kept() or "jvm"
        broker = Broker(self.home / "broker", properties=self.properties, backend=backend)
        return broker, Registry(self.home / "registry", backend=backend)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One command at a time."""
        with (self.home / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _write(path: Path, content: dict[str, Any]) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(content, indent=2) + "\n")
    os.replace(beside, path)


def _bytes(folder: Path) -> int:
    """Disk space taken (segment indexes are sparse files)."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_blocks * 512
        except OSError:  # a segment that was just deleted
            continue
    return total
