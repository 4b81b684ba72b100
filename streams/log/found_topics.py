"""Topics of users' own stages in a folder: the files say which records they hold.

A folder is read without the stage that wrote it, and nothing of it is executed for that.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from schemas.user_topics import PREFIX, BadUserTopic, register
from streams.log.container import HEADER_BYTES_MAX, decode_header
from streams.log.segment import segments_of


def know_topics_of(folder: Path) -> None:
    """Make the users' topics of a folder known to the catalogue, as their files have them.

    A file that is damaged, or whose schema no stage can have, says nothing: its topic stays
    unknown.
    """
    for place in sorted(folder.glob(f"{PREFIX}*")):
        for path in (
            path for part in sorted(place.glob("[0-9]*")) for path in segments_of(part)[:1]
        ):
            with contextlib.suppress(OSError, EOFError, ValueError, KeyError, BadUserTopic):
                with path.open("rb") as file:
                    metadata, _, _ = decode_header(file.read(HEADER_BYTES_MAX))
                register(place.name, json.loads(metadata["avro.schema"]), is_found=True)
