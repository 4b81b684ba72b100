"""Every record that a topology writes is keyed as the catalogue declares (D11). Oracle: the record
decoded, its field that the catalogue names.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from streams.log.kafka.framing import HEADER_BYTES, header
from streams.log.kafka.keys import keys_of
from tests.simulation.log import SimulatedWriter
from tests.simulation.pipeline_stage import PipelineStage
from tests.simulation.test_times import run

OutputReader = dict[str, list[tuple[bytes, bytes | None]]]


def test_every_topic_is_keyed_as_the_catalogue_declares(monkeypatch: pytest.MonkeyPatch) -> None:
    written: OutputReader = {}
    produce = SimulatedWriter.produce

    def keyed(
        self: SimulatedWriter,
        topic: str,
        partition: int,
        values: Sequence[bytes],
        keys: Sequence[bytes] | None = None,
    ) -> None:
        written.setdefault(topic, []).extend(zip(values, keys or [None] * len(values), strict=True))
        produce(self, topic, partition, values, keys)

    monkeypatch.setattr(SimulatedWriter, "produce", keyed)
    stage = PipelineStage()
    stage.feed("md.depth", 160)
    stage.feed("md.trades", 240)
    task = stage.task()
    task.prepare()
    run(task)
    assert {
        "md.quotes",
        "md.marks",
        "signals",
        "orders.requests",
        "orders.events",
        "venue.reports",
        "fills",
        "positions",
    } <= set(written)
    for topic, found in written.items():
        entry = topic_of(topic)
        for value, key in found:
            expected = (
                str(
                    getattr(
                        codec(entry.record).decode_records(value[HEADER_BYTES:], 1)[0], entry.key
                    )
                ).encode()
                if entry.key
                else None
            )
            assert key == expected, topic


@pytest.mark.parametrize("number", [0, 63, 64, 4095, 8191, 8192, 2**31 - 1])
def test_a_key_of_any_length_is_read(number: int) -> None:
    """Oracle: Avro's own encoding, written out, for an account behind an id of 0 to 200 characters.
    """
    for length in (0, 1, 63, 64, 200):
        body = _zigzag(number)
        assert keys_of("pnl", [header(3) + body]) == [str(number).encode()]
        fill = _zigzag(length) + b"x" * length + body
        assert keys_of("fills", [header(3) + fill]) == [str(number).encode()]


def _zigzag(number: int) -> bytes:
    value = number << 1
    found = b""
    while value > 0x7F:
        found += bytes([value & 0x7F | 0x80])
        value >>= 7
    return found + bytes([value])
