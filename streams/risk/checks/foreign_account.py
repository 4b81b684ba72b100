"""A shard trades one account."""

from __future__ import annotations

from typing import Any

from schemas.vocabulary import RiskCode
from streams.numeric.borrowing import inlined_kernel, inner_kernel
from streams.numeric.int128 import wide
from streams.risk.check import Check

CHECK = Check(
    RiskCode.FOREIGN_ACCOUNT,
    denies="the account is not traded by this shard",
    observed="account",
    limit="this shard's account",
    set_by="`account`",
    meaning="the account belongs to another shard",
    governed_by="--accounts, --shard",
)


@inlined_kernel
def fails(risk: Any, request: Any) -> Any:
    """It is another's."""
    return request.account != risk.account


@inner_kernel
def shows(risk: Any, request: Any) -> Any:
    """Both accounts."""
    return wide(request.account), wide(risk.account)
