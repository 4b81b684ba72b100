"""A folder's topics, each read once: md.depth beside md.book_tickers, md.trades beside md.bars."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from jobs.checking.bars import BarCheck, BarTruth
from jobs.checking.document import Subject, document
from jobs.checking.hours import Hours
from jobs.checking.reading import Progress, TopicReading
from jobs.checking.tickers import TickerCheck
from jobs.checking.trades import TradeCheck
from jobs.pipeline import NotARecording, read_instruments
from schemas.catalogue import TOPICS
from schemas.records import Instrument
from streams.log.local import LocalLog
from streams.log.manifest import MANIFESTS, read_manifest
from streams.numeric.book_state import new_books
from streams.numeric.checking.depth import TOP, check_depth
from streams.numeric.checking.records import TIMED, check_quotes, check_times, end_states
from streams.numeric.checking.tally import NEVER, new_checks

TRADES, DEPTH, TICKERS, BARS = "md.trades", "md.depth", "md.book_tickers", "md.bars"
QUOTES, DEAD_LETTERS = "md.quotes", "import.dlq"
KNOWN = (TRADES, DEPTH, TICKERS, BARS, QUOTES)
PLAIN = tuple(name for name in TOPICS if name.startswith("md.") and name not in KNOWN)
"""Topics of which only the times are looked at: marks, features and what else stages measure."""
OnProgress = Callable[[int, int], None]


class Limits(msgspec.Struct, frozen=True):
    """What is a finding.

    Attributes:
        silence: ns without a record; 0: 100 times the median gap, at least 10 s.
        jump: change of the price from one print to the next, in millionths.
    """

    silence: int = 0
    jump: int = 50_000


class Checker:
    """One folder.

    Args:
        log: the open folder.
        limits: what is a finding.
        on_progress: told records read and records there are.

    Attributes:
        subjects: topics by name (``topic/partition`` where that is not 0), with all that was
            counted.
        readings: every topic that was read, likewise.
        reasons: dead letters of the import by reason. hours: of the venues.
    """

    def __init__(self, log: LocalLog, limits: Limits, on_progress: OnProgress) -> None:
        self.log = log
        self.limits = limits
        self.instruments: list[Instrument] = (
            read_instruments(log) if "ref.instruments" in log.topics() else []
        )
        self.hours = Hours(self.instruments)
        self.subjects: list[Subject] = []
        self.readings: dict[str, TopicReading] = {}
        self.reasons: Counter[str] = Counter()
        places = [(name, part) for name in log.topics() for part in log.partitions(name)]
        self._readers = {place: log.reader(*place) for place in places}
        total = sum(reader.count for reader in self._readers.values())
        self._progress = Progress(total, on_progress)

    def run(self) -> None:
        """Read everything."""
        for part in sorted({part for _, part in self._readers}):
            self._depth(part)
            self._trades(part)
            self._quotes(part)
            for topic in PLAIN:
                self._plain(topic, part)
        for topic, part in sorted(self._readers):
            if _label(topic, part) not in self.readings:
                self._skim(topic, part)

    def _reading(self, topic: str, part: int) -> TopicReading | None:
        reader = self._readers.get((topic, part))
        if reader is None:
            return None
        reading = self.readings[_label(topic, part)] = TopicReading(reader, self._progress)
        return reading

    def _checks(self, topic: str, part: int) -> Any:
        silence = self.limits.silence or NEVER
        checks = new_checks(self.instruments, silence, self.limits.jump / 1e6)
        self.subjects.append(Subject(_label(topic, part), checks))
        return checks

    def _depth(self, part: int) -> None:
        depth = self._reading(DEPTH, part)
        checks = self._checks(DEPTH, part) if depth is not None else None
        reading = self._reading(TICKERS, part)
        tickers = TickerCheck(self._checks(TICKERS, part) if reading is not None else None, reading)
        if depth is not None:
            books = new_books(self.instruments)
            for rows, levels, offsets in _blocks(depth):
                tops = np.zeros(len(rows), TOP)
                found = check_depth(checks, books, rows, levels, offsets, tops)
                tickers.compare(checks, tops[:found], depth.time)
            end_states(checks)
        tickers.close()

    def _trades(self, part: int) -> None:
        trades, bars = self._reading(TRADES, part), self._reading(BARS, part)
        truth = check = None
        if bars is not None:
            check = BarCheck(self._checks(BARS, part), bars, self.hours)
        if trades is not None:
            checks = self._checks(TRADES, part)
            judged = TradeCheck(checks)
            if check is not None:
                truth = BarTruth(check, self.instruments)
            for rows, _, offsets in _blocks(trades):
                judged.take(rows, offsets)
                if truth is not None:
                    truth.take(rows)
            judged.close()
        if truth is not None:
            truth.close(self._time(part))
        elif check is not None:
            while check.read() is not None:
                pass

    def _time(self, part: int) -> int:
        """Event time that depth and tickers reached, ns."""
        beside = (self.readings.get(_label(topic, part)) for topic in (DEPTH, TICKERS))
        return max((each.time for each in beside if each is not None), default=0)

    def _quotes(self, part: int) -> None:
        quotes = self._reading(QUOTES, part)
        if quotes is not None:
            checks = self._checks(QUOTES, part)
            for rows, _, offsets in _blocks(quotes):
                check_quotes(checks, rows, offsets)
            end_states(checks)

    def _plain(self, topic: str, part: int) -> None:
        reading = self._reading(topic, part)
        if reading is not None:
            checks = self._checks(topic, part)
            for rows, _, offsets in _blocks(reading):
                timed = np.zeros(len(rows), TIMED)  # one type, so that the kernel compiles once
                for name in TIMED.names or ():
                    timed[name] = rows[name]
                check_times(checks, timed, offsets)

    def _skim(self, topic: str, part: int) -> None:
        reading = self._reading(topic, part)
        assert reading is not None
        if topic == DEAD_LETTERS:
            for letter in reading.records():
                self.reasons[letter.reason] += 1
        else:
            reading.skim()


def _blocks(reading: TopicReading) -> Iterator[tuple[Any, Any, Any]]:
    while (found := reading.rows()) is not None:
        yield found


def _label(topic: str, part: int) -> str:
    return topic if part == 0 else f"{topic}/{part}"


def check_folder(
    folder: Path, limits: Limits, on_progress: OnProgress = lambda _done, _total: None
) -> dict[str, Any]:
    """Check a recording, or the market topics of a run. Returns the document, plain data.

    Raises:
        NotARecording: there is no market data. LogMissing, ForeignFolder, CorruptLog.
    """
    with LocalLog.open(folder) as log:
        market = [topic for topic in log.topics() if topic in (*KNOWN, *PLAIN)]
        places = [(topic, part) for topic in market for part in log.partitions(topic)]
        if not any(log.reader(*place).count for place in places):
            raise NotARecording(
                f"{folder} holds no record of market data; give a folder that 'sq import', "
                "'sq generate', 'sq merge' or 'sq pull' wrote"
            )
        manifest = next((folder / name for name in MANIFESTS if (folder / name).exists()), None)
        listed = read_manifest(manifest).get("topics", {}) if manifest is not None else None
        checker = Checker(log, limits, on_progress)
        checker.run()
    return document(
        checker.subjects,
        checker.readings,
        checker.instruments,
        msgspec.to_builtins(limits),
        listed,
        dict(checker.reasons),
        checker.hours.known,
    )

