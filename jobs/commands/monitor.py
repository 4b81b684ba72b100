"""``sq monitor``: Prometheus and Alertmanager with our rules, the lag exporter, and what Grafana
needs.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from jobs.helping import HelpFormatter

HELP = """\
Starts Prometheus and Alertmanager with our rules, and the lag exporter, on free ports of 127.0.0.1;
they run on after the command and keep their data. Every process of ours is found by itself (it
writes a target file). Prometheus and Alertmanager are the installed programs: on Debian, apt-get
install prometheus prometheus-alertmanager.

Grafana is your own: 'up' prints the folder with provisioning files and dashboards for it.

examples:
  sq monitor up
  sq monitor up --notify http://127.0.0.1:8080/alerts
  sq monitor status
  sq monitor down
"""


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "monitor",
        help="Prometheus, Alertmanager, lag exporter, dashboards",
        description=HELP,
        formatter_class=HelpFormatter,
    )
    actions = command.add_subparsers(
        dest="action", metavar="ACTION", required=True, help="what to do"
    )
    up = actions.add_parser(
        "up", help="start what does not run; ends when all answer", formatter_class=HelpFormatter
    )
    up.add_argument(
        "cluster", nargs="?", default="", help="kafka://HOST:PORT (default: the configured cluster)"
    )
    up.add_argument(
        "--notify",
        default="",
        metavar="URL",
        help="webhook that critical and warning alerts are posted to",
    )
    up.add_argument(
        "--deadman",
        default="",
        metavar="URL",
        help="webhook that the dead-man's switch is posted to every minute",
    )
    actions.add_parser(
        "down", help="stop them, keep what was measured", formatter_class=HelpFormatter
    )
    status = actions.add_parser(
        "status", help="what runs and answers; exit 1 if not all do", formatter_class=HelpFormatter
    )
    status.add_argument("--json", action="store_true", help="print as JSON")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Start, stop or show."""
    from infra.monitoring.stack import Stack
    from streams.log.kafka.cluster import home

    stack = Stack(home())
    if arguments.action == "down":
        print("stopped" if stack.down() else "nothing ran")
        return 0
    if arguments.action == "status":
        return _show(stack.status(), arguments.json)
    return _up(stack, arguments)


def _up(stack: Any, arguments: argparse.Namespace) -> int:
    from infra.monitoring.stack import exporter_command
    from jobs.telemetry.serving import prune
    from streams.log.kafka.cluster import find_cluster

    find_cluster(arguments.cluster)  # refuses before anything is started
    prune(stack.home)
    command = exporter_command()
    exporter = [*command[:-1], arguments.cluster, command[-1]] if arguments.cluster else command
    stack.up(
        exporter,
        notify=arguments.notify,
        deadman=arguments.deadman,
        say=lambda text: print(f"monitor: {text}", file=sys.stderr, flush=True),
    )
    print(
        f"grafana: provisioning in {stack.grafana / 'provisioning'}, dashboards in "
        f"{stack.grafana / 'dashboards'}"
    )
    print(
        f"prometheus=http://{stack.address('prometheus')} "
        f"alertmanager=http://{stack.address('alertmanager')} "
        f"lag=http://{stack.address('lag')}/metrics"
    )
    return 0


def _show(status: dict[str, dict[str, Any]], as_json: bool) -> int:
    if as_json:
        print(json.dumps(status, sort_keys=True))
    else:
        for name, service in status.items():
            print(
                f"{name:13} {service['state']:9} {service['address'] or '-':30} "
                f"{'pid ' + str(service['pid']) if service['pid'] else ''}".rstrip()
            )
    return 0 if all(service["state"] == "up" for service in status.values()) else 1
