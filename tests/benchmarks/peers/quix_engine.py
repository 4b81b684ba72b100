"""The Quix Streams peer, exactly-once: trades to one-minute bars. Runs in its own environment
(``make bench-peers``).

Arguments: BOOTSTRAP GROUP STATE_FOLDER INPUT OUTPUT TRADE_SCHEMA.avsc. Prints "ready" when it runs;
ends by SIGTERM.

State is its own store by message key (the instrument), with its changelog, as it comes. Decoding is
fastavro on the framed body, its fastest way (its own Avro deserializer builds a dict the same way
and asks the registry besides).
"""

import io
import json
import sys
from pathlib import Path

import fastavro
from quixstreams import Application
from quixstreams.models import Deserializer, Serializer

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


class Trades(Deserializer):
    """Framed trades to dicts."""

    def __init__(self, schema):
        super().__init__()
        self.schema = schema

    def __call__(self, value, ctx):
        return fastavro.schemaless_reader(io.BytesIO(value[HEADER_BYTES:]), self.schema, None)


class Bars(Serializer):
    """Bars to framed records."""

    def __call__(self, value, ctx):
        out = io.BytesIO(b"\0\0\0\0\1")
        out.seek(0, io.SEEK_END)
        fastavro.schemaless_writer(out, BAR, value)
        return out.getvalue()


def step(trade, state):
    """Add the trade to the open bar of its instrument; the bar it closes, or None."""
    price, time = trade["price"], trade["event_time"]
    bar = state.get("bar")
    if bar is not None and time < bar["open_time"] + MINUTE:
        bar["high"] = max(bar["high"], price)
        bar["low"] = min(bar["low"], price)
        bar["close"] = price
        bar["volume"] += trade["quantity"]
        bar["trade_count"] += trade["trade_count"]
        state.set("bar", bar)
        return None
    values = (
        trade["instrument"],
        time - time % MINUTE,
        price,
        price,
        price,
        price,
        trade["quantity"],
        trade["trade_count"],
    )
    state.set("bar", dict(zip(FIELDS, values, strict=True)))
    return bar


def main():
    bootstrap, group, folder, source, target, schema = sys.argv[1:]
    application = Application(
        broker_address=bootstrap,
        consumer_group=group,
        state_dir=folder,
        processing_guarantee="exactly-once",
        auto_offset_reset="earliest",
        auto_create_topics=True,
        commit_interval=1.0,
        loglevel="WARNING",
    )
    reader = Trades(fastavro.parse_schema(json.loads(Path(schema).read_text())))
    trades = application.topic(source, value_deserializer=reader, key_deserializer="bytes")
    bars = application.topic(target, value_serializer=Bars(), key_serializer="bytes")
    frame = application.dataframe(trades)
    frame = frame.apply(step, stateful=True)
    frame = frame.filter(lambda bar: bar is not None)
    frame.to_topic(bars)
    print("ready", flush=True)
    application.run()


if __name__ == "__main__":
    main()
