"""Frames between the host and the child: four bytes of length and MessagePack, bounded, one answer
for one question.
"""

from __future__ import annotations

import os
import select
import time
from typing import Any

import msgspec

from schemas.errors import ShrivenError
from schemas.records import Instrument

FRAME_BYTES_MAX = 16 << 20
STATE_BYTES_MAX = FRAME_BYTES_MAX - 1024


class StrategyStopped(ShrivenError):
    """An isolated strategy raised, broke a bound, or ended."""

    code = "strategy_stopped"


class Question(msgspec.Struct, array_like=True):
    """What the host asks. ``what``: describe, begin, follow, call, value, state, restore or books;
    the rest is empty where it does not belong to it. ``copies``: what changed of the records that a
    compiled strategy reads by address (``images.py``).
    """

    what: str
    name: str = ""
    record: str = ""
    body: msgspec.Raw = msgspec.Raw(b"\xc0")
    clock: int = 0
    account: int = 0
    sequence: int = 0
    shard: int = 0
    journal_id: int = 0
    last_sequence: int = -1
    ordinal: int = 0
    first: int = 0
    copies: list[tuple[str, int, int, bytes]] = []


class Begin(msgspec.Struct, array_like=True):
    """What a strategy is built over: its instruments, and lengths of a book's window and tail."""

    instruments: list[Instrument]
    window: int
    tail_capacity: int


class Answer(msgspec.Struct, array_like=True):
    """What the child answers.

    ``error``: empty, or what went wrong; ``emitted``: (0 a signal, 1 a request; its MessagePack) in
    order; ``ids``: how many ids were built. ``wants``: what the strategy asks of its context
    meanwhile, by name, with the ``arguments`` as JSON; the host gives the value, and the call goes
    on. ``emitted`` holds then what the handler has emitted so far, and ``body`` a record to be
    filled in (``asking.py``). ``replacements``: those of orders that a compiled strategy modifies,
    where the call changed them.
    """

    error: str = ""
    emitted: list[tuple[int, msgspec.Raw]] = []
    timer: int = 2**63 - 1
    ids: int = 0
    body: bytes = b""
    wants: str = ""
    arguments: str = ""
    replacements: bytes = b""


class Description(msgspec.Struct):
    """What a strategy is, as the child says; ``limits``: what could not be taken from it;
    ``compiled_for``: where a compiled one is called in a run (``python_stage.py``), else empty;
    ``requests_most``: that it makes in a call; ``keeps_books``: it has order books there, which
    follow ``md.depth``.
    """

    name: str
    wakes: list[str]
    ends: bool
    limits: list[str]
    reads: list[str] = []
    logs: bool = False
    number: int = 1
    compiled_for: str = ""
    requests_most: int = 0
    keeps_books: bool = False


def write_frame(descriptor: int, content: bytes) -> None:
    """Write one frame. Raises BrokenPipeError."""
    view = memoryview(len(content).to_bytes(4, "little") + content)
    while view:
        view = view[os.write(descriptor, view) :]


def read_frame(descriptor: int, seconds: float | None = None) -> bytes:
    """Read one frame, within so many seconds.

    Raises:
        EOFError: the other side has ended. TimeoutError. ValueError: the frame is too large.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    length = int.from_bytes(_read(descriptor, 4, deadline), "little")
    if length > FRAME_BYTES_MAX:
        raise ValueError(f"a frame of {length} bytes")
    return _read(descriptor, length, deadline)


def _read(descriptor: int, count: int, deadline: float | None) -> bytes:
    found = bytearray()
    while len(found) < count:
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                raise TimeoutError
        part = os.read(descriptor, min(count - len(found), 1 << 20))
        if not part:
            raise EOFError
        found += part
    return bytes(found)


def decoder(kind: Any) -> Any:
    """A strict decoder of one type."""
    return msgspec.msgpack.Decoder(kind)
