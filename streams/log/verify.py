"""Finding what was changed in a closed folder, and where: file digests first, then headers, index
and block checksums.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.errors import CorruptLog
from streams.log import container
from streams.log.errors import CorruptBlock, LogReadFailed, WrongSchema
from streams.log.index import ENTRY_BYTES, HOLES_ENTRY_BYTES, unpack
from streams.log.runs import RUN_BYTES, RUNS_SUFFIX
from streams.log.segment import INDEX_SUFFIX, SUFFIX, Segment, runs_path

FILES = "files"
HASHING = 2
"""Threads that take digests of many files: hashing runs without the interpreter's lock."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not what was written.

    Attributes:
        path: the file, relative to the folder.
        kind: missing, extra, changed, header, block, tail, index or runs.
        position: first byte of the damaged part in the file; -1 if it is not known.
        first_offset, end_offset: records that the damaged part holds; -1 if not known.
        text: what is wrong.
    """

    path: str
    kind: str
    position: int
    first_offset: int
    end_offset: int
    text: str

    def __str__(self) -> str:
        where = f" at byte {self.position}" if self.position >= 0 else ""
        records = (
            f", records {self.first_offset} to {self.end_offset - 1}"
            if self.end_offset > self.first_offset
            else ""
        )
        return f"{self.path}{where}{records}: {self.text}"


def file_entries(folder: Path, others: Sequence[Path] = ()) -> list[dict[str, Any]]:
    """Path, length and SHA-256 of every segment and index of a log, and of other files in it, for
    its manifest's ``files``; sorted by path.
    """
    paths = sorted([*_log_files(Path(folder)), *others])
    with ThreadPoolExecutor(HASHING) as pool:
        digested = zip(paths, pool.map(file_digest, paths), strict=True)
        return [
            {"path": str(path.relative_to(folder)), "bytes": path.stat().st_size, "sha256": digest}
            for path, digest in digested
        ]


def files_listed(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """A manifest's ``files`` by path."""
    return {entry["path"]: entry for entry in manifest.get(FILES, [])}


def verify_files(folder: Path, manifest: dict[str, Any]) -> list[Finding]:
    """Compare every file with the manifest's ``files`` and locate what differs. Empty: nothing was
    changed, added or taken away.
    """
    folder = Path(folder)
    listed = files_listed(manifest)
    findings: list[Finding] = []
    for name in sorted(listed):
        path = folder / name
        if not path.is_file():
            findings.append(
                Finding(
                    name, "missing", -1, -1, -1, "the manifest lists this file and it is not there"
                )
            )
        elif (
            path.stat().st_size != listed[name]["bytes"]
            or file_digest(path) != listed[name]["sha256"]
        ):
            findings.extend(_locate(folder, path, listed[name]["bytes"]))
    extra = {str(path.relative_to(folder)) for path in _log_files(folder)} - set(listed)
    findings.extend(
        Finding(name, "extra", -1, -1, -1, "the manifest does not list this file")
        for name in sorted(extra)
    )
    return findings


def unlisted_files(folder: Path, manifest: dict[str, Any]) -> list[str]:
    """Every file in the folder that the manifest does not list, by its path in the folder, sorted.
    """
    folder = Path(folder)
    listed = set(files_listed(manifest))
    found = (
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if not path.is_dir() or path.is_symlink()
    )
    return sorted(name for name in found if name not in listed)


def check_blocks(folder: Path) -> list[Finding]:
    """Check every block of a log by its index alone, for a folder that no manifest closes."""
    folder = Path(folder)
    checks = {SUFFIX: _check_segment, RUNS_SUFFIX: _check_runs}
    return [
        finding
        for path in _log_files(folder)
        if path.suffix in checks
        for finding in checks[path.suffix](folder, path)
    ]


def file_digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _log_files(folder: Path) -> list[Path]:
    found = folder.glob("[!.]*/[0-9]*/*")
    return sorted(
        path
        for path in found
        if path.parent.name.isdecimal() and path.suffix in (SUFFIX, INDEX_SUFFIX, RUNS_SUFFIX)
    )


def _locate(folder: Path, path: Path, length: int) -> Iterator[Finding]:
    """Where a changed file differs, as near as headers, index and checksums tell."""
    name = str(path.relative_to(folder))
    checks = {INDEX_SUFFIX: _check_index, SUFFIX: _check_segment, RUNS_SUFFIX: _check_runs}
    findings = list(checks[path.suffix](folder, path)) if path.suffix in checks else []
    size = path.stat().st_size
    if size != length:
        findings.append(
            Finding(
                name,
                "changed",
                min(size, length),
                -1,
                -1,
                f"the file has {size} bytes, the manifest says {length}",
            )
        )
    yield from findings or [
        Finding(name, "changed", -1, -1, -1, "the file's SHA-256 is not the manifest's")
    ]


def _check_segment(folder: Path, path: Path) -> Iterator[Finding]:
    name, topic = str(path.relative_to(folder)), path.parent.parent.name
    first_offset = int(path.stem)
    expected = container.encode_header(
        topic, first_offset, int(path.parent.name), runs_path(path).exists()
    )
    found = _start_of(path, len(expected))
    if found != expected:
        at = next(
            (at for at, (a, b) in enumerate(zip(expected, found, strict=False)) if a != b),
            len(found),
        )
        yield Finding(name, "header", at, -1, -1, "the file's header is not this topic's")
    try:
        segment = Segment(path, topic)
    except (EOFError, CorruptLog, WrongSchema) as error:
        if found == expected:
            yield Finding(name, "header", 0, -1, -1, str(error))
        return
    with segment:
        for number in range(len(segment.index)):
            try:
                segment.body(number)
            except CorruptBlock as error:
                if error.path != str(path):
                    continue  # the index's damage is the index's finding
                entry = segment.entry(number)
                yield Finding(
                    name, "block", entry.position, entry.first_offset, entry.end_offset, error.what
                )
        if segment.fault is not None:
            yield Finding(
                name, "tail", segment.fault.position, segment.end_offset, -1, segment.fault.what
            )


def _check_index(folder: Path, path: Path) -> Iterator[Finding]:
    name = str(path.relative_to(folder))
    content = path.read_bytes()
    size = HOLES_ENTRY_BYTES if runs_path(path).exists() else ENTRY_BYTES
    for number in range(len(content) // size):
        if unpack(content[number * size : (number + 1) * size]) is None:
            yield Finding(
                name, "index", number * size, -1, -1, f"entry {number} fails its own check"
            )
    if len(content) % size:
        yield Finding(
            name, "index", len(content) // size * size, -1, -1, "the index ends inside an entry"
        )


def _check_runs(folder: Path, path: Path) -> Iterator[Finding]:
    """The runs of offsets that no longer say what the index knows of them."""
    try:
        segment = Segment(path.with_suffix(SUFFIX), path.parent.parent.name)
    except (EOFError, CorruptLog, WrongSchema, LogReadFailed):
        return  # the segment's damage is the segment's finding
    with segment:
        for number in range(len(segment.index)):
            try:
                entry = segment.entry(number)
                segment.offsets(entry)
            except CorruptBlock as error:
                if error.path == str(path):
                    at = entry.runs_begin * RUN_BYTES
                    yield Finding(
                        str(path.relative_to(folder)),
                        "runs",
                        at,
                        entry.first_offset,
                        entry.end_offset,
                        error.what,
                    )


def _start_of(path: Path, length: int) -> bytes:
    with path.open("rb") as file:
        return file.read(length)
