"""A log that was cut short or damaged: every record before the fault is back, nothing wrong is ever
read.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import fastavro
import numpy as np
import pytest
from log_samples import TOPIC, contents, encode, fill, last_segment, offset_of, record_of, schema_of

from schemas.errors import WrongUse
from streams.log import container
from streams.log.errors import CorruptBlock
from streams.log.index import ENTRY_BYTES, HOLES_ENTRY_BYTES, Entry, unpack
from streams.log.local import LocalLog
from streams.log.recovery import is_whole_journal_record
from streams.log.segment import index_path, runs_path

BLOCKS = [5, 5, 1, 3, 2, 4]
SEGMENT_RECORDS = 10
HEADER_STRIDE = 11
"""Seven bytes of eight of these small segments are their header. 1: a cut at every byte of it."""
SEGMENT_OFFSETS = 17  # the same ten records, where offsets have holes


def make(path: Path, topic: str = TOPIC, has_holes: bool = False) -> tuple[Path, bytes, bytes]:
    """A log of two segments, the second of four blocks; its last segment, that file's bytes, and
    the index's.
    """
    with LocalLog.create(
        path, sync="never", segment_records=SEGMENT_OFFSETS if has_holes else SEGMENT_RECORDS
    ) as log:
        fill(log, BLOCKS, topic, has_holes=has_holes)
    segment = last_segment(path, topic)
    return segment, segment.read_bytes(), index_path(segment).read_bytes()


def ends_of(index: bytes, size: int = ENTRY_BYTES) -> list[tuple[int, int]]:
    """(end position, end offset) of every block of an index."""
    entries = [unpack(index[at : at + size]) for at in range(0, len(index), size)]
    return [(entry.end_position, entry.end_offset) for entry in entries if entry is not None]


def cuts(header: int, size: int) -> list[int]:
    """Every byte behind a segment's header; of that, a JSON text that is whole or torn, every
    ``HEADER_STRIDE``-th byte and all near its end.
    """
    return [
        *range(0, header - container.SYNC_BYTES - 2, HEADER_STRIDE),
        *range(header - container.SYNC_BYTES - 2, size),
    ]


@pytest.mark.parametrize("index_state", ["whole", "missing"])
def test_a_cut_anywhere_gives_back_every_block_before_it(tmp_path: Path, index_state: str) -> None:
    """Oracle: the blocks whose last byte lies before the cut, from the bytes as they were written.
    """
    path = tmp_path / "log"
    segment, whole, index = make(path)
    ends = ends_of(index)
    header = (
        ends[0][0]
        - len(container.encode_long(1))
        - 1
        - len(encode(TOPIC, 10, 1))
        - container.SYNC_BYTES
    )
    everything = encode(TOPIC, 0, sum(BLOCKS))
    for cut in cuts(header, len(whole)) if index_state == "whole" else range(header, len(whole)):
        segment.write_bytes(whole[:cut])
        index_path(segment).unlink(missing_ok=True)
        if index_state == "whole":
            index_path(segment).write_bytes(index)
        kept = max((offset for end, offset in ends if end <= cut), default=10)
        at = max((end for end, _ in ends if end <= cut), default=header if cut >= header else 0)
        with LocalLog.open(path) as log:
            assert everything.startswith(contents(log)), (
                "a reader sees a prefix before anything is repaired"
            )
            assert log.reader(TOPIC).end_offset == kept
        with LocalLog.open(
            path, writable=True, sync="never", segment_records=SEGMENT_RECORDS
        ) as log:
            assert contents(log) == encode(TOPIC, 0, kept)
            if cut > at or index_state == "whole":
                (report,) = log.reports
                assert (report.position, report.next_offset, report.bytes_cut) == (
                    at,
                    kept,
                    cut - at,
                )
                assert report.records_lost == (sum(BLOCKS) - kept if index_state == "whole" else 0)
            else:
                assert log.reports == []
            assert not log.faults
            assert fill(log, [sum(BLOCKS) - kept], first=kept) == sum(BLOCKS)
            assert contents(log) == everything


def test_a_cut_tail_is_reported_once(tmp_path: Path) -> None:
    """Property: recovery leaves a log that needs no recovery."""
    segment, whole, _ = make(tmp_path / "log")
    segment.write_bytes(whole[:-3])
    for expected in (1, 0):
        with LocalLog.open(tmp_path / "log", writable=True) as log:
            assert len(log.reports) == expected


@pytest.mark.parametrize("garbage", [b"\0" * 50, b"\xff" * 50, b"\x02", bytes(range(200))])
def test_garbage_behind_the_last_block_is_cut(tmp_path: Path, garbage: bytes) -> None:
    """Property: what a power cut leaves of an unsynced write is no block and hides none."""
    segment, whole, _ = make(tmp_path / "log")
    segment.write_bytes(whole + garbage)
    with LocalLog.open(tmp_path / "log", writable=True) as log:
        assert log.reports[0].bytes_cut == len(garbage)
        assert contents(log) == encode(TOPIC, 0, sum(BLOCKS))
    assert segment.read_bytes() == whole


def test_a_last_segment_of_zeros_is_a_torn_creation(tmp_path: Path) -> None:
    """Property: a file that never got its header holds no record and is removed."""
    segment, whole, _ = make(tmp_path / "log")
    segment.write_bytes(bytes(len(whole)))
    index_path(segment).unlink()
    with LocalLog.open(tmp_path / "log", writable=True) as log:
        assert log.reports[0].bytes_cut == len(whole)
        assert log.reader(TOPIC).end_offset == 10
        assert log.writer(TOPIC).next_offset == 10


def test_damage_before_the_last_block_is_reported_and_never_cut(tmp_path: Path) -> None:
    """Property: with whole blocks behind it, damage is corruption: the file keeps every byte."""
    segment, whole, index = make(tmp_path / "log")
    damaged = bytearray(whole)
    damaged[ends_of(index)[0][0]] ^= 0xFF
    segment.write_bytes(damaged)
    index_path(segment).unlink()
    with LocalLog.open(tmp_path / "log", writable=True) as log:
        assert log.reports == []
        assert f"at byte {ends_of(index)[0][0]}," in str(log.faults[TOPIC])
        assert b"".join(
            block.body.tobytes() for block in log.reader(TOPIC).blocks(0, 11)
        ) == encode(TOPIC, 0, 11)
        with pytest.raises(CorruptBlock) as error:
            contents(log)
        assert (error.value.position, error.value.offset) == (ends_of(index)[0][0], 11)
        with pytest.raises(CorruptBlock, match="run 'sq verify'"):
            log.writer(TOPIC).append(encode(TOPIC, 0, 1), 1)
    assert segment.read_bytes() == damaged


def test_a_damaged_last_block_of_a_topic_is_corruption(tmp_path: Path) -> None:
    """Property: only a journal proves its own last record; elsewhere a bad checksum is reported and
    the block kept until cut off by name.
    """
    segment, whole, index = make(tmp_path / "log")
    damaged = bytearray(whole)
    damaged[-20] ^= 1
    segment.write_bytes(damaged)
    with LocalLog.open(tmp_path / "log", writable=True) as log:
        assert log.reports == []
        assert "from offset 16:" in str(log.faults[TOPIC])
        writer = log.writer(TOPIC)
        with pytest.raises(CorruptBlock):
            writer.append(encode(TOPIC, 20, 1), 1)
        assert segment.read_bytes() == damaged
        writer.truncate(16)
        fill(log, [4], first=16)
        assert contents(log) == encode(TOPIC, 0, 20)
    assert segment.read_bytes() == whole
    assert index_path(segment).read_bytes() == index


def journal_record(number: int) -> bytes:
    """A journal record that ends with SHA-256 of the bytes before its last field."""
    record = record_of(schema_of("pipeline.journal"), number) | {"digest": bytes(32)}
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema_of("pipeline.journal"), record)
    content = out.getvalue()[:-33]
    return content + bytes([64]) + hashlib.sha256(content).digest()


def make_journal(path: Path) -> Path:
    """A journal of five records, a block each."""
    with LocalLog.create(path, sync="never") as log:
        writer = log.writer("pipeline.journal")
        for number in range(5):
            writer.append(journal_record(number), 1)
        return writer.segment


def test_a_last_journal_record_that_fails_its_digest_is_torn(tmp_path: Path) -> None:
    """Property: every flip in the last block's body or framing of an unclosed journal is cut with
    that block; four records stay.
    """
    segment = make_journal(tmp_path / "log")
    whole, index = segment.read_bytes(), index_path(segment).read_bytes()
    start = ends_of(index)[3][0]
    for position in range(start, len(whole)):
        for with_index in (True, False):
            damaged = bytearray(whole)
            damaged[position] ^= 0x10
            segment.write_bytes(damaged)
            index_path(segment).write_bytes(index if with_index else index[: 4 * ENTRY_BYTES])
            with LocalLog.open(tmp_path / "log", writable=True, sync="never") as log:
                assert [report.next_offset for report in log.reports] == [4], position
                assert log.reader("pipeline.journal").end_offset == 4
                assert contents(log, "pipeline.journal") == b"".join(map(journal_record, range(4)))


def test_a_journal_block_holds_one_record(tmp_path: Path) -> None:
    with (
        LocalLog.create(tmp_path / "log") as log,
        pytest.raises(WrongUse, match="holds one record, not 2"),
    ):
        log.writer("pipeline.journal").append(journal_record(0) + journal_record(1), 2)


def test_an_earlier_journal_record_is_never_cut(tmp_path: Path) -> None:
    """Property: every flip before the last block leaves the journal's file as it lies, and reading
    it raises or gives what was written.
    """
    segment = make_journal(tmp_path / "log")
    whole, index = segment.read_bytes(), index_path(segment).read_bytes()
    first, last = ends_of(index)[0][0], ends_of(index)[3][0]
    for position in range(first, last):
        damaged = bytearray(whole)
        damaged[position] ^= 0x10
        segment.write_bytes(damaged)
        index_path(segment).write_bytes(index)
        with LocalLog.open(tmp_path / "log", writable=True, sync="never") as log:
            assert log.reports == []
            with pytest.raises(CorruptBlock) as error:
                contents(log, "pipeline.journal")
            assert error.value.position <= position
        assert segment.read_bytes() == damaged


def test_a_whole_journal_record_is_known_by_its_digest() -> None:
    """Oracle: hashlib."""
    body = np.frombuffer(journal_record(3), np.uint8)
    assert is_whole_journal_record(body)
    for position in range(len(body)):
        changed = body.copy()
        changed[position] ^= 1
        assert not is_whole_journal_record(changed)


@pytest.mark.parametrize("state", ["missing", "empty", "short", "inside an entry", "garbage"])
@pytest.mark.parametrize("opened", ["reader", "writer"])
def test_an_index_that_is_missing_or_short_is_rebuilt(
    tmp_path: Path, state: str, opened: str
) -> None:
    """Oracle: the index as the writer wrote it, times included."""
    segment, _, index = make(tmp_path / "log")
    left = {
        "empty": b"",
        "short": index[: 2 * ENTRY_BYTES],
        "inside an entry": index[: 2 * ENTRY_BYTES + 9],
        "garbage": b"\x5a" * len(index),
    }
    index_path(segment).unlink()
    if state in left:
        index_path(segment).write_bytes(left[state])
    if opened == "reader":
        with LocalLog.open(tmp_path / "log") as log:
            assert contents(log) == encode(TOPIC, 0, sum(BLOCKS))
            assert [block.first_offset for block in log.reader(TOPIC).blocks(13)] == [11, 14, 16]
        return
    with LocalLog.open(tmp_path / "log", writable=True) as log:
        assert log.reports == []
        assert contents(log) == encode(TOPIC, 0, sum(BLOCKS))
    assert index_path(segment).read_bytes() == index


def test_every_flipped_byte_of_an_index_is_healed_or_refused(tmp_path: Path) -> None:
    """Property: with a tampered index a reader gives what was written or a typed error; never other
    records.
    """
    segment, _, index = make(tmp_path / "log")
    everything = encode(TOPIC, 0, sum(BLOCKS))
    refused = 0
    for position in range(len(index)):
        damaged = bytearray(index)
        damaged[position] ^= 0x40
        index_path(segment).write_bytes(damaged)
        with LocalLog.open(tmp_path / "log") as log:
            try:
                assert contents(log) == everything
            except CorruptBlock as error:
                assert error.path == str(index_path(segment))
                assert error.position == position // ENTRY_BYTES * ENTRY_BYTES
                refused += 1
    assert refused == len(index) - ENTRY_BYTES  # the last entry is rebuilt from the block


@pytest.mark.parametrize("field", ["first_offset", "records", "position", "length", "checksum"])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_forged_index_entry_is_refused(tmp_path: Path, field: str, number: int) -> None:
    """Property: an entry with a good check of its own and one wrong value disagrees with the block
    or its neighbours.
    """
    segment, _, index = make(tmp_path / "log")
    entry = unpack(index[number * ENTRY_BYTES : (number + 1) * ENTRY_BYTES])
    assert isinstance(entry, Entry)
    value = getattr(entry, field)
    forged = entry._replace(**{field: value[::-1] if field == "checksum" else value + 1}).pack()
    index_path(segment).write_bytes(
        index[: number * ENTRY_BYTES] + forged + index[(number + 1) * ENTRY_BYTES :]
    )
    with LocalLog.open(tmp_path / "log") as log, pytest.raises(CorruptBlock):
        contents(log)


def test_a_missing_segment_in_the_middle_is_refused(tmp_path: Path) -> None:
    """Property: offsets that are gone are an error, not a jump."""
    with LocalLog.create(tmp_path / "log", segment_records=5) as log:
        fill(log, [5, 5, 5])
    paths = sorted((tmp_path / "log" / TOPIC / "0").glob("*.avro"))
    paths[1].unlink()
    with (
        LocalLog.open(tmp_path / "log") as log,
        pytest.raises(CorruptBlock, match="offset 5 should come next and 10 does"),
    ):
        contents(log)


@pytest.mark.parametrize("first", [0, 5, 8, 9])
def test_a_cut_segment_in_the_middle_is_refused(tmp_path: Path, first: int) -> None:
    """Property: a read that begins before, at or behind the lost blocks raises."""
    with LocalLog.create(tmp_path / "log", segment_records=10) as log:
        fill(log, [5, 3, 2, 5])
    path = sorted((tmp_path / "log" / TOPIC / "0").glob("*.avro"))[0]
    entry = unpack(index_path(path).read_bytes()[:ENTRY_BYTES])
    assert entry is not None
    path.write_bytes(path.read_bytes()[: entry.end_position + 2])
    with LocalLog.open(tmp_path / "log") as log, pytest.raises(CorruptBlock):
        list(log.reader(TOPIC).blocks(first))


def test_a_topic_with_holes_cut_anywhere_in_any_file_loses_at_most_its_tail(tmp_path: Path) -> None:
    """Oracle: the records and offsets written. A cut segment gives back the blocks before the cut;
    a cut index or runs file, which alone know the offsets, gives back the same where one block is
    concerned, and where more are, the damage is reported and nothing is cut.
    """
    path = tmp_path / "log"
    segment, _, index = make(path, has_holes=True)
    paths = (segment, index_path(segment), runs_path(segment))
    whole = {each: each.read_bytes() for each in paths}
    names = set(segment.parent.iterdir())
    everything = [
        (offset_of(number, True), encode(TOPIC, number, 1)) for number in range(sum(BLOCKS))
    ]
    blocks = len(index) // HOLES_ENTRY_BYTES
    first_block = unpack(index[:HOLES_ENTRY_BYTES])
    assert first_block is not None
    outcomes = dict.fromkeys(("whole", "cut", "refused"), 0)
    for cut_path in paths:
        size = len(whole[cut_path])
        for cut in cuts(first_block.position, size) if cut_path == segment else range(size):
            # a segment that an earlier round went on with
            for each in set(segment.parent.iterdir()) - names:
                each.unlink()
            for each in paths:
                each.write_bytes(whole[each][:cut] if each == cut_path else whole[each])
            with LocalLog.open(
                path, writable=True, sync="never", segment_records=SEGMENT_OFFSETS
            ) as log:
                got = read_records(log, TOPIC not in log.faults)
                assert got == everything[: len(got)], (cut_path.name, cut)
                if TOPIC in log.faults:
                    outcomes["refused"] += 1
                    assert cut_path != segment
                    assert segment.read_bytes() == whole[segment], "damage is never cut"
                    continue
                outcomes["cut" if log.reports else "whole"] += 1
                if cut_path == segment:
                    assert log.writer(TOPIC).next_offset == max(
                        (offset for end, offset in ends_of(index, HOLES_ENTRY_BYTES) if end <= cut),
                        default=offset_of(9, True) + 1,
                    )
                else:
                    assert cut // HOLES_ENTRY_BYTES >= blocks - 1 or cut_path != index_path(segment)
                fill(log, [sum(BLOCKS) - len(got)], first=len(got), has_holes=True)
                assert read_records(log, True) == everything
    assert all(outcomes[kind] for kind in ("cut", "refused")), outcomes


def read_records(log: LocalLog, to_the_end: bool) -> list[tuple[int, bytes]]:
    """(offset, body) of every record that can be read; fastavro's own encoding is the yardstick, so
    records are cut by its lengths.
    """
    found: list[tuple[int, bytes]] = []
    number = 0
    try:
        for block in log.reader(TOPIC).blocks():
            body = block.body.tobytes()
            for place in range(block.count):
                length = len(encode(TOPIC, number, 1))
                found.append((block.offset_of(place), body[:length]))
                body, number = body[length:], number + 1
            assert body == b""
    except CorruptBlock:
        assert not to_the_end
    return found


def test_every_flipped_byte_beside_a_topic_with_holes_is_refused_or_harmless(
    tmp_path: Path,
) -> None:
    """Property: a flip in the index or the runs never gives a record another offset."""
    segment, _, _ = make(tmp_path / "log", has_holes=True)
    everything = [
        (offset_of(number, True), encode(TOPIC, number, 1)) for number in range(sum(BLOCKS))
    ]
    refused = 0
    for path in (index_path(segment), runs_path(segment)):
        whole = path.read_bytes()
        for position in range(len(whole)):
            damaged = bytearray(whole)
            damaged[position] ^= 0x40
            path.write_bytes(damaged)
            with LocalLog.open(tmp_path / "log") as log:
                got = read_records(log, False)
            assert got == everything[: len(got)]
            refused += got != everything
        path.write_bytes(whole)
    assert refused > 0
