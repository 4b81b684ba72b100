"""One cause, one page: what follows from a cause that is told is held back.

Oracles: ``promtool`` says which alerts fire, with which labels, for a fault of the catalogue; a
real Alertmanager with our configuration says which of those it would tell somebody of.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.monitoring.configuration import alertmanager
from infra.prometheus.alerts import ALERTS
from infra.prometheus.faults import ROWS
from infra.prometheus.rows import ALWAYS
from tests.infra.prometheus_rows import run

BY_LABELS = (
    "count by (alertname, environment, topology, shard) "
    f'(ALERTS{{alertstate="firing",alertname!="{ALWAYS}"}})'
)
SHARD = {"environment": "e", "topology": "pipeline", "shard": "0"}
ONE = {"environment": "e"}
CASES: dict[str, tuple[str, float, dict[str, dict[str, str]], set[str]]] = {
    # the fault, the minute, all that fires then, what somebody is told
    "quarantined at first": (
        "F18",
        23.25,
        {"ShardQuarantined": SHARD, "TaskCrashLoop": SHARD, "TaskRestarted": SHARD},
        {"ShardQuarantined"},
    ),
    "quarantined for an hour": (
        "F18",
        85,
        {"ShardQuarantined": SHARD, "ConsumerWithoutMembers": SHARD},
        {"ShardQuarantined"},
    ),
    "a flood": (
        "F14, flood",
        21,
        {"DeadLetterFlood": SHARD, "DeadLetters": SHARD, "TaskHalted": SHARD},
        {"TaskHalted"},
    ),
    "diverged": (
        "F12, journal",
        21,
        {"ReplayDiverged": SHARD, "TaskHalted": SHARD},
        {"TaskHalted"},
    ),
    "every process killed": (
        "all members killed",
        22,
        {"ProcessDown": ONE, "ShardWithoutOwner": SHARD},
        {"ShardWithoutOwner"},
    ),
}


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an Alertmanager with our configuration."""
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if program is None:
        pytest.skip("no Alertmanager is installed (Debian: prometheus-alertmanager)")
    folder = tmp_path_factory.mktemp("alertmanager")
    (folder / "alertmanager.json").write_text(json.dumps(alertmanager()))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    flags = [
        f"--config.file={folder}/alertmanager.json",
        f"--storage.path={folder}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    ]
    process = subprocess.Popen(
        [program, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 60
        while not _is_ready(address):
            assert process.poll() is None and time.monotonic() < deadline, (
                "Alertmanager does not start"
            )
            time.sleep(0.1)
        yield address
    finally:
        process.kill()
        process.wait()


def _is_ready(address: str) -> bool:
    try:
        return bool(urllib.request.urlopen(f"http://{address}/-/ready", timeout=5).status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False


@pytest.mark.parametrize("case", CASES)
def test_of_a_cause_and_its_consequences_the_cause_is_told(
    case: str, manager: str, tmp_path: Path
) -> None:
    fault, minute, firing, expected = CASES[case]
    (row,) = [row for row in ROWS if row.fault == fault]
    samples = [
        {
            "labels": "{"
            + ",".join(f'{key}="{value}"' for key, value in {"alertname": name, **labels}.items())
            + "}",
            "value": 1,
        }
        for name, labels in firing.items()
    ]
    ended = run(
        row,
        tmp_path,
        queries=(
            {"expr": BY_LABELS, "eval_time": f"{round(minute * 60)}s", "exp_samples": samples},
        ),
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    of = {alert.name: alert for alert in ALERTS}
    mark = {"environment": case.replace(" ", "-")}  # the cases share an Alertmanager
    alerts = [
        {
            "labels": {
                "alertname": name,
                "severity": of[name].severity,
                "area": of[name].area,
                **labels,
                **mark,
            }
        }
        for name, labels in firing.items()
    ]
    body = json.dumps(alerts).encode()
    urllib.request.urlopen(
        urllib.request.Request(
            f"http://{manager}/api/v2/alerts", body, {"Content-Type": "application/json"}
        ),
        timeout=20,
    )
    url = (
        f"http://{manager}/api/v2/alerts?inhibited=false&filter=environment%3D{mark['environment']}"
    )
    deadline = time.monotonic() + 20
    told: set[str] = set()
    while told != expected and time.monotonic() < deadline:
        told = {
            alert["labels"]["alertname"]
            for alert in json.load(urllib.request.urlopen(url, timeout=20))
        }
        time.sleep(0.1)
    assert told == expected
