"""``sq status``: what runs on the cluster, and how far it is."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from jobs.helping import HelpFormatter

HELP = """\
Every topology that has a claim on the cluster, shard by shard: the account it trades, who owns it,
how far its journal is, and the digest of its last record, which stands for everything before it;
and the members that follow it as standbys, and how far behind its journal they are.

states:
  running      its owner executes
  recovering   its owner rebuilds it from the journal
  frozen       it has an owner, records have waited for 15 s, and its journal has not grown for as
               long
  halted       its owner gave it up, since starting again would not help; the code of the error
               stands behind the owner
  quarantined  its owner gave it up after too many crashes; the record that the last died at stands
               behind the owner
  no owner     nobody runs it; "(drained)" where its last owner stopped it well
  closed       its journal takes no more records
  empty        it never began
  upgraded     its last owner drained, and a newer version may go on

examples:
  sq status
  sq status --json
"""


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "status",
        help="topologies on Kafka: owners, journals, digests",
        description=HELP,
        formatter_class=HelpFormatter,
    )
    command.add_argument(
        "cluster",
        nargs="?",
        default="",
        help="kafka://HOST:PORT; default: the one configured or started",
    )
    command.add_argument("--json", action="store_true", help="print as JSON")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print it."""
    import msgspec
    import numpy as np

    from jobs.live.topology_status import status
    from streams.log.kafka.errors import reached_cluster

    found = status(
        reached_cluster(arguments.cluster), lambda text: print(f"sq: {text}", file=sys.stderr)
    )
    if arguments.json:
        print(json.dumps(msgspec.to_builtins(found), sort_keys=True))
        return 0
    if not found:
        print("no topology has a claim here; 'sq run pipeline' starts one")
        return 0
    print(
        f"{'topology':16} {'shard':>5} {'account':>10}  {'state':11} {'journal':>9} "
        f"{'records':>12}  {'clock':30} {'digest':16}  owner"
    )
    for each in found:
        clock = str(np.datetime64(each.clock, "ns")) if each.clock else "-"
        digest = each.digest[:16] or "-"
        account = "-" if each.account is None else each.account
        place = (
            f"{each.topology:16} {each.shard:>5} {account:>10}  {each.state:11} "
            f"{each.sequence:>9} {each.records:>12,}"
        )
        detail = f"  ({each.detail})" if each.detail else ""
        print(f"{place}  {clock:30} {digest:16}  {each.owner or '-'}{detail}")
        for standby in each.standbys:
            print(
                f"{'':16} {'':>16}  standby: {standby.state}, {standby.lag_records} journal "
                f"records behind  {standby.member}"
            )
    return 0
