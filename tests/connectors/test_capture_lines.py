"""Files to lines. Oracle: Python's own gzip and str.split on the same bytes; for damage, a prefix
of them.
"""

from __future__ import annotations

import gzip
import os
import random
from pathlib import Path

import pytest

from connectors.captures import lines as lines_module
from connectors.captures.lines import Lines, RecordingMissing
from schemas.errors import WrongUse

TEXT = b"".join(b"%d line %s\n" % (number, b"x" * (number % 50)) for number in range(500))
EXPECTED = TEXT.split(b"\n")[:-1]


def read(*paths: Path) -> tuple[list[bytes], Lines]:
    found = Lines(list(paths))
    return list(found), found


@pytest.mark.parametrize("chunk", [2, 7, 64, 1 << 18])
@pytest.mark.parametrize("packed", [True, False])
def test_lines_are_those_of_the_file_however_it_is_read(
    tmp_path: Path, chunk: int, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines_module, "CHUNK_BYTES", chunk)
    path = tmp_path / "a"
    path.write_bytes(gzip.compress(TEXT) if packed else TEXT)
    found, state = read(path)
    assert found == EXPECTED
    assert state.number == len(EXPECTED) and not state.damages


def test_several_members_and_trailing_zeros_are_one_gzip_file(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(TEXT[:1000]) + gzip.compress(TEXT[1000:]) + b"\0" * 512)
    found, state = read(path)
    assert found == EXPECTED and not state.damages


def test_line_numbers_run_on_across_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one\ntwo")
    (tmp_path / "b").write_bytes(b"three\r\n\nfive\n")
    state = Lines([tmp_path / "a", tmp_path / "b"])
    assert [(line, state.number, state.file) for line in state] == [
        (b"one", 1, "a"),
        (b"two", 2, "a"),
        (b"three", 3, "b"),
        (b"", 4, "b"),
        (b"five", 5, "b"),
    ]


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 0.8, 0.999])
def test_a_truncated_gzip_gives_what_it_holds_and_says_so(tmp_path: Path, share: float) -> None:
    noise = random.Random(1)
    text = b"".join(b"%030x\n" % noise.getrandbits(120) for _ in range(2000))
    packed = gzip.compress(text)
    path = tmp_path / "a.gz"
    path.write_bytes(packed[: int(len(packed) * share)])
    state = Lines([path])
    whole: list[bytes] = []
    cut: list[bytes] = []
    for line in state:
        (cut if state.is_cut else whole).append(line)
    expected = text.split(b"\n")[:-1]
    assert whole == expected[: len(whole)] and len(whole) > (share - 0.05) * len(expected)
    assert len(cut) <= 1 and all(expected[len(whole)].startswith(line) for line in cut)
    assert [damage.file for damage in state.damages] == ["a.gz"] and "ends inside" in state.damages[
        0
    ].text


def test_a_gzip_whose_checksum_fails_is_damaged_not_fatal(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(TEXT))
    packed[-6] ^= 1
    path = tmp_path / "a.gz"
    path.write_bytes(packed)
    _, state = read(path)
    assert len(state.damages) == 1 and "damaged" in state.damages[0].text


def test_the_file_after_a_damaged_one_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(TEXT)[:-20])
    (tmp_path / "b").write_bytes(b"after\n")
    found, state = read(tmp_path / "a.gz", tmp_path / "b")
    assert found[-1] == b"after" and len(state.damages) == 1 and not state.is_cut


def test_a_line_that_is_too_long_is_cut_once_and_the_next_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines_module, "CHUNK_BYTES", 16)
    monkeypatch.setattr(lines_module, "LINE_BYTES_MAX", 100)
    path = tmp_path / "a"
    path.write_bytes(b"first\n" + b"z" * 5000 + b"\nthird\n")
    state = Lines([path])
    assert [(line, state.number, state.is_cut) for line in state] == [
        (b"first", 1, False),
        (b"z" * 100, 2, True),
        (b"third", 3, False),
    ]


def test_a_missing_file_is_named_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x\n")
    with pytest.raises(RecordingMissing, match=r"b\.gz does not exist"):
        Lines([tmp_path / "a", tmp_path / "b.gz"])
    with pytest.raises(RecordingMissing, match="is a folder"):
        Lines([tmp_path])
    with pytest.raises(WrongUse, match="no file"):
        Lines([])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x\n")
    path.chmod(0)
    with pytest.raises(RecordingMissing, match="cannot be opened"):
        Lines([path])


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    assert read(tmp_path / "a")[0] == []
