"""``sq kafka``: a real broker and schema registry on this machine."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from jobs.helping import HelpFormatter

HELP = """\
Starts, stops and shows an Apache Kafka broker and a schema registry of your own, on free ports of
127.0.0.1. They run on after the command; all later commands find them. Programs are fetched once
(Maven), or run as containers where an engine answers.

examples:
  sq kafka up
  sq kafka status
  sq kafka down
  sq kafka down --wipe    # and forget all topics, schemas and ports

Data and logs lie in the folder SQ_KAFKA_HOME names, by default in your state folder.
"""


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "kafka",
        help="start, stop or show a local broker and registry",
        description=HELP,
        formatter_class=HelpFormatter,
    )
    actions = command.add_subparsers(
        dest="action", metavar="ACTION", required=True, help="what to do"
    )
    up = actions.add_parser(
        "up", help="start both; ends when both answer", formatter_class=HelpFormatter
    )
    up.add_argument(
        "--property",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a broker property, for this start; repeatable",
    )
    up.add_argument(
        "--backend",
        choices=("jvm", "containers"),
        help="default: containers where an engine has the images, else JVM processes",
    )
    down = actions.add_parser(
        "down", help="stop both, keep the data", formatter_class=HelpFormatter
    )
    down.add_argument("--wipe", action="store_true", help="remove all data, schemas and ports")
    status = actions.add_parser(
        "status", help="what runs and answers; exit 1 if not both do", formatter_class=HelpFormatter
    )
    status.add_argument("--json", action="store_true", help="print as JSON")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Start, stop or show."""
    from infra.kafka.local import LocalCluster
    from streams.log.kafka.cluster import home

    if arguments.action == "up":
        cluster = LocalCluster(
            home(), properties=_properties(arguments.property), backend=arguments.backend
        )
        facts = cluster.up(lambda text: print(f"kafka: {text}", file=sys.stderr, flush=True))
        print(f"bootstrap={facts['bootstrap']} registry={facts['registry']}")
        return 0
    cluster = LocalCluster(home())
    if arguments.action == "down":
        ran = cluster.down(wipe=arguments.wipe)
        print(
            ("stopped" if ran else "nothing ran") + (", all data removed" if arguments.wipe else "")
        )
        return 0
    return _show(cluster.status(), arguments.json)


def _show(status: dict[str, Any], as_json: bool) -> int:
    if as_json:
        print(json.dumps(status, sort_keys=True))
    else:
        for name, service in status["services"].items():
            pid = f"pid {service['pid']}" if service["pid"] else ""
            print(f"{name:9} {service['state']:9} {service['address'] or '-':45} {pid}".rstrip())
        print(f"{status['home']}: {status['backend'] or 'empty'}, {status['bytes'] / 1e6:,.0f} MB")
        if status["up"]:
            print(f"bootstrap={status['bootstrap']} registry={status['registry']}")
    return 0 if status["up"] else 1


def _properties(given: list[str]) -> dict[str, str]:
    from schemas.errors import WrongUse

    properties = {}
    for each in given:
        key, equals, value = each.partition("=")
        if not equals or not key:
            raise WrongUse(
                f"--property {each!r} is no KEY=VALUE, for example --property "
                "log.retention.hours=24"
            )
        properties[key] = value
    return properties
