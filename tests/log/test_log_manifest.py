"""The manifest that closes a folder: canonical, whole or absent, no byte of it changeable."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.log.errors import LogMissing
from streams.log.manifest import DamagedManifest, canonical_json, read_manifest, write_manifest

SAMPLE: dict[str, Any] = {
    "zeta": [1, 2.5, None, True],
    "command": "backtest data --strategy ema-cross",
    "counts": {"md.trades": 12, "fills": 0},
    "text": "naïve \"quotes\" \\ and\nlines",
    "empty": {},
}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_a_manifest_reads_back(tmp_path: Path) -> None:
    write_manifest(tmp_path / "run.json", SAMPLE)
    found = read_manifest(tmp_path / "run.json")
    assert {key: value for key, value in found.items() if key != "digest"} == SAMPLE


def test_the_digest_is_the_last_field_and_sha256_of_the_rest(tmp_path: Path) -> None:
    """Oracle: json and hashlib."""
    write_manifest(tmp_path / "run.json", SAMPLE)
    parsed = json.loads((tmp_path / "run.json").read_text())
    assert list(parsed) == [*sorted(SAMPLE), "digest"]
    rest = json.dumps(SAMPLE, sort_keys=True, indent=1) + "\n"
    assert parsed["digest"] == hashlib.sha256(rest.encode()).hexdigest()


@given(st.dictionaries(st.text().filter(lambda key: key != "digest"), JSON, max_size=4))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_any_json_reads_back(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]
) -> None:
    """Property: what was written is what is read."""
    path = tmp_path_factory.mktemp("manifest") / "run.json"
    write_manifest(path, content)
    found = read_manifest(path)
    found.pop("digest")
    assert found == content


def test_every_flipped_byte_is_found(tmp_path: Path) -> None:
    """Property: every byte, its bits in turn, and the lowest bit."""
    path = tmp_path / "run.json"
    write_manifest(path, SAMPLE)
    whole = path.read_bytes()
    for position in range(len(whole)):
        for bit in {0, position % 8}:
            changed = bytearray(whole)
            changed[position] ^= 1 << bit
            path.write_bytes(changed)
            with pytest.raises(DamagedManifest):
                read_manifest(path)


def test_every_cut_and_every_growth_is_found(tmp_path: Path) -> None:
    """Property: a prefix, a blank more, another layout or a repeated key is not the file that was
    written.
    """
    path = tmp_path / "run.json"
    write_manifest(path, SAMPLE)
    whole = path.read_bytes()
    compact = json.dumps(json.loads(whole)).encode()
    repeated = whole.replace(b"{\n", b'{\n "empty": {},\n', 1)
    others = [whole[:cut] for cut in range(len(whole))] + [
        whole + b"\n",
        whole + b" ",
        b" " + whole,
        compact,
        repeated,
    ]
    for other in others:
        path.write_bytes(other)
        with pytest.raises(DamagedManifest):
            read_manifest(path)


def test_a_changed_value_with_its_old_digest_is_found(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_manifest(path, SAMPLE)
    path.write_bytes(path.read_bytes().replace(b'"fills": 0', b'"fills": 1'))
    with pytest.raises(DamagedManifest, match="fails its own digest"):
        read_manifest(path)


@pytest.mark.parametrize(
    "content", [b"[]", b"{}", b"null", b"[[" * 5000, b'{"digest": 1}', b"\xff\xfe", b""]
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(DamagedManifest):
        read_manifest(tmp_path / "run.json")


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogMissing, match="not closed"):
        read_manifest(tmp_path / "run.json")


def test_an_old_digest_is_replaced_by_the_new(tmp_path: Path) -> None:
    """Property: writing what was read gives the same bytes."""
    write_manifest(tmp_path / "a.json", SAMPLE)
    write_manifest(tmp_path / "b.json", read_manifest(tmp_path / "a.json"))
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_a_rewritten_manifest_leaves_nothing_beside_it(tmp_path: Path) -> None:
    for content in (SAMPLE, {}):
        write_manifest(tmp_path / "run.json", content)
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
    assert list(read_manifest(tmp_path / "run.json")) == ["digest"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_json_does_not_have_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json({"a": value})
