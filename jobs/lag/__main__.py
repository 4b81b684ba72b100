"""``python -m jobs.lag``: the exporter as a job, ``sq lag --serve 9308`` by another name."""

from __future__ import annotations

import sys

from jobs.sq import main

if __name__ == "__main__":
    given = sys.argv[1:]
    serving = any(each == "--serve" or each.startswith("--serve=") for each in given)
    sys.exit(main(["lag", *([] if serving else ["--serve", "9308"]), *given]))
