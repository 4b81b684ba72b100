"""One task in a process of its own: kills itself where it is told to, or goes on until everything
is consumed, and drains.

Run by the fault tests as ``python -m tests.kafka.one_task SCRIPT``; says ``prepared``,
``consumed``, ``drained`` or ``failed`` as lines of JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

import msgspec

from jobs.live.deployment import Deployment, maker, spec_of
from schemas.errors import ShrivenError
from streams.log.kafka.client import KafkaLog
from streams.runtime.live.shard import ShardTask
from streams.runtime.live.spec import Bounds


def say(event: str, **facts: Any) -> None:
    """One line."""
    print(json.dumps({"event": event, **facts}), flush=True)  # noqa: T201


def main() -> int:
    """Run the script."""
    script = json.loads(sys.argv[1])
    deployment = msgspec.convert(script["deployment"], Deployment)
    left = script["occurrence"]

    def on_step(name: str) -> None:
        nonlocal left
        if name == script["die_at"]:
            left -= 1
            if left == 0:
                # what was written is on the broker by then
                time.sleep(script.get("linger_seconds", 0.0))
                os.kill(os.getpid(), signal.SIGKILL)

    bounds = Bounds(records=script.get("batch", 200), order_wait_seconds=30.0)
    task = ShardTask(
        KafkaLog(deployment.cluster),
        spec_of(deployment, script.get("shard", 0), deployment.outputs(), bounds),
        maker(deployment),
        on_step=on_step,
    )
    try:
        task.prepare()
        say("prepared", sequence=task.sequence, pid=os.getpid())
        last = time.monotonic()
        while time.monotonic() - last < script.get("quiet_seconds", 3.0):
            if task.step(0.05):
                last = time.monotonic()
                say("consumed", records=task.execution.consumed, sequence=task.sequence)
        task.drain()
        say("drained", sequence=task.sequence, records=task.execution.consumed)
    except ShrivenError as problem:
        say("failed", code=problem.code, text=problem.text)
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
