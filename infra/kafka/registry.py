"""One Apicurio Registry as a JVM process of ours: Confluent-compatible at ``url``, its schemas and
ids in a file beside the broker's data.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from infra.kafka import artifacts
from infra.kafka.artifacts import Say, silent
from infra.kafka.container import REGISTRY_IMAGE, Container
from infra.kafka.java import find_java
from infra.kafka.ports import Ports, listens
from infra.kafka.ready import url_answers, wait_for
from infra.kafka.service import READY_SECONDS, Backend, Service

JAVA_MINIMUM = 21
API = "/apis/ccompat/v7"
JVM = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:ActiveProcessorCount=2",
    "-Xms64m",
    "-Xshare:auto",
    "-Djava.net.preferIPv4Stack=true",
)


class Registry(Service):
    """A schema registry with its data and port in one folder.

    Args:
        folder: everything of this registry: ``data/``, ``registry.log``, ``registry.pid``.
        port: HTTP port; 0 takes a free one at the first start, and that one ever after.
        in_memory: forget everything at a stop.
        backend: a JVM process, or a container.
        dies_with_parent: see Process; a container goes on.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        in_memory: bool = False,
        backend: Backend = "jvm",
        dies_with_parent: bool = False,
    ) -> None:
        super().__init__(
            "registry",
            folder,
            REGISTRY_IMAGE,
            Ports(folder, registry=port),
            backend=backend,
            dies_with_parent=dies_with_parent,
        )
        self.in_memory = in_memory

    @property
    def port(self) -> int:
        """Its HTTP port."""
        return self._ports["registry"]

    @property
    def url(self) -> str:
        """The Confluent-compatible API."""
        return f"http://127.0.0.1:{self.port}{API}"

    def begin(self, say: Say = silent) -> None:
        """Start the process, without waiting until it answers. Raises NoJava, NoArtifacts,
        ServiceFailed.
        """
        if self.alive:
            return
        self._ports.must_be_free()
        self._ports.keep()
        data = (self.folder / "data").resolve()
        data.mkdir(parents=True, exist_ok=True)
        if isinstance(self.process, Container):
            settings = self._settings(listen="0.0.0.0", data="/data")
            variables = {key.replace(".", "_").upper(): value for key, value in settings.items()}
            self.process.start([], ports=[self.port], mounts={data: "/data"}, environment=variables)
            return
        java = find_java(JAVA_MINIMUM, f"Apicurio Registry {artifacts.APICURIO_VERSION}")
        app = artifacts.registry(say) / "app"
        options = [
            f"-D{key}={value}"
            for key, value in self._settings(listen="127.0.0.1", data=str(data)).items()
        ]
        self.process.start(
            [str(java.path), *JVM, "-Xmx384m", *options, "-jar", str(app / "quarkus-run.jar")]
        )

    def _settings(self, listen: str, data: str) -> dict[str, str]:
        settings = {
            "quarkus.http.port": str(self.port),
            "quarkus.http.host": listen,
            "quarkus.log.level": "WARN",
            "quarkus.management.host": "127.0.0.1",
            # its own health pages: any port, else two registries want the same
            "quarkus.management.port": "0",
            "apicurio.storage.kind": "sql",
            "apicurio.storage.sql.kind": "h2",
        }
        if not self.in_memory:
            # by default H2 writes half a second late: a registry killed within it forgets ids that
            # it has given out
            settings["apicurio.datasource.url"] = f"jdbc:h2:file:{data}/registry;WRITE_DELAY=0"
        return settings

    def wait(self, seconds: float = READY_SECONDS) -> None:
        """Wait until it lists its subjects. Raises ServiceFailed."""
        answers = lambda: listens(self.port) and url_answers(f"{self.url}/subjects")
        wait_for("the registry", answers, lambda: self.alive, seconds, self.process.last_words)

    def wipe(self) -> None:
        """Stop it and forget every schema, id and port."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
