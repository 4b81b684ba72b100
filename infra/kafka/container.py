"""A service as a container of Docker (or a program that speaks its command line), where an engine
answers.

The same configuration and data folders as the JVM back end, mounted; ports are published on
127.0.0.1 under the same numbers.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.kafka.artifacts import APICURIO_VERSION, KAFKA_VERSION, Say
from infra.kafka.errors import NoEngine, ServiceFailed
from infra.kafka.process import STOP_SECONDS, cause_line

BROKER_IMAGE = f"apache/kafka:{KAFKA_VERSION}"
REGISTRY_IMAGE = f"apicurio/apicurio-registry:{APICURIO_VERSION}"
ENGINE = "docker"
ANSWER_SECONDS = 20
PULL_SECONDS = 900


class Container:
    """One container, named after its folder; the interface of :class:`infra.kafka.process.Process`.

    Args:
        name: for messages.
        folder: the service's folder; two folders never share a container.
        image: what it runs.
    """

    def __init__(self, name: str, folder: Path, image: str) -> None:
        self.name = name
        self.image = image
        self.container = (
            f"sq-{name}-{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]}"
        )

    @property
    def pid(self) -> int:
        """Pid of its first process, as the engine's host counts; 0 if it does not run."""
        done = engine("inspect", "--format", "{{.State.Running}} {{.State.Pid}}", self.container)
        running, _, pid = done.stdout.strip().partition(" ")
        return int(pid) if done.returncode == 0 and running == "true" else 0

    @property
    def alive(self) -> bool:
        """True while it runs, paused or not."""
        return self.pid != 0

    def start(
        self,
        command: Sequence[str],
        *,
        ports: Sequence[int],
        mounts: Mapping[Path, str],
        environment: Mapping[str, str],
    ) -> None:
        """Start it, detached, as the calling user; returns once the engine has. Raises
        ServiceFailed.
        """
        engine("rm", "--force", self.container)
        options = ["--detach", "--name", self.container, "--user", f"{os.getuid()}:{os.getgid()}"]
        for port in ports:
            options += ["--publish", f"127.0.0.1:{port}:{port}"]
        for folder, inside in mounts.items():
            options += ["--volume", f"{folder}:{inside}"]
        for key, value in environment.items():
            options += ["--env", f"{key}={value}"]
        done = engine("run", *options, self.image, *command, seconds=PULL_SECONDS)
        if done.returncode:
            raise ServiceFailed(
                f"the container of the {self.name} cannot be started: "
                f"{cause_line(done.stderr.splitlines())}"
            )

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """End it in good order; killed if that takes longer. Nothing to do if it does not run."""
        self.resume()
        engine(
            "stop",
            "--time",
            str(int(seconds)),
            self.container,
            seconds=int(seconds) + ANSWER_SECONDS,
        )
        engine("rm", "--force", self.container)

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        engine("kill", self.container)
        engine("rm", "--force", self.container)

    def pause(self) -> None:
        """Stand still: connections stay open, nothing answers."""
        engine("pause", self.container)

    def resume(self) -> None:
        """Go on after :meth:`pause`."""
        engine("unpause", self.container)

    def last_words(self) -> str:
        """The line of its output that says most, and where the rest is."""
        done = engine("logs", "--tail", "200", self.container)
        words = cause_line([*done.stdout.splitlines(), *done.stderr.splitlines()])
        return f"{words or 'it said nothing'} (more: {ENGINE} logs {self.container})"


def engine(*arguments: str, seconds: int = ANSWER_SECONDS) -> subprocess.CompletedProcess[str]:
    """Run the engine's command; a failure is in its return code. Raises NoEngine if there is no
    such command or it hangs.
    """
    try:
        return subprocess.run(
            [ENGINE, *arguments], capture_output=True, text=True, timeout=seconds, check=False
        )
    except FileNotFoundError as absent:
        raise NoEngine(
            f"there is no '{ENGINE}' command; install a container engine, or use --backend jvm"
        ) from absent
    except subprocess.TimeoutExpired as late:
        raise NoEngine(
            f"the container engine did not answer '{ENGINE} {arguments[0]}' within {seconds} s; or "
            "use --backend jvm"
        ) from late


def engine_answers() -> bool:
    """True if a container engine runs and lets us in."""
    if shutil.which(ENGINE) is None:
        return False
    try:
        return engine("info", "--format", "{{.ServerVersion}}").returncode == 0
    except NoEngine:
        return False


def need_images(say: Say) -> None:
    """Pull what is not there yet. Raises NoEngine if the engine is away or an image cannot be had.
    """
    if not engine_answers():
        raise NoEngine(
            "no container engine answers; start one ('docker info' must succeed), or use --backend "
            "jvm"
        )
    for image in (BROKER_IMAGE, REGISTRY_IMAGE):
        if engine("image", "inspect", image).returncode == 0:
            continue
        say(f"pulling {image} (once)")
        done = engine("pull", image, seconds=PULL_SECONDS)
        if done.returncode:
            raise NoEngine(
                f"image {image} cannot be pulled: {cause_line(done.stderr.splitlines())}; use "
                "--backend jvm"
            )
