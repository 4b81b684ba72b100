"""A recording repeated: N tiles of it, each later and with higher ids, for benchmarks that need
more rows than were recorded.

Tile k shifts all times by k periods and all ids by k spans. A tile begins with its snapshot, which
clears the book, and holds nothing earlier; a period is a whole number of minutes, so minute bars
fall alike. So every tile gives the same results, moved.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from connectors.blocks import TopicBlocks, close_log
from schemas.catalogue import topic as topic_of
from schemas.codec import NO_LEVELS, codec
from schemas.errors import BadData, WrongUse
from schemas.vocabulary import DepthKind
from streams.log.local import LocalLog
from streams.log.manifest import LOG_MANIFEST, read_manifest

Array = np.ndarray[Any, Any]

MINUTE = 60 * 10**9
TIMES = ("event_time", "receive_time")
IDS = {
    "md.trades": ("trade_id",),
    "md.depth": ("first_update_id", "final_update_id", "previous_update_id"),
    "md.book_tickers": ("update_id",),
}


class CannotTile(BadData):
    """The recording cannot be repeated: an instrument has no snapshot to begin a tile with."""

    code = "cannot_tile"


class Tile(msgspec.Struct, frozen=True):
    """One tile, decoded: all rows of a recording from its last instrument's snapshot on. It must
    fit in memory.

    Attributes:
        rows: by topic. levels: of the depth rows. period: ns from tile to tile. span: ids from tile
            to tile, of trades and of updates.
    """

    rows: dict[str, Array]
    levels: Array
    period: int
    spans: dict[str, int]

    @property
    def row_count(self) -> int:
        """Rows as benchmarks count them: one a level, one an update without levels, one a trade."""
        depth = self.rows["md.depth"]
        levels = depth["bid_count"].astype(np.int64) + depth["ask_count"]
        return int(np.maximum(levels, 1).sum()) + len(self.rows.get("md.trades", ()))


def read_tile(recording: Path | str) -> Tile:
    """Decode the closed log ``recording``. Raises CannotTile; the log's own errors."""
    rows: dict[str, Array] = {}
    levels = NO_LEVELS
    with LocalLog.open(recording) as log:
        for topic in IDS:
            if topic in log.topics():
                rows[topic], found = _read(log, topic)
                levels = found if topic == "md.depth" else levels
    if "md.depth" not in rows:
        raise CannotTile(
            f"{recording} holds no md.depth; only a recording with a book can be tiled"
        )
    rows = _from_snapshots(rows, str(recording))
    first = min(int(found["event_time"].min()) for found in rows.values() if len(found))
    last = max(int(found["event_time"].max()) for found in rows.values() if len(found))
    spans = {
        "md.trades": _span([rows["md.trades"]["trade_id"]]) if len(rows.get("md.trades", ())) else 1
    }
    updates = [rows["md.depth"]["first_update_id"], rows["md.depth"]["final_update_id"]]
    updates += (
        [rows["md.book_tickers"]["update_id"]] if len(rows.get("md.book_tickers", ())) else []
    )
    spans["md.depth"] = spans["md.book_tickers"] = _span(updates)
    return Tile(rows, levels, ((last - first) // MINUTE + 1) * MINUTE, spans)


def tile(
    recording: Path | str,
    out: Path | str,
    copies: int,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> dict[str, Any]:
    """Write ``copies`` tiles of the closed log ``recording`` into the new folder ``out``; returns
    the manifest's content.

    Args:
        progress: told tiles done and tiles wanted.

    Raises:
        CannotTile, LogExists, ForeignFolder, LogFull; WrongUse if ``copies`` is below 1.
    """
    if copies < 1:
        raise WrongUse(f"{copies} tiles were asked for; ask for at least 1")
    recording, out = Path(recording), Path(out)
    one = read_tile(recording)
    with LocalLog.open(recording) as source, LocalLog.create(out) as log:
        topics = {name: TopicBlocks(log, name) for name in ("ref.instruments", *one.rows)}
        instruments = codec("Instrument")
        for block in source.reader("ref.instruments").blocks():
            for record in instruments.decode_records(block.body, block.count):
                topics["ref.instruments"].add(record, record.event_time)
        for number in range(copies):
            for topic, rows in one.rows.items():
                if len(rows):
                    shifted = _shifted(rows, topic, number * one.period, number * one.spans[topic])
                    topics[topic].add_rows(shifted, one.levels if topic == "md.depth" else None)
            progress(number + 1, copies)
        facts = {
            "provenance": read_manifest(recording / LOG_MANIFEST).get("provenance", "recorded"),
            "connector": "captures.tiling",
            "tiles": copies,
            "period": one.period,
            "rows": one.row_count * copies,
        }
        return close_log(log, topics.values(), facts)


def _read(log: LocalLog, topic: str) -> tuple[Array, Array]:
    """All rows of a topic, and the levels of all its depth rows in one table."""
    form = codec(topic_of(topic).record)
    rows: list[Array] = [np.zeros(0, form.dtype)]
    levels: list[Array] = [NO_LEVELS]
    count = 0
    for block in log.reader(topic).blocks():
        found = form.decode_rows(block.body, block.count)
        if form.has_levels:
            found, table = found
            found["first_level"] += count
            count += len(table)
            levels.append(table)
        rows.append(found)
    return np.concatenate(rows), np.concatenate(levels)


def _from_snapshots(rows: dict[str, Array], recording: str) -> dict[str, Array]:
    """Every instrument from its first snapshot on, in all topics."""
    depth = rows["md.depth"]
    is_snapshot = depth["kind"] == int(DepthKind.SNAPSHOT)
    kept = {topic: np.zeros(len(found), np.bool_) for topic, found in rows.items()}
    for instrument in np.unique(np.concatenate([found["instrument"] for found in rows.values()])):
        starts = np.flatnonzero(is_snapshot & (depth["instrument"] == instrument))
        if not len(starts):
            raise CannotTile(
                f"{recording}: instrument {instrument} has no snapshot to begin a tile with; "
                "record one, or tile another recording"
            )
        start = int(starts[0])
        time = int(depth["event_time"][start])
        for topic, found in rows.items():
            ours = found["instrument"] == instrument
            kept[topic] |= ours & (
                np.arange(len(found)) >= start
                if topic == "md.depth"
                else found["event_time"] >= time
            )
    return {topic: np.ascontiguousarray(found[kept[topic]]) for topic, found in rows.items()}


def _span(ids: list[Array]) -> int:
    return max(int(found.max()) for found in ids) - min(int(found.min()) for found in ids) + 1


def _shifted(rows: Array, topic: str, time: int, ids: int) -> Array:
    """The rows later by ``time`` and with ids higher by ``ids``; -1 and 0 that stand for "none"
    stay.
    """
    moved = rows.copy()
    for name in TIMES:
        moved[name] += np.where(rows[name] > 0, time, 0)
    for name in IDS[topic]:
        moved[name] += np.where(rows[name] >= 0, ids, 0)
    return moved
