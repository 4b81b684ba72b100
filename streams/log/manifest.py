"""The file that closes a folder: ``log.json`` of an imported log, ``run.json`` of a run.

Canonical JSON (keys sorted, indent 1, ASCII, final newline) whose last field is SHA-256 over the
canonical JSON of all others. The file must equal its own canonical form, so no byte of it can
change unnoticed.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path, PurePosixPath
from typing import Any

from schemas.errors import CorruptLog
from schemas.json_text import parsed
from streams.log.errors import LogMissing
from streams.log.files import write_file

LOG_MANIFEST = "log.json"
RUN_MANIFEST = "run.json"
MANIFESTS = (LOG_MANIFEST, RUN_MANIFEST)
DIGEST = "digest"
PATH_BYTES_MAX, NAME_LENGTH_MAX = 1024, 120


class DamagedManifest(CorruptLog):
    """A manifest is not what was written."""

    code = "damaged_manifest"


def canonical_json(value: Any) -> bytes:
    """One spelling for one value. Raises ValueError for NaN and infinities, TypeError for what JSON
    does not have.
    """
    return (
        json.dumps(value, sort_keys=True, indent=1, ensure_ascii=True, allow_nan=False).encode()
        + b"\n"
    )


def _closed(content: dict[str, Any]) -> bytes:
    """The file's bytes: the content's canonical JSON with the digest as its last field."""
    body = canonical_json(content)
    digest = hashlib.sha256(body).hexdigest()
    opening = body[: -len("\n}\n")].decode() + "," if content else "{"
    return f'{opening}\n "{DIGEST}": "{digest}"\n}}\n'.encode()


def write_manifest(path: Path, content: dict[str, Any]) -> None:
    """Close a folder: write the manifest whole, synced, by rename. Raises LogFull, LogWriteFailed.
    """
    write_file(Path(path), _closed({key: value for key, value in content.items() if key != DIGEST}))


def read_manifest(path: Path) -> dict[str, Any]:
    """The content, its ``digest`` included.

    Raises:
        LogMissing: there is no such file.
        DamagedManifest: any byte of it is not what :func:`write_manifest` wrote.
    """
    path = Path(path)
    try:
        written = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise LogMissing(f"{path} does not exist; the folder is not closed, or not a log") from None
    except OSError as error:
        raise DamagedManifest(
            f"{path} cannot be read ({error.strerror}); restore it, or make the folder again"
        ) from None
    try:
        content = parsed(written)
        digest = content.pop(DIGEST)
        expected = _closed(content)
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise DamagedManifest(
            f"{path} does not parse as a manifest ({type(error).__name__}); restore it, or make "
            "the folder again"
        ) from None
    if expected != written:
        raise DamagedManifest(f"{path} fails its own digest; restore it, or make the folder again")
    wrong = _wrong_lists(content)
    if wrong:
        raise DamagedManifest(
            f"{path} does not list what a folder holds: {wrong}; restore it, or make the folder "
            "again"
        )
    return {**content, DIGEST: digest}


def _wrong_lists(content: dict[str, Any]) -> str:
    """What of ``files`` and ``topics`` cannot be; empty if nothing. A name that leads out of the
    folder is none of a file in it.
    """
    files, topics = content.get("files", []), content.get("topics", {})
    if not isinstance(files, list) or not isinstance(topics, dict):
        return "files is no list, or topics is no object"
    for entry in files:
        if not isinstance(entry, dict) or [
            type(entry.get(key)) for key in ("path", "bytes", "sha256")
        ] != [str, int, str]:
            return "a file has no path, bytes or sha256"
        name = entry["path"]
        parts = PurePosixPath(name).parts
        is_usable = name.isprintable() and len(name.encode("utf-8", "replace")) <= PATH_BYTES_MAX
        if (
            not parts
            or not is_usable
            or name != "/".join(parts)
            or ".." in parts
            or max(map(len, parts)) > NAME_LENGTH_MAX
        ):
            return f"{ascii(name)[:80]} is no path of a file in it"
    for name, facts in topics.items():
        if (
            not isinstance(facts, dict)
            or type(facts.get("count")) is not int
            or type(facts.get("digest")) is not str
        ):
            return f"topic {ascii(name)[:80]} has no count or digest"
    return ""
