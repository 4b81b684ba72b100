"""A topic to a file that other tools read, and such files to a recording again.

Records are read and written a block at a time, so that memory does not depend on their number. A
file is written under another name first: what is there under its own name is whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from connectors.blocks import TopicBlocks, close_log, extra_bytes
from connectors.captures.importer import remove_made
from connectors.unfinished import create
from jobs.exporting.cells import BadExport, Cells
from jobs.exporting.description import VERSION, ColumnFacts, Description, read_description
from jobs.pipeline import read_instruments
from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.errors import BadData, WrongUse
from schemas.records import Instrument
from schemas.shapes import shapes
from streams.log.digest import topic_digest
from streams.log.local import LocalLog
from streams.log.manifest import MANIFESTS, read_manifest
from streams.log.reader import Block, TopicReader

ORIGIN = ("provenance", "connector", "sources", "licence", "order")
"""What of a folder's manifest goes with an export and comes back with it."""
Progress = Callable[[int, int], None]


class NoPolars(WrongUse):
    """Tables are written and read by polars, which is not installed."""

    code = "no_polars"


class FileThere(WrongUse):
    """A file of that name is there already."""

    code = "file_there"


def _table(cells: Cells, as_decimal: bool, format: str) -> Any:
    try:
        from jobs.exporting.frames import Table  # needs polars: not in the image
    except ModuleNotFoundError:
        raise NoPolars("tables need polars, which is not installed; pip install polars") from None
    return Table(cells.columns, as_decimal, format)


def export_topic(
    folder: Path,
    topic: str,
    out: Path,
    format: str = "parquet",
    as_decimal: bool = False,
    progress: Progress = lambda _done, _total: None,
) -> Description:
    """Write a topic of a recording or a run to the new file ``out``, and its description beside it.

    Args:
        format: parquet, csv or arrow (an IPC file).
        as_decimal: prices, quantities and amounts as decimals, times as instants.

    Raises:
        WrongUse: there is no such topic, or a file is there already. BadExport: a decimal does not
            fit. CorruptLog, NoPolars.
    """
    if out.exists():
        raise FileThere(f"{out} is there already; name a new file")
    with LocalLog.open(folder) as log:
        reader = _reader(log, topic)
        record = topic_of(topic).record
        instruments = read_instruments(log) if "ref.instruments" in log.topics() else []
        cells = Cells(record, instruments, as_decimal)
        table = _table(cells, as_decimal, format)
        described = _described(log, reader, cells, instruments, format, as_decimal)
        draft = out.with_name(f".{out.name}.{os.getpid()}")
        try:
            table.write(draft, _batches(reader, record, cells, progress))
            os.replace(draft, out)
            described.write(out)
        finally:
            draft.unlink(missing_ok=True)
    return described


def _reader(log: LocalLog, topic: str) -> TopicReader:
    if topic not in log.topics():
        raise WrongUse(f"{log.path} holds no {topic}; it has {', '.join(log.topics())}")
    if len(log.partitions(topic)) > 1:
        raise WrongUse(f"{topic} has {len(log.partitions(topic))} partitions; one is exported")
    return log.reader(topic)


def _described(
    log: LocalLog,
    reader: TopicReader,
    cells: Cells,
    instruments: list[Instrument],
    format: str,
    as_decimal: bool,
) -> Description:
    record = topic_of(reader.topic).record
    fields = shapes()[record].fields
    manifest = next((log.path / name for name in MANIFESTS if (log.path / name).exists()), None)
    facts = read_manifest(manifest) if manifest is not None else {}
    return Description(
        version=VERSION,
        topic=reader.topic,
        record=record,
        schema=codec(record).fingerprint.hex(),
        format=format,
        decimal=as_decimal,
        records=reader.count,
        first_offset=reader.start_offset,
        has_holes=reader.count != reader.end_offset - reader.start_offset,
        digest=topic_digest(reader, codec(record)).hex(),
        columns=[
            ColumnFacts(column.name, column.kind, field.unit, field.doc)
            for column, field in zip(cells.columns, fields, strict=True)
        ],
        instruments=instruments,
        origin={key: facts[key] for key in ORIGIN if key in facts},
    )


def _batches(
    reader: TopicReader, record: str, cells: Cells, progress: Progress
) -> Iterator[dict[str, list[Any]]]:
    done, count = 0, reader.count
    blocks: Iterator[Block] = reader.blocks() if count else iter(())
    for block in blocks:
        found = codec(record).decode_records(block.body, block.count)
        yield cells.cells(found)
        done += block.count
        progress(done, count)


class ImportedFile(msgspec.Struct, frozen=True):
    """A file that became a topic: ``is_equal`` if the topic is the one that was exported."""

    topic: str
    records: int
    digest: str
    is_equal: bool


def import_exported(
    files: Sequence[Path], out: Path, progress: Progress = lambda _done, _total: None
) -> list[ImportedFile]:
    """Exported topics as topics of the new folder ``out``, closed as a recording is.

    Raises:
        BadExport: a file is not what its description says. WrongUse: a topic twice, or of another
            recording. LogExists, LogFull.
    """
    described = [(Path(file), read_description(Path(file))) for file in files]
    instruments = _check_together([each for _file, each in described])
    was_there = out.exists()
    with create(out) as log:
        try:
            blocks = [_fill(log, file, each, progress) for file, each in described]
            if not any(each.topic == "ref.instruments" for each in blocks):
                blocks.append(TopicBlocks(log, "ref.instruments"))
                for instrument in instruments:
                    blocks[-1].add(instrument, instrument.event_time)
            manifest = close_log(log, blocks, _origin([each for _file, each in described]))
        except (BadData, WrongUse):
            log.close()
            remove_made(out, was_there)
            raise
    facts = manifest["topics"]
    return [
        ImportedFile(
            each.topic,
            facts[each.topic]["count"],
            facts[each.topic]["digest"],
            facts[each.topic]["digest"] == each.digest,
        )
        for _file, each in described
    ]


def _check_together(described: Sequence[Description]) -> list[Instrument]:
    names = [each.topic for each in described]
    for each in described:
        if each.schema != codec(each.record).fingerprint.hex():
            raise BadExport(f"{each.topic} was exported by another version of its schema")
        if names.count(each.topic) > 1:
            raise WrongUse(f"{each.topic} is given twice; 'sq merge' joins recordings")
        if each.instruments != described[0].instruments:
            raise WrongUse("the files are of different recordings: their instruments differ")
    return described[0].instruments


def _fill(log: LocalLog, file: Path, described: Description, progress: Progress) -> TopicBlocks:
    cells = Cells(described.record, described.instruments, described.decimal)
    table = _table(cells, described.decimal, described.format)
    blocks = TopicBlocks(log, described.topic)
    is_journal = described.record == "JournalRecord"  # a block holds one: its digest proves it
    for batch in table.batches(file):
        first = blocks.count + 1
        try:
            for each in cells.records(batch, first):
                blocks.add(each, getattr(each, "event_time", 0), extra_bytes(each))
                if is_journal:
                    blocks.flush()
            blocks.flush()
        except (BadData, WrongUse) as problem:
            raise BadExport(f"{file.name}, rows from {first}: {problem}") from None
        progress(blocks.count, max(described.records, blocks.count))
    return blocks


def _origin(described: Sequence[Description]) -> dict[str, Any]:
    """What the manifest says of the records' origin: what the exports' said, once."""
    origin: dict[str, Any] = {}
    for each in described:
        for key, value in each.origin.items():
            if origin.setdefault(key, value) != value:
                raise WrongUse(f"the files are of different recordings: their {key} differ")
    return {"provenance": "exported", **origin}
