"""A log folder: created, opened, locked, and its topics' writers and readers."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

from schemas.catalogue import STORED_AS, TOPICS
from schemas.errors import CorruptLog
from streams.log.errors import (
    CorruptBlock,
    ForeignFolder,
    LogClosed,
    LogExists,
    LogLocked,
    LogMissing,
    NoSuchTopic,
    WrongSchema,
)
from streams.log.files import POLICIES, SyncPolicy, make_folder, sync_folder, typed, write_all
from streams.log.found_topics import know_topics_of
from streams.log.manifest import MANIFESTS, read_manifest, write_manifest
from streams.log.reader import Block, TopicReader
from streams.log.recovery import TornTail, recover
from streams.log.runs import RUNS_SUFFIX
from streams.log.segment import INDEX_SUFFIX, SUFFIX, segments_of
from streams.log.verify import FILES, file_entries, files_listed
from streams.log.writer import TopicWriter

__all__ = ["Block", "LocalLog", "TopicReader", "TopicWriter", "TornTail"]

LOCK = "log.lock"
LOCK_TEXT = b"shrivenquant local log, format 1\n"
SEGMENT_RECORDS = 1 << 20


class LocalLog:
    """An open log folder. Use :meth:`create` or :meth:`open`, and it as a context manager or
    :meth:`close`.

    Attributes:
        path: the folder.
        is_writable: True if this process holds the writer's lock.
        reports: torn tails that were cut when it was opened for writing.
        faults: by topic (``topic/partition`` where that is not 0), damage found at its end and left
            in place.
        is_closed: True if a manifest closes the folder.
    """

    def __init__(self, path: Path, lock: int, sync: SyncPolicy, segment_records: int) -> None:
        if sync not in POLICIES:
            raise ValueError(f"sync is one of {', '.join(POLICIES)}, not {sync!r}")
        if segment_records < 1:
            raise ValueError(f"segment_records is at least 1, not {segment_records}")
        self.path = path
        self.is_writable = lock >= 0
        self.reports: list[TornTail] = []
        self.faults: dict[str, CorruptBlock | WrongSchema] = {}
        self._lock = lock
        self._sync = sync
        self._segment_records = segment_records
        self._writers: dict[tuple[str, int], TopicWriter] = {}
        self._lengths: dict[str, int] | None = None
        self._manifest = next((path / name for name in MANIFESTS if (path / name).exists()), None)

    @classmethod
    def create(
        cls, path: Path | str, *, sync: SyncPolicy = "close", segment_records: int = SEGMENT_RECORDS
    ) -> LocalLog:
        """A new log, open for writing; the folder may exist if it is empty.

        Raises:
            LogExists: a log lies there, or around it. ForeignFolder: something else does.
                LogLocked: another process is creating it. LogFull.
        """
        path = Path(path)
        if path.exists() and not path.is_dir():
            raise ForeignFolder(f"{path} is a file; name a new folder")
        if path.is_dir() and _is_log(path):
            raise LogExists(f"{path} holds a log already; name a new folder, or remove it first")
        if path.is_dir() and any(path.iterdir()):
            raise ForeignFolder(f"{path} is not empty and not a log; name a new or an empty folder")
        refuse_within_log(path)
        make_folder(path)
        log = cls(path, _take_lock(path), sync, segment_records)
        if sync == "commit":
            sync_folder(path.parent)
        return log

    @classmethod
    def open(
        cls,
        path: Path | str,
        writable: bool = False,
        *,
        sync: SyncPolicy = "close",
        segment_records: int = SEGMENT_RECORDS,
    ) -> LocalLog:
        """An existing log. For writing: takes the lock, cuts torn tails (``reports``); an empty
        folder becomes a log.

        Args:
            sync: "commit", "close" or "never", see :class:`TopicWriter`.
            segment_records: records after which a segment is full.

        Raises:
            LogMissing, ForeignFolder, LogLocked.
        """
        path = Path(path)
        if not path.exists():
            raise LogMissing(
                f"{path} does not exist; name a folder made by 'sq import', 'sq generate' or 'sq "
                "backtest'"
            )
        if writable and path.is_dir() and not any(path.iterdir()):
            return cls.create(path, sync=sync, segment_records=segment_records)
        if not path.is_dir() or not _is_log(path):
            text = f"{path} is not a log: it has no {LOCK}, {' or '.join(MANIFESTS)}"
            raise ForeignFolder(
                f"{text}; name a folder made by 'sq import', 'sq generate' or 'sq backtest'"
            )
        know_topics_of(path)
        log = cls(path, _take_lock(path) if writable else -1, sync, segment_records)
        if writable and not log.is_closed:
            try:
                log._recover()
            except BaseException:
                log.close()
                raise
        return log

    @property
    def is_closed(self) -> bool:
        """True if a manifest closes the folder; it is then only read."""
        return self._manifest is not None

    def topics(self) -> list[str]:
        """Names of the topics there are, sorted."""
        return sorted({folder.parent.name for folder in self._folders()})

    def partitions(self, topic: str) -> list[int]:
        """Partitions of a topic that there are."""
        return sorted(int(folder.name) for folder in self._folders() if folder.parent.name == topic)

    def _folders(self) -> list[Path]:
        return [
            folder
            for folder in self.path.glob("[!.]*/[0-9]*")
            if folder.name.isdecimal() and segments_of(folder)
        ]

    def writer(
        self,
        topic: str,
        first_offset: int = 0,
        partition: int = 0,
        has_holes: bool = False,
        schema: str = "",
    ) -> TopicWriter:
        """The topic's writer; a new topic is created, beginning at ``first_offset``; with
        ``has_holes`` it keeps a Kafka partition's offsets.

        ``schema`` is another version's that its records are written with; empty: ours.

        Raises:
            LogClosed: a manifest closes the folder. WrongUse: opened for reading. UnknownTopic: not
                in the catalogue.
            CorruptBlock, WrongSchema: the last segment cannot be continued.
        """
        if not self.is_writable:
            raise LogClosed(f"{self.path} was opened for reading; open it for writing")
        if self._manifest is not None:
            raise LogClosed(
                f"{self.path} is closed by {self._manifest.name} and takes no more records; write "
                "to a new folder"
            )
        if (topic, partition) not in self._writers:
            fault = self.faults.get(_label(topic, partition))
            if isinstance(fault, WrongSchema):
                raise fault
            folder = self._folder(topic, partition)
            writer = TopicWriter(
                folder,
                topic,
                self._sync,
                self._segment_records,
                first_offset,
                fault,
                has_holes,
                schema,
            )
            self._writers[topic, partition] = writer
        return self._writers[topic, partition]

    def reader(self, topic: str, partition: int = 0) -> TopicReader:
        """A reader of what the topic holds now; of an input that is stored under another name
        (``catalogue.STORED_AS``), of that.

        Raises:
            NoSuchTopic: names those there are. CorruptLog: the folder is closed and a segment is
                not as long as its manifest says.
        """
        topic = STORED_AS.get(topic, topic)
        if not segments_of(self._folder(topic, partition)):
            held = (
                f"partitions {self.partitions(topic)} of it"
                if topic in self.topics()
                else ", ".join(self.topics()) or "none"
            )
            raise NoSuchTopic(
                f"{self.path} holds no topic {_label(topic, partition)}; it holds {held}"
            )
        if self._manifest is not None:
            self._check_lengths(f"{topic}/{partition}/", self._manifest)
        return TopicReader(self._folder(topic, partition), topic, self.is_closed)

    def copy_topic(self, source: LocalLog, topic: str) -> None:
        """Copy another log's topic here, byte for byte, unless it is here; all of it or, if killed
        meanwhile, nothing.

        Raises:
            NoSuchTopic, LogClosed, LogFull, LogWriteFailed.
        """
        if not self.is_writable or self._manifest is not None:
            raise LogClosed(f"{self.path} takes no more records; write to a new folder")
        if topic not in source.topics():
            raise NoSuchTopic(
                f"{source.path} holds no topic {topic}; it holds "
                f"{', '.join(source.topics()) or 'none'}"
            )
        if topic in self.topics():
            return
        part = self.path / f".{topic}.part"
        try:
            shutil.rmtree(part, ignore_errors=True)
            for partition in map(str, source.partitions(topic)):
                (part / partition).mkdir(parents=True)
                for path in sorted((source.path / topic / partition).iterdir()):
                    shutil.copyfile(path, part / partition / path.name)
            os.replace(part, self.path / topic)
        except OSError as error:
            shutil.rmtree(part, ignore_errors=True)
            raise typed(error, self.path / topic) from None
        if self._sync != "never":
            sync_folder(self.path)

    def set_aside(self, topic: str) -> TopicReader:
        """Take a topic out of the log, so that it can be written anew; :meth:`drop_aside` removes
        what is read here meanwhile.

        Raises:
            NoSuchTopic, LogClosed, LogFull, LogWriteFailed.
        """
        if not self.is_writable or self._manifest is not None:
            raise LogClosed(f"{self.path} takes no more records; write to a new folder")
        if topic not in self.topics():
            raise NoSuchTopic(
                f"{self.path} holds no topic {topic}; it holds {', '.join(self.topics()) or 'none'}"
            )
        for key in [key for key in self._writers if key[0] == topic]:
            self._writers.pop(key).close()
        aside = self.path / f".{topic}.arrival"
        try:
            shutil.rmtree(aside, ignore_errors=True)
            os.replace(self.path / topic, aside)
        except OSError as error:
            raise typed(error, self.path / topic) from None
        return TopicReader(aside / "0", topic, False)

    def drop_aside(self, topic: str) -> None:
        """Remove a topic that was set aside."""
        shutil.rmtree(self.path / f".{topic}.arrival", ignore_errors=True)

    def close(self) -> None:
        """Close the writers and give the lock back; twice does no harm. Raises LogFull,
        LogWriteFailed if a sync is refused.
        """
        try:
            self._close_writers()
        finally:
            self.is_writable = False
            if self._lock >= 0:
                os.close(self._lock)
            self._lock = -1

    def seal(
        self, name: str, content: dict[str, Any], others: Sequence[Path] = ()
    ) -> dict[str, Any]:
        """Close the writers, then the folder by its manifest: ``content`` and the files' digests.
        Returns what was written.

        Args:
            name: ``log.json`` or ``run.json``.
            content: what the manifest says besides.
            others: files in the folder that are no part of a topic (reports) and are digested with
                the rest.

        Raises:
            LogClosed, LogFull, LogWriteFailed.
        """
        if not self.is_writable or self._manifest is not None:
            raise LogClosed(f"{self.path} takes no more records; write to a new folder")
        self._close_writers()
        write_manifest(self.path / name, {**content, FILES: file_entries(self.path, others)})
        self._manifest = self.path / name
        return read_manifest(self._manifest)

    def _close_writers(self) -> None:
        """All at once: the disk takes syncs of many files together in a fraction of the time
        (measured: 15 topics 0.33 s, together 0.08 s).
        """
        writers, self._writers = list(self._writers.values()), {}
        if self._sync == "never" or not writers:
            for writer in writers:
                writer.close()
            return
        with ThreadPoolExecutor(len(writers)) as pool:
            closings = [pool.submit(writer.close) for writer in writers]
        for closing in closings:
            closing.result()
        sync_folder(self.path)

    def __enter__(self) -> LocalLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _folder(self, topic: str, partition: int = 0) -> Path:
        return self.path / topic / str(partition)

    def _recover(self) -> None:
        for folder in sorted(self._folders()):
            topic, partition = folder.parent.name, int(folder.name)
            reports, fault = recover(folder, topic)
            self.reports.extend(reports)
            if fault is not None:
                self.faults[_label(topic, partition)] = fault

    def _check_lengths(self, place: str, manifest: Path) -> None:
        """A closed folder's segments are as long as its manifest says: a cut one is not silently a
        shorter topic.

        Where offsets have holes that holds for their index and runs too, for nothing else knows
        them.
        """
        if self._lengths is None:
            self._lengths = {
                name: entry["bytes"]
                for name, entry in files_listed(read_manifest(manifest)).items()
            }
        for name, listed in self._lengths.items():
            stem, dot, suffix = name.rpartition(".")
            is_needed = dot + suffix == SUFFIX or (
                dot + suffix in (INDEX_SUFFIX, RUNS_SUFFIX) and stem + RUNS_SUFFIX in self._lengths
            )
            if not (name.startswith(place) and is_needed):
                continue
            path = self.path / name
            length = path.stat().st_size if path.exists() else -1
            if length != listed:
                found = "is missing" if length < 0 else f"has {length} bytes"
                raise CorruptLog(
                    f"{path} {found}, {manifest.name} says {listed}; run 'sq verify' on the folder "
                    "and restore the file"
                )


def _label(topic: str, partition: int) -> str:
    """How a partition is named to people: by its topic alone where that is all there is to say."""
    return f"{topic}/{partition}" if partition else topic


def refuse_within_log(folder: Path, own: Path | None = None) -> None:
    """Refuse to write beside what a log's manifest lists: the folder may be no log's, nor lie in
    one.

    Args:
        own: the log that is written for; beside its topics there may be more.

    Raises:
        LogExists: names the log.
    """
    for place in (folder.resolve(), *folder.resolve().parents):
        if (
            own is not None
            and place == own.resolve()
            and next(iter(folder.resolve().relative_to(place).parts), "") not in TOPICS
        ):
            return
        if place.is_dir() and _is_log(place):
            where = (
                f"{folder} is"
                if place == folder.resolve()
                else f"{folder} lies in {place}, which is"
            )
            raise LogExists(
                f"{where} a recording or a run, and nothing else may be written there; name "
                "another folder"
            )


def _is_log(path: Path) -> bool:
    """True if the folder has our lock file, or a manifest (a copy made without the lock file)."""
    try:
        return (path / LOCK).read_bytes() in (LOCK_TEXT, b"")  # empty: killed while it was created
    except FileNotFoundError:
        return any((path / name).exists() for name in MANIFESTS)


def _take_lock(path: Path) -> int:
    """The writer's lock, which the operating system gives back when the process dies, however it
    dies.
    """
    try:
        descriptor = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise typed(error, path / LOCK) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_size == 0:
            write_all(descriptor, [LOCK_TEXT], 0, path / LOCK)
    except BlockingIOError:
        os.close(descriptor)
        raise LogLocked(
            f"another process is writing {path}; wait for it to end or stop it"
        ) from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
