"""Folders that are missing, foreign, locked, closed or written with another schema: each a typed
error that says what to do.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from log_samples import TOPIC, close, contents, encode, fill, last_segment

from schemas.catalogue import UnknownTopic
from schemas.errors import CorruptLog, ShrivenError
from streams.log import container
from streams.log.errors import (
    ForeignFolder,
    LogClosed,
    LogExists,
    LogLocked,
    LogMissing,
    LogWriteFailed,
    NoSuchTopic,
    WrongSchema,
)
from streams.log.local import LocalLog
from streams.log.manifest import LOG_MANIFEST
from streams.log.segment import index_path

ROOT = Path(__file__).resolve().parents[2]


def run_python(code: str, *arguments: str) -> subprocess.Popen[str]:
    """A process of its own that runs this code."""
    command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


HOLD = """
    import sys, time
    from streams.log.local import LocalLog
    log = LocalLog.open(sys.argv[1], writable=True)
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("writable", [False, True])
def test_a_missing_folder_is_named(tmp_path: Path, writable: bool) -> None:
    with pytest.raises(LogMissing, match="does not exist; name a folder"):
        LocalLog.open(tmp_path / "none", writable=writable)


@pytest.mark.parametrize("writable", [False, True])
def test_a_foreign_folder_is_refused_and_left_alone(tmp_path: Path, writable: bool) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ForeignFolder, match="not a log"):
        LocalLog.open(tmp_path, writable=writable)
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for make in (LocalLog.open, LocalLog.create):
        with pytest.raises(ForeignFolder):
            make(tmp_path / "file")


def test_a_foreign_lock_file_makes_no_log(tmp_path: Path) -> None:
    (tmp_path / "log.lock").write_text("another program's")
    with pytest.raises(ForeignFolder):
        LocalLog.open(tmp_path, writable=True)
    assert (tmp_path / "log.lock").read_text() == "another program's"


def test_an_empty_folder_is_no_log_to_read_and_becomes_one_to_write(tmp_path: Path) -> None:
    with pytest.raises(ForeignFolder):
        LocalLog.open(tmp_path)
    with LocalLog.open(tmp_path, writable=True) as log:
        assert log.topics() == []
    with LocalLog.open(tmp_path) as log:
        assert log.topics() == []


def test_a_new_log_is_not_made_over_another(tmp_path: Path) -> None:
    LocalLog.create(tmp_path / "log").close()
    with pytest.raises(LogExists):
        LocalLog.create(tmp_path / "log")


def test_a_new_log_is_not_made_in_a_folder_of_other_things(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ForeignFolder):
        LocalLog.create(tmp_path)


def test_a_folder_that_cannot_be_made_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LogWriteFailed):
        LocalLog.create(tmp_path / "file" / "log")


def test_an_unknown_topic_is_named_with_those_there_are(tmp_path: Path) -> None:
    with LocalLog.create(tmp_path / "log") as log:
        fill(log, [1])
        with pytest.raises(NoSuchTopic, match=r"holds no topic md.nope; it holds md.marks"):
            log.reader("md.nope")
        with pytest.raises(UnknownTopic):
            log.writer("md.nope")


def test_a_reader_is_no_writer(tmp_path: Path) -> None:
    LocalLog.create(tmp_path / "log").close()
    with LocalLog.open(tmp_path / "log") as log, pytest.raises(LogClosed):
        log.writer(TOPIC)


@pytest.mark.parametrize("count", [0, -1])
def test_a_block_without_records_is_refused(tmp_path: Path, count: int) -> None:
    with (
        LocalLog.create(tmp_path / "log") as log,
        pytest.raises(ShrivenError, match="at least one record"),
    ):
        log.writer(TOPIC).append(b"", count)


def test_a_closed_log_takes_no_more_records(tmp_path: Path) -> None:
    log = LocalLog.create(tmp_path / "log")
    fill(log, [3])
    close(log)
    before = last_segment(tmp_path / "log").read_bytes()
    with LocalLog.open(tmp_path / "log", writable=True) as log:
        assert log.is_closed
        with pytest.raises(LogClosed, match=r"closed by log.json"):
            log.writer(TOPIC)
    assert last_segment(tmp_path / "log").read_bytes() == before


def test_a_sealed_log_says_so_at_once(tmp_path: Path) -> None:
    """Property: the manifest holds what it was given and every file; the same log object refuses to
    write after it.
    """
    with LocalLog.create(tmp_path / "log") as log:
        fill(log, [3])
        sealed = log.seal(LOG_MANIFEST, {"command": "import"})
        assert sealed["command"] == "import"
        assert [entry["path"] for entry in sealed["files"]] == [
            f"{TOPIC}/0/{0:020d}{suffix}" for suffix in (".avro", ".index")
        ]
        assert contents(log) == encode(TOPIC, 0, 3)
        for refused in (lambda: log.writer(TOPIC), lambda: log.seal(LOG_MANIFEST, {})):
            with pytest.raises(LogClosed):
                refused()


def test_a_closed_log_that_was_cut_is_not_silently_shorter(tmp_path: Path) -> None:
    """Property: a tail is only torn before the manifest is written; after that a missing block is
    damage.
    """
    log = LocalLog.create(tmp_path / "log")
    fill(log, [3, 4])
    close(log)
    path = last_segment(tmp_path / "log")
    whole = path.read_bytes()
    for cut in (len(whole) - 1, len(whole) - len(encode(TOPIC, 3, 4)) - 18, 10, 0):
        path.write_bytes(whole[:cut])
        for writable in (False, True):
            with (
                LocalLog.open(tmp_path / "log", writable=writable) as log,
                pytest.raises(CorruptLog, match=r"log.json says"),
            ):
                log.reader(TOPIC)
        assert path.stat().st_size == cut


def test_a_copy_without_its_lock_file_is_still_a_log(tmp_path: Path) -> None:
    log = LocalLog.create(tmp_path / "log")
    fill(log, [3])
    close(log)
    (tmp_path / "log" / "log.lock").unlink()
    with LocalLog.open(tmp_path / "log") as log:
        assert contents(log) == encode(TOPIC, 0, 3)


def test_a_deleted_index_of_a_closed_log_does_not_keep_it_from_being_read(tmp_path: Path) -> None:
    log = LocalLog.create(tmp_path / "log")
    fill(log, [3, 4])
    close(log)
    index_path(last_segment(tmp_path / "log")).unlink()
    with LocalLog.open(tmp_path / "log") as log:
        assert contents(log) == encode(TOPIC, 0, 7)


def test_a_file_of_another_schema_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Property: a field of another type is another schema; another doc text is not."""
    schema = json.loads(container.schema_text(TOPIC))
    schema["doc"] = "said otherwise"
    texts = {"doc": json.dumps(schema)}
    schema["fields"][0]["type"] = "long"
    texts["type"] = json.dumps(schema)
    for name, text in texts.items():
        with monkeypatch.context() as patch:
            patch.setattr(container, "schema_text", lambda topic, text=text: text)
            with LocalLog.create(tmp_path / name) as log:
                fill(log, [2])
    with LocalLog.open(tmp_path / "doc") as log:
        assert contents(log) == encode(TOPIC, 0, 2)
    with (
        LocalLog.open(tmp_path / "type") as log,
        pytest.raises(WrongSchema, match="another schema"),
    ):
        log.reader(TOPIC)
    with LocalLog.open(tmp_path / "type", writable=True) as log, pytest.raises(WrongSchema):
        log.writer(TOPIC)


def test_a_segment_of_another_topic_is_refused(tmp_path: Path) -> None:
    """Property: the sync marker binds a file to its topic and offset, so a renamed file is found.
    """
    with LocalLog.create(tmp_path / "log", segment_records=2) as log:
        fill(log, [2, 2])
    paths = sorted((tmp_path / "log" / TOPIC / "0").glob("*.avro"))
    shutil.copyfile(paths[0], paths[1])
    with LocalLog.open(tmp_path / "log") as log, pytest.raises(CorruptLog, match="sync marker"):
        contents(log)


def test_a_second_writer_in_the_same_process_is_refused(tmp_path: Path) -> None:
    with LocalLog.create(tmp_path / "log"), pytest.raises(LogLocked):
        LocalLog.open(tmp_path / "log", writable=True)
    LocalLog.open(tmp_path / "log", writable=True).close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_lock_is_refused_to_another_process_and_dies_with_its_own(
    tmp_path: Path, number: signal.Signals
) -> None:
    """Oracle: two real processes; readers are never locked out."""
    LocalLog.create(tmp_path / "log").close()
    holder = run_python(HOLD, str(tmp_path / "log"))
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(LogLocked, match="another process is writing"):
        LocalLog.open(tmp_path / "log", writable=True)
    LocalLog.open(tmp_path / "log").close()
    holder.send_signal(number)
    holder.wait()
    holder.communicate()
    LocalLog.open(tmp_path / "log", writable=True).close()


APPEND_FOR_EVER = """
    import sys
    sys.path.insert(0, "tests/log")
    from log_samples import fill
    from streams.log.local import LocalLog
    with LocalLog.open(sys.argv[1], writable=True, segment_records=50) as log:
        first = log.writer("md.marks").next_offset
        print("ready", flush=True)
        while True:
            first = fill(log, [7], first=first)
"""


def test_a_log_whose_writer_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    """Oracle: the records are a function of their number, so what is there must be exactly the
    first n.
    """
    LocalLog.create(tmp_path / "log").close()
    before = 0
    for wait in (0.02, 0.05, 0.08):
        writer = run_python(APPEND_FOR_EVER, str(tmp_path / "log"))
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        time.sleep(wait)
        writer.kill()
        writer.communicate()
        with LocalLog.open(tmp_path / "log", writable=True, segment_records=50) as log:
            end = log.writer(TOPIC).next_offset
            assert end >= before
            assert contents(log) == encode(TOPIC, 0, end)
            before = end
    assert before > 0


def test_a_topic_is_copied_whole_or_not_at_all(tmp_path: Path) -> None:
    """Property: equal bytes; a rest of an interrupted copy is no topic and is replaced."""
    with LocalLog.create(tmp_path / "a", segment_records=3) as source:
        fill(source, [3, 3, 2])
    with LocalLog.open(tmp_path / "a") as source, LocalLog.create(tmp_path / "b") as log:
        (tmp_path / "b" / f".{TOPIC}.part" / "0").mkdir(parents=True)
        shutil.copy(last_segment(tmp_path / "a"), tmp_path / "b" / f".{TOPIC}.part" / "0")
        assert log.topics() == []
        log.copy_topic(source, TOPIC)
        log.copy_topic(source, TOPIC)
        assert contents(log) == contents(source)
        with pytest.raises(NoSuchTopic):
            log.copy_topic(source, "md.quotes")
    names = [
        {path.name: path.read_bytes() for path in (tmp_path / name / TOPIC / "0").iterdir()}
        for name in "ab"
    ]
    assert names[0] == names[1]


def test_a_reader_sees_what_is_appended_after_a_refresh(tmp_path: Path) -> None:
    with LocalLog.create(tmp_path / "log", segment_records=4) as log:
        fill(log, [2])
        reader = log.reader(TOPIC)
        fill(log, [3, 3], first=2)
        assert reader.end_offset == 2
        reader.refresh()
        assert reader.end_offset == 8
        assert b"".join(block.body.tobytes() for block in reader.blocks()) == encode(TOPIC, 0, 8)
