"""Verify: re-execute a run's journal with this code, and check every byte that was written.

Says apart what changed: the input, the code, or the output. The first divergent batch, topic and record are named.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.errors import CorruptLog, ShrivenError
from streams.log.local import Block, LocalLog
from streams.runtime.code import changed_sources
from streams.runtime.execution import Execution, Output
from streams.runtime.journal import BATCH, CLOSE, GENESIS, NO_DIGEST, JournalEntry, decode_entry
from streams.runtime.task import JOURNAL, compare


class Finding(msgspec.Struct, frozen=True):
    """Something that is not as the journal says. ``kind``: input, code, output or file."""

    kind: str
    text: str


class Verdict(msgspec.Struct):
    """Result of a verification."""

    batches: int = 0
    records: int = 0
    closed: bool = False
    findings: list[Finding] = []

    @property
    def is_good(self) -> bool:
        """True if at least one batch was verified and nothing was found."""
        return self.batches > 0 and not self.findings


def read_journal(folder: LocalLog) -> Iterator[JournalEntry]:
    """The journal's records in order, the chain checked.

    Raises:
        CorruptLog: a record is damaged or does not continue the one before.
    """
    previous = NO_DIGEST
    for number, block in enumerate(folder.reader(JOURNAL).blocks()):
        entry = decode_entry(bytes(block.body))
        if entry.previous_digest != previous or entry.sequence != number or block.count != 1:
            raise CorruptLog(f"journal record {number} does not continue the one before it")
        previous = entry.digest
        yield entry


class _Written:
    """The blocks of one output topic, read along with the journal."""

    def __init__(self, folder: LocalLog, topic: str) -> None:
        self.topic = topic
        self.reader = folder.reader(topic) if topic in folder.topics() else None
        self.blocks: Iterator[Block] = iter(self.reader.blocks()) if self.reader is not None else iter(())
        self.offset = 0

    def take(self, count: int) -> tuple[bytes, int]:
        """Bodies of the next blocks until ``count`` records are there, and how many were."""
        parts: list[bytes] = []
        taken = 0
        while taken < count:
            block = next(self.blocks, None)
            if block is None:
                break
            parts.append(bytes(block.body))
            taken += block.count
        self.offset += taken
        return (parts[0] if len(parts) == 1 else b"".join(parts)), taken

    @property
    def end_offset(self) -> int:
        """Records in the topic."""
        return self.reader.end_offset if self.reader is not None else 0


class Verifier:
    """Verifies one run folder.

    Args:
        folder: the run.
        prepare: builds the execution from the genesis facts.
        sources: this code's sources and digests.
    """

    def __init__(
        self,
        folder: LocalLog,
        prepare: Callable[[dict[str, Any]], Execution],
        sources: dict[str, str],
        on_progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.folder = folder
        self.prepare = prepare
        self.sources = sources
        self.verdict = Verdict(findings=[])
        self.on_progress = on_progress

    def verify(self) -> Verdict:
        """Re-execute every batch; stops at the first that differs."""
        try:
            self._verify()
        except ShrivenError as problem:
            self._found("file" if isinstance(problem, CorruptLog) else "input" if "input changed" in str(problem) else "code", str(problem))
        return self.verdict

    def _found(self, kind: str, text: str) -> None:
        self.verdict.findings.append(Finding(kind, text))

    def _verify(self) -> None:
        entries = read_journal(self.folder)
        genesis = next(entries, None)
        if genesis is None or genesis.kind != GENESIS:
            raise CorruptLog("the journal is empty or does not begin with a genesis record; nothing can be verified")
        changed = changed_sources(genesis.facts.get("sources", {}), self.sources)
        note = f"; this code differs from the run's in {', '.join(changed[:5])}" if changed else ""
        execution = self.prepare(genesis.facts)
        written = {topic: _Written(self.folder, topic) for topic in execution.outputs}
        total = sum(feed.end_offset - feed.offset for feed in execution.feeds)
        for entry in entries:
            if entry.kind == CLOSE:
                self.verdict.closed = True
                continue
            if entry.kind != BATCH:
                raise CorruptLog(f"journal record {entry.sequence} is of a kind this version does not know")
            execution.check_elements(entry.elements)
            batch = execution.repeat_batch(entry.elements)
            difference = compare(batch, entry, execution)
            made = {output.topic: output for output in batch.outputs}
            finding = self._compare_written(entry, execution, written, made)
            if difference:
                kind = "input" if difference.startswith("input") else "code"
                record = f" ({finding})" if finding and kind == "code" else ""
                self._found(kind, f"batch {entry.sequence}: {difference}{record}{note}")
                return
            if finding:
                self._found("output", f"batch {entry.sequence}: output changed: {finding}")
                return
            self.verdict.batches += 1
            self.verdict.records = batch.consumed
            if self.on_progress is not None:
                self.on_progress(batch.consumed, total)
        for topic, reader in written.items():
            if reader.end_offset != reader.offset:
                self._found("output", f"{topic} holds {reader.end_offset - reader.offset} records after the journal's end")
        if self.verdict.batches == 0:
            self._found("file", "the journal has no batch: nothing was verified")

    def _compare_written(self, entry: JournalEntry, execution: Execution, written: dict[str, _Written], made: dict[str, Output]) -> str:
        """The first record on the log that is not what was made now; empty if none."""
        for item in entry.outputs:
            topic = execution.outputs[item.output]
            first = written[topic].offset
            body, count = written[topic].take(item.count)
            if count != item.count:
                return f"{topic} ends at offset {first + count}, the journal says {first + item.count}"
            output = made.get(topic)
            if output is None:
                return f"{topic} offset {first} is on the log and was not made"
            if hashlib.sha256(body).digest() != output.digest:
                return first_difference(topic, first, body, count, bytes(output.body), output.count)
        return ""


def first_difference(topic: str, first: int, before: bytes, before_count: int, now: bytes, now_count: int) -> str:
    """Name the first record in which two bodies differ, with its fields."""
    decoder = codec(topic_of(topic).record)
    try:
        old, new = decoder.decode_records(before, before_count), decoder.decode_records(now, now_count)
    except ShrivenError:
        return f"{topic} from offset {first}: the bytes on the log are no records"
    for number, (a, b) in enumerate(zip(old, new, strict=False)):
        if a != b:
            pairs = [(name, getattr(a, name), getattr(b, name)) for name in a.__struct_fields__]
            fields = [f"{name} {was!r} on the log, {now_is!r} now" for name, was, now_is in pairs if was != now_is]
            return f"{topic} offset {first + number}: {', '.join(fields[:4])}"
    if before_count != now_count:
        return f"{topic} offset {first + min(before_count, now_count)}: {before_count} records on the log, {now_count} now"
    return f"{topic} from offset {first}: same records, other bytes"
