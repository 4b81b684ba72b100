"""Damage of every kind in every file: only typed errors, and never a record that was not written.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from log_samples import TOPIC, close, encode, fill, offset_of, offsets_of

from schemas.errors import ShrivenError
from streams.log.local import Block, LocalLog
from streams.log.manifest import LOG_MANIFEST, read_manifest
from streams.log.verify import check_blocks, verify_files


def damage(draw: random.Random, content: bytes) -> bytes:
    """One accident: bytes changed, zeroed, lost, doubled or added, or the file cut."""
    at = draw.randrange(len(content) + 1)
    length = draw.choice([1, 1, 2, 16, 64, 300])
    kind = draw.randrange(6)
    if kind == 0:
        return content[:at]
    if kind == 1:
        return content[:at] + bytes(min(length, len(content) - at)) + content[at + length :]
    if kind == 2:
        return content[:at] + content[at + length :]
    if kind == 3:
        return content[:at] + content[at : at + length] + content[at:]
    if kind == 4:
        return content[:at] + draw.randbytes(length) + content[at:]
    return content[:at] + draw.randbytes(min(length, len(content) - at)) + content[at + length :]


def make(path: Path, closed: bool, has_holes: bool) -> None:
    """A log of several segments and one journal-less topic."""
    log = LocalLog.create(path, sync="never", segment_records=20)
    fill(log, [7, 8, 5, 10, 10, 9, 1, 4, 6], has_holes=has_holes)
    if closed:
        close(log)
    log.close()


def read(path: Path, writable: bool) -> list[Block]:
    """Blocks up to the first typed error."""
    blocks = []
    with LocalLog.open(path, writable=writable, sync="never") as log:
        try:
            reader = log.reader(TOPIC)
            for block in reader.blocks():
                blocks.append(block)
            reader.offset_at_time(33)
        except ShrivenError as error:
            assert str(error), "an error says something"
    return blocks


@pytest.mark.parametrize("has_holes", [False, True])
@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_any_accident_gives_typed_errors_and_no_wrong_record(
    tmp_path: Path, seed: int, closed: bool, has_holes: bool
) -> None:
    """Oracle: the records written, and their offsets. The seed is the bug report."""
    draw = random.Random(seed)
    make(tmp_path / "whole", closed, has_holes)
    number_at = {offset_of(number, has_holes): number for number in range(60)}
    for accident in range(25):
        root = tmp_path / str(accident)
        shutil.copytree(tmp_path / "whole", root)
        files = sorted(root.glob("*/0/*"))
        segments = sorted({path.stem for path in files})
        # a block's checksum is in the other file: one of the two at a time
        for stem in draw.sample(segments, draw.choice([1, 1, 1, 2])):
            path = draw.choice([path for path in files if path.stem == stem])
            path.write_bytes(damage(draw, path.read_bytes()))
            if draw.random() < 0.1:
                path.unlink()
        is_changed = any(
            path.read_bytes() != (tmp_path / "whole" / path.relative_to(root)).read_bytes()
            for path in root.glob("*/0/*")
        )
        is_changed |= len(list(root.glob("*/0/*"))) != len(files)
        if closed:
            assert bool(verify_files(root, read_manifest(root / LOG_MANIFEST))) == is_changed
        check_blocks(root)
        for writable in (False, True):
            try:
                blocks = read(root, writable)
            except ShrivenError as error:
                assert str(error)
                continue
            for block in blocks:
                first = number_at[block.first_offset]
                assert block.body.tobytes() == encode(TOPIC, first, block.count), (
                    accident,
                    writable,
                )
                assert [block.offset_of(place) for place in range(block.count)] == offsets_of(
                    first, block.count, has_holes
                ), (accident, writable)
        shutil.rmtree(root)
