"""The endpoint of a process and how Prometheus finds it. Oracle: an HTTP client and the file_sd
form Prometheus documents.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from jobs.telemetry.serving import FOLDER, PortTaken, prune, serve, write_target
from jobs.telemetry.task import ProcessMetrics

HOST = socket.gethostname()


def get(port: int, path: str, accept: str = "") -> tuple[int, str, str]:
    """(status, content type, body)."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", headers={"Accept": accept} if accept else {}
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as problem:
        return problem.code, problem.headers["Content-Type"], problem.read().decode()


def test_metrics_and_health_are_served_on_a_free_port_that_a_target_file_names(
    tmp_path: Path,
) -> None:
    server = serve(ProcessMetrics("1.0").registry, job="task", home=tmp_path, environment="test")
    try:
        status, content_type, body = get(server.port, "/metrics")
        assert (
            status == 200
            and content_type.startswith("text/plain")
            and "shriven_build_info{" in body
        )
        assert get(server.port, "/metrics", "application/openmetrics-text; version=1.0.0")[
            2
        ].endswith("# EOF\n")
        assert get(server.port, "/healthz")[::2] == (200, "ok\n")
        assert get(server.port, "/else")[0] == 404
        (path,) = (tmp_path / FOLDER).glob("*.json")
        assert json.loads(path.read_text()) == [
            {
                "targets": [f"127.0.0.1:{server.port}"],
                "labels": {"job": "task", "environment": "test"},
            }
        ]
    finally:
        server.close()
    assert not path.exists()
    server.close()


def test_health_says_what_is_wrong_with_the_process() -> None:
    server = serve(
        ProcessMetrics("1.0").registry, job="task", health=lambda: "the task's thread has ended"
    )
    try:
        assert get(server.port, "/healthz")[::2] == (503, "the task's thread has ended\n")
    finally:
        server.close()


def test_a_port_in_use_is_refused_by_name() -> None:
    first = serve(ProcessMetrics("1.0").registry, job="task")
    try:
        with pytest.raises(PortTaken, match=f"127.0.0.1:{first.port}"):
            serve(ProcessMetrics("1.0").registry, first.port, job="task")
    finally:
        first.close()


def test_a_process_takes_its_target_file_away_and_what_a_killed_one_left_is_pruned(
    tmp_path: Path,
) -> None:
    program = (
        "import sys; from pathlib import Path; from jobs.telemetry.serving import serve; from "
        "jobs.telemetry.task import ProcessMetrics\nserve(ProcessMetrics('1').registry, "
        "job='task', home=Path(sys.argv[1])); print('ready', flush=True); sys.stdin.readline()"
    )

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout and process.stdout.readline() == "ready\n"
        return process

    ended = start()
    assert (tmp_path / FOLDER / f"task-{HOST}-{ended.pid}.json").exists()
    ended.communicate("\n", timeout=60)
    assert not (tmp_path / FOLDER / f"task-{HOST}-{ended.pid}.json").exists()

    killed = start()
    killed.kill()
    left = tmp_path / FOLDER / f"task-{HOST}-{killed.pid}.json"
    killed.communicate(timeout=60)
    mine = write_target(tmp_path, "member", "127.0.0.1:1")
    foreign = tmp_path / FOLDER / f"task-another-host-{killed.pid}.json"
    foreign.write_text("[]")
    assert left.exists()
    assert prune(tmp_path) == 1
    assert foreign.exists(), "another container's process is not ours to judge"
    assert not left.exists() and mine.exists() and str(os.getpid()) in mine.name


def test_a_process_that_ends_with_bad_news_waits_for_one_more_scrape_if_somebody_watches() -> None:
    process = ProcessMetrics("1.0")
    server = serve(process.registry, job="member")
    try:
        # nobody watches: no wait, or this test would time out in CI's patience, not in ours
        server.wait_for_final_scrape()
        get(server.port, "/metrics")
        process.error("topic_changed")
        ended = threading.Event()
        waiting = threading.Thread(target=lambda: (server.wait_for_final_scrape(), ended.set()))
        waiting.start()
        assert not ended.wait(0.3), "ended before its last values were read"
        assert 'shriven_errors_total{code="topic_changed"} 1.0' in get(server.port, "/metrics")[2]
        assert ended.wait(10)
        waiting.join()
    finally:
        server.close()
