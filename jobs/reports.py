"""Reports of a run folder: placeholder until the reporting document is wired."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streams.log.local import LocalLog


def write_reports(folder: LocalLog, manifest: dict[str, Any], out: Path | None = None) -> list[Path]:
    """Write the reports."""
    return []
