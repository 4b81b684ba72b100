"""A changed byte anywhere in a closed folder is found and located."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from log_samples import TOPIC, close, encode, fill, last_segment

from streams.log.index import ENTRY_BYTES, HOLES_ENTRY_BYTES, unpack
from streams.log.local import LocalLog
from streams.log.manifest import LOG_MANIFEST, DamagedManifest, read_manifest
from streams.log.runs import RUN_BYTES
from streams.log.segment import index_path, runs_path
from streams.log.verify import Finding, check_blocks, verify_files


def make(
    path: Path,
    blocks: list[int],
    segment_records: int,
    topics: tuple[str, ...] = (TOPIC, "md.trades"),
    has_holes: bool = False,
) -> None:
    """A closed log of these topics."""
    log = LocalLog.create(path, sync="never", segment_records=segment_records)
    for topic in topics:
        fill(log, blocks, topic, has_holes=has_holes)
    close(log)


def verify(path: Path) -> list[Finding]:
    """All findings of a folder."""
    return verify_files(path, read_manifest(path / LOG_MANIFEST))


def flip(path: Path, position: int, mask: int) -> None:
    """Change one byte in place."""
    with path.open("r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ mask]))


def is_located(root: Path, path: Path, position: int, findings: list[Finding]) -> bool:
    """True if one finding names the file and the header, block or index entry that holds the byte.
    """
    if len(findings) != 1 or findings[0].path != str(path.relative_to(root)):
        return False
    (finding,) = findings
    index = index_path(path).read_bytes()
    size = HOLES_ENTRY_BYTES if runs_path(path).exists() else ENTRY_BYTES
    if path.suffix == ".index":
        return finding.kind == "index" and finding.position <= position < finding.position + size
    for at in range(0, len(index), size):
        entry = unpack(index[at : at + size])
        assert entry is not None
        if path.suffix == ".runs":
            if entry.runs_begin * RUN_BYTES <= position < entry.runs_end * RUN_BYTES:
                return (finding.kind, finding.first_offset, finding.end_offset) == (
                    "runs",
                    entry.first_offset,
                    entry.end_offset,
                )
            continue
        if entry.position <= position < entry.end_position:
            return finding.kind == "block" and (
                finding.position,
                finding.first_offset,
                finding.end_offset,
            ) == (
                entry.position,
                entry.first_offset,
                entry.end_offset,
            )
    return finding.kind == "header" and finding.position == position


@pytest.mark.parametrize("has_holes", [False, True])
def test_an_untouched_folder_has_no_findings(tmp_path: Path, has_holes: bool) -> None:
    make(tmp_path / "log", [5, 5, 5], 10, has_holes=has_holes)
    assert verify(tmp_path / "log") == []
    assert check_blocks(tmp_path / "log") == []


HEADER_STRIDE, BLOCK_STRIDE = 13, 3
"""1 and 1: every byte. Neither shares a factor with 8, so that every bit of a byte comes in turn.
"""


def positions(path: Path, index: bytes, size: int) -> list[int]:
    """Of a file: every byte of what is short (manifest, index), a sample of a header and of blocks
    and runs, with their first and last bytes.
    """
    end = path.stat().st_size
    if path.suffix not in (".avro", ".runs"):
        return list(range(end))
    entries = [
        entry
        for at in range(0, len(index), size)
        if (entry := unpack(index[at : at + size])) is not None
    ]
    runs = path.suffix == ".runs"
    spans = [
        (e.runs_begin * RUN_BYTES, e.runs_end * RUN_BYTES) if runs else (e.position, e.end_position)
        for e in entries
    ]
    edges = {place for first, stop in spans if stop > first for place in (first, stop - 1)} | {
        0,
        end - 1,
    }
    header = 0 if runs else spans[0][0]
    return sorted(edges | {*range(0, header, HEADER_STRIDE), *range(header, end, BLOCK_STRIDE)})


@pytest.mark.parametrize("has_holes", [False, pytest.param(True, marks=pytest.mark.long)])
def test_a_flipped_byte_anywhere_in_a_small_log_is_located(tmp_path: Path, has_holes: bool) -> None:
    """Property, over ``positions`` of every file, 4 to 13 kB together, and of the manifest; a
    restored folder verifies again.
    """
    root = tmp_path / "log"
    make(root, [20, 12, 30, 90, 85, 20], 240, (TOPIC,), has_holes)
    files = sorted([*root.glob("*/0/*"), root / LOG_MANIFEST])
    assert 4_000 < sum(path.stat().st_size for path in files) < 13_000
    manifest = read_manifest(root / LOG_MANIFEST)
    missed = []
    size = HOLES_ENTRY_BYTES if has_holes else ENTRY_BYTES
    for path in files:
        for position in positions(
            path, b"" if path.name == LOG_MANIFEST else index_path(path).read_bytes(), size
        ):
            mask = 1 << position % 8
            flip(path, position, mask)
            if path.name == LOG_MANIFEST:
                with pytest.raises(DamagedManifest):
                    verify(root)
            elif not is_located(root, path, position, verify_files(root, manifest)):
                missed.append((path.name, position, mask))
            flip(path, position, mask)
    assert missed == []
    assert verify(root) == []


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("has_holes", [False, True])
def test_a_seeded_sample_of_flips_in_a_larger_log_is_located(
    tmp_path: Path, seed: int, has_holes: bool
) -> None:
    """Property, as above, on a sample of a log of about 1 MB."""
    root = tmp_path / "log"
    make(root, [997] * 12, 4000, ("md.trades", "md.depth", "orders.events"), has_holes)
    draw = random.Random(seed)
    files = sorted(root.glob("*/0/*"))
    for _ in range(25):
        path = draw.choice(files)
        position, mask = draw.randrange(path.stat().st_size), draw.randrange(1, 256)
        flip(path, position, mask)
        assert is_located(root, path, position, verify(root)), (path, position, mask)
        flip(path, position, mask)
    assert verify(root) == []


def test_without_a_manifest_a_flipped_block_is_found_by_its_checksum(tmp_path: Path) -> None:
    """Property: over every byte behind the header, the index alone locates it."""
    with LocalLog.create(tmp_path / "log", sync="never") as log:
        fill(log, [5, 5, 5])
        start = 0
        path = log.writer(TOPIC).segment
        entry = unpack(index_path(path).read_bytes()[:ENTRY_BYTES])
        assert entry is not None
        start = entry.position
    for position in range(start, path.stat().st_size):
        flip(path, position, 0x20)
        assert is_located(tmp_path / "log", path, position, check_blocks(tmp_path / "log"))
        flip(path, position, 0x20)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    make(tmp_path / "log", [5, 5], 5)
    path = last_segment(tmp_path / "log")
    path.unlink()
    assert [(finding.path, finding.kind) for finding in verify(tmp_path / "log")] == [
        (f"{TOPIC}/0/{path.name}", "missing")
    ]


def test_a_file_that_was_added_is_named(tmp_path: Path) -> None:
    make(tmp_path / "log", [5], 5)
    (tmp_path / "log" / "fills" / "0").mkdir(parents=True)
    (tmp_path / "log" / "fills" / "0" / f"{0:020d}.avro").write_bytes(b"Obj\x01")
    assert [(finding.path, finding.kind) for finding in verify(tmp_path / "log")] == [
        (f"fills/0/{0:020d}.avro", "extra")
    ]


@pytest.mark.parametrize("grown", [b"\0", b"more bytes behind the end"])
def test_a_file_that_grew_is_located_at_its_old_end(tmp_path: Path, grown: bytes) -> None:
    make(tmp_path / "log", [5], 5)
    path = last_segment(tmp_path / "log")
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() + grown)
    findings = verify(tmp_path / "log")
    assert {finding.position for finding in findings} == {size}
    assert "changed" in {finding.kind for finding in findings}


def test_a_file_that_was_cut_is_located(tmp_path: Path) -> None:
    make(tmp_path / "log", [5, 5], 50)
    path = last_segment(tmp_path / "log")
    path.write_bytes(path.read_bytes()[:-4])
    findings = verify(tmp_path / "log")
    assert [finding.kind for finding in findings] == ["tail", "changed"]
    assert findings[0].first_offset == 5


def test_a_rewritten_block_with_a_forged_index_is_found_by_the_manifest(tmp_path: Path) -> None:
    """Property: changing a record and its checksum in the index leaves both files' SHA-256 wrong.
    """
    make(tmp_path / "a", [5], 50, (TOPIC,))
    with LocalLog.create(tmp_path / "b") as log:
        fill(log, [5], first=100)
        forged = log.writer(TOPIC).segment
    path = last_segment(tmp_path / "a")
    path.write_bytes(forged.read_bytes())
    index_path(path).write_bytes(index_path(forged).read_bytes())
    findings = verify(tmp_path / "a")
    assert {finding.path for finding in findings} == {
        f"{TOPIC}/0/{path.name}",
        f"{TOPIC}/0/{index_path(path).name}",
    }


def test_a_finding_says_file_byte_and_records() -> None:
    finding = Finding(
        "md.marks/0/x.avro", "block", 120, 7, 9, "the block's bytes fail their checksum"
    )
    assert (
        str(finding)
        == "md.marks/0/x.avro at byte 120, records 7 to 8: the block's bytes fail their checksum"
    )
    assert len(encode(TOPIC, 7, 2)) > 0
