"""Raw captures of cryptofeed: files of one exchange, one for each connection, beside one another.

``BINANCE_FUTURES.ws.1.0`` holds a line a frame, ``<receive s>: <frame>``, and what the connection
did: ``<url> <-> <s>`` where it was opened, ``<url> <- <s>: <request>``. ``*.http.0.0`` holds
answers by REST, ``<url> -> <s>: <answer>``: snapshots of books, whose symbol the address names. The
file without either, ``BINANCE_FUTURES.0``, holds the exchange's own instruments and the
configuration.

The files are read side by side, in order of receive time. Only the framing is told here: what a
frame says is read as any recording's (:mod:`connectors.captures.frames`).
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import SplitResult, parse_qs, urlsplit

from connectors.captures import frames
from connectors.captures.exchange_import import EXCHANGES, Exchange, ExchangeImport
from connectors.captures.frames import SPOT, USDM, NamedSnapshot, SetAside, SnapshotFrame
from connectors.captures.importer import Import, import_lines
from connectors.captures.lines import Lines, Progress
from connectors.captures.numbers import BadField
from connectors.captures.summary import ImportSummary
from connectors.captures.times import Times
from connectors.instruments import (
    BadInstrumentTable,
    Key,
    Tables,
    loaded,
    number_of,
)
from connectors.reference.binance import read, rows
from connectors.reference.listing import Listing, instrument_of
from schemas.errors import WrongUse
from schemas.records import Instrument
from streams.log.local import LocalLog

CONTROL = re.compile(rb"((?:wss?|https?)://\S+) (<->|<-|->) (\d{9,11}(?:\.\d+)?)(?:: )?")
CONFIGURATION = b"configuration: "
TIME = re.compile(rb"(?:(?:wss?|https?)://\S+ (?:<->|<-|->) )?(\d{9,11})(?:\.(\d{1,9}))?")
EXCHANGE_INFO, DEPTH = "/exchangeInfo", "/depth"
MARKETS = {"fapi.binance.com": USDM, "api.binance.com": SPOT}
"""Venues by the host of their answers."""
BINANCE = frozenset({"fstream.binance.com", "stream.binance.com", *MARKETS})
"""Hosts of Binance; those of other exchanges: ``EXCHANGES``."""
HEAD_LINES = 8
ADVICE = (
    "'sq import cryptofeed' reads raw captures of BINANCE, BINANCE_FUTURES, KRAKEN, OKX, COINBASE "
    "and DERIBIT"
)


class NotCryptofeed(WrongUse):
    """The files are no capture of cryptofeed, or of an exchange that is not read."""

    code = "not_cryptofeed"


class _Timed(NamedTuple):
    """One line; the first two fields say its place among those of all files."""

    received: int
    path: int
    number: int
    text: bytes
    is_cut: bool


class CaptureLines(Lines):
    """The lines of several files, by their receive time; ``number`` counts within ``file``."""

    def __init__(self, paths: Sequence[Path]) -> None:
        super().__init__(paths)
        self._each = [Lines([path]) for path in self.paths]

    @property
    def count(self) -> int:
        """Lines of all files so far."""
        return sum(each.number for each in self._each)

    def __iter__(self) -> Iterator[bytes]:
        """Every line without its line end."""
        parts = [_timed(lines, path) for path, lines in enumerate(self._each)]
        for line in heapq.merge(*parts, key=lambda line: line[:2]):
            lines = self._each[line.path]
            self.path, self.file = lines.path, lines.file
            self.number, self.is_cut = line.number, line.is_cut
            self.bytes_done = sum(each.bytes_done for each in self._each)
            yield line.text
        self.damages = [damage for lines in self._each for damage in lines.damages]
        self.digests = [digest for lines in self._each for digest in lines.digests]


def _timed(lines: Lines, path: int) -> Iterator[_Timed]:
    """Lines with their receive time, ns; one without has that of the line before."""
    received = 0
    for text in lines:
        found = TIME.match(text)
        if found is not None:
            received = int(found[1]) * 10**9 + int((found[2] or b"").ljust(9, b"0"))
        yield _Timed(received, path, lines.number, text, lines.is_cut)


def read_line(reader: Callable[[bytes], Any], line: bytes) -> tuple[int | None, Any]:
    """Receive time, None where a line has none, and frame. Raises BadField.

    Args:
        reader: of the exchange's messages.
    """
    if line.startswith(CONFIGURATION):
        return None, SetAside("configuration")
    control = CONTROL.match(line)
    if control is None:
        received, at = frames.receive_time(line)
        return received, reader(line[at:])
    received, _ = frames.receive_time(control[3] + b" ")
    if control[2] != b"->":
        return received, SetAside("connection" if control[2] == b"<->" else "request")
    url = _url(control)
    if not url.path.endswith(DEPTH) or reader is not frames.read:
        return received, SetAside(url.path.rpartition("/")[2] or "answer")
    symbols = parse_qs(url.query).get("symbol", [])
    venue = MARKETS.get(url.hostname or "")
    frame = reader(line[control.end() :])
    if venue is None or len(symbols) != 1 or not isinstance(frame, SnapshotFrame):
        raise BadField("unknown_stream", f"the answer of {url.geturl()[:200]} is no known snapshot")
    return received, NamedSnapshot(venue, symbols[0].upper(), frame)


def _url(control: re.Match[bytes]) -> SplitResult:
    """The address of a line; an empty one where it is none."""
    try:
        return urlsplit(control[1].decode("utf-8", "replace"))
    except ValueError:
        return urlsplit("")


def is_cryptofeed(first_line: str) -> bool:
    """True for a file that begins with a connection, or with an answer by REST."""
    return CONTROL.match(first_line.encode()) is not None


def import_cryptofeed(
    paths: Sequence[Path | str],
    out: Path | str,
    instruments: Tables = None,
    progress: Progress = lambda _done, _total: None,
) -> ImportSummary:
    """Import the files of one capture, in any order, into the new folder ``out``.

    Args:
        instruments: a table, or several in order; None: what the capture says of its instruments,
            and of others the shipped table.

    Raises:
        NotCryptofeed: of another exchange, of several, or other files. And what
            :func:`~connectors.captures.importer.import_binance` raises.
    """
    lines = CaptureLines([Path(path) for path in paths])
    exchange = _exchange(lines.paths)
    table = loaded(instruments) if instruments is not None else Captured(lines.paths)
    read_frame = partial(read_line, frames.read if exchange is None else exchange.read)

    def made(log: LocalLog) -> Import:
        if exchange is None:
            return BinanceCapture(lines, table, Times(), log, read_frame)
        return ExchangeImport(lines, table, Times(), log, read_frame, exchange)

    return import_lines(out, progress, made)


def _exchange(paths: Sequence[Path]) -> Exchange | None:
    """The one exchange of the files; None for Binance. Raises NotCryptofeed."""
    known: dict[Exchange | None, Path] = {}
    for path in paths:
        control = next(filter(None, map(CONTROL.match, _head(path))), None)
        if control is None:
            continue
        host = _url(control).hostname or "no host"
        if host not in BINANCE and host not in EXCHANGES:
            raise NotCryptofeed(f"{path} is a capture of {host}; {ADVICE}")
        known.setdefault(EXCHANGES.get(host), path)
    if not known:
        raise NotCryptofeed(
            f"{paths[0]} names no connection in its first lines, so it is no capture of "
            f"cryptofeed; {ADVICE}"
        )
    if len(known) > 1:
        both = " and ".join(path.name for path in known.values())
        raise NotCryptofeed(
            f"{both} are of several exchanges; import each by itself, then 'sq merge'"
        )
    return next(iter(known))


def _head(path: Path) -> list[bytes]:
    """The first lines of a file; none of a pipe, which is read once."""
    if not path.is_file():
        return []
    return [line for line, _ in zip(Lines([path]), range(HEAD_LINES), strict=False)]


class BinanceCapture(Import):
    """One import under way of a capture of Binance."""

    CONNECTOR = "captures.cryptofeed"


class Captured(Mapping[Key, Instrument]):
    """The instruments that a capture's own answers of ``exchangeInfo`` specify, as they stood then,
    and else those that ship. One that ships keeps its number.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._shipped = loaded(None)
        self._listed: dict[Key, tuple[Listing, int]] = {}
        self._owner = {each.instrument: key for key, each in self._shipped.items()}
        for path in paths:
            for line in _head(path):
                control = CONTROL.match(line)
                if control and _url(control).path.endswith(EXCHANGE_INFO):
                    self._add(path.name, line[control.end() :])

    def _add(self, name: str, content: bytes) -> None:
        """Raises BadDump."""
        info, time = read(name, content)
        for row in rows(info):
            if isinstance(row, Listing):  # a bad row is missed only where its symbol occurs
                self._listed[row.venue, row.symbol] = row, time or 0

    def __getitem__(self, key: Key) -> Instrument:
        """Raises KeyError; BadInstrumentTable where two symbols would have one number."""
        listed, ours = self._listed.get(key), self._shipped.get(key)
        if listed is None:
            return self._shipped[key]
        number = ours.instrument if ours is not None else number_of(key[1], key[0])
        other = self._owner.setdefault(number, key)
        if other != key:
            raise BadInstrumentTable(
                f"{':'.join(key)} and {':'.join(other)} would both be instrument {number}; number "
                "them in a table: --instruments TABLE.toml"
            )
        return instrument_of(listed[0], number, listed[1])

    def __iter__(self) -> Iterator[Key]:
        yield from dict.fromkeys((*self._shipped, *self._listed))

    def __len__(self) -> int:
        return len(self._shipped.keys() | self._listed.keys())
