"""The monitoring of this machine: real Prometheus and Alertmanager programs and the lag exporter,
in one folder.

::

    <home>/targets/          file_sd: what every process of ours writes, the exporter too
    <home>/monitor/          ports (chosen once), configurations, rules, data and logs
    <home>/monitor/grafana/  provisioning and dashboards: what a Grafana is given
"""

from __future__ import annotations

import json
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from infra.kafka.errors import ServiceFailed
from infra.kafka.ports import Ports
from infra.kafka.process import Process
from infra.monitoring import configuration
from schemas.errors import WrongUse

RULES = Path(__file__).resolve().parents[1] / "prometheus" / "rules"
DASHBOARDS = Path(__file__).resolve().parents[1] / "grafana" / "dashboards"
CALENDAR = Path(__file__).resolve().parents[1] / "prometheus" / "calendar.toml"
READY_SECONDS = 60.0
RETENTION = "15d"
Say = Callable[[str], None]


class NoPrometheus(WrongUse):
    """Prometheus or Alertmanager is not installed."""

    code = "no_prometheus"


class Program(NamedTuple):
    """A program: the names it may have, and the Debian package it comes with."""

    names: tuple[str, ...]
    package: str

    def path(self) -> str:
        """Where it is. Raises NoPrometheus."""
        for name in self.names:
            found = shutil.which(name)
            if found:
                return found
        raise NoPrometheus(
            f"{self.names[0]} is not installed; on Debian: apt-get install {self.package}; "
            f"elsewhere put the program {self.names[0]} into the PATH"
        )


PROMETHEUS = Program(("prometheus",), "prometheus")
ALERTMANAGER = Program(("prometheus-alertmanager", "alertmanager"), "prometheus-alertmanager")
SERVICES = ("prometheus", "alertmanager", "lag")


class Stack:
    """The three processes of one home folder.

    Args:
        home: the cluster's home; the stack lives in ``monitor`` below it.
        scrape_seconds: how often to scrape and to evaluate rules.
        dies_with_parent: for tests: the kernel ends them with the one who started them.
    """

    def __init__(
        self,
        home: Path,
        *,
        scrape_seconds: int = configuration.SCRAPE_SECONDS,
        dies_with_parent: bool = False,
    ) -> None:
        self.home = home
        self.folder = home / "monitor"
        self.scrape_seconds = scrape_seconds
        self.ports = Ports(self.folder, prometheus=0, alertmanager=0, lag=0)
        self.processes = {
            name: Process(name, self.folder, dies_with_parent=dies_with_parent) for name in SERVICES
        }

    def address(self, name: str) -> str:
        """``127.0.0.1:PORT`` of a service."""
        return f"127.0.0.1:{self.ports[name]}"

    def up(
        self,
        exporter: Sequence[str] = (),
        *,
        notify: str = "",
        deadman: str = "",
        rules: Path = RULES,
        say: Say = lambda _: None,
    ) -> None:
        """Start what does not run and wait until it answers; rules and configuration are those of
        now.

        Args:
            exporter: command of the lag exporter up to its port, which is appended; empty: none is
                started.
            notify: webhook of alerts.
            deadman: webhook of the dead-man's switch.
            rules: folder of the rules.
            say: told what is done.

        Raises:
            NoPrometheus: a program is not installed.
            ServiceFailed: one ended or did not answer; what was started is stopped again.
        """
        programs = {"prometheus": PROMETHEUS.path(), "alertmanager": ALERTMANAGER.path()}
        self.ports.keep()
        self._write(notify, deadman, rules)
        commands: dict[str, list[str]] = {
            "alertmanager": [
                programs["alertmanager"],
                f"--config.file={self.folder / 'alertmanager.yml'}",
                f"--storage.path={self.folder / 'alertmanager'}",
                f"--web.listen-address={self.address('alertmanager')}",
                "--cluster.listen-address=",
            ],
            "prometheus": [
                programs["prometheus"],
                f"--config.file={self.folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={self.folder / 'prometheus'}",
                f"--storage.tsdb.retention.time={RETENTION}",
                f"--web.listen-address={self.address('prometheus')}",
                "--web.enable-lifecycle",
            ],
        }
        if exporter:
            commands["lag"] = [*exporter, str(self.ports["lag"])]
        fresh = [name for name in commands if not self.processes[name].alive]
        try:
            for name in fresh:
                say(f"starting {name} on {self.address(name)}")
                self.processes[name].start(commands[name])
            for name in commands:
                self._wait(name)
            for name in set(commands) & {"prometheus", "alertmanager"} - set(fresh):
                urllib.request.urlopen(
                    urllib.request.Request(f"http://{self.address(name)}/-/reload", method="POST"),
                    timeout=10,
                ).close()
        except BaseException:
            for name in fresh:
                self.processes[name].stop()
            raise

    def down(self) -> bool:
        """Stop them, keep what was measured; returns False if nothing ran."""
        ran = any(process.alive for process in self.processes.values())
        for process in self.processes.values():
            process.stop()
        return ran

    def status(self) -> dict[str, dict[str, Any]]:
        """Of each: ``state`` (up, starting, down), ``pid``, ``address``."""
        found = {}
        for name, process in self.processes.items():
            answers = process.alive and self._answers(name)
            found[name] = {
                "state": "up" if answers else "starting" if process.alive else "down",
                "pid": process.pid,
                "address": f"http://{self.address(name)}" if process.alive else "",
            }
        return found

    @property
    def grafana(self) -> Path:
        """Folder with ``provisioning`` and ``dashboards``."""
        return self.folder / "grafana"

    def _write(self, notify: str, deadman: str, rules: Path) -> None:
        own = configuration.prometheus(
            str(rules / "*.yml"),
            str(self.home / "targets" / "*.json"),
            self.address("alertmanager"),
            self.address("prometheus"),
            scrape_seconds=self.scrape_seconds,
        )
        contents = {
            "prometheus.yml": own,
            "alertmanager.yml": configuration.alertmanager(
                notify, deadman, wait_seconds=2 * self.scrape_seconds
            ),
            "grafana/provisioning/datasources/prometheus.yml": configuration.grafana_datasource(
                f"http://{self.address('prometheus')}"
            ),
            "grafana/provisioning/dashboards/shrivenquant.yml": configuration.grafana_dashboards(
                str(self.grafana / "dashboards")
            ),
        }
        for name, content in contents.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content, indent=2) + "\n")
        shutil.rmtree(self.grafana / "dashboards", ignore_errors=True)
        shutil.copytree(DASHBOARDS, self.grafana / "dashboards")
        (self.home / "targets").mkdir(parents=True, exist_ok=True)

    def _wait(self, name: str) -> None:
        end = time.monotonic() + READY_SECONDS
        while not self._answers(name):
            process = self.processes[name]
            if not process.alive:
                raise ServiceFailed(f"{name} ended: {process.last_words()}")
            if time.monotonic() > end:
                raise ServiceFailed(
                    f"{name} does not answer on {self.address(name)} after {READY_SECONDS:.0f} s: "
                    f"{process.last_words()}"
                )
            time.sleep(0.1)

    def _answers(self, name: str) -> bool:
        path = "/metrics" if name == "lag" else "/-/ready"
        try:
            with urllib.request.urlopen(f"http://{self.address(name)}{path}", timeout=5) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False


def exporter_command() -> list[str]:
    """The lag exporter of this installation, up to its port."""
    return [sys.executable, "-m", "jobs.sq", "lag", "--calendar", str(CALENDAR), "--serve"]
