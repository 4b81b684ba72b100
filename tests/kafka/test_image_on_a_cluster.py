"""Our own image at work on a real broker: not root, nothing written outside its volumes, healthy,
drained when it is stopped.

Oracle: the engine's own account of the container, and ``sq verify`` from outside it. ``make image``
builds what is run here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.image.build import TAG
from infra.kafka.container import engine, engine_answers
from jobs.live.proof import verify_cluster
from streams.runtime.tools.code import code_digest, source_digests
from tests.kafka.edge_topics import EdgeTopics
from tests.kafka.live_market import wait_until
from tests.kafka.members import PIPELINE, sq, status

NAME = "sq-image-test"
STARTING_SECONDS = 400
"""Kernels are compiled in it the first time."""
DRAIN_SECONDS = 30
DIGEST = (
    "from streams.runtime.tools.code import code_digest, source_digests; "
    "print(code_digest(source_digests([])))"
)


@pytest.fixture
def image() -> Iterator[str]:
    """The image of this very code; its container is removed in the end, whatever happened."""
    if not engine_answers():
        pytest.skip("no container engine answers here: the image is not run")
    inside = engine("run", "--rm", TAG, "python", "-c", DIGEST)
    if inside.returncode or inside.stdout.strip() != code_digest(source_digests([])):
        pytest.skip(f"there is no image {TAG} of this code: 'make image' builds it")
    yield TAG
    engine("rm", "--force", "--volumes", NAME)


@pytest.mark.broker
def test_a_container_of_the_image_runs_a_shard_and_drains_it_when_it_is_stopped(
    image: str, edge: EdgeTopics, small_recording: Path, tmp_path: Path
) -> None:
    sq(edge, tmp_path, "topics", "apply", "--shards", "1")
    variables = {
        key: value for key, value in edge.environment().items() if key.startswith("SQ_KAFKA_")
    }
    guarded = [
        "--read-only",
        "--tmpfs",
        "/tmp",
        "--cap-drop",
        "ALL",
        "--security-opt",
        "no-new-privileges",
    ]
    volumes = ["--volume", "/var/lib/shrivenquant", "--volume", "/var/cache/shrivenquant"]
    named = [part for key, value in variables.items() for part in ("--env", f"{key}={value}")]
    started = engine(
        "run",
        "--detach",
        "--name",
        NAME,
        "--network",
        "host",
        *guarded,
        *volumes,
        *named,
        image,
        "sq",
        "run",
        *PIPELINE,
    )
    assert started.returncode == 0, started.stderr

    def log() -> str:
        told = engine("logs", NAME)
        return told.stdout + told.stderr

    def facts() -> dict[str, object]:
        found: dict[str, object] = json.loads(
            engine("inspect", "--format", "{{json .State}}", NAME).stdout
        )
        return found

    def is_told(event: str) -> bool:
        assert facts()["Running"], log()[-2000:]
        return f'"event": "{event}"' in log()

    wait_until(lambda: is_told("running"), STARTING_SECONDS, "the shard in the container")
    fed = json.loads(
        sq(edge, tmp_path, "feed", str(small_recording), "--speed", "max", "--json").stdout
    )["records"]
    wait_until(lambda: status(edge, tmp_path)[0]["records"] == fed, 60, "everything consumed")
    assert engine(
        "exec", NAME, "python", "-c", "import os; print(os.getuid(), os.getgid())"
    ).stdout.split() == ["10001", "10001"]
    written = engine("exec", NAME, "python", "-c", "open('/opt/sq/app/x', 'w')")
    assert written.returncode and "Read-only file system" in written.stderr
    wait_until(lambda: facts()["Health"]["Status"] == "healthy", 60, "a healthy container")  # type: ignore[index]
    engine("stop", "--time", str(DRAIN_SECONDS), NAME, seconds=DRAIN_SECONDS + 20)
    assert (facts()["ExitCode"], facts()["OOMKilled"]) == (0, False), log()[-2000:]
    assert '"event": "drained"' in log()
    (verdict,) = verify_cluster(edge.cluster, "pipeline")
    assert verdict.findings == [] and verdict.records >= fed
    size = int(engine("image", "inspect", "--format", "{{.Size}}", image).stdout)
    sys.stdout.write(f"the image has {size / 1e6:.0f} MB\n")
