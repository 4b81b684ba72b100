"""The index of a topic whose offsets have holes is the only one to know them: what is forged in it
is refused.

Oracle: the blocks themselves, and the offsets that were written.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from log_samples import TOPIC, contents, encode
from test_log_recovery import BLOCKS, make, offset_of, read_records

from schemas.codec import codec
from schemas.errors import WrongUse
from schemas.records import DeadLetter
from streams.log.errors import CorruptBlock
from streams.log.index import HOLES_ENTRY_BYTES, Entry, unpack
from streams.log.kafka.folder import FolderLog
from streams.log.kafka.framing import header
from streams.log.local import LocalLog
from streams.log.segment import index_path


@pytest.mark.parametrize(
    "field",
    ["first_offset", "hole", "span", "runs_begin", "runs", "runs_checksum", "records", "checksum"],
)
@pytest.mark.parametrize("number", [1, 3])
def test_a_forged_index_entry_of_a_topic_with_holes_is_refused(
    tmp_path: Path, field: str, number: int
) -> None:
    """Property: an entry with a good check of its own and one wrong value disagrees with the block,
    its runs or its neighbours.

    The last entry may as well look like an append that was not finished: then its block is not
    read, and no record gets another offset.
    """
    segment, _, index = make(tmp_path / "log", has_holes=True)
    size = HOLES_ENTRY_BYTES
    entry = unpack(index[number * size : (number + 1) * size])
    assert isinstance(entry, Entry)
    value = getattr(entry, field)
    forged = entry._replace(**{field: value[::-1] if field == "checksum" else value + 1}).pack(True)
    index_path(segment).write_bytes(index[: number * size] + forged + index[(number + 1) * size :])
    before = [
        (offset_of(at, True), encode(TOPIC, at, 1)) for at in range(sum(BLOCKS) - entry.records)
    ]
    with LocalLog.open(tmp_path / "log") as log:
        is_last = (number + 1) * size == len(index)
        if (
            is_last
            and log.reader(TOPIC).fault is None
            and log.reader(TOPIC).end_offset == entry.previous_end_offset
        ):
            assert read_records(log, False) == before
            return
        with pytest.raises(CorruptBlock):
            contents(log)


def test_a_missing_block_is_told_from_a_hole(tmp_path: Path) -> None:
    """Property: an index from which a whole entry was taken is refused, though offsets may jump
    there.
    """
    segment, _, index = make(tmp_path / "log", has_holes=True)
    index_path(segment).write_bytes(index[:HOLES_ENTRY_BYTES] + index[2 * HOLES_ENTRY_BYTES :])
    with (
        LocalLog.open(tmp_path / "log") as log,
        pytest.raises(CorruptBlock, match="should come next"),
    ):
        contents(log)


def test_offsets_of_an_ordinary_topic_must_follow_on(tmp_path: Path) -> None:
    with LocalLog.create(tmp_path / "log") as log:
        writer = log.writer(TOPIC)
        writer.append(encode(TOPIC, 0, 2), 2, offsets=np.array([0, 1]))
        with pytest.raises(WrongUse, match="has no holes: its next offset is 2"):
            writer.append(encode(TOPIC, 2, 2), 2, offsets=np.array([2, 4]))
        with pytest.raises(WrongUse, match="has no holes"):
            writer.append(encode(TOPIC, 2, 1), 1, offsets=np.array([3]))


@pytest.mark.parametrize("offsets", [[4, 6], [7, 7], [9, 8], [5], [5, 6, 7]])
def test_offsets_that_cannot_follow_are_refused(tmp_path: Path, offsets: list[int]) -> None:
    with LocalLog.create(tmp_path / "log") as log:
        writer = log.writer(TOPIC, has_holes=True)
        writer.append(encode(TOPIC, 0, 2), 2, offsets=np.array([1, 4]))
        with pytest.raises(WrongUse):
            writer.append(encode(TOPIC, 2, 2), 2, offsets=np.array(offsets))
        assert writer.next_offset == 5


def test_a_pulled_record_of_an_unknown_schema_that_was_left_out_is_read_at_its_place(
    tmp_path: Path,
) -> None:
    """D1: its raw bytes are in its dead letter alone; a record that decoded and was left out is in
    its topic, and not read twice.
    """
    stray = header(7_777) + b"\x02"
    letters = [
        DeadLetter("skipped", "left out", TOPIC, 0, 2, stray),
        DeadLetter("skipped", "left out", TOPIC, 0, 3, b"decoded"),
    ]
    with LocalLog.create(tmp_path / "log") as log:
        log.writer(TOPIC, has_holes=True).append(
            encode(TOPIC, 0, 4), 4, offsets=np.array([0, 1, 3, 4])
        )
        log.writer("pipeline.dlq", has_holes=True).append(
            codec("DeadLetter").encode_records(letters), 2, offsets=np.array([0, 1])
        )
    with LocalLog.open(tmp_path / "log") as log:
        reader = FolderLog(log, {TOPIC: 5}).reader("")
        reader.assign({(TOPIC, 0): 0})
        found = reader.fetch(100, 0)
    assert found.offsets == [0, 1, 2, 3, 4]
    assert [value == stray for value in found.values] == [False, False, True, False, False]
