"""A log against a Python list: appends, reads of any range, seeks, cuts and re-openings in any
order.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from log_samples import TOPIC, encode, fill, offset_of

from schemas.errors import WrongUse
from streams.log.errors import CorruptBlock
from streams.log.local import LocalLog
from streams.log.segment import index_path


class LogAgainstList(RuleBasedStateMachine):
    """The model: the list of (body, event time, offset) and the sorted block boundaries: the offset
    behind each block's last record.
    """

    has_holes = False

    @initialize(segment_records=st.integers(1, 12), first=st.integers(0, 5))
    def create(self, segment_records: int, first: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="log-model-"))
        self.segment_records = segment_records
        self.first = first
        self.log = LocalLog.create(
            self.folder / "log", sync="never", segment_records=segment_records
        )
        self.writer = self.log.writer(TOPIC, first, has_holes=self.has_holes)
        self.offsets: list[int] = []
        self.bodies: list[bytes] = []
        self.times: list[int] = []
        self.boundaries = [first]

    @rule(
        gaps=st.lists(st.sampled_from([0, 0, 0, 1, 2, 9]), min_size=1, max_size=9),
        lateness=st.integers(0, 3),
    )
    def append(self, gaps: list[int], lateness: int) -> None:
        """Event times rise by ten an offset and fall back by up to three; in a topic with holes
        each record leaves its gap before it.
        """
        count = len(gaps)
        offsets = self.boundaries[-1] + np.arange(count) + np.cumsum(gaps) * self.has_holes
        numbers = [
            max(1, 10 * (int(offset) - lateness * (place % 2)))
            for place, offset in enumerate(offsets)
        ]
        bodies = [encode(TOPIC, number, 1) for number in numbers]
        self.offsets += offsets.tolist()
        self.bodies += bodies
        self.times += numbers
        self.writer.append(
            b"".join(bodies),
            count,
            time_max=max(self.times),
            offsets=offsets if self.has_holes else None,
        )
        self.boundaries.append(self.offsets[-1] + 1)

    @rule(place=st.integers(0, 1000))
    def truncate(self, place: int) -> None:
        boundary = self.boundaries[place % len(self.boundaries)]
        self.writer.truncate(boundary)
        self.boundaries = [end for end in self.boundaries if end <= boundary]
        kept = sum(offset < boundary for offset in self.offsets)
        del self.bodies[kept:], self.times[kept:], self.offsets[kept:]

    @rule(place=st.integers(0, 1000))
    def refuse_to_cut_inside_a_block(self, place: int) -> None:
        offset = self.first + place % (self.boundaries[-1] - self.first + 1)
        if offset not in self.boundaries:
            with pytest.raises(CorruptBlock):
                self.writer.truncate(offset)

    @rule(lose_index=st.booleans())
    def reopen(self, lose_index: bool) -> None:
        segment = self.writer.segment
        self.log.close()
        if lose_index and max(self.times, default=0) and not self.has_holes:
            index_path(segment).unlink()
        self.log = LocalLog.open(
            self.folder / "log", writable=True, sync="never", segment_records=self.segment_records
        )
        assert self.log.reports == []
        self.writer = self.log.writer(TOPIC)

    @rule(a=st.integers(0, 100), b=st.integers(0, 100))
    def read_a_range(self, a: int, b: int) -> None:
        first, end = sorted((self.first + a, self.first + b))
        blocks = list(self.log.reader(TOPIC).blocks(first, end))
        expected = []
        begin = 0
        for boundary in self.boundaries[1:]:
            stop = sum(offset < boundary for offset in self.offsets)
            if first < boundary and self.offsets[begin] < end and first < end:
                expected.append((self.offsets[begin:stop], b"".join(self.bodies[begin:stop])))
            begin = stop
        assert [
            ([block.offset_of(place) for place in range(block.count)], block.body.tobytes())
            for block in blocks
        ] == expected

    @rule(time=st.integers(1, 1200))
    def seek_a_time(self, time: int) -> None:
        found = self.log.reader(TOPIC).offset_at_time(time)
        assert found == next(
            (self.offsets[place] for place, at in enumerate(self.times) if at >= time),
            self.boundaries[-1],
        )

    @rule()
    def refuse_to_read_before_the_start(self) -> None:
        if self.first:
            with pytest.raises(WrongUse):
                list(self.log.reader(TOPIC).blocks(self.first - 1, self.first))

    @invariant()
    def holds_what_the_list_holds(self) -> None:
        reader = self.log.reader(TOPIC)
        assert (reader.start_offset, reader.end_offset) == (self.first, self.boundaries[-1])
        assert reader.count == len(self.bodies)
        assert self.writer.next_offset == self.boundaries[-1]
        assert [block.end_offset for block in reader.blocks()] == self.boundaries[1:]
        assert b"".join(block.body.tobytes() for block in reader.blocks()) == b"".join(self.bodies)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.log.close()
            shutil.rmtree(self.folder)


LogAgainstList.TestCase.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, derandomize=True
)
TestLogAgainstList = LogAgainstList.TestCase


class LogWithHolesAgainstList(LogAgainstList):
    """The same of a topic that keeps the offsets of a Kafka partition."""

    has_holes = True


LogWithHolesAgainstList.TestCase.settings = LogAgainstList.TestCase.settings
TestLogWithHolesAgainstList = LogWithHolesAgainstList.TestCase


@pytest.mark.parametrize("segment_records", [1, 2, 1000])
def test_a_refused_cut_changes_nothing(tmp_path: Path, segment_records: int) -> None:
    """Regression: later segments were removed before it was seen that no block ends at the offset.
    """
    with LocalLog.create(tmp_path / "log", sync="never", segment_records=segment_records) as log:
        fill(log, [2, 1, 2])
        writer = log.writer(TOPIC)
        for offset in (1, 4):
            with pytest.raises(CorruptBlock):
                writer.truncate(offset)
            assert writer.next_offset == 5
            assert [block.end_offset for block in log.reader(TOPIC).blocks()] == [2, 3, 5]
        fill(log, [1])
        assert log.reader(TOPIC).end_offset == 6


@pytest.mark.parametrize("has_holes", [False, True])
@pytest.mark.parametrize("segment_records", [1, 3, 10, 1000])
@pytest.mark.parametrize("keep", [0, 3, 10, 11, 17, 20])
def test_a_log_cut_and_written_again_equals_one_never_cut(
    tmp_path: Path, segment_records: int, keep: int, has_holes: bool
) -> None:
    """Property: truncation leaves no trace: files are byte for byte those of a log that was written
    once.
    """
    blocks = [3, 7, 1, 6, 3]
    for name in ("once", "again"):
        with LocalLog.create(tmp_path / name, sync="never", segment_records=segment_records) as log:
            fill(log, blocks, has_holes=has_holes)
            if name == "again":
                log.writer(TOPIC).truncate(offset_of(keep - 1, has_holes) + 1 if keep else 0)
                first = 0
                for count in blocks:
                    if first >= keep:
                        fill(log, [count], first=first, has_holes=has_holes)
                    first += count
    once, again = (
        {path.name: path.read_bytes() for path in (tmp_path / name / TOPIC / "0").iterdir()}
        for name in ("once", "again")
    )
    assert once == again
