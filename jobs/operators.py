"""Who types a command, and when: for the records that say so. No stage reads either."""

from __future__ import annotations

import getpass
import os
import socket
import time

VARIABLE = "SQ_OPERATOR"


def operator() -> str:
    """``SQ_OPERATOR``, else user and host."""
    given = os.environ.get(VARIABLE, "").strip()
    if given:
        return given
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def now() -> int:
    """Wall clock, ns UTC."""
    return time.time_ns()
