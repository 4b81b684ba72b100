"""``sq stop``: stop a topology's members on this host; with ``--close``, end it for good."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from typing import Any

from jobs.helping import HelpFormatter
from schemas.errors import WrongUse

HELP = """\
Drains and stops the members of a topology that run on this host, as Ctrl-C in their terminals
would. With --close, when no member is left anywhere: closes the topology's journal for good and
gives its topics up, so that another topology may write them.

examples:
  sq stop pipeline
  sq stop pipeline --close
"""
STOP_SECONDS = 30.0


class MembersLeft(WrongUse):
    """A topology that is to be closed still has members."""

    code = "members_left"


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "stop",
        help="stop a topology; --close ends it for good",
        description=HELP,
        formatter_class=HelpFormatter,
    )
    command.add_argument("topology", help="name of the topology, as 'sq status' shows it")
    command.add_argument(
        "--close",
        action="store_true",
        help="end it for good: its journal takes no more records, its topics are free",
    )
    command.add_argument(
        "--cluster",
        default="",
        metavar="URL",
        help="kafka://HOST:PORT (default: the configured cluster)",
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Stop, and close where asked to."""
    from jobs.live.ending import end_topology
    from jobs.live.instance_index import members_here
    from jobs.live.topology_status import member_count
    from streams.log.kafka.client import KafkaLog
    from streams.log.kafka.errors import reached_cluster

    cluster = reached_cluster(arguments.cluster)
    stopped = members_here(cluster, arguments.topology)
    for pid in stopped:
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while members_here(cluster, arguments.topology) and time.monotonic() < deadline:
        time.sleep(0.1)
    left = members_here(cluster, arguments.topology)
    if left:
        sys.stderr.write(
            f"sq: members {', '.join(map(str, left))} did not stop within {STOP_SECONDS:.0f} s\n"
        )
        return 1
    print(f"{arguments.topology}: {len(stopped)} members stopped on this host")
    if not arguments.close:
        return 0
    admin = KafkaLog(cluster).admin()
    while (
        members := member_count(admin, cluster, arguments.topology)
    ) and time.monotonic() < deadline:
        time.sleep(0.2)
    if members:
        raise MembersLeft(
            f"topology {arguments.topology} has {members} members on other hosts; stop them first, "
            "then close it"
        )
    for line in end_topology(cluster, arguments.topology):
        print(line)
    return 0
