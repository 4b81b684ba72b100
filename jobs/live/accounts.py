"""Which account each shard of a live topology trades: fixed when it is deployed, and kept in every
genesis record from then on.
"""

from __future__ import annotations

from typing import Any

import msgspec

from jobs.configuration import BadConfiguration, Configuration

REQUESTS = "orders.requests"


def with_accounts(configuration: Configuration, shards: int, trades: bool) -> Configuration:
    """The configuration with one account for each shard: those it names, else 1, 2, and so on; none
    where nothing is traded.

    Raises:
        BadConfiguration: it names more or fewer, or a stage's table sets an account of its own.
    """
    named = configuration.accounts
    if trades and named and len(named) != shards:
        what = (
            f"accounts names {len(named)} ({', '.join(map(str, named))}), the topology has "
            f"{shards} {'shard' if shards == 1 else 'shards'}"
        )
        raise BadConfiguration(
            f"{what}; name one for each, or leave accounts out: shard s then trades account s + 1"
        )
    accounts = [configuration.account_of(shard) for shard in range(shards)] if trades else []
    return msgspec.structs.replace(configuration, accounts=accounts).check()


def accounts_of(facts: dict[str, Any]) -> list[int]:
    """Account by shard, as a genesis record has them; empty where nothing is traded.

    A record without the key is of a time when every shard traded account 1.
    """
    named: list[int] | None = facts["configuration"].get("accounts")
    if named is not None:
        return named
    trades = any(item["topic"] == REQUESTS for item in facts["outputs"])
    return [1] * int(facts["identity"]["shards"]) if trades else []
