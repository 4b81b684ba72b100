"""Which version made a run or a live journal: only that version proves it or goes on with it."""

from __future__ import annotations

from typing import Any

from schemas.errors import WrongUse
from schemas.version import BEFORE_VERSIONS, VERSION


class OtherVersion(WrongUse):
    """The run or journal was made by another version of this product."""

    code = "other_version"


def version_of(facts: dict[str, Any]) -> str:
    """The version that wrote these genesis facts."""
    return str(facts.get("version", BEFORE_VERSIONS))


def check_version(facts: dict[str, Any], name: str) -> None:
    """Refuse what another version made.

    Args:
        facts: of the genesis record.
        name: what was made, for the message: a folder or a topology.

    Raises:
        OtherVersion: says which version made it.
    """
    made_by = version_of(facts)
    if made_by != VERSION:
        raise OtherVersion(
            f"{name} was made by version {made_by}, verify with it: this is version {VERSION}, "
            "whose results differ (CHANGELOG.md says where); 'sq cat', 'sq report' and 'sq pull' "
            "read both"
        )
