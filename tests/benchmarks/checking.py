"""How fast ``sq check`` reads the tiled recording, tickers included: rows (levels and trades) a
second. The tops that equal the venue's own must be all that are compared, or the row is void.

    python -m tests.benchmarks.checking
"""

from __future__ import annotations

import json
import sys
from typing import Any

from connectors.captures.tiling import read_tile
from jobs.checking.checker import Limits, check_folder
from tests.benchmarks import recordings
from tests.benchmarks.timing import RUNS, row, seconds

TILES_ROWS = 10_000_000


def run() -> list[dict[str, Any]]:
    """The row of the check."""
    folder = recordings.tiled(TILES_ROWS)
    found = check_folder(folder, Limits())  # compiles
    (depth,) = (each for each in found["subjects"] if each["topic"] == "md.depth")
    if depth["equal"] != depth["compared"] or found["counts"]["error"]:
        raise RuntimeError(f"the check of {folder} finds what is not there: {found['counts']}")
    rows = read_tile(folder).row_count
    runs = [rows / seconds(lambda: check_folder(folder, Limits())) for _ in range(RUNS)]
    records = sum(each["count"] for each in found["topics"].values())
    return [row("check.rows", "rows/s", runs, rows_per_record=rows / records)]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(), indent=1) + "\n")
