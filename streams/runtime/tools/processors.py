"""How many processors this process may use."""

from __future__ import annotations

import os


def processors() -> int:
    """Those the system lets it run on; all of the machine's where the system does not say (macOS).
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
