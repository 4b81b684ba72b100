"""Where compiled code is kept."""

from __future__ import annotations

import os
from pathlib import Path


def cache_root() -> Path:
    """Folder that holds all compiled kernels: ``SQ_KERNEL_CACHE``, or the user's cache folder."""
    named = os.environ.get("SQ_KERNEL_CACHE")
    if named:
        return Path(named)
    return (
        Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        / "shrivenquant"
        / "kernels"
    )
