"""What the local log costs: appending and reading blocks of real-sized depth updates, beside
fastavro's container and a plain file.

``python tests/benchmarks/log.py`` prints the rows. The data set fits the page cache, so this is the
cost of the code and the system calls, not of the disk; ``log.sync`` is the disk.
"""

from __future__ import annotations

import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import numpy as np

from schemas.shapes import schemas
from streams.log.local import LocalLog

BLOCKS = 64
BLOCK_RECORDS = 4_096
FASTAVRO_BLOCKS = 2
SMALL_BLOCKS = 20_000
SYNCS = 100
RUNS = 5


def sample_body(count: int) -> bytes:
    """Bodies of depth updates with twenty levels each."""
    schema: Any = fastavro.parse_schema(schemas()["DepthUpdate"])
    record: dict[str, Any] = {}
    for field in schema["fields"]:
        kind: Any = field["type"]
        is_levels = isinstance(kind, dict) and kind["type"] == "array"
        is_enum = isinstance(kind, dict) and kind["type"] == "enum"
        levels = [{"price": 6_000_000 + place, "quantity": 10_000 * place} for place in range(10)]
        record[field["name"]] = (
            levels
            if is_levels
            else kind["symbols"][1]
            if is_enum
            else None
            if isinstance(kind, list)
            else 1_700_000_000
        )
    out = io.BytesIO()
    for _ in range(count):
        fastavro.schemaless_writer(out, schema, record)
    return out.getvalue()


def seconds(work: Callable[[], Any]) -> float:
    """Wall seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def row(
    name: str,
    peer: str,
    unit: str,
    ours: list[float],
    peers: list[float],
    amount: float,
    peer_amount: float,
) -> dict[str, Any]:
    """A result row: rates from the medians of alternating runs."""
    value, peer_value = amount / statistics.median(ours), peer_amount / statistics.median(peers)
    return {
        "name": name,
        "peer": peer,
        "value": value,
        "unit": unit,
        "peer_value": peer_value,
        "ratio": value / peer_value,
        "runs": {"ours_seconds": ours, "peer_seconds": peers},
    }


def run() -> list[dict[str, Any]]:
    """Rows ``log.append`` and ``log.read`` beside a raw file and fastavro, small blocks, and the
    disk's sync.
    """
    body = np.frombuffer(sample_body(BLOCK_RECORDS), np.uint8)
    megabytes = BLOCKS * len(body) / 1e6
    parsed = fastavro.parse_schema(schemas()["DepthUpdate"])
    records = fastavro_records(parsed, body.tobytes(), BLOCK_RECORDS)
    measured: dict[str, list[float]] = {
        key: []
        for key in (
            "append",
            "raw append",
            "fastavro append",
            "read",
            "raw read",
            "fastavro read",
            "small",
        )
    }
    measured |= {"raw small": [], "commit": [], "raw commit": []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(RUNS):
            path = Path(folder) / str(number)
            with LocalLog.create(path, sync="never") as log:
                writer = log.writer("md.depth")
                measured["append"].append(
                    seconds(
                        lambda writer=writer: [
                            writer.append(body, BLOCK_RECORDS, 1) for _ in range(BLOCKS)
                        ]
                    )
                )  # type: ignore[misc]
                raw = path / "raw"
                measured["raw append"].append(seconds(lambda raw=raw: write_raw(raw, body)))  # type: ignore[misc]
                container = path / "container"
                measured["fastavro append"].append(
                    seconds(lambda container=container: write_fastavro(container, parsed, records))
                )  # type: ignore[misc]
                reader = log.reader("md.depth")
                measured["read"].append(
                    seconds(lambda reader=reader: [block.count for block in reader.blocks()])
                )  # type: ignore[misc]
                measured["raw read"].append(seconds(lambda raw=raw: read_raw(raw, len(body))))  # type: ignore[misc]
                measured["fastavro read"].append(
                    seconds(lambda container=container: read_fastavro(container))
                )  # type: ignore[misc]
                small = log.writer("md.trades")
                one = bytes(40)
                measured["small"].append(
                    seconds(
                        lambda small=small, one=one: [
                            small.append(one, 1) for _ in range(SMALL_BLOCKS)
                        ]
                    )
                )  # type: ignore[misc]
                measured["raw small"].append(
                    seconds(lambda raw=raw, one=one: write_raw(raw, one, SMALL_BLOCKS))
                )  # type: ignore[misc]
            with LocalLog.create(Path(folder) / f"{number}-synced", sync="commit") as log:
                writer = log.writer("md.depth")
                measured["commit"].append(
                    seconds(
                        lambda writer=writer: [
                            (writer.append(body[:4096], 1, 1), writer.sync()) for _ in range(SYNCS)
                        ]
                    )
                )  # type: ignore[misc]
                measured["raw commit"].append(
                    seconds(lambda path=path: write_synced(path / "raw", body[:4096]))
                )  # type: ignore[misc]
    fastavro_megabytes = FASTAVRO_BLOCKS * len(body) / 1e6
    return [
        row(
            "log.append",
            "raw file",
            "MB/s",
            measured["append"],
            measured["raw append"],
            megabytes,
            megabytes,
        ),
        row(
            "log.append",
            "fastavro",
            "MB/s",
            measured["append"],
            measured["fastavro append"],
            megabytes,
            fastavro_megabytes,
        ),
        row(
            "log.read",
            "raw file",
            "MB/s",
            measured["read"],
            measured["raw read"],
            megabytes,
            megabytes,
        ),
        row(
            "log.read",
            "fastavro",
            "MB/s",
            measured["read"],
            measured["fastavro read"],
            megabytes,
            fastavro_megabytes,
        ),
        row(
            "log.commit",
            "raw file",
            "synced blocks/s",
            measured["commit"],
            measured["raw commit"],
            SYNCS,
            SYNCS,
        ),
        row(
            "log.append.small",
            "raw file",
            "blocks/s",
            measured["small"],
            measured["raw small"],
            SMALL_BLOCKS,
            SMALL_BLOCKS,
        ),
    ]


def fastavro_records(schema: Any, body: bytes, count: int) -> list[Any]:
    """The body's records as dictionaries."""
    source = io.BytesIO(body)
    return [fastavro.schemaless_reader(source, schema, None) for _ in range(count)]


def write_raw(path: Path, body: Any, blocks: int = BLOCKS) -> None:
    """The same bytes by one write a block, nothing else."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for _ in range(blocks):
        os.write(descriptor, body)
    os.close(descriptor)


def read_raw(path: Path, length: int) -> None:
    """The same bytes by one read a block."""
    descriptor = os.open(path, os.O_RDONLY)
    while os.read(descriptor, length):
        pass
    os.close(descriptor)


def write_fastavro(path: Path, schema: Any, records: list[Any]) -> None:
    """The same records through fastavro's container writer; it encodes, which our log leaves to the
    codec.
    """
    with path.open("wb") as file:
        fastavro.writer(
            file,
            schema,
            (record for _ in range(FASTAVRO_BLOCKS) for record in records),
            codec="null",
        )


def read_fastavro(path: Path) -> None:
    """The same records through fastavro's container reader; it decodes, which our log leaves to the
    codec.
    """
    with path.open("rb") as file:
        for _ in fastavro.reader(file):
            pass


def write_synced(path: Path, body: Any) -> None:
    """One write and one fdatasync a block."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for _ in range(SYNCS):
        os.write(descriptor, body)
        os.fdatasync(descriptor)
    os.close(descriptor)


if __name__ == "__main__":
    for found in run():
        print(
            f"{found['name']:18} {found['value']:10.0f} {found['unit']}  {found['peer']} "
            f"{found['peer_value']:.0f}, ratio {found['ratio']:.2f}"
        )
