"""Frames between the host and the child: four bytes of length and MessagePack, bounded, one answer for one question."""

from __future__ import annotations

import os
import select
import time
from typing import Any

import msgspec

from schemas.errors import ShrivenError

FRAME_BYTES_MAX = 16 << 20
STATE_BYTES_MAX = FRAME_BYTES_MAX - 1024


class StrategyStopped(ShrivenError):
    """An isolated strategy raised, broke a bound, or ended."""

    code = "strategy_stopped"


class Question(msgspec.Struct, array_like=True):
    """What the host asks. ``what``: describe, begin, call, value, state or restore; the rest is empty where it does not belong to it."""

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


class Answer(msgspec.Struct, array_like=True):
    """What the child answers.

    ``error``: empty, or what went wrong; ``emitted``: (0 a signal, 1 a request; its MessagePack) in order; ``ids``: how many ids were built.
    ``wants``: what the strategy asks of its context meanwhile, by name, with the ``arguments`` as JSON; the host gives the value, and the
    call goes on. ``emitted`` holds then what the handler has emitted so far.
    """

    error: str = ""
    emitted: list[tuple[int, msgspec.Raw]] = []
    timer: int = 2**63 - 1
    ids: int = 0
    body: bytes = b""
    wants: str = ""
    arguments: str = ""


class Description(msgspec.Struct):
    """What a strategy is, as the child says; ``limits``: what could not be taken from it;
    ``is_on_order_side``: it is compiled, and one of the order side.
    """

    name: str
    wakes: list[str]
    ends: bool
    limits: list[str]
    reads: list[str] = []
    logs: bool = False
    number: int = 1
    is_on_order_side: bool = False


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
