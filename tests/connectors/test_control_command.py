"""An operator's command into a copy of a recording. Oracle: the recording itself, and the order of
times.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from binance_lines import records

from connectors.control import BadCommand, add_control, merged
from connectors.simulators.market import START, generate
from schemas.errors import CorruptLog, WrongUse
from schemas.records import ControlCommand
from schemas.vocabulary import ControlKind, ControlScope
from streams.log.errors import LogExists, LogMissing
from streams.log.manifest import read_manifest
from streams.log.verify import verify_files

SECOND = 10**9
KILL = ControlCommand(
    START + 30 * SECOND,
    int(ControlKind.KILL),
    int(ControlScope.SYSTEM),
    0,
    0,
    0,
    "",
    "",
    "operator",
    "why",
)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("market") / "log"
    generate(1, 1, out)
    return out


def at(seconds: int, reason: str = "") -> ControlCommand:
    return msgspec.structs.replace(KILL, event_time=START + seconds * SECOND, reason=reason)


def test_the_copy_is_the_recording_with_the_command(recording: Path, tmp_path: Path) -> None:
    manifest = add_control(recording, tmp_path / "copy", KILL)
    before = read_manifest(recording / "log.json")
    assert {
        name: entry for name, entry in manifest["topics"].items() if name != "control"
    } == before["topics"]
    assert manifest["topics"]["control"]["count"] == 1 and manifest["provenance"] == "simulated"
    for topic in ("md.trades", "md.depth"):
        assert records(tmp_path / "copy", topic) == records(recording, topic)
    assert records(tmp_path / "copy", "control") == [
        {
            "event_time": KILL.event_time,
            "kind": "KILL",
            "scope": "SYSTEM",
            "account": 0,
            "strategy": 0,
            "instrument": 0,
            "name": "",
            "value": "",
            "issued_by": "operator",
            "reason": "why",
        }
    ]
    assert verify_files(tmp_path / "copy", manifest) == []
    assert verify_files(recording, before) == []


def test_commands_lie_in_order_of_time_whatever_the_order_they_were_added_in(
    recording: Path, tmp_path: Path
) -> None:
    folder = recording
    for number, seconds in enumerate((30, 10, 50, 10)):
        add_control(folder, tmp_path / str(number), at(seconds, str(number)))
        folder = tmp_path / str(number)
    assert [each["reason"] for each in records(folder, "control")] == ["1", "3", "0", "2"]
    assert read_manifest(folder / "log.json")["topics"]["control"]["count"] == 4


def test_a_command_comes_after_those_of_its_time() -> None:
    found = merged([at(1, "a"), at(2, "b"), at(2, "c"), at(3, "d")], at(2, "new"))
    assert [each.reason for each in found] == ["a", "b", "c", "new", "d"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": 0}, "kind 0"),
        ({"kind": 99}, "kind 99"),
        ({"scope": 0}, "scope 0"),
        ({"scope": int(ControlScope.ACCOUNT)}, "ACCOUNT needs the number"),
        ({"kind": int(ControlKind.LIMIT)}, "needs a name and a value"),
        ({"event_time": -1}, "before 1970"),
        ({"event_time": START + 61 * SECOND}, "after the recording's end"),
    ],
)
def test_a_command_nobody_could_obey_is_refused(
    recording: Path, tmp_path: Path, changes: dict[str, int], words: str
) -> None:
    with pytest.raises(BadCommand, match=words):
        add_control(recording, tmp_path / "copy", msgspec.structs.replace(KILL, **changes))
    assert not (tmp_path / "copy").exists()


def test_missing_foreign_and_present_folders_are_named(recording: Path, tmp_path: Path) -> None:
    with pytest.raises(LogMissing):
        add_control(tmp_path / "none", tmp_path / "copy", KILL)
    with pytest.raises(LogExists):
        add_control(recording, recording, KILL)
    add_control(recording, tmp_path / "copy", KILL)
    (tmp_path / "copy" / "log.json").unlink()
    with pytest.raises(WrongUse, match=r"no log\.json"):
        add_control(tmp_path / "copy", tmp_path / "other", KILL)


def test_a_recording_that_was_changed_is_not_copied_under_its_old_digest(
    recording: Path, tmp_path: Path
) -> None:
    add_control(recording, tmp_path / "copy", KILL)
    path = next((tmp_path / "copy" / "md.trades" / "0").glob("*.avro"))
    found = bytearray(path.read_bytes())
    found[len(found) // 2] ^= 4
    path.write_bytes(found)
    with pytest.raises(CorruptLog, match=r"md\.trades"):
        add_control(tmp_path / "copy", tmp_path / "other", KILL)
    assert not (tmp_path / "other").exists()
