"""Where librdkafka's own lines and its errors that heal go: they are not the user's."""

from __future__ import annotations

import logging
from typing import Any

SILENT = logging.getLogger("streams.log.kafka.librdkafka")
SILENT.addHandler(logging.NullHandler())
SILENT.propagate = False


def silent(*_: Any) -> None:
    """An error callback that says nothing."""


PATIENT: dict[str, Any] = {
    "reconnect_backoff_ms": 50,
    "reconnect_backoff_max_ms": 1000,
    "logger": SILENT,
    "error_cb": silent,
}
"""Settings of every client that heals by itself: back within a second, and not a word meanwhile."""
