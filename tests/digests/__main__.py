"""``python -m tests.digests``: compare every scenario with what is written down; ``--write`` writes
it anew.

Scenarios of recorded captures need the folder that SQ_DATA names; without it they are left as they
are, and it is said.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

from tests.digests.found import FILE, Digests, Recordings, difference, digests_of, written
from tests.digests.scenarios import CAPTURED, SCENARIOS


def main() -> int:
    """Exit 1 if a digest differs and is not to be written."""
    before = written() if FILE.is_file() else {}
    found: dict[str, Digests] = {}
    data = os.environ.get("SQ_DATA", "")
    with tempfile.TemporaryDirectory() as place:
        recordings = Recordings(Path(place), Path(data))
        for number, (name, scenario) in enumerate({**SCENARIOS, **CAPTURED}.items()):
            if name in CAPTURED and not data:
                sys.stdout.write(f"{name}: left as it is, SQ_DATA names no recorded data\n")
                found[name] = before.get(name, {})
                continue
            found[name] = digests_of(
                scenario, recordings.path(scenario.recording), Path(place) / f"run{number}"
            )
            changed = difference(before.get(name, {}), found[name])
            sys.stdout.write(
                f"{name}: {'as written' if not changed else 'differs in ' + ', '.join(changed)}\n"
            )
    if "--write" in sys.argv[1:]:
        FILE.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        return 0
    return int(found != before)


if __name__ == "__main__":
    sys.exit(main())
