"""Writing to disk: whole buffers or a typed error, syncs, folders made durable."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from streams.log.errors import LogFull, LogReadFailed, LogWriteFailed

SyncPolicy = Literal["commit", "close", "never"]
POLICIES = ("commit", "close", "never")
_NO_ROOM = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


def write_all(
    descriptor: int, buffers: Sequence[memoryview | bytes], position: int, path: Path
) -> int:
    """Write the buffers at ``position`` with one system call where the kernel takes them whole;
    returns the position after them.

    On failure the file is cut back to ``position``, so it holds what it held before.

    Raises:
        LogFull: no room on the disk, in the quota or under the file size limit.
        LogWriteFailed: any other refusal.
    """
    end = position
    rest = list(buffers)
    try:
        while rest:
            written = os.pwritev(descriptor, rest, end)
            end += written
            while rest and written >= len(rest[0]):
                written -= len(rest.pop(0))
            if rest and written:
                rest[0] = memoryview(rest[0])[written:]
    except OSError as error:
        cut_back(descriptor, position)
        raise typed(error, path) from None
    return end


def cut_back(descriptor: int, position: int) -> None:
    """Cut a file after a failed write; if even that fails the rest is a torn tail for the next
    start to cut.
    """
    try:
        os.ftruncate(descriptor, position)
    except OSError:
        return


def typed(error: OSError, path: Path) -> LogFull | LogWriteFailed:
    """The typed error for a refusal of the operating system."""
    reason = os.strerror(error.errno or errno.EIO).lower()
    if error.errno in _NO_ROOM:
        return LogFull(
            f"no room to write {path} ({reason}); everything before is kept: make room and run the "
            "same command again"
        )
    return LogWriteFailed(
        f"cannot write {path} ({reason}); look after the disk or the folder's permissions and run "
        "the same command again"
    )


def unreadable(error: OSError, path: Path) -> LogReadFailed:
    """The typed error for a file that cannot be opened or read."""
    reason = os.strerror(error.errno or errno.EIO).lower()
    return LogReadFailed(
        f"cannot read {path} ({reason}); look after the disk or the file's permissions, or "
        "restore it"
    )


def read_at(descriptor: int, length: int, position: int, path: Path) -> bytes:
    """Up to ``length`` bytes at ``position``, fewer at the file's end. Raises LogReadFailed."""
    try:
        return os.pread(descriptor, length, position)
    except OSError as error:
        raise unreadable(error, path) from None


def truncate(path: Path, length: int) -> None:
    """Cut a file. Raises LogFull or LogWriteFailed."""
    try:
        os.truncate(path, length)
    except OSError as error:
        raise typed(error, path) from None


def make_folder(folder: Path) -> None:
    """Create a folder and those above it. Raises LogFull or LogWriteFailed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise typed(error, folder) from None


def sync_file(descriptor: int, path: Path) -> None:
    """fdatasync. Raises LogFull or LogWriteFailed."""
    try:
        os.fdatasync(descriptor)
    except OSError as error:
        raise typed(error, path) from None


def sync_folder(folder: Path) -> None:
    """Make a folder's entries durable: names created, renamed or removed in it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise typed(error, folder) from None


def write_file(path: Path, content: bytes) -> None:
    """Write a whole file so that readers see the old or the new one: temporary file, sync, rename,
    folder sync.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise typed(error, path) from None
    try:
        write_all(descriptor, [content], 0, path)
        sync_file(descriptor, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    try:
        os.replace(temporary, path)
    except OSError as error:
        raise typed(error, path) from None
    sync_folder(path.parent)
