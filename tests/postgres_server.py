"""A real PostgreSQL of the tests' own: a cluster in a temporary folder, on a Unix socket, gone with
the test session.

The server refuses to run as root, so as root it runs as the user that Debian's package makes, or as
nobody.
"""

from __future__ import annotations

import contextlib
import glob
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

START_SECONDS = 60
_NUMBERS = itertools.count(1)


def binaries() -> Path:
    """The folder of ``initdb`` and ``postgres``; skips the test, with the reason, where there is
    none.
    """
    found = [
        str(Path(path).parent)
        for path in sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), reverse=True)
    ]
    on_path = shutil.which("initdb")
    if on_path:
        found.insert(0, str(Path(on_path).resolve().parent))
    if not found:
        pytest.skip("no PostgreSQL server here: install Debian's package postgresql")
    return Path(found[0])


def _owner() -> tuple[dict[str, object], int]:
    """(arguments of subprocess, user id) of a user that the server runs as."""
    if os.geteuid() != 0:
        return {}, os.geteuid()
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}, entry.pw_uid
    pytest.skip("PostgreSQL does not run as root, and there is no other user")


class Server:
    """A running server. ``url``: of its first database."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self.process = process
        self.url = f"host={folder} user=tests dbname=postgres"

    def database(self) -> str:
        """Connection string of a new, empty database."""
        name = f"test{next(_NUMBERS)}"
        with psycopg.connect(self.url, autocommit=True) as session:
            session.execute(f"CREATE DATABASE {name}".encode())
        return f"host={self.folder} user=tests dbname={name}"


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """Start a server; stop it and delete its folder afterwards."""
    programs = binaries()
    as_user, uid = _owner()
    folder = Path(tempfile.mkdtemp(prefix="sq-pg-"))
    os.chown(folder, uid, -1)
    quiet = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.PIPE,
        "cwd": "/",
        **as_user,
    }
    made = subprocess.run(
        [
            programs / "initdb",
            "-D",
            folder / "data",
            "-U",
            "tests",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ],
        check=False,
        **quiet,
    )
    assert made.returncode == 0, made.stderr.decode()
    settings = (
        "listen_addresses=",
        f"unix_socket_directories={folder}",
        "fsync=off",
        "shared_buffers=32MB",
        "max_connections=40",
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                programs / "postgres",
                "-D",
                folder / "data",
                *(part for each in settings for part in ("-c", each)),
            ],
            **{**quiet, "stderr": log},
        )
    try:
        server = Server(folder, process)
        _wait(server)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait(server: Server) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        assert server.process.poll() is None, (server.folder / "log").read_text()
        try:
            psycopg.connect(server.url, connect_timeout=5).close()
            return
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, (server.folder / "log").read_text()
            time.sleep(0.05)
