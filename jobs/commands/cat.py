"""``sq cat``: print a topic's records."""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from jobs.helping import HelpFormatter
from schemas.errors import WrongUse

HELP = """\
Prints a topic's records, one JSON object a line, enums by name. Prices and quantities are integers
at the instrument's precision; --decimal prints them as decimals.

Of a cluster: what is committed by now, one partition behind the other; --offset is the first offset
of each partition.

examples:
  sq cat data/toy md.trades --limit 5 --decimal
  sq cat runs/a fills --from 2024-01-01T00:10 | head
  sq cat kafka://localhost:9092 fills --decimal
"""


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "cat", help="print a topic's records", description=HELP, formatter_class=HelpFormatter
    )
    command.add_argument("folder", help="recording or run folder, or kafka://HOST:PORT")
    command.add_argument("topic", help="topic name, see 'sq topics'")
    command.add_argument(
        "--limit", type=int, default=0, metavar="N", help="at most N records (default: all)"
    )
    command.add_argument("--offset", type=int, default=None, metavar="N", help="first offset")
    command.add_argument(
        "--from",
        dest="from_",
        metavar="TIME",
        help="only records of this event time or later (ISO 8601, UTC)",
    )
    command.add_argument(
        "--decimal",
        action="store_true",
        help="prices and quantities as decimals, times as ISO 8601",
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Stream the records in bounded memory."""
    from jobs.quantities import instant
    from jobs.rendering import Renderer
    from streams.log.kafka.cluster import is_cluster

    if arguments.limit < 0 or (arguments.offset or 0) < 0:
        raise WrongUse("--limit and --offset take 0 or more")
    if is_cluster(arguments.folder):
        return _cluster(arguments)
    from schemas.catalogue import topic as topic_of
    from schemas.codec import codec
    from streams.log.local import LocalLog

    log = LocalLog.open(Path(arguments.folder))
    record = topic_of(arguments.topic).record
    if arguments.topic not in log.topics():
        raise WrongUse(
            f"{arguments.folder} holds no {arguments.topic}; it has {', '.join(log.topics())}"
        )
    reader = log.reader(arguments.topic)
    first = reader.start_offset if arguments.offset is None else arguments.offset
    since = instant(arguments.from_) if arguments.from_ is not None else 0
    if since:
        first = max(first, reader.offset_at_time(since))
    if first > reader.end_offset:
        raise WrongUse(f"{arguments.topic} ends at offset {reader.end_offset}")
    left = arguments.limit or reader.end_offset
    render = Renderer(log, record, arguments.decimal)
    for block in reader.blocks(first) if first < reader.end_offset else ():
        decoded = codec(record).decode_records(block.body, block.count)
        start = (
            first - block.first_offset
            if block.offsets is None
            else int(np.searchsorted(block.offsets, first))
        )
        for each in decoded[max(0, start) :]:
            if since and each.event_time < since:  # a late one, behind the first that is not
                continue
            sys.stdout.buffer.write(msgspec.json.encode(render(each)) + b"\n")
            left -= 1
            if not left:
                break
        if not left:
            break
    log.close()
    return 0


def _cluster(arguments: argparse.Namespace) -> int:
    """The same of a cluster's topic."""
    from jobs.cluster_records import ClusterRecords
    from jobs.quantities import instant
    from jobs.rendering import Renderer
    from streams.log.kafka.errors import reached_cluster

    topic = ClusterRecords(reached_cluster(arguments.folder), arguments.topic)
    render = Renderer(
        topic.instruments() if arguments.decimal else [], topic.record, arguments.decimal
    )
    first = instant(arguments.from_) if arguments.from_ is not None else None
    for record in itertools.islice(topic.read(arguments.offset, first), arguments.limit or None):
        sys.stdout.buffer.write(msgspec.json.encode(render(record)) + b"\n")
    return 0
