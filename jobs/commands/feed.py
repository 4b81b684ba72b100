"""``sq feed``: a recording becomes a live feed on a cluster."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import Any

from jobs.helping import HelpFormatter
from jobs.quantities import speed as read_speed

HELP = """\
Sends a recording's records to the cluster's topics in the order of their event times, at their own
pace or faster: ref.* first, then control and market data merged by time. A job that runs there
takes them for a live feed.

Feeding the same recording twice is allowed: its records then lie there twice, and this says so.
Ctrl-C stops, and says how much was sent.
"""
EXAMPLES = """\
examples:
  sq feed data/btc                  # at the speed of the recording
  sq feed data/btc --speed 10
  sq feed data/btc --speed max --cluster kafka://broker:9092
"""


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "feed",
        help="a recording as a live feed on Kafka",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=HelpFormatter,
    )
    command.add_argument(
        "recording", type=Path, help="folder that 'sq import', 'sq generate' or 'sq pull' wrote"
    )
    command.add_argument(
        "--speed", default="1", metavar="N", help="event seconds a second, or max (default 1)"
    )
    command.add_argument(
        "--cluster",
        default="",
        metavar="URL",
        help="kafka://HOST:PORT (default: the configured cluster)",
    )
    command.add_argument("--json", action="store_true", help="print the summary as JSON")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Feed; 130 if it was interrupted."""
    from connectors.live_feed import LiveFeed, fed_topics
    from jobs.progress import ProgressBar
    from schemas.registry import resolve
    from streams.log.kafka.errors import reached_cluster
    from streams.log.kafka.producing import PlainProducer, partition_ends
    from streams.log.local import LocalLog

    speed = read_speed(arguments.speed)
    cluster = reached_cluster(arguments.cluster)
    with LocalLog.open(arguments.recording) as log:
        topics = fed_topics(log)
        ends = partition_ends(cluster, topics)
        schema_ids = resolve(cluster, topics)
        there = {
            topic: max(each)
            for topic, each in ends.items()
            if topic.startswith("md.") and max(each)
        }
        if there:
            held = ", ".join(f"{topic} up to offset {count}" for topic, count in there.items())
            sys.stderr.write(f"sq: the cluster already holds {held}; this feed comes behind it\n")
        producer = PlainProducer(cluster, "sq-feed", lambda text: sys.stderr.write(f"sq: {text}\n"))
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with ProgressBar("feed", "records") as bar:
            partitions = {topic: len(each) for topic, each in ends.items()}
            feed = LiveFeed(log, cluster, partitions, schema_ids, producer, speed, bar.update)
            try:
                fed, is_whole = feed.run(), True
            except KeyboardInterrupt:
                fed, is_whole = feed.stop(), False
    facts = {
        "topics": fed.counts,
        "records": fed.records - fed.never_sent,
        "seconds": round(fed.seconds, 3),
        "first_time": fed.first_time,
        "last_time": fed.last_time,
        "behind_seconds_max": round(fed.behind_seconds_max, 3),
        "finished": is_whole,
    }
    if arguments.json:
        print(json.dumps(facts, sort_keys=True))
    else:
        _print(fed, facts, cluster.url)
    return 0 if is_whole else 128 + signal.SIGINT


def _print(fed: Any, facts: dict[str, Any], url: str) -> None:
    if facts["finished"]:
        for topic, count in fed.counts.items():
            print(f"  {topic:18} {count:>12,}")
    rate = f", {fed.records / fed.seconds:,.0f} records/s" if fed.seconds > 0 else ""
    print(f"{facts['records']:,} records on {url} in {fed.seconds:.1f} s{rate}")
    if fed.behind_seconds_max > 1:
        print(
            f"the feed ran up to {fed.behind_seconds_max:.1f} s behind its pace: the broker or "
            "this machine was too slow for the speed"
        )
    if not facts["finished"]:
        print(
            "stopped before the end; feeding it again starts over and sends those records a second "
            "time"
        )
