"""Runs and recordings rewritten as a forger with all our tools would: records changed, digests made
again, the journal chained anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from streams.log.digest import topic_digest
from streams.log.local import LocalLog
from streams.log.manifest import DIGEST, DamagedManifest, read_manifest
from streams.runtime.journal.journal import (
    JOURNAL,
    NO_DIGEST,
    JournalEntry,
    OutputEntry,
    decode_entry,
)
from streams.runtime.verify.verify import Verdict
from tests.scenario import write_recording

Records = list[Any]
Edit = Callable[[Records], Records]
STRATEGY = """\
import msgspec
from streams.signals.strategy import Strategy, StrategyState
{imports}

class Mine(Strategy):
    NAME = "mine"
    WAKES = ("marks",)

    class State(StrategyState):
        marks: int = 0

    def on_mark(self, mark, context):
        self.state.marks += 1
        if self.state.marks % 20 == 0 and mark.bid_price:
            self.order(context, mark.instrument, 1, {quantity})
"""


def replaced(record: Any, **changes: Any) -> Any:
    """The record with other values in some fields."""
    return type(record)(
        *(changes.get(name, getattr(record, name)) for name in record.__struct_fields__)
    )


def journal_of(folder: Path) -> list[JournalEntry]:
    """The journal's records."""
    log = LocalLog.open(folder)
    entries = [decode_entry(bytes(block.body)) for block in log.reader(JOURNAL).blocks()]
    log.close()
    return entries


def forge_run(
    folder: Path,
    out: Path,
    edits: dict[str, Edit] | None = None,
    journal: Callable[[list[JournalEntry]], list[JournalEntry]] = lambda entries: entries,
    manifest: Callable[[dict[str, Any]], None] = lambda _: None,
    is_rejournaled: bool = False,
    is_sealed: bool = True,
    files: dict[str, Callable[[bytes], bytes | None]] | None = None,
) -> Path:
    """A copy of a run folder with changes, everything around them made consistent.

    Args:
        edits: by topic, what becomes of each block's records.
        journal: what becomes of the journal's records; they are chained again.
        manifest: changes what ``run.json`` says, before its own digest is made.
        is_rejournaled: the journal is told the digests of the changed outputs.
        is_sealed: write ``run.json``; without it the run looks unfinished.
        files: what becomes of other files, by their paths: reports, the copy of a strategy. None
            takes one away; a new one is given no bytes.
    """
    source = LocalLog.open(folder)
    forged = LocalLog.create(out)
    written: dict[str, list[OutputEntry]] = {}
    edits = edits or {}
    for topic in source.topics():
        if topic == JOURNAL:
            continue
        writer, coder = forged.writer(topic), codec(topic_of(topic).record)
        for number, block in enumerate(source.reader(topic).blocks()):
            body, count = bytes(block.body), block.count
            if topic in edits:
                records = edits[topic](list(coder.decode_records(block.body, block.count)))
                body, count = bytes(coder.encode_records(records)), len(records)
            checksum = writer.append(body, count)
            written.setdefault(topic, []).append(
                OutputEntry(
                    number, count, hashlib.sha256(body).digest(), checksum, writer.end_position, -1
                )
            )
    topics = _topics_by_number(folder)
    entries = journal(
        [decode_entry(bytes(block.body)) for block in source.reader(JOURNAL).blocks()]
    )
    taken = dict.fromkeys(written, 0)
    previous, writer = NO_DIGEST, forged.writer(JOURNAL)
    for number, entry in enumerate(entries):
        entry.sequence, entry.previous_digest = number, previous
        if is_rejournaled:
            outputs = []
            for item in entry.outputs:
                new = written[topics[item.output]][taken[topics[item.output]]]
                taken[topics[item.output]] += 1
                outputs.append(
                    OutputEntry(
                        item.output, new.count, new.digest, new.checksum, new.end_position, -1
                    )
                )
            entry.outputs = outputs
        writer.append(entry.encode(), 1)
        previous = entry.digest
    source.close()
    others = [
        path
        for path in folder.iterdir()
        if path.is_file() and path.suffix in (".html", ".csv") or path.name == "report.json"
    ]
    copied = [Path(shutil.copy(path, out / path.name)) for path in others]
    if (folder / "code").is_dir():
        shutil.copytree(folder / "code", out / "code")
        copied += sorted(path for path in (out / "code").rglob("*") if path.is_file())
    for name, change in (files or {}).items():
        place = out / name
        content = change(place.read_bytes() if place.exists() else b"")
        place.unlink(missing_ok=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        if content is not None:
            place.write_bytes(content)
        copied = [path for path in {*copied, place} if path.exists()]
    if is_sealed:
        facts = {
            key: value
            for key, value in read_manifest(folder / "run.json").items()
            if key not in (DIGEST, "files")
        }
        for topic in forged.topics():
            reader = forged.reader(topic)
            facts["topics"][topic] = {
                "count": reader.end_offset,
                "digest": topic_digest(reader, codec(topic_of(topic).record)).hex(),
            }
        manifest(facts)
        with contextlib.suppress(DamagedManifest):  # it is written, and refused as it is read back
            forged.seal("run.json", facts, copied)
    forged.close()
    return out


def _topics_by_number(folder: Path) -> dict[int, str]:
    """The journal's numbers of output topics: their places in the catalogue's order, dead letters
    last.
    """
    from jobs.runs import execution_for, open_input, open_run

    log, facts = open_run(folder)
    with log, open_input(facts, None) as source:
        return dict(enumerate(execution_for(folder, facts, source).outputs))


def forge_recording(recording: Path, out: Path, topic: str, edit: Edit) -> Path:
    """A recording whose records were changed and whose ``log.json`` was made again."""
    source = LocalLog.open(recording)
    found: dict[str, Records] = {}
    for name in ("ref.instruments", "md.trades", "md.depth"):
        decoder = codec(topic_of(name).record)
        found[name] = [
            record
            for block in source.reader(name).blocks()
            for record in decoder.decode_records(block.body, block.count)
        ]
    source.close()
    found[topic] = edit(found[topic])
    return write_recording(out, found["ref.instruments"], found["md.trades"], found["md.depth"])


def kinds(verdict: Verdict) -> list[str]:
    """What kinds of finding there are."""
    return [finding.kind for finding in verdict.findings]


def text(verdict: Verdict) -> str:
    """All that was found, in one line."""
    return " | ".join(finding.text for finding in verdict.findings)
