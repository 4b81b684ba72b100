"""What stands beside an exported file: ``trades.parquet.json`` beside ``trades.parquet``.

It says what the columns are, which instruments they are of, where the records came from and the
topic's digest, so that the file can be read by others and becomes the same topic again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from jobs.exporting.cells import BadExport
from schemas.records import Instrument

FORMATS = ("parquet", "csv", "arrow")
VERSION = 1


class ColumnFacts(msgspec.Struct, frozen=True):
    """A column: kind of its cells, unit and meaning by the schema."""

    name: str
    kind: str
    unit: str
    doc: str


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """An exported topic.

    Attributes:
        schema: fingerprint of the record's schema, in hex.
        first_offset: of the first record; ``has_holes``: offsets that do not follow one another,
            which the file does not hold.
        digest: the topic's, in hex.
        origin: what the folder's manifest says of where its records came from.
    """

    version: int
    topic: str
    record: str
    schema: str
    format: str
    decimal: bool
    records: int
    first_offset: int
    has_holes: bool
    digest: str
    columns: list[ColumnFacts]
    instruments: list[Instrument]
    origin: dict[str, Any]

    def write(self, file: Path) -> None:
        """Write it beside the file."""
        text = msgspec.json.format(msgspec.json.encode(self), indent=1)
        beside(file).write_bytes(text + b"\n")


def beside(file: Path) -> Path:
    """Where the description of a file stands."""
    return file.with_name(file.name + ".json")


def read_description(file: Path) -> Description:
    """The description of a file. Raises BadExport."""
    path = beside(file)
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Description)
    except FileNotFoundError:
        raise BadExport(
            f"{path} is not there: without it {file.name} is a table like any other; see 'sq "
            "import trades', 'quotes' and 'bars'"
        ) from None
    except (msgspec.MsgspecError, OSError) as problem:
        raise BadExport(f"{path} is not what 'sq export' writes: {problem}") from None
    if found.version != VERSION or found.format not in FORMATS:
        raise BadExport(f"{path} is of version {found.version}, this is for {VERSION}")
    return found
