"""What every engine must have written: one-minute bars by a plain Python loop over trades that
fastavro decoded.

A bar is here (instrument, open time, open, high, low, close, volume, trade count). Those that a
later trade of their instrument closes count; what is still open at the end of the input is no bar
yet. An engine whose bars differ in any number, or that wrote one twice, has no row.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import fastavro

from schemas.codec import codec
from streams.log.kafka.framing import HEADER_BYTES
from tests.benchmarks.kafka.inputs import MINUTE

FIELDS = ("instrument", "open_time", "open", "high", "low", "close", "volume", "trade_count")
Bar = tuple[int, ...]
"""Values of ``FIELDS``: ns UTC, prices and quantities at the instrument's precision."""
_PEER_BAR = fastavro.parse_schema(
    {
        "type": "record",
        "name": "BenchBar",
        "fields": [{"name": name, "type": "long"} for name in FIELDS],
    }
)


class Truth(NamedTuple):
    """The bars of an input, in the order they close.

    Attributes:
        bars: the bars. closed_by: by (instrument, open time), how many trades had been read when
            the bar was closed.
    """

    bars: list[Bar]
    closed_by: dict[tuple[int, int], int]


class Differs(Exception):
    """An engine's bars are not the truth; the text says where."""


def bars_of(values: Iterable[bytes]) -> Truth:
    """The truth for framed trades."""
    schema = fastavro.parse_schema(codec("Trade").schema)
    opened: dict[int, list[int]] = {}
    truth = Truth([], {})
    for count, value in enumerate(values, 1):
        trade: Any = fastavro.schemaless_reader(io.BytesIO(value[HEADER_BYTES:]), schema, None)
        instrument, time, price = trade["instrument"], trade["event_time"], trade["price"]
        bar = opened.get(instrument)
        if bar is not None and time < bar[1] + MINUTE:
            bar[3], bar[4], bar[5] = max(bar[3], price), min(bar[4], price), price
            bar[6] += trade["quantity"]
            bar[7] += trade["trade_count"]
            continue
        if bar is not None:
            truth.bars.append(tuple(bar))
            truth.closed_by[bar[0], bar[1]] = count
        opened[instrument] = [
            instrument,
            time - time % MINUTE,
            price,
            price,
            price,
            price,
            trade["quantity"],
            trade["trade_count"],
        ]
    return truth


def peer_bar(value: bytes) -> Bar:
    """A bar as the peers write it."""
    found: Any = fastavro.schemaless_reader(io.BytesIO(value[HEADER_BYTES:]), _PEER_BAR, None)
    return tuple(found[name] for name in FIELDS)


def our_bar(value: bytes) -> Bar:
    """A bar as ours writes it, the fields that every engine has."""
    found: Any = fastavro.schemaless_reader(
        io.BytesIO(value[HEADER_BYTES:]), fastavro.parse_schema(codec("Bar").schema), None
    )
    return tuple(found[name] for name in FIELDS)


def check(engine: str, found: Sequence[Bar], truth: Truth) -> None:
    """Raise Differs unless the engine's bars are the truth's, each once."""
    if len(set(found)) != len(found):
        raise Differs(f"{engine}: {len(found) - len(set(found))} bars were written twice")
    for name, extra in (
        ("missing", set(truth.bars) - set(found)),
        ("too much", set(found) - set(truth.bars)),
    ):
        if extra:
            raise Differs(
                f"{engine}: {len(extra)} bars {name}, the first "
                f"{dict(zip(FIELDS, min(extra), strict=True))}"
            )
