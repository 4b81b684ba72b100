"""No room left: a typed error, everything before it kept, and the log goes on when there is room.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from log_samples import TOPIC, contents, encode, fill, last_segment

from streams.log.errors import LogFull, LogWriteFailed
from streams.log.local import LocalLog
from streams.log.manifest import read_manifest, write_manifest
from streams.log.segment import index_path


@contextlib.contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """RLIMIT_FSIZE of this process for a while."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_the_signal_of_the_file_size_limit_is_ignored() -> None:
    """Oracle: the interpreter: CPython ignores SIGXFSZ at start, so the limit is an error and not a
    death.
    """
    assert signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN


def test_at_every_file_size_limit_the_log_holds_what_fitted(tmp_path: Path) -> None:
    """Oracle: the blocks whose last byte fits under the limit; every limit from the header's first
    byte on, one byte apart.
    """
    path = tmp_path / "log"
    with LocalLog.create(path, sync="never") as log:
        header = log.writer(TOPIC).end_position
    ends = []
    with LocalLog.create(tmp_path / "free", sync="never") as log:
        for number in range(4):
            fill(log, [5], first=5 * number)
            ends.append(log.writer(TOPIC).end_position)
    for limit in range(header, ends[-1]):
        with LocalLog.open(path, writable=True, sync="never") as log:
            assert log.reports == []
            writer = log.writer(TOPIC)
            writer.truncate(0)
            fitted = sum(end <= limit for end in ends)
            with file_size_limit(limit), pytest.raises(LogFull, match="no room to write"):
                fill(log, [5, 5, 5, 5])
            assert writer.next_offset == 5 * fitted
            assert last_segment(path).stat().st_size == ([header, *ends])[fitted]
            fill(log, [5], first=5 * fitted)
        with LocalLog.open(path) as log:
            assert contents(log) == encode(TOPIC, 0, 5 * fitted + 5)


@pytest.mark.parametrize("limit", [0, 1, 30, 33, 100])
def test_a_log_that_cannot_even_be_created_is_a_typed_error(tmp_path: Path, limit: int) -> None:
    """Property: lock file or header too long for the limit; the same command works when there is
    room.
    """
    with file_size_limit(limit), pytest.raises(LogFull), LocalLog.create(tmp_path / "log") as log:
        log.writer(TOPIC)
    with LocalLog.open(tmp_path / "log", writable=True) as log:
        fill(log, [3])
        assert contents(log) == encode(TOPIC, 0, 3)


def test_a_new_segment_that_does_not_fit_leaves_the_one_before(tmp_path: Path) -> None:
    """Property: no file without its header is left behind."""
    with LocalLog.create(tmp_path / "log", segment_records=2) as log:
        fill(log, [2])
        with file_size_limit(100), pytest.raises(LogFull):
            fill(log, [2], first=2)
        assert len(list((tmp_path / "log" / TOPIC / "0").iterdir())) == 2
        fill(log, [2], first=2)
        assert contents(log) == encode(TOPIC, 0, 4)


class Disk:
    """Stands in for the system's write: takes ``room`` bytes, then refuses."""

    def __init__(self, room: int, number: int) -> None:
        self.room = room
        self.number = number

    def pwritev(self, descriptor: int, buffers: list[Any], position: int) -> int:
        taken = b"".join(bytes(buffer) for buffer in buffers)[: self.room]
        if not taken:
            raise OSError(self.number, os.strerror(self.number))
        self.room -= len(taken)
        return os.pwrite(descriptor, taken, position)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
def test_a_write_cut_short_anywhere_is_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Property: at every number of bytes the disk still takes, block and index entry are both there
    or both not.
    """
    block = len(encode(TOPIC, 5, 5)) + 18 + 64
    with LocalLog.create(tmp_path / "log", sync="never") as log:
        writer = log.writer(TOPIC)
        fill(log, [5])
        whole = (
            last_segment(log.path).read_bytes(),
            index_path(last_segment(log.path)).read_bytes(),
        )
        for room in range(block):
            with monkeypatch.context() as patch:
                patch.setattr(os, "pwritev", Disk(room, number).pwritev)
                with pytest.raises(LogWriteFailed if number == errno.EIO else LogFull):
                    fill(log, [5], first=5)
            assert (
                last_segment(log.path).read_bytes(),
                index_path(last_segment(log.path)).read_bytes(),
            ) == whole
            assert writer.next_offset == 5
        fill(log, [5], first=5)
        assert contents(log) == encode(TOPIC, 0, 10)


def test_a_short_write_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oracle: the bytes of a write that was taken whole; here the system takes one byte at a time.
    """
    with LocalLog.create(tmp_path / "a") as log:
        fill(log, [5, 3])
        whole = last_segment(log.path).read_bytes()
    monkeypatch.setattr(
        os,
        "pwritev",
        lambda descriptor, buffers, position: os.pwrite(
            descriptor, bytes(buffers[0])[:1], position
        ),
    )
    with LocalLog.create(tmp_path / "b") as log:
        fill(log, [5, 3])
        assert last_segment(log.path).read_bytes() == whole


def test_a_failed_sync_closes_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Property: after a failed fdatasync nobody knows what is on the disk, so the writer does not
    go on.
    """

    def refuse(descriptor: int) -> None:
        raise OSError(errno.EIO, "broken")

    with LocalLog.create(tmp_path / "log", sync="commit") as log:
        writer = log.writer(TOPIC)
        fill(log, [5])
        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", refuse)
            with pytest.raises(LogWriteFailed):
                writer.sync()
        with pytest.raises(Exception, match="is closed"):
            fill(log, [5], first=5)


@pytest.mark.parametrize(
    ("policy", "at_sync", "at_close"), [("commit", 1, 2), ("close", 0, 2), ("never", 0, 0)]
)
def test_the_policy_says_when_blocks_are_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: Any, at_sync: int, at_close: int
) -> None:
    """Oracle: the system calls, counted."""
    calls: list[int] = []

    def counted(descriptor: int) -> None:
        calls.append(descriptor)
        real(descriptor)

    real = os.fdatasync
    log = LocalLog.create(tmp_path / "log", sync=policy)
    writer = log.writer(TOPIC)
    monkeypatch.setattr(os, "fdatasync", counted)
    fill(log, [5])
    writer.sync()
    writer.sync()
    assert len(calls) == at_sync
    calls.clear()
    log.close()
    assert len(calls) == at_close


def test_a_manifest_that_does_not_fit_leaves_the_old_one(tmp_path: Path) -> None:
    write_manifest(tmp_path / "run.json", {"a": 1})
    with file_size_limit(40), pytest.raises(LogFull):
        write_manifest(tmp_path / "run.json", {"a": 2})
    assert read_manifest(tmp_path / "run.json")["a"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
