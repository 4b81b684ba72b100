"""Import of Binance recordings, spot and USD-M: raw web-socket lines to a closed local log.

Each line is one of these, and is counted as it:

1. a record of ``md.trades``, ``md.depth`` or ``md.book_tickers``;
2. set aside: a good frame of a stream or kind of trade that is not imported (kline, partial depth;
   insurance fund, ADL; aggregated trades beside single ones);
3. a dead letter in ``import.dlq``: reason, file, line, raw bytes;
4. blank.

An unknown symbol ends the import, for its lines would be lost silently among dead letters. A
damaged file does not: what was read is a closed log, and the summary's ``damages`` say where it
stopped. Several instruments lie in one order at the end (:mod:`connectors.ordering`).
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from connectors.blocks import LEVEL_BYTES, TopicBlocks, close_log
from connectors.captures import frames
from connectors.captures.feeds import Feed
from connectors.captures.frames import (
    AggregateFrame,
    DepthFrame,
    NamedSnapshot,
    SetAside,
    SnapshotFrame,
    TickerFrame,
    TradeFrame,
)
from connectors.captures.kinds import text_of
from connectors.captures.lines import Lines, Progress
from connectors.captures.numbers import BadField
from connectors.captures.placing import Placing, Waiting
from connectors.captures.snapshots import DepthQueue
from connectors.captures.summary import FeedSummary, ImportSummary
from connectors.captures.times import Times
from connectors.instruments import Key, Tables, find, loaded
from connectors.ordering import ORDER, put_in_order
from connectors.unfinished import create
from schemas.errors import BadData, WrongUse
from schemas.records import BookTicker, DeadLetter, DepthUpdate, Instrument, Trade
from streams.log.local import LocalLog

DETAIL_LENGTH_MAX = 300
PROGRESS_LINES = 4096
ReadLine = Callable[[bytes], tuple[int | None, Any]]
"""A line to its receive time, None where it has none, and its frame: any, or ``SetAside``."""
EARLY_MAX = 1 << 14
HEAD_LINES = 512
"""Lines read before the first is taken: they show the usual offset between event and receive time.
"""
OVERLAP_MAX = 60 * 10**9
"""ns by which a file may begin before the one before it ends: recorders overlap a little when they
roll over.
"""


class FilesOverlap(WrongUse):
    """A file goes back in time behind the one before it."""

    code = "files_overlap"


class NothingImported(BadData):
    """No line of the recording became a record; the log holds its dead letters."""

    code = "nothing_imported"


def import_binance(
    paths: Sequence[Path | str],
    out: Path | str,
    instruments: Tables = None,
    progress: Progress = lambda _done, _total: None,
    spot_time_unit: str | None = None,
) -> ImportSummary:
    """Import files, in the order given, as one recording into the new folder ``out``, closed by
    ``log.json``.

    Args:
        instruments: a table, or several in order, that add to the shipped ones or override them.
        progress: called with bytes read and bytes there are, on disk.
        spot_time_unit: "ms" or "us", as the streams were opened; None: by the size of each time.

    Raises:
        RecordingMissing, BadInstrumentTable, BadTimeUnit, LogExists, ForeignFolder: before anything
            is written.
        UnknownSymbol, InverseContract, FilesOverlap, NotLines: nothing is kept. NothingImported: a
            closed log with the dead letters is.
        LogFull, LogWriteFailed, RecordingUnreadable: an unclosed log is left.
    """
    lines = Lines([Path(path) for path in paths])
    table, times = loaded(instruments), Times(spot_time_unit)
    return import_lines(
        out, progress, lambda log: Import(lines, table, times, log, frames.read_line)
    )


def import_lines(
    out: Path | str, progress: Progress, made: Callable[[LocalLog], Import]
) -> ImportSummary:
    """Import lines of any framing by what is ``made`` of the new log."""
    out = Path(out)
    was_there = out.exists()
    with create(out) as log:
        run = made(log)
        try:
            return run.run(progress)
        except WrongUse:
            log.close()
            remove_made(out, was_there)
            raise


def remove_made(out: Path, was_there: bool) -> None:
    """Take back what this import made of ``out``, which was new or empty."""
    for path in sorted(out.iterdir()):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    if not was_there:
        out.rmdir()


class Line(NamedTuple):
    """One line, and where it stands."""

    text: bytes
    number: int
    file: str
    path: Path
    is_cut: bool


class Import:
    """One import under way. ``CONNECTOR``: its name in the manifest."""

    CONNECTOR = "captures.binance"

    def __init__(
        self, lines: Lines, table: Mapping[Key, Any], times: Times, log: LocalLog,
        read_line: ReadLine,
    ) -> None:  # fmt: skip
        self._lines = lines
        self._read_line = read_line
        self._table = table
        self._times = times
        self._log = log
        self._topics: dict[str, TopicBlocks] = {}
        self._feeds: dict[Key, Feed] = {}
        self._queue = DepthQueue(self._write_depth)
        self._placing = Placing(self._queue, self._feeds, self._refuse)
        self._dead: Counter[str] = Counter()
        self._set_aside: Counter[str] = Counter()
        self._letters = self._topic("import.dlq")
        self._path = lines.path
        self._received = 0
        self._head: list[bytes] = []

    def run(self, progress: Progress) -> ImportSummary:
        """Every line, then what was held back, then the log is closed."""
        lines = self._lines
        for line in self._numbered():
            try:
                if line.is_cut:
                    raise BadField(
                        "truncated_line",
                        "the line is not whole: the file ends inside it, or it is too long",
                    )
                if line.text.strip():
                    self._take(line)
                else:
                    self._set_aside["blank line"] += 1
            except BadField as problem:
                self._dead_letter(problem, line.file, line.number, line.text)
            if line.number % PROGRESS_LINES == 0:
                progress(lines.bytes_done, lines.bytes_total)
        self._placing.close()
        for feed in self._feeds.values():
            self._write_early(feed)
            self._write_trades(feed.aggregates.close())
        self._queue.close()
        self._write_instruments()
        if len(self._feeds) > 1:
            for name in sorted(name for name in self._topics if name.startswith("md.")):
                self._topics[name] = put_in_order(self._log, self._topics[name])
        summary = self._summary()
        facts = {
            "provenance": "recorded",
            "connector": self.CONNECTOR,
            "order": ORDER,
            "sources": [msgspec.to_builtins(each) for each in lines.digests],
            "import": summary.to_dict(),
        }
        close_log(self._log, self._topics.values(), facts)
        progress(lines.bytes_total, lines.bytes_total)
        self._refuse_nothing()
        return summary

    def _numbered(self) -> Iterator[Line]:
        """The lines, after the first of them have shown what offset is usual."""
        lines = self._lines
        source = (Line(text, lines.number, lines.file, lines.path, lines.is_cut) for text in lines)
        head: list[Line] = []
        for line in source:
            head.append(line)
            if len(head) == HEAD_LINES:
                break
        self._head = [line.text for line in head[:16]]
        self._times.learn(
            [sample for line in head if (sample := self._sample(line.text)) is not None]
        )
        yield from head
        yield from source

    def _sample(self, line: bytes) -> tuple[int, int] | None:
        """(event time, receive time) of a line, ns; None if it has none."""
        try:
            received, frame = self._read_line(line)
            if received is None or isinstance(frame, SetAside):
                return None
            time = self._time_of(frame)
            return (
                (self._times.scaled(time), self._times.receive(received))
                if isinstance(time, int)
                else None
            )
        except BadField:
            return None

    def _time_of(self, frame: Any) -> Any:
        """The exchange's time of a frame, as it is written; no integer where there is none."""
        if isinstance(frame, NamedSnapshot):
            return frame.snapshot.T
        return frame.E if isinstance(frame, DepthFrame) and frame.T is msgspec.UNSET else frame.T

    def _take(self, line: Line) -> None:
        """One line. Raises BadField; UnknownSymbol, InverseContract."""
        written, frame = self._read_line(line.text)
        received = 0
        if written is not None:
            received = self._times.receive(written)
            self._times.line = line.number
            self._check_order(line.path, received)
        if isinstance(frame, SetAside):
            self._set_aside[frame.stream] += 1
        else:
            self._take_frame(frame, received, line)

    def _take_frame(self, frame: Any, received: int, line: Line) -> None:
        """What is not set aside."""
        if isinstance(frame, NamedSnapshot):
            feed = self._feed(frame.venue, frame.symbol)
            named = feed, feed.snapshot(frame.snapshot, received)
            snapshot = frame.snapshot
            self._placing.add(
                Waiting(snapshot, received, line.number, line.file, line.text, named=named)
            )
            return
        if isinstance(frame, SnapshotFrame):
            self._placing.add(Waiting(frame, received, line.number, line.file, line.text))
            return
        feed = self._feed(frames.venue_of(frame), frame.s)
        if isinstance(frame, TickerFrame):
            self._take_ticker(feed, feed.ticker(frame, received))
        elif isinstance(frame, TradeFrame):
            self._take_trade(feed, frame, received)
        elif isinstance(frame, AggregateFrame):
            self._take_aggregate(feed, frame, received)
        else:
            update = feed.depth(frame, received)
            self._queue.add(update)
            self._placing.continued(update)
        self._placing.seen(feed)

    def _check_order(self, path: Path, received: int) -> None:
        """Files of one recording follow each other: a topic's order is the order of its lines.
        Raises FilesOverlap.
        """
        if path != self._path:
            if received < self._received - OVERLAP_MAX:
                raise FilesOverlap(
                    f"{path} begins {(self._received - received) // 10**9} s before {self._path} "
                    "ends; give files in the order of their times, and import recordings made side "
                    "by side into folders of their own (see 'sq merge')"
                )
            self._path = path
        self._received = received

    def _take_trade(self, feed: Feed, frame: TradeFrame, received: int) -> None:
        if feed.aggregates.is_used:
            self._set_aside["trade beside aggTrade"] += 1
            return
        if not feed.aggregates.has_trades:
            self._set_aside["aggTrade"] += feed.aggregates.refuse()
        trade = feed.trade(frame, received)
        if trade is None:
            self._set_aside[f"trade {frame.X}"] += 1
        else:
            self._write_trades([trade])

    def _take_aggregate(self, feed: Feed, frame: AggregateFrame, received: int) -> None:
        """Aggregated trades are prints where no single ones are recorded; the first of them wait
        until that is known.
        """
        if feed.aggregates.has_trades:
            self._set_aside["aggTrade"] += 1
            return
        self._write_trades(feed.aggregates.add(feed.aggregate(frame, received)))

    def _write_trades(self, trades: Sequence[Trade]) -> None:
        for trade in trades:
            self._topic("md.trades").add(trade, trade.event_time)

    def _take_ticker(self, feed: Feed, ticker: BookTicker) -> None:
        """Spot tickers have no time; those before the instrument's first record that has one wait
        for it, and get it.
        """
        if not ticker.event_time and len(feed.early) < EARLY_MAX:
            feed.early.append(ticker)
            return
        if feed.early:
            self._write_early(feed)
        self._topic("md.book_tickers").add(ticker, ticker.event_time)

    def _write_early(self, feed: Feed) -> None:
        early, feed.early = feed.early, []
        for ticker in early:
            time = feed.started or ticker.receive_time
            self._topic("md.book_tickers").add(
                msgspec.structs.replace(ticker, event_time=time), time
            )

    def _feed(self, venue: str, symbol: str) -> Feed:
        feed = self._feeds.get((venue, symbol))
        if feed is None:
            feed = self._feeds[venue, symbol] = self._new_feed(find(self._table, venue, symbol))
        return feed

    def _new_feed(self, instrument: Instrument) -> Feed:
        return Feed(instrument, self._times)

    def _topic(self, name: str) -> TopicBlocks:
        found = self._topics.get(name)
        if found is None:
            found = self._topics[name] = TopicBlocks(self._log, name)
        return found

    def _write_depth(self, update: DepthUpdate) -> None:
        self._topic("md.depth").add(
            update, update.event_time, LEVEL_BYTES * (len(update.bids) + len(update.asks))
        )

    def _write_instruments(self) -> None:
        """The specifications of the instruments that occurred, by id, in force from the recording's
        start.
        """
        for instrument in sorted(
            (feed.instrument for feed in self._feeds.values()), key=lambda found: found.instrument
        ):
            record = msgspec.structs.replace(instrument, event_time=self._times.first)
            self._topic("ref.instruments").add(record, record.event_time)

    def _refuse(self, waiting: Waiting, problem: BadField) -> None:
        self._dead_letter(problem, waiting.file, waiting.number, waiting.line)

    def _dead_letter(self, problem: BadField, file: str, number: int, line: bytes) -> None:
        self._dead[problem.reason] += 1
        letter = DeadLetter(
            problem.reason, problem.detail[:DETAIL_LENGTH_MAX], file, 0, number, line
        )
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
                updates=feed.updates,
                behind=feed.behind,
            )
            for feed in sorted(self._feeds.values(), key=lambda feed: feed.instrument.instrument)
        ]
        times = self._times
        return ImportSummary(
            lines=self._lines.count,
            counts={name: topic.count for name, topic in sorted(self._topics.items())},
            reasons=dict(sorted(self._dead.items())),
            set_aside={name: count for name, count in sorted(self._set_aside.items()) if count},
            instruments=found,
            first_time=times.first,
            last_time=times.last,
            damages=list(self._lines.damages),
            stamped_ahead=times.ahead,
            stamped_behind=times.behind,
            units=dict(sorted(times.units.items())),
            unit_changes=times.changes,
        )

    def _refuse_nothing(self) -> None:
        if any(name.startswith("md.") for name in self._topics):
            return
        worst = self._dead.most_common(1)
        seen = (
            f"of {self._lines.count} lines {worst[0][1]} are dead letters for {worst[0][0]}"
            if worst
            else "the files hold no frames"
        )
        files = ", ".join(path.name for path in self._lines.paths)
        damage = (
            f"nothing of them could be unpacked: {self._lines.damages[0].text}"
            if self._lines.damages
            else "they are empty"
        )
        advice = (
            f"{text_of(self._head) if self._head else damage}; see 'sq cat {self._log.path} "
            "import.dlq'"
        )
        raise NothingImported(f"no market data was found in {files}: {seen}; {advice}")
