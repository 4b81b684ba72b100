"""What a broker and a registry have in common: a process or a container of ours that is started,
stopped, killed and paused.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from infra.kafka.artifacts import Say, silent
from infra.kafka.container import Container
from infra.kafka.ports import Ports
from infra.kafka.process import Process

Backend = Literal["jvm", "containers"]
READY_SECONDS = 180.0  # seconds where cores are free


class Service(ABC):
    """A server with everything of it in one folder; leaving its context kills it.

    Args:
        name: of its log and pid files, and of its container.
        folder: everything of it.
        image: what a container is made of.
        ports: its ports by name, kept in the folder.
        backend: a JVM process, or a container.
        dies_with_parent: see Process; a container goes on.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        image: str,
        ports: Ports,
        *,
        backend: Backend,
        dies_with_parent: bool,
    ) -> None:
        self.folder = folder
        self.backend = backend
        self._ports = ports
        self.process: Process | Container = (
            Process(name, folder, dies_with_parent=dies_with_parent)
            if backend == "jvm"
            else Container(name, folder, image)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()

    @property
    def alive(self) -> bool:
        """True while its process runs."""
        return self.process.alive

    @property
    def pid(self) -> int:
        """Its process; 0 if it does not run."""
        return self.process.pid

    @abstractmethod
    def begin(self, say: Say = silent) -> None:
        """Start the process, without waiting until it answers. Raises NoJava, NoArtifacts,
        ServiceFailed.
        """

    @abstractmethod
    def wait(self, seconds: float = READY_SECONDS) -> None:
        """Wait until it answers. Raises ServiceFailed."""

    @abstractmethod
    def wipe(self) -> None:
        """Stop it and remove all of its data."""

    def start(self, say: Say = silent) -> None:
        """:meth:`begin` and :meth:`wait`."""
        self.begin(say)
        self.wait()

    def stop(self) -> None:
        """A clean shutdown (SIGTERM)."""
        self.process.stop()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()

    def restart(self) -> None:
        """A clean stop and a start, on the same data and ports."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """SIGSTOP: it holds its connections and answers nothing."""
        self.process.pause()

    def resume(self) -> None:
        """SIGCONT."""
        self.process.resume()
