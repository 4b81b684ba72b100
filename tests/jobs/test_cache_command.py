"""``sq cache`` on a cache of its own. Oracle: the files that lie there, counted by this test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jobs.kernel_cache import DAY_SECONDS, UNUSED_DAYS_MAX, entries
from jobs.sq import main

COMPILE = (
    "import sys; from jobs.sq import command; from streams.numeric.identity import pack; "
    "pack(1, 2, 3, 4); sys.exit(command())"
)
FULL = """import errno, numba.core.caching as caching
def full(self, path): raise OSError(errno.ENOSPC, "No space left on device")
caching.IndexDataCacheFile._open_for_write = full
import jobs.commands.cache as command
from streams.numeric.identity import pack
command.run = lambda arguments: pack(1, 2, 3, 4)
""" + COMPILE.replace(" pack(1, 2, 3, 4);", "")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with entries of three ages, and things that are not ours."""
    monkeypatch.setenv("SQ_KERNEL_CACHE", str(tmp_path))
    for number, days in enumerate((0, 8, 31)):
        folder = tmp_path / f"{number:032x}" / "streams_x"
        folder.mkdir(parents=True)
        (folder / "f.nbc").write_bytes(bytes(1000))
        (folder / "f.nbi").write_bytes(bytes(10))
        _age(folder.parent, days)
    (tmp_path / "loops").mkdir()
    (tmp_path / "loops" / f"sq_loop_{1:024x}.py").write_text("pass")
    _age(tmp_path / "loops" / f"sq_loop_{1:024x}.py", 40)
    (tmp_path / "loops" / "notes.py").write_text("a user's own")
    (tmp_path / "thesis").mkdir()
    return tmp_path


def _age(path: Path, days: float) -> None:
    then = time.time() - days * DAY_SECONDS - 60
    os.utime(path, (then, then))


def _facts(capsys: pytest.CaptureFixture[str], *given: str) -> dict[str, object]:
    assert main(["cache", *given, "--json"]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_shows_what_is_there(cache, capsys):
    facts = _facts(capsys)
    assert (facts["entries"], facts["functions"], facts["bytes"]) == (4, 3, 3 * 1010 + 4)
    assert (
        facts["folder"] == str(cache)
        and facts["pruned_entries"] == 0
        and facts["unused_days_max"] == 40.0
    )


@pytest.mark.parametrize(
    ("given", "left"), [([], 2), (["--unused", "7"], 1), (["--unused", "0"], 0)]
)
def test_prunes_what_was_not_used_for_so_long(cache, capsys, given, left):
    facts = _facts(capsys, "--prune", *given)
    assert (facts["entries"], facts["pruned_entries"]) == (left, 4 - left)
    assert (cache / "thesis").is_dir() and (cache / "loops" / "notes.py").is_file()


@pytest.mark.parametrize(
    "given", [["--unused", "3"], ["--prune", "--unused", "-1"], ["--prune", "--unused", "nan"]]
)
def test_refuses_days_that_say_nothing(cache, capsys, given):
    assert main(["cache", *given]) == 2
    assert "--unused" in capsys.readouterr().err
    assert len(entries()) == 4


def test_a_command_that_compiles_takes_out_what_is_old_and_notes_what_it_used(cache):
    """Through a process of its own: an entry unused for 31 days goes; the one compiled stays, and
    its use a month later is noted.
    """
    environment = {**os.environ, "PYTHONHASHSEED": "0"}

    def call() -> None:
        subprocess.run(
            [sys.executable, "-c", COMPILE, "cache"],
            env=environment,
            check=True,
            capture_output=True,
            timeout=120,
        )

    call()
    compiled = [
        entry
        for entry in entries()
        if entry.functions and entry.path.name not in {f"{number:032x}" for number in range(3)}
    ]
    assert [entry.path.name for entry in entries() if entry.unused_days > UNUSED_DAYS_MAX] == []
    assert len(compiled) == 1
    _age(compiled[0].path, 20)
    call()
    assert {entry.path: entry.unused_days for entry in entries()}[compiled[0].path] < 1


@pytest.mark.parametrize(
    "command",
    [
        "generate --minutes 1 --out {0}/market",
        "cat {0}/market md.trades",
        "backtest {0}/market --strategy ema-cross --out {0}/run",
    ],
)
def test_a_command_that_compiles_says_first_that_its_code_cannot_be_kept(
    tmp_path, monkeypatch, capsys, command
):
    """Numba kept the code beside the sources instead, and the next run might have loaded what was
    made of others.
    """
    (tmp_path / "file").touch()
    monkeypatch.setenv("SQ_KERNEL_CACHE", str(tmp_path / "file"))
    assert main(command.format(tmp_path).split()) == 2
    said = capsys.readouterr().err
    assert (
        said
        == f"sq: compiled code cannot be kept in {tmp_path}/file (File exists); name a folder that "
        "can be written with SQ_KERNEL_CACHE\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_under_the_compiled_code_is_named_as_such(tmp_path):
    """Oracle: ENOSPC from the call with which Numba writes, in a process of its own."""
    environment = {**os.environ, "PYTHONHASHSEED": "0", "SQ_KERNEL_CACHE": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", FULL, "cache"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    advice = (
        "compiled code could not be kept; make room for it, or name another folder with "
        "SQ_KERNEL_CACHE"
    )
    assert (ended.returncode, ended.stderr) == (1, f"sq: No space left on device; {advice}\n")
