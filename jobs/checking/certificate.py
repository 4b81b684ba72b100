"""The certificate of a check: the document, closed by its own digest as a manifest is.

Anyone who has the folder can compute it again: it holds the limits, the digests of the topics and
of the code, and what was found. It says nothing of machine, path or day of the check.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from jobs.checking.checker import Limits
from jobs.checking.document import VERSION
from jobs.quantities import duration
from schemas.errors import BadData, WrongUse
from streams.log.manifest import DIGEST, read_manifest, write_manifest

JUMP_MAX = 1000.0


class BadCertificate(BadData):
    """A file is no certificate of ``sq check``."""

    code = "bad_certificate"


def limits_of(said: Mapping[str, Any] | None, silence: str | None, jump: float | None) -> Limits:
    """The limits that were asked for, or those of a certificate. Raises WrongUse, BadCertificate.
    """
    if said is not None:
        if silence is not None or jump is not None:
            raise WrongUse("--compare takes the limits of the certificate; leave the others out")
        try:
            return msgspec.convert(said["limits"], Limits, strict=True)
        except (msgspec.ValidationError, KeyError) as problem:
            raise BadCertificate(f"the certificate has no usable limits: {problem}") from None
    plain = Limits()
    nanoseconds = duration(silence) if silence is not None else plain.silence
    if silence is not None and nanoseconds <= 0:
        raise WrongUse(f"--silence {silence} is no time to wait for; give for example 10s")
    if jump is not None and not 0 < jump <= JUMP_MAX:
        raise WrongUse(f"--jump {jump:g} is not above 0 and at most {JUMP_MAX:g} (percent)")
    return Limits(nanoseconds, round(jump * 10_000) if jump is not None else plain.jump)


def check_place(file: Path, folder: Path) -> None:
    """Refuse a certificate that would replace a file, or lie in the folder. Raises WrongUse."""
    if file.exists():
        raise WrongUse(f"{file} is there already; name a new file, or --compare it")
    if folder.resolve() in file.resolve().parents:
        raise WrongUse(f"{file} lies in {folder}, which a check leaves as it is; name another")
    if not file.resolve().parent.is_dir():
        raise WrongUse(f"there is no folder {file.parent} for the certificate; make it first")


def write(file: Path, found: Mapping[str, Any]) -> None:
    """Write it. Raises LogFull, LogWriteFailed."""
    write_manifest(file, dict(found))


def read(file: Path) -> dict[str, Any]:
    """Read it. Raises LogMissing, DamagedManifest, BadCertificate."""
    if not file.is_file():
        raise WrongUse(f"{file} does not exist; 'sq check FOLDER --certificate FILE' writes one")
    said = read_manifest(file)
    if said.get("command") != "check" or said.get("version") != VERSION:
        raise BadCertificate(f"{file} is no certificate of this version of 'sq check'")
    return said


def differences(said: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """What the folder does not bear out of a certificate, a line each; empty if all is the same."""
    lines = []
    before, now = said.get("topics", {}), found["topics"]
    lines += [
        f"{topic}: the certificate says {_short(before.get(topic))}, the folder holds "
        f"{_short(now.get(topic))}"
        for topic in sorted(before.keys() | now.keys())
        if before.get(topic) != now.get(topic)
    ]
    if said.get("findings") != found["findings"]:
        lines += _other_findings(said.get("findings"), found["findings"])
    lines += [
        f"{key} are not those of the certificate"
        for key in ("counts", "subjects", "hours")
        if said.get(key) != found[key]
    ]
    return lines


def _other_findings(before: Any, now: list[dict[str, Any]]) -> list[str]:
    if not isinstance(before, list) or not all(isinstance(each, dict) for each in before):
        return ["the certificate lists no findings that can be compared"]
    gone = [each for each in before if each not in now]
    new = [each for each in now if each not in before]
    return [f"only the certificate has {_name(each)}" for each in gone] + [
        f"only the folder has {_name(each)}" for each in new
    ]


def _name(finding: Mapping[str, Any]) -> str:
    parts = [str(finding.get(key, "")) for key in ("code", "topic", "instrument")]
    return f"{' '.join(part for part in parts if part)}, count {finding.get('count')}"


def _short(facts: Any) -> str:
    if not isinstance(facts, Mapping):
        return "nothing"
    return f"{facts.get('count')} records with digest {str(facts.get(DIGEST))[:16]}"


def verdict(
    said: Mapping[str, Any], found: Mapping[str, Any], differing: list[str]
) -> list[str]:
    """What a comparison says to people."""
    if differing:
        return ["the certificate does NOT hold:", *(f"  {line}" for line in differing)]
    code = "the same code" if said.get("code") == found["code"] else "other code"
    return [f"the certificate holds: {code} finds the same over the same records"]
