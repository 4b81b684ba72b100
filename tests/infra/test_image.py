"""What the image is made of and what runs in it.

Oracles: the kernel (signals, exit codes, pid 1), pip's reading of the lock, the real metrics
endpoint.
"""

from __future__ import annotations

import ast
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.image import build, healthy, wheelhouse
from infra.image.wheelhouse import NoWheelhouse, closure, dependencies, locked
from jobs.telemetry.serving import serve, write_target
from jobs.telemetry.task import ProcessMetrics

ROOT = Path(__file__).resolve().parents[2]
INIT = [sys.executable, "-I", str(ROOT / "infra" / "image" / "init.py")]
DRAINING = (
    "import signal, sys, time\n"
    "def drain(*_):\n    print('drained', flush=True); sys.exit(0)\n"
    "signal.signal(signal.SIGTERM, drain); print('ready', flush=True)\n"
    "time.sleep(600)"
)


def test_the_image_takes_what_the_project_needs_and_nothing_of_its_developers() -> None:
    lock = locked((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    names = closure(dependencies(), lock)
    assert {
        "numba",
        "llvmlite",
        "confluent-kafka",
        "psycopg-binary",
        "httpx2" if "httpx2" in lock else "numpy",
    } <= names
    tools = {"pytest", "mypy", "ruff", "hypothesis", "testcontainers", "check-jsonschema", "scipy"}
    assert names & {*tools, "polars", "pandas"} == set()


def test_few_modules_in_the_image_import_the_packages_that_are_left_out_of_it() -> None:
    """They are imported for a table, or a calendar, alone; tests/connectors and
    tests/jobs/test_export.py show what is said there."""
    readers = {
        ROOT / "connectors" / "tables" / "parquet.py": {"polars"},
        ROOT / "jobs" / "exporting" / "frames.py": {"polars"},
        ROOT / "connectors" / "reference" / "calendars.py": {"exchange_calendars"},
    }
    left_out = {name.replace("-", "_") for name in wheelhouse.LEFT_OUT}
    assert left_out == {name for names in readers.values() for name in names}
    for path in (
        path
        for top in ("schemas", "streams", "connectors", "infra", "jobs")
        for path in (ROOT / top).rglob("*.py")
    ):
        tree = ast.parse(path.read_bytes())
        names = [
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import)
            for alias in node.names
        ]
        names += [
            node.module or ""
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and not node.level
        ]
        found = {name.split(".")[0] for name in names} & left_out
        assert found == readers.get(path, set()), path


def test_what_is_not_locked_cannot_get_in() -> None:
    with pytest.raises(NoWheelhouse, match="left-pad is needed and not in requirements.lock"):
        closure(["left-pad"], {})


def test_every_entry_that_the_image_installs_has_its_hashes_as_pip_reads_them() -> None:
    text = wheelhouse.requirements()
    entries = re.findall(r"^\S+==\S+", text, re.MULTILINE)
    assert len(entries) >= 20 and len(entries) == len(locked(text)) + sum(
        len(each) - 1 for each in locked(text).values()
    )
    assert all("--hash=sha256:" in entry for each in locked(text).values() for entry in each)


def test_another_python_than_the_images_is_refused_by_name() -> None:
    build.check_python(f"{sys.version_info.major}.{sys.version_info.minor}")
    with pytest.raises(NoWheelhouse, match=r"the image has Python 2\.7, this is 3"):
        build.check_python("2.7")


def test_the_base_of_the_image_is_pinned() -> None:
    image, python = build.base()
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-[a-z]+", image) and image.startswith(
        f"python:{python}."
    )


@pytest.mark.parametrize(
    ("program", "code"),
    [("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", 137), ("", 0)],
)
def test_the_first_process_ends_as_its_command_did(program: str, code: int) -> None:
    assert (
        subprocess.run([*INIT, sys.executable, "-c", program], check=False, timeout=60).returncode
        == code
    )


def test_a_command_that_is_not_there_is_said() -> None:
    done = subprocess.run(
        [*INIT, "no-such-command"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 127 and done.stderr == "no-such-command: No such file or directory\n"


def test_a_termination_is_passed_on_and_the_drain_is_waited_for() -> None:
    process = subprocess.Popen(
        [*INIT, sys.executable, "-c", DRAINING], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout and process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60)[0] == "drained\n" and process.returncode == 0


def test_as_pid_1_an_early_termination_is_not_lost_and_orphans_are_collected() -> None:
    unshare = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no pid namespace can be made here")
    # a grandchild outlives its parent; then the program tells, and never handles SIGTERM: as pid 1
    # it would never end
    program = (
        "import os, time\n"
        "if os.fork() == 0:\n    os.fork(); os._exit(0)\n"
        "os.wait(); time.sleep(0.5)\n"
        "stat = [open(f'/proc/{pid}/stat').read().rpartition(')')[2].split()[0] for pid in "
        "os.listdir('/proc') if pid.isdigit()]\nprint(os.getppid(), stat.count('Z'), flush=True); "
        "time.sleep(600)"
    )
    process = subprocess.Popen(
        [*unshare, *INIT, sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout and process.stdout.readline() == "1 0\n"
    inner = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
    os.kill(inner, signal.SIGTERM)
    end = time.monotonic() + 60
    while Path(f"/proc/{inner}").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert process.wait(60) == 128 + signal.SIGTERM


def test_health_is_that_of_every_process_of_this_host(tmp_path: Path) -> None:
    folder, host = tmp_path / "targets", socket.gethostname()
    assert healthy.problems(folder, host) == [f"no process of {host} serves /healthz yet"]
    wrong = [""]
    server = serve(ProcessMetrics("1").registry, job="task", home=tmp_path, health=lambda: wrong[0])
    try:
        assert healthy.problems(folder, host) == []
        wrong[0] = "the task's thread has ended"
        assert healthy.problems(folder, host) == [
            f"127.0.0.1:{server.port}: the task's thread has ended"
        ]
        wrong[0] = ""
        (folder / "task-elsewhere-1.json").write_text(
            (folder / f"task-{host}-{os.getpid()}.json").read_text().replace(str(server.port), "1")
        )
        assert healthy.problems(folder, host) == [], "another container's process is not ours"
        write_target(tmp_path, "member", "127.0.0.1:1")
        assert len(healthy.problems(folder, host)) == 1
    finally:
        server.close()
