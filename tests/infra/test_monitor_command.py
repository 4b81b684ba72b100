"""``sq monitor`` as a user types it: real Prometheus, Alertmanager and exporter, over a cluster
that is away; who is told of it.

Oracles: the programs themselves, their own checkers of configurations, and a webhook that takes
what Alertmanager sends.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from infra.monitoring import configuration
from tests.infra.prometheus_rows import promtool

PATIENCE_SECONDS = 240


def sq(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user would."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("SQ_KAFKA")}
    own |= {"SQ_KAFKA_HOME": str(home), "SQ_KAFKA_BOOTSTRAP": "127.0.0.1:9", **environment}
    return subprocess.run(
        [sys.executable, "-m", "jobs.sq", *arguments],
        env=own,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """URL of a receiver, and the alerts it was sent."""
    alerts: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # noqa: N802
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            alerts.extend({**alert, "receiver": body["receiver"]} for alert in body["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/", alerts
    server.shutdown()


def test_what_is_not_installed_is_named_with_its_package(tmp_path: Path) -> None:
    ended = sq(tmp_path, "monitor", "up", PATH="/nowhere")
    assert ended.returncode == 2
    assert ended.stderr == (
        "sq: prometheus is not installed; on Debian: apt-get install prometheus; elsewhere put the "
        "program prometheus into the PATH\n"
    )


def test_without_a_cluster_nothing_is_started(tmp_path: Path) -> None:
    ended = sq(tmp_path, "monitor", "up", SQ_KAFKA_BOOTSTRAP="")
    assert ended.returncode == 2 and "no Kafka cluster is named" in ended.stderr
    assert not (tmp_path / "monitor").exists()


def test_up_tells_the_addresses_watches_and_notifies_and_down_stops(
    tmp_path: Path, webhook: tuple[str, list[dict[str, Any]]]
) -> None:
    for program in ("prometheus", "prometheus-alertmanager"):
        if (
            shutil.which(program) is None
            and shutil.which(program.removeprefix("prometheus-")) is None
        ):
            pytest.skip(f"{program} is not installed (Debian: {program})")
    url, alerts = webhook
    try:
        up = sq(tmp_path, "monitor", "up", "--notify", url, "--deadman", url)
        assert up.returncode == 0, up.stderr
        addresses = dict(pair.split("=", 1) for pair in up.stdout.splitlines()[-1].split())
        assert set(addresses) == {"prometheus", "alertmanager", "lag"}
        status = json.loads(sq(tmp_path, "monitor", "status", "--json").stdout)
        assert {name: service["state"] for name, service in status.items()} == dict.fromkeys(
            addresses, "up"
        )
        again = sq(tmp_path, "monitor", "up", "--notify", url, "--deadman", url)
        assert again.stdout == up.stdout and "starting" not in again.stderr, (
            "a second start changes nothing"
        )
        end = time.monotonic() + PATIENCE_SECONDS
        wanted = {("BrokerUnreachable", "pager"), ("DeadMansSwitch", "deadman")}
        while (
            not wanted
            <= {(alert["labels"]["alertname"], alert["receiver"]) for alert in list(alerts)}
            and time.monotonic() < end
        ):
            time.sleep(0.5)
        told = {(alert["labels"]["alertname"], alert["receiver"]) for alert in alerts}
        assert wanted <= told
        (alert,) = [
            alert for alert in alerts if alert["labels"]["alertname"] == "BrokerUnreachable"
        ][:1]
        assert alert["annotations"]["runbook"] == "docs/runbooks/BrokerUnreachable.md"
        assert alert["labels"]["environment"] == "local"
    finally:
        down = sq(tmp_path, "monitor", "down")
    assert down.stdout == "stopped\n"
    ended = sq(tmp_path, "monitor", "status")
    assert ended.returncode == 1 and ended.stdout.count("down") == 3


@pytest.mark.parametrize("path", configuration.files(), ids=lambda path: path.name)
def test_a_committed_configuration_is_the_generated_one(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == configuration.files()[path], (
        "run: python -m infra.monitoring.configuration"
    )


def test_the_programs_accept_the_committed_configurations() -> None:
    root = configuration.ROOT
    checks = [
        [
            promtool(),
            "check",
            "config",
            "--syntax-only",
            str(root / "prometheus" / "prometheus.yml"),
        ]
    ]
    amtool = shutil.which("amtool")
    if amtool is not None:
        checks.append([amtool, "check-config", str(root / "alertmanager" / "alertmanager.yml")])
    for check in checks:
        ended = subprocess.run(check, capture_output=True, text=True, timeout=120)
        assert ended.returncode == 0, ended.stdout + ended.stderr
