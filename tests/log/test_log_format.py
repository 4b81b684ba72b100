"""What lies on disk: other programs' readers open every file, and the same records give the same
bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import fastavro
import polars
import pytest
from hypothesis import given
from hypothesis import strategies as st
from log_samples import TOPIC, encode, fill, records_of, schema_of

from schemas.catalogue import STORED_AS, TOPICS
from schemas.shapes import schemas
from streams.log import container
from streams.log.local import LocalLog


@pytest.mark.parametrize("topic", sorted(TOPICS))
def test_fastavro_reads_back_what_it_encoded_from_every_topic(tmp_path: Path, topic: str) -> None:
    """Oracle: fastavro, as encoder of the records and as reader of the file."""
    with LocalLog.create(tmp_path / "log", segment_records=7) as log:
        fill(log, [3, 4, 1, 2], topic)
    found = []
    for path in sorted((tmp_path / "log" / topic / "0").glob("*.avro")):
        with path.open("rb") as file:
            reader = fastavro.reader(file)
            assert reader.codec == "null"
            found += list(reader)
    assert found == [
        fastavro.schemaless_reader(io.BytesIO(encode(topic, number, 1)), schema_of(topic), None)
        for number in range(10)
    ]


@pytest.mark.parametrize("topic", sorted(TOPICS))
def test_polars_counts_the_records_of_every_topic(tmp_path: Path, topic: str) -> None:
    """Oracle: polars' Avro reader."""
    with LocalLog.create(tmp_path / "log") as log:
        fill(log, [3, 4], topic)
        frame = polars.read_avro(log.writer(topic).segment)
    assert frame.height == 7
    names = [field["name"] for field in schemas()[TOPICS[topic].record]["fields"]]
    assert set(frame.columns) == set(names)
    if "event_time" in names:
        assert frame["event_time"].to_list() == list(range(7))


@pytest.mark.parametrize("topic", sorted(TOPICS.keys() - STORED_AS.keys()))
def test_a_topic_without_records_is_a_readable_file(tmp_path: Path, topic: str) -> None:
    """Oracle: fastavro and polars; a topic exists from the moment its writer does."""
    with LocalLog.create(tmp_path / "log") as log:
        path = log.writer(topic).segment
        assert log.topics() == [topic]
        assert (log.reader(topic).start_offset, log.reader(topic).end_offset) == (0, 0)
        assert list(log.reader(topic).blocks()) == []
    with path.open("rb") as file:
        assert list(fastavro.reader(file)) == []
    assert polars.read_avro(path).height == 0


def test_the_file_header_holds_the_committed_schema_and_no_codec(tmp_path: Path) -> None:
    """Oracle: the committed .avsc file."""
    with LocalLog.create(tmp_path / "log") as log:
        path = log.writer("md.quotes").segment
    with path.open("rb") as file:
        metadata = fastavro.reader(file).metadata
    assert json.loads(metadata["avro.schema"]) == schemas()["Quote"]
    assert metadata["avro.codec"] == "null"


def test_the_sync_marker_is_sha256_of_topic_partition_and_first_offset(tmp_path: Path) -> None:
    """Oracle: hashlib over the segment's own path below the log."""
    with LocalLog.create(tmp_path / "log", segment_records=4) as log:
        fill(log, [4, 4])
    for path in sorted((tmp_path / "log").glob("*/0/*.avro")):
        name = str(path.relative_to(tmp_path / "log"))[: -len(".avro")]
        assert path.read_bytes().endswith(hashlib.sha256(name.encode()).digest()[:16])


def test_the_same_appends_give_the_same_files(tmp_path: Path) -> None:
    """Property: files are a function of the appends; times, names and process leave no trace."""
    found = []
    for name in ("a", "b"):
        with LocalLog.create(tmp_path / name, segment_records=8) as log:
            fill(log, [5, 5, 5, 1])
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        found.append(
            [(str(path.relative_to(tmp_path / name)), path.read_bytes()) for path in files]
        )
    assert found[0] == found[1]
    assert [name for name, _ in found[0]] == [
        "log.lock",
        "md.marks/0/00000000000000000000.avro",
        "md.marks/0/00000000000000000000.index",
        "md.marks/0/00000000000000000010.avro",
        "md.marks/0/00000000000000000010.index",
    ]


def test_a_block_is_the_records_bytes_between_counts_and_marker(tmp_path: Path) -> None:
    """Oracle: the Avro specification's block layout, spelled out."""
    with LocalLog.create(tmp_path / "log") as log:
        writer = log.writer(TOPIC)
        header = writer.end_position
        body = encode(TOPIC, 0, 3)
        writer.append(body, 3)
    written = writer.segment.read_bytes()[header:]
    assert written == bytes([6]) + container.encode_long(len(body)) + body + container.sync_marker(
        TOPIC, 0
    )
    assert len(records_of(TOPIC, 0, 3)) == 3


@given(st.integers(-(2**63), 2**63 - 1))
def test_long_numbers_agree_with_fastavro(value: int) -> None:
    """Oracle: fastavro's encoding of a long."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, "long", value)
    assert container.encode_long(value) == out.getvalue()
    assert container.decode_long(out.getvalue() + b"rest", 0) == (value, len(out.getvalue()))


@pytest.mark.parametrize(
    ("broken", "error"), [(b"", EOFError), (b"\x80" * 9, EOFError), (b"\x80" * 11, ValueError)]
)
def test_a_broken_number_is_refused(broken: bytes, error: type[Exception]) -> None:
    """Property: a cut number is an end of bytes, an overlong one is malformed."""
    with pytest.raises(error):
        container.decode_long(broken, 0)
