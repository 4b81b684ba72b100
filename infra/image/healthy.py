"""The health check of a container: asks ``/healthz`` of every process that serves metrics in it;
exit code 1 if one says no or none is there.

Ports are free ones; every process writes its own into ``$SQ_KAFKA_HOME/targets``
(jobs/telemetry/serving.py). Files of other containers, which may share that folder, are left alone.
Nothing here asks Kafka: a broker that is away is no reason to restart anything.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import urllib.error
import urllib.request
from pathlib import Path

ANSWER_SECONDS = 4


def addresses(folder: Path, host: str) -> list[str]:
    """``HOST:PORT`` of this host's processes."""
    found: list[str] = []
    for path in sorted(folder.glob(f"*-{host}-*.json")):
        try:
            found += [
                address for group in json.loads(path.read_text()) for address in group["targets"]
            ]
        except FileNotFoundError:
            continue  # it has ended meanwhile
    return found


def problems(folder: Path, host: str) -> list[str]:
    """What is wrong, a line each; empty if all is well."""
    found = addresses(folder, host)
    wrong = [] if found else [f"no process of {host} serves /healthz yet"]
    for address in found:
        try:
            with urllib.request.urlopen(f"http://{address}/healthz", timeout=ANSWER_SECONDS):
                continue
        except urllib.error.HTTPError as problem:
            wrong.append(f"{address}: {problem.read().decode(errors='replace').strip()}")
        except OSError as problem:
            wrong.append(f"{address}: {problem}")
    return wrong


if __name__ == "__main__":
    home = Path(os.environ.get("SQ_KAFKA_HOME", "/var/lib/shrivenquant"))
    wrong = problems(home / "targets", socket.gethostname())
    sys.stdout.write("\n".join(wrong or ["ok"]) + "\n")
    sys.exit(1 if wrong else 0)
