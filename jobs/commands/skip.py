"""``sq skip``: leave out one record that halts a topology."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from jobs.helping import HelpFormatter

if TYPE_CHECKING:
    from streams.log.kafka.client import KafkaLog
    from streams.log.kafka.cluster import Cluster
    from streams.runtime.order.skip import SkipRequest

HELP = """\
A record that makes a stage fail halts its topology, and every restart meets it again. This tells
the runner to dead-letter that one record in its place: the decision is journaled and audited, and a
replay leaves it out too. Use the place that the halt's error names.

example:
  sq skip md.trades/0/1234 --reason "price of 10:31 corrected by the venue"
"""


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "skip",
        help="leave out one record that halts a topology",
        description=HELP,
        formatter_class=HelpFormatter,
    )
    command.add_argument(
        "place", metavar="TOPIC/PARTITION/OFFSET", help="the record, topic by its catalogue name"
    )
    command.add_argument("--reason", required=True, help="why it may be left out, for the audit")
    command.add_argument(
        "--topology", default="pipeline", help="whose runner leaves it out (default: pipeline)"
    )
    command.add_argument(
        "--cluster",
        default="",
        metavar="URL",
        help="kafka://HOST:PORT (default: the configured cluster)",
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Look at the record, write the command."""
    from connectors.control import TOPIC, send_control
    from jobs.live.topic_ownership import TOPIC as TOPOLOGIES
    from jobs.operators import now, operator
    from schemas.registry import resolve
    from streams.log.kafka.client import KafkaLog
    from streams.log.kafka.errors import reached_cluster
    from streams.log.kafka.scan import facts_of
    from streams.runtime.order.skip import BadSkip, skip_command, skip_request

    cluster = reached_cluster(arguments.cluster)
    log = KafkaLog(cluster)
    if (
        arguments.place.startswith(f"{TOPOLOGIES}/0/")
        and arguments.place.rpartition("/")[2].isdecimal()
    ):
        return _settle(cluster, log, int(arguments.place.rpartition("/")[2]))
    request = skip_request(arguments.place, arguments.topology)
    command = skip_command(request, arguments.reason, operator(), now())
    _check_consumed_by(request, cluster, log)
    name = cluster.name(request.topic)
    partitions = facts_of(log, [name])[name].partitions
    if request.partition >= partitions:
        raise BadSkip(
            f"{name} has {partitions} partitions, counted from 0; there is no {request.place}"
        )
    reader = log.reader(cluster.name("sq.skip"))
    try:
        start, end = reader.start((name, request.partition)), reader.end((name, request.partition))
    finally:
        reader.close()
    if not start <= request.offset < end:
        raise BadSkip(
            f"{name}/{request.partition} holds offsets {start} to {end - 1}; there is no "
            f"{request.place}"
        )
    _check_not_consumed(request, cluster, log)
    offset = send_control(log, cluster.name(TOPIC), resolve(cluster, [TOPIC])[TOPIC], command)
    print(
        f"skip of {request.place} for {request.topology} written to "
        f"{cluster.name(TOPIC)}/0/{offset}; its runner obeys now, or at its next start"
    )
    return 0


def _check_consumed_by(request: SkipRequest, cluster: Cluster, log: KafkaLog) -> None:
    """Refuse what no runner of the topology consumes, or will. Raises BadSkip, NoTopology."""
    from jobs.live.topic_ownership import TOPIC, open_claims, read_claims
    from schemas.vocabulary import ClaimKind
    from streams.runtime.live.spec import NoTopology
    from streams.runtime.order.skip import BadSkip

    inputs = _inputs(request.topology, cluster, log)
    if request.topic not in inputs:
        raise BadSkip(
            f"{request.topic} is no input of {request.topology}; its inputs are "
            f"{', '.join(inputs)}: name the input record that led to it"
        )
    if cluster.name(TOPIC) not in log.admin().describe([cluster.name(TOPIC)]):
        return  # nothing has started in this environment
    claims = read_claims(log, cluster)
    closed = any(
        each.topology == request.topology and each.kind == int(ClaimKind.CLOSED)
        for _, each in claims
    )
    if closed and request.topology not in open_claims(claims):
        raise NoTopology(
            f"topology {request.topology} was ended: it consumes nothing any more; 'sq status' "
            "lists those that do"
        )


def _inputs(topology: str, cluster: Cluster, log: KafkaLog) -> list[str]:
    """What the topology reads, as it was begun; before that, what it may read."""
    from jobs.live.topology_status import begun_facts
    from jobs.pipeline import FEEDS
    from jobs.ticker import TICKERS
    from streams.runtime.journal.journal import JOURNAL
    from streams.runtime.live.spec import runtime_name

    journal = cluster.name(runtime_name(topology, JOURNAL))
    found = log.admin().describe([journal])
    begun = (
        begun_facts(log, cluster, topology, found[journal].partitions) if journal in found else None
    )
    return [*FEEDS, TICKERS] if begun is None else [item["topic"] for item in begun["inputs"]]


def _check_not_consumed(request: SkipRequest, cluster: Cluster, log: KafkaLog) -> None:
    """Refuse a record that lies before what the topology has consumed. Raises BadSkip."""
    from jobs.live.topic_ownership import TOPIC, open_claims, read_claims
    from streams.runtime.order.skip import BadSkip

    if cluster.name(TOPIC) not in log.admin().describe([cluster.name(TOPIC)]):
        return
    mine = open_claims(read_claims(log, cluster)).get(request.topology)
    shards = range(mine[1].shards if mine is not None else 0)
    groups = [f"{cluster.name(request.topology)}.{shard}" for shard in shards]
    place = cluster.name(request.topic), request.partition
    stored = [
        places[place][0] for places in log.admin().positions(groups).values() if place in places
    ]
    if stored and min(stored) > request.offset:
        raise BadSkip(
            f"{request.topology} has consumed {request.place} already, its next record there is "
            f"{min(stored)}; 'sq lag' shows positions"
        )


def _settle(cluster: Cluster, log: KafkaLog, offset: int) -> int:
    """A record of ``topologies`` that is no claim: every reader passes it over already, and reports
    it until now.
    """
    from jobs.live.topic_ownership import TOPIC, settle_unreadable
    from schemas.registry import resolve

    settle_unreadable(log, cluster, offset, resolve(cluster, [TOPIC])[TOPIC])
    print(
        f"{cluster.name(TOPIC)}/0/{offset} is settled: it is no claim, and is not reported any more"
    )
    return 0
