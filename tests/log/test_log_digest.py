"""The topic digest says what the records are, whatever they lie in."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_samples import TOPIC, encode, fill

from schemas.codec import codec
from streams.log import digest as digest_module
from streams.log.digest import CHUNK_RECORDS, TopicDigest, digest_so_far, topic_digest
from streams.log.local import LocalLog

FINGERPRINT = bytes(range(32))


def brute_force(bodies: list[bytes], first_offset: int, chunk_records: int) -> bytes:
    """The definition of design section 7, record by record, nothing streamed."""
    chunks = b""
    for first in range(0, len(bodies), chunk_records):
        chunk = bodies[first : first + chunk_records]
        content = (
            FINGERPRINT
            + (first_offset + first).to_bytes(8, "little")
            + b"".join(chunk)
            + len(chunk).to_bytes(4, "little")
        )
        chunks += hashlib.sha256(content).digest()
    return hashlib.sha256(chunks + len(bodies).to_bytes(8, "little")).digest()


@given(
    st.lists(st.lists(st.binary(max_size=5), min_size=1, max_size=9), max_size=12),
    st.integers(0, 1 << 40),
    st.integers(1, 7),
)
@settings(derandomize=True, deadline=None)
def test_the_digest_is_the_definition_for_any_cut_into_updates(
    updates: list[list[bytes]], first_offset: int, chunk_records: int
) -> None:
    """Oracle: the definition by brute force; asking for the digest on the way changes nothing."""
    before = digest_module.CHUNK_RECORDS
    digest_module.CHUNK_RECORDS = chunk_records
    try:
        digest = TopicDigest(FINGERPRINT, first_offset)
        done: list[bytes] = []
        for bodies in updates:
            ends = np.cumsum([len(body) for body in bodies])
            digest.update(b"".join(bodies), len(bodies), ends)
            done += bodies
            assert digest.digest() == brute_force(done, first_offset, chunk_records)
    finally:
        digest_module.CHUNK_RECORDS = before


@pytest.mark.parametrize(
    "count",
    [CHUNK_RECORDS - 1, CHUNK_RECORDS, CHUNK_RECORDS + 1, 2 * CHUNK_RECORDS, 2 * CHUNK_RECORDS + 5],
)
def test_chunks_hold_65536_records(count: int) -> None:
    """Oracle: the definition by brute force."""
    bodies = [number.to_bytes(4, "big") for number in range(count)]
    digest = TopicDigest(FINGERPRINT)
    digest.update(b"".join(bodies), count, lambda records: 4 * records)
    assert digest.digest() == brute_force(bodies, 0, 65_536)


def test_a_chunk_end_inside_a_body_needs_the_ends() -> None:
    with pytest.raises(ValueError, match="ends are needed"):
        TopicDigest(FINGERPRINT).update(bytes(CHUNK_RECORDS + 1), CHUNK_RECORDS + 1)


@pytest.mark.parametrize("blocks", [[30], [1] * 30, [7, 23], [29, 1]])
@pytest.mark.parametrize("segment_records", [1, 8, 100])
def test_the_digest_does_not_depend_on_blocks_or_segments(
    tmp_path: Path, blocks: list[int], segment_records: int
) -> None:
    """Property: one digest for one list of records."""
    with LocalLog.create(tmp_path / "log", sync="never", segment_records=segment_records) as log:
        fill(log, blocks)
        found = topic_digest(log.reader(TOPIC), codec("Mark"))
    direct = TopicDigest(codec("Mark").fingerprint)
    direct.update(encode(TOPIC, 0, 30), 30)
    assert found == direct.digest()


def test_a_digest_is_resumed_from_the_log(tmp_path: Path) -> None:
    """Property: after a restart the digest goes on as if there had been none."""
    with LocalLog.create(tmp_path / "log") as log:
        fill(log, [5, 5])
        resumed = digest_so_far(log.reader(TOPIC), codec("Mark"))
        fill(log, [4], first=10)
        resumed.update(encode(TOPIC, 10, 4), 4)
        assert resumed.digest() == topic_digest(log.reader(TOPIC), codec("Mark"))


@pytest.mark.parametrize("change", ["a byte", "an order", "a count", "an offset", "a fingerprint"])
def test_the_digest_changes_with(change: str) -> None:
    """Property: each part of the definition counts."""
    digest = TopicDigest(FINGERPRINT)
    digest.update(b"abcd", 2)
    other = TopicDigest(
        bytes(32) if change == "a fingerprint" else FINGERPRINT, 1 if change == "an offset" else 0
    )
    other.update(
        {"a byte": b"abce", "an order": b"cdab"}.get(change, b"abcd"),
        3 if change == "a count" else 2,
    )
    assert digest.digest() != other.digest()
