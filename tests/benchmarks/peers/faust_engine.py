"""The Faust peer, at-least-once (its exactly-once is none: reference/kafka.md 3.1): trades to
one-minute bars, in the project's own environment.

Arguments: BOOTSTRAP GROUP STATE_FOLDER INPUT OUTPUT TRADE_SCHEMA.avsc. Prints "ready" when it runs;
ends by SIGTERM.

State is a plain dict, faster than its tables (which send every change to a changelog); decoding is
fastavro on the framed body.
"""

import io
import json
import os
import sys
from pathlib import Path

import fastavro
import faust

MINUTE = 60 * 10**9
HEADER_BYTES = 5
FIELDS = ("instrument", "open_time", "open", "high", "low", "close", "volume", "trade_count")
BAR = fastavro.parse_schema(
    {
        "type": "record",
        "name": "BenchBar",
        "fields": [{"name": name, "type": "long"} for name in FIELDS],
    }
)


def encoded(bar):
    """A bar as a framed record."""
    out = io.BytesIO(b"\0\0\0\0\1")
    out.seek(0, io.SEEK_END)
    fastavro.schemaless_writer(out, BAR, bar)
    return out.getvalue()


def main():
    bootstrap, group, folder, source, target, schema_file = sys.argv[1:]
    schema = fastavro.parse_schema(json.loads(Path(schema_file).read_text()))
    app = faust.App(
        group,
        broker=f"kafka://{bootstrap}",
        datadir=folder,
        store="memory://",
        topic_disable_leader=True,
        topic_replication_factor=1,
        web_enabled=False,
        consumer_auto_offset_reset="earliest",
        stream_buffer_maxsize=65536,
    )
    trades = app.topic(
        source, value_serializer="raw", key_serializer="raw", value_type=bytes, key_type=bytes
    )
    bars = app.topic(
        target, value_serializer="raw", key_serializer="raw", value_type=bytes, key_type=bytes
    )
    opened = {}

    @app.agent(trades)
    async def aggregate(stream):
        os.write(1, b"\nready\n")  # the worker takes sys.stdout for its log, and has begun a line
        async for value in stream:
            trade = fastavro.schemaless_reader(io.BytesIO(value[HEADER_BYTES:]), schema, None)
            price, time, instrument = trade["price"], trade["event_time"], trade["instrument"]
            bar = opened.get(instrument)
            if bar is not None and time < bar["open_time"] + MINUTE:
                bar["high"] = max(bar["high"], price)
                bar["low"] = min(bar["low"], price)
                bar["close"] = price
                bar["volume"] += trade["quantity"]
                bar["trade_count"] += trade["trade_count"]
                continue
            if bar is not None:
                await bars.send(value=encoded(bar))
            values = (
                instrument,
                time - time % MINUTE,
                price,
                price,
                price,
                price,
                trade["quantity"],
                trade["trade_count"],
            )
            opened[instrument] = dict(zip(FIELDS, values, strict=True))

    sys.argv = [sys.argv[0], "worker", "-l", "warn", "--without-web"]
    app.main()


if __name__ == "__main__":
    main()
