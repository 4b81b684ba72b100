"""Import of Binance recordings, spot and USD-M: raw web-socket lines to a closed local log.

Each line is one of these, and is counted as it:

1. a record of ``md.trades``, ``md.depth`` or ``md.book_tickers``;
2. set aside: a good frame of a stream or kind of trade that is not imported (aggTrade, kline, partial depth; insurance fund, ADL);
3. a dead letter in ``import.dlq``: reason, file, line, raw bytes.

An unknown symbol ends the import, for its lines would be lost silently among dead letters. A damaged file does not: what was read is a closed
log, and the summary's ``damages`` say where it stopped.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from connectors.blocks import LEVEL_BYTES, TopicBlocks, close_log
from connectors.captures import frames
from connectors.captures.feeds import Feed
from connectors.captures.frames import DepthFrame, SetAside, SnapshotFrame, TickerFrame, TradeFrame
from connectors.captures.lines import Lines, Progress
from connectors.captures.numbers import BadField
from connectors.captures.snapshots import DepthQueue
from connectors.captures.summary import FeedSummary, ImportSummary
from connectors.captures.times import Times
from connectors.instruments import Key, find, load
from schemas.errors import BadData, WrongUse
from schemas.records import BookTicker, DeadLetter, DepthUpdate
from streams.log.local import LocalLog
from streams.log.verify import file_digest

DETAIL_LENGTH_MAX = 300
PROGRESS_LINES = 4096
PENDING_MAX = 64
EARLY_MAX = 1 << 14
OVERLAP_MAX = 60 * 10**9
"""ns by which a file may begin before the one before it ends: recorders overlap a little when they roll over."""


class FilesOverlap(WrongUse):
    """A file goes back in time behind the one before it."""

    code = "files_overlap"


class NothingImported(BadData):
    """No line of the recording became a record; the log holds its dead letters."""

    code = "nothing_imported"


def import_binance(
    paths: Sequence[Path | str],
    out: Path | str,
    instruments: Path | Sequence[Path] | None = None,
    progress: Progress = lambda _done, _total: None,
    spot_time_unit: str = "ms",
) -> ImportSummary:
    """Import files, in the order given, as one recording into the new folder ``out``, closed by ``log.json``.

    Args:
        instruments: a table, or several in order, that add to the shipped ones or override them.
        progress: called with bytes read and bytes there are, on disk.
        spot_time_unit: "ms" or "us", as the streams were opened.

    Raises:
        RecordingMissing, BadInstrumentTable, BadTimeUnit, LogExists, ForeignFolder: before anything is written.
        UnknownSymbol, InverseContract, FilesOverlap: nothing is kept. NothingImported: a closed log with the dead letters is.
        LogFull, LogWriteFailed, RecordingUnreadable: an unclosed log is left.
    """
    lines = Lines([Path(path) for path in paths])
    table = load([instruments] if isinstance(instruments, str | Path) else instruments or ())
    times = Times(spot_time_unit)
    out = Path(out)
    was_there = out.exists()
    with LocalLog.create(out) as log:
        run = _Import(lines, table, times, log)
        try:
            return run.run(progress)
        except WrongUse:
            log.close()
            _remove(out, was_there)
            raise


def _remove(out: Path, was_there: bool) -> None:
    """Take back what this import made of ``out``, which was new or empty."""
    for path in sorted(out.iterdir()):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    if not was_there:
        out.rmdir()


class _Import:
    """One import under way."""

    def __init__(self, lines: Lines, table: dict[Key, Any], times: Times, log: LocalLog) -> None:
        self._lines = lines
        self._table = table
        self._times = times
        self._log = log
        self._topics: dict[str, TopicBlocks] = {}
        self._feeds: dict[Key, Feed] = {}
        self._queue = DepthQueue(self._write_depth)
        self._pending: list[tuple[SnapshotFrame, int, int, str, bytes]] = []
        self._early: list[BookTicker] = []
        self._dead: Counter[str] = Counter()
        self._set_aside: Counter[str] = Counter()
        self._letters = self._topic("import.dlq")
        self._path = lines.path
        self._received = 0

    def run(self, progress: Progress) -> ImportSummary:
        """Every line, then what was held back, then the log is closed."""
        lines = self._lines
        for line in lines:
            try:
                if lines.is_cut:
                    raise BadField("truncated_line", "the line is not whole: the file ends inside it, or it is too long")
                self._take(line)
            except BadField as problem:
                self._dead_letter(problem, lines.file, lines.number, line)
            if lines.number % PROGRESS_LINES == 0:
                progress(lines.bytes_done, lines.bytes_total)
        self._place_pending(is_last=True)
        self._write_early()
        self._queue.close()
        self._write_instruments()
        summary = self._summary()
        facts = {
            "provenance": "recorded",
            "connector": "captures.binance",
            "sources": [{"file": path.name, "bytes": path.stat().st_size, "sha256": file_digest(path)} for path in lines.paths],
            "import": summary.to_dict(),
        }
        close_log(self._log, self._topics.values(), facts)
        progress(lines.bytes_total, lines.bytes_total)
        self._refuse_nothing()
        return summary

    def _take(self, line: bytes) -> None:
        """One line. Raises BadField; UnknownSymbol, InverseContract."""
        received, at = frames.receive_time(line)
        frame = frames.read(line[at:])
        self._times.receive(received)
        self._check_order(received)
        if isinstance(frame, SetAside):
            self._set_aside[frame.stream] += 1
            return
        if isinstance(frame, SnapshotFrame):
            if len(self._pending) >= PENDING_MAX:
                raise BadField("unplaced_snapshot", "too many snapshots wait for their instrument's first price")
            self._pending.append((frame, received, self._lines.number, self._lines.file, line))
            self._place_pending()
            return
        feed = self._feed(frames.venue_of(frame), frame.s)
        if isinstance(frame, TickerFrame):
            self._take_ticker(feed.ticker(frame, received))
        elif isinstance(frame, TradeFrame):
            trade = feed.trade(frame, received)
            if trade is None:
                self._set_aside[f"trade {frame.X}"] += 1
            else:
                self._topic("md.trades").add(trade, trade.event_time)
        elif isinstance(frame, DepthFrame):
            self._queue.add(feed.depth(frame, received))
        if self._pending:
            self._place_pending()

    def _check_order(self, received: int) -> None:
        """Files of one recording follow each other: a topic's order is the order of its lines. Raises FilesOverlap."""
        if self._lines.path != self._path:
            if received < self._received - OVERLAP_MAX:
                raise FilesOverlap(
                    f"{self._lines.path} begins {(self._received - received) // 10**9} s before {self._path} ends; "
                    "give files in the order of their times, and import recordings made side by side into folders of their own"
                )
            self._path = self._lines.path
        self._received = received

    def _take_ticker(self, ticker: BookTicker) -> None:
        """Spot tickers have no time; those before the first record that has one wait for it, and get it."""
        if not ticker.event_time and len(self._early) < EARLY_MAX:
            self._early.append(ticker)
            return
        if self._early:
            self._write_early()
        self._topic("md.book_tickers").add(ticker, ticker.event_time)

    def _write_early(self) -> None:
        early, self._early = self._early, []
        for ticker in early:
            time = self._times.start or ticker.receive_time
            self._topic("md.book_tickers").add(msgspec.structs.replace(ticker, event_time=time), time)

    def _feed(self, venue: str, symbol: str) -> Feed:
        feed = self._feeds.get((venue, symbol))
        if feed is None:
            feed = self._feeds[venue, symbol] = Feed(find(self._table, venue, symbol), self._times)
        return feed

    def _topic(self, name: str) -> TopicBlocks:
        found = self._topics.get(name)
        if found is None:
            found = self._topics[name] = TopicBlocks(self._log, name)
        return found

    def _place_pending(self, is_last: bool = False) -> None:
        """Give each waiting snapshot to the instrument whose prices it shows, as soon as there is one."""
        waiting, self._pending = self._pending, []
        for entry in waiting:
            frame, received, number, file, line = entry
            is_futures = frame.T is not msgspec.UNSET
            owners = [feed for feed in self._feeds.values() if feed.is_futures == is_futures and feed.owns(frame)]
            try:
                if len(owners) == 1:
                    self._queue.place(owners[0].snapshot(frame, received), is_futures)
                    owners[0].snapshots += 1
                elif owners:
                    raise BadField("ambiguous_snapshot", f"snapshot {frame.lastUpdateId} names no symbol and could be any of {len(owners)}")
                elif is_last:
                    raise BadField("unplaced_snapshot", f"snapshot {frame.lastUpdateId} names no symbol and shows no instrument's prices")
                else:
                    self._pending.append(entry)
            except BadField as problem:
                self._dead_letter(problem, file, number, line)

    def _write_depth(self, update: DepthUpdate) -> None:
        self._topic("md.depth").add(update, update.event_time, LEVEL_BYTES * (len(update.bids) + len(update.asks)))

    def _write_instruments(self) -> None:
        """The specifications of the instruments that occurred, by id, in force from the recording's start."""
        for instrument in sorted((feed.instrument for feed in self._feeds.values()), key=lambda found: found.instrument):
            record = msgspec.structs.replace(instrument, event_time=self._times.first)
            self._topic("ref.instruments").add(record, record.event_time)

    def _dead_letter(self, problem: BadField, file: str, number: int, line: bytes) -> None:
        self._dead[problem.reason] += 1
        letter = DeadLetter(problem.reason, problem.detail[:DETAIL_LENGTH_MAX], file, 0, number, line)
        self._letters.add(letter, 0, len(line) + DETAIL_LENGTH_MAX + len(file))

    def _summary(self) -> ImportSummary:
        found = [
            FeedSummary(
                instrument=feed.instrument.instrument,
                venue=feed.instrument.venue,
                symbol=feed.instrument.symbol,
                missing_trades=feed.trade_ids.missing,
                depth_gaps=feed.depth_gaps,
                snapshots=feed.snapshots,
            )
            for feed in sorted(self._feeds.values(), key=lambda feed: feed.instrument.instrument)
        ]
        return ImportSummary(
            lines=self._lines.number,
            counts={name: topic.count for name, topic in sorted(self._topics.items())},
            reasons=dict(sorted(self._dead.items())),
            set_aside=dict(sorted(self._set_aside.items())),
            instruments=found,
            first_time=self._times.first,
            last_time=self._times.last,
            damages=list(self._lines.damages),
        )

    def _refuse_nothing(self) -> None:
        if any(name.startswith("md.") for name in self._topics):
            return
        worst = self._dead.most_common(1)
        seen = f"of {self._lines.number} lines {worst[0][1]} are dead letters for {worst[0][0]}" if worst else "the files hold no frames"
        files = ", ".join(path.name for path in self._lines.paths)
        raise NothingImported(f"no market data was found in {files}: {seen}; see 'sq cat {self._log.path} import.dlq'")
