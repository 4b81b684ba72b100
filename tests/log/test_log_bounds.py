"""Logs larger than memory, and seeks whose cost does not grow with the log."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from log_samples import TOPIC, encode

from schemas.errors import WrongUse
from streams.log.local import LocalLog

ROOT = Path(__file__).resolve().parents[2]
MEGABYTE = 1 << 20
LOG_MEGABYTES = 300
ALLOWED_MEGABYTES = 64

READ_ALL = """
    import os, resource, sys
    from streams.log.local import LocalLog
    with LocalLog.open(sys.argv[1]) as log:
        reader = log.reader("pipeline.snapshots")
        next(iter(reader.blocks()))
        pages = int(open("/proc/self/statm").read().split()[0])
        limit = pages * resource.getpagesize() + (int(sys.argv[2]) << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        length = sum(len(block.body) for block in reader.blocks())
        print(length, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_log_larger_than_the_memory_allowed_is_read(tmp_path: Path) -> None:
    """Oracle: the operating system: 300 MB are read with 64 MB of address space, and resident
    memory grows by a few blocks.
    """
    with LocalLog.create(tmp_path / "log", sync="never", segment_records=100) as log:
        writer = log.writer("pipeline.snapshots")
        body = bytes(MEGABYTE)
        for _ in range(LOG_MEGABYTES):
            writer.append(body, 1)
    command = [
        sys.executable,
        "-c",
        textwrap.dedent(READ_ALL),
        str(tmp_path / "log"),
        str(ALLOWED_MEGABYTES),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    length, grown = map(int, done.stdout.split())
    assert length == LOG_MEGABYTES * MEGABYTE
    assert grown < 16


@pytest.fixture(scope="module")
def many_blocks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalLog]:
    """20,000 blocks of one record in segments of 5,000, event time ten times the offset plus ten.
    """
    with LocalLog.create(
        tmp_path_factory.mktemp("bounds") / "log", sync="never", segment_records=5_000
    ) as log:
        writer = log.writer(TOPIC)
        for number in range(20_000):
            writer.append(encode(TOPIC, 10 * number + 10, 1), 1, time_max=10 * number + 10)
        yield log


class Reads:
    """Counts the system's reads and their bytes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self.length = 0
        pread, preadv = os.pread, os.preadv

        def counted_pread(descriptor: int, length: int, position: int) -> bytes:
            found = pread(descriptor, length, position)
            self.calls += 1
            self.length += len(found)
            return found

        def counted_preadv(descriptor: int, buffers: list[memoryview], position: int) -> int:
            length = preadv(descriptor, buffers, position)
            self.calls += 1
            self.length += length
            return length

        monkeypatch.setattr(os, "pread", counted_pread)
        monkeypatch.setattr(os, "preadv", counted_preadv)


@pytest.mark.parametrize("offset", [0, 1, 4_999, 5_000, 12_345, 19_999])
def test_a_seek_by_offset_reads_a_few_pages(
    many_blocks: LocalLog, monkeypatch: pytest.MonkeyPatch, offset: int
) -> None:
    """Oracle: counted reads: a header, at most nine index pages of 4 kB and one block, of a log of
    1.8 MB.
    """
    reader = many_blocks.reader(TOPIC)
    reads = Reads(monkeypatch)
    block = next(iter(reader.blocks(offset)))
    assert block.first_offset == offset
    assert reads.calls <= 20
    assert reads.length <= 80_000


@pytest.mark.parametrize("time", [1, 10, 11, 49_990, 50_000, 50_001, 123_450, 200_000, 200_001])
def test_a_seek_by_time_reads_a_few_pages(
    many_blocks: LocalLog, monkeypatch: pytest.MonkeyPatch, time: int
) -> None:
    """Oracle: offset = time / 10 rounded up, less one; reads counted."""
    reader = many_blocks.reader(TOPIC)
    reads = Reads(monkeypatch)
    assert reader.offset_at_time(time) == -(-time // 10) - 1
    assert reads.calls <= 50
    assert reads.length <= 200_000


def test_a_seek_costs_no_more_in_a_log_ten_times_as_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oracle: counted reads of the same seek grow with the logarithm of the length: at most one
    page for each doubling.
    """
    counts = []
    for blocks in (500, 5_000):
        with LocalLog.create(tmp_path / str(blocks), sync="never") as log:
            writer = log.writer(TOPIC)
            for number in range(blocks):
                writer.append(b"12345678", 1, time_max=number + 1)
            reader = log.reader(TOPIC)
            with monkeypatch.context() as patch:
                reads = Reads(patch)
                next(iter(reader.blocks(blocks // 2 + 3)))
            counts.append(reads.calls)
    assert counts[1] <= counts[0] + 4


def test_opening_for_reading_does_not_read_the_log(
    many_blocks: LocalLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oracle: counted reads: one header and one index entry, whatever the length."""
    reads = Reads(monkeypatch)
    reader = many_blocks.reader(TOPIC)
    assert reader.end_offset == 20_000
    assert reads.calls <= 4


def test_a_topic_without_times_is_not_sought_by_time(tmp_path: Path) -> None:
    with LocalLog.create(tmp_path / "log") as log:
        log.writer(TOPIC).append(encode(TOPIC, 0, 3), 3)
        with pytest.raises(WrongUse, match="no event times"):
            log.reader(TOPIC).offset_at_time(5)
        assert log.reader(TOPIC).offset_at_time(0) == 0


def test_a_topic_whose_records_have_no_event_time_is_not_sought_by_time(tmp_path: Path) -> None:
    with LocalLog.create(tmp_path / "log") as log:
        log.writer("md.bars").append(encode("md.bars", 0, 3), 3, time_max=9)
        with pytest.raises(WrongUse, match="no event times"):
            log.reader("md.bars").offset_at_time(5)


def test_a_bound_above_the_running_maximum_still_finds_the_first_record(tmp_path: Path) -> None:
    """Property: a clock instead of the exact maximum is allowed; the search then looks on from the
    block it reaches.
    """
    with LocalLog.create(tmp_path / "log") as log:
        writer = log.writer(TOPIC)
        for first in range(1, 100, 3):
            writer.append(encode(TOPIC, first, 3), 3, time_max=first + 40)
        reader = log.reader(TOPIC)
        assert [reader.offset_at_time(time) for time in range(1, 105)] == [
            min(time - 1, 99) for time in range(1, 105)
        ]
