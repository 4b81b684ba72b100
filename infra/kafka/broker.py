"""One Apache Kafka broker (KRaft, broker and controller in one node) as a JVM process of ours.

``sq kafka up`` keeps one; a fault test makes its own, in a folder of its own, and does to it what
it likes::

    with Broker(tmp_path / "broker", dies_with_parent=True) as broker:
        broker.start()
        broker.kill()  # SIGKILL: the page cache survives, nothing else
        broker.start()
"""

from __future__ import annotations

import secrets
import shlex
import shutil
import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path

from infra.kafka import artifacts
from infra.kafka.artifacts import Say, silent
from infra.kafka.container import BROKER_IMAGE, Container
from infra.kafka.errors import ServiceFailed
from infra.kafka.java import find_java
from infra.kafka.ports import Ports, listens
from infra.kafka.process import Process, cause_line
from infra.kafka.ready import broker_answers, record_passes, wait_for
from infra.kafka.service import READY_SECONDS, Backend, Service

JAVA_MINIMUM = 17
FORMAT_SECONDS = 90
SHARED_ARCHIVE_JAVA = 19  # from here on the JVM writes and refreshes its class archive by itself

SMALL: dict[str, str] = {
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
    "num.recovery.threads.per.data.dir": "2",
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "3",  # the default of 50 is slow to load on few cores
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "3",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    "broker.heartbeat.interval.ms": "500",
    # a killed broker may register anew only when its former session has ended
    "broker.session.timeout.ms": "6000",
    # an orphan's open transaction holds readers back until this looks
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    "log.cleaner.dedupe.buffer.size": "8388608",  # the default takes 128 MB of heap
    "log.segment.bytes": "67108864",
    "log.initial.task.delay.ms": "5000",
    "log.retention.check.interval.ms": "30000",
}
"""A single small node: replication of the internal topics, and little memory (kafka.md 9.3)."""

JVM = (
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-XX:ActiveProcessorCount=2",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    "-Djava.net.preferIPv4Stack=true",
    "-Xshare:auto",
)
FORMAT = ("kafka.tools.StorageTool", "format", "--standalone")
LOGGING = """\
rootLogger.level = WARN
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSS} %p %c{1}: %m%n
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = INFO
"""


class Broker(Service):
    """A broker with its data, ports and configuration in one folder.

    Args:
        folder: everything of this broker: ``server.properties``, ``data/``, ``broker.log``,
            ``broker.pid``.
        port: client port; 0 takes a free one at the first start, and that one ever after.
        advertised: ``HOST:PORT`` that clients are told to use, when it is not the client port: that
            of a fault proxy before it.
        properties: broker properties over the defaults.
        data: folder of the data when it is not ``folder/data``: one on a small file system, to fill
            it up.
        heap_megabytes: the JVM's largest heap.
        backend: a JVM process, or a container.
        dies_with_parent: see Process; a container goes on.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        advertised: str = "",
        properties: Mapping[str, str] | None = None,
        data: Path | None = None,
        heap_megabytes: int = 512,
        backend: Backend = "jvm",
        dies_with_parent: bool = False,
    ) -> None:
        ports = Ports(folder, client=port, controller=0, inner=0)
        super().__init__(
            "broker",
            folder,
            BROKER_IMAGE,
            ports,
            backend=backend,
            dies_with_parent=dies_with_parent,
        )
        self.advertised = advertised
        self.properties = dict(properties or {})
        self.data = data or folder / "data"
        self.heap_megabytes = heap_megabytes

    @property
    def port(self) -> int:
        """Its client port."""
        return self._ports["client"]

    @property
    def bootstrap(self) -> str:
        """``HOST:PORT`` of the broker itself (not of a proxy before it)."""
        return f"127.0.0.1:{self.port}"

    @property
    def inner(self) -> str:
        """``HOST:PORT`` of its second listener, which never leads through a proxy: for a test's own
        look at the truth.
        """
        return f"127.0.0.1:{self._ports['inner']}"

    def begin(self, say: Say = silent) -> None:
        """Format the data if they are new and start the process, without waiting until it answers.
        Raises NoJava, NoArtifacts, ServiceFailed.
        """
        if self.alive:
            return
        self._ports.must_be_free()
        self._ports.keep()
        for folder in (self.folder, self.data):
            folder.mkdir(parents=True, exist_ok=True)
        if isinstance(self.process, Container):
            self._begin_container(self.process)
        else:
            self._begin_jvm(self.process, say)

    def _begin_container(self, container: Container) -> None:
        """Format and run in one container; the image's own scripts are left out, so that both back
        ends run the same command.
        """
        self._write_configuration(listen="0.0.0.0", data="/data")
        java = [
            "java",
            "-cp",
            "/opt/kafka/libs/*",
            "-Dlog4j2.configurationFile=/configuration/log4j2.properties",
            *JVM,
        ]
        form = [
            *java,
            "-XX:TieredStopAtLevel=1",
            *FORMAT,
            f"--cluster-id={_cluster_id()}",
            "--config",
            "/configuration/server.properties",
        ]
        serve = [
            *java,
            f"-Xmx{self.heap_megabytes}m",
            "kafka.Kafka",
            "/configuration/server.properties",
        ]
        script = f"[ -f /data/meta.properties ] || {shlex.join(form)} && exec {shlex.join(serve)}"
        mounts = {self.folder.resolve(): "/configuration", self.data.resolve(): "/data"}
        container.start(
            ["sh", "-c", script],
            ports=[self.port, self._ports["inner"]],
            mounts=mounts,
            environment={},
        )

    def _begin_jvm(self, process: Process, say: Say) -> None:
        java = find_java(JAVA_MINIMUM, "Apache Kafka")
        libs = artifacts.kafka(say) / "libs"
        self._write_configuration(listen="127.0.0.1", data=str(self.data))
        options = [
            str(java.path),
            "-cp",
            f"{libs}/*",
            f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}",
            *JVM,
        ]
        if not (self.data / "meta.properties").exists():
            say("formatting the broker's data")
            self._format([*options, "-Xmx128m", "-XX:TieredStopAtLevel=1"])
        if java.release >= SHARED_ARCHIVE_JAVA:
            archive = artifacts.cache() / f"kafka-{artifacts.KAFKA_VERSION}-java{java.release}.jsa"
            options += ["-XX:+AutoCreateSharedArchive", f"-XX:SharedArchiveFile={archive}"]
        process.start(
            [
                *options,
                "-Xms128m",
                f"-Xmx{self.heap_megabytes}m",
                "kafka.Kafka",
                str(self.folder / "server.properties"),
            ]
        )

    def wait(self, seconds: float = READY_SECONDS) -> None:
        """Wait until it answers, tells who it is, and a record goes through it. Raises
        ServiceFailed.
        """
        # the inner listener: the other one may lead through a proxy that is not there yet, or want
        # a password
        for what in (
            lambda: listens(self.port),
            lambda: broker_answers(self.inner),
            lambda: record_passes(self.inner),
        ):
            wait_for("the broker", what, lambda: self.alive, seconds, self.process.last_words)

    def wipe(self) -> None:
        """Stop it and remove all of its data."""
        self.stop()
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def partition_folder(self, topic: str, partition: int) -> Path:
        """Where a partition's segments lie."""
        return self.data / f"{topic}-{partition}"

    def _write_configuration(self, listen: str, data: str) -> None:
        controller = f"127.0.0.1:{self._ports['controller']}"
        properties = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.bootstrap.servers": controller,
            "listeners": f"CLIENT://{listen}:{self.port},INNER://{listen}:{self._ports['inner']},CONTROLLER://{controller}",
            "advertised.listeners": f"CLIENT://{self.advertised or self.bootstrap},INNER://{self.inner}",
            "listener.security.protocol.map": (
                "CLIENT:PLAINTEXT,INNER:PLAINTEXT,CONTROLLER:PLAINTEXT"
            ),
            # its own: a fault proxy before the clients must not delay the broker's own markers
            "inter.broker.listener.name": "INNER",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": data,
            **SMALL,
            **self.properties,
        }
        (self.folder / "server.properties").write_text(
            "".join(f"{key}={value}\n" for key, value in properties.items())
        )
        (self.folder / "log4j2.properties").write_text(LOGGING)

    def _format(self, java: list[str]) -> None:
        tool = [
            *FORMAT,
            f"--cluster-id={_cluster_id()}",
            "--config",
            str(self.folder / "server.properties"),
        ]
        try:
            done = subprocess.run(
                [*java, *tool],
                cwd=self.folder,
                capture_output=True,
                text=True,
                timeout=FORMAT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            raise ServiceFailed(
                f"formatting {self.data} did not end within {FORMAT_SECONDS} s"
            ) from late
        if done.returncode:
            words = cause_line([*done.stdout.splitlines(), *done.stderr.splitlines()])
            raise ServiceFailed(f"cannot format {self.data}: {words or 'the tool did not say why'}")


def _cluster_id() -> str:
    """Sixteen random bytes as Kafka writes them."""
    return urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
