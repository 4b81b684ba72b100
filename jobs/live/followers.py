"""The standbys of a member: a process for every shard that it does not own (``sq run --standby``).
"""

from __future__ import annotations

from jobs.live.children import Child
from jobs.live.restarts import End, Restarts
from jobs.telemetry.logs import Log
from jobs.telemetry.task import MemberMetrics


class Followers:
    """Standbys by shard; the parent starts them, and calls everything here under its lock.

    Args:
        shards: how many the topology has.
        is_wanted: False: nothing is followed.
        log, metrics: of the member.
    """

    def __init__(self, shards: int, is_wanted: bool, log: Log, metrics: MemberMetrics) -> None:
        self.shards = shards
        self.is_wanted = is_wanted
        self.log = log
        self.metrics = metrics
        self.children: dict[int, Child] = {}
        self.restarts = Restarts()

    def missing(self, owned: dict[int, Child | None], now: float) -> list[int]:
        """Shards that a standby should be started for now."""
        if not self.is_wanted:
            return []
        self.restarts.due(now)
        given_up = self.restarts.given_up
        return [
            shard
            for shard in range(self.shards)
            if shard not in owned
            and shard not in self.children
            and shard not in given_up
            and not self.restarts.is_pausing(shard)
        ]

    def add(self, shard: int, child: Child, member: str) -> None:
        """A process is its standby from now on."""
        self.children[shard] = child
        child.follow(shard, member)
        self.metrics.followed(shard, True)

    def promoted(self, shard: int) -> Child | None:
        """Its standby, which is one no more; None if there is none."""
        self.restarts.forget(shard)
        self.metrics.followed(shard, False)
        return self.children.pop(shard, None)

    def may_own(self, shard: int) -> bool:
        """False after a divergence: what this host executes is not what the journal says."""
        return shard not in self.restarts.given_up or not self.restarts.given_up[shard].bars_owning

    def ended(self, child: Child, end: End, now: float) -> bool:
        """A process ended: True if it was a standby."""
        shard = child.shard
        if shard is None or self.children.get(shard) is not child:
            return False
        del self.children[shard]
        pause = self.restarts.ended(shard, end, now)
        self.metrics.followed(shard, False, halted=pause is None)
        if pause is not None:
            self.log.warning(
                "standby_restarting",
                f"the standby ended by {end.cause}; following again in {pause:g} s",
                shard=shard,
            )
            return True
        after = "; this member will not own the shard either" if end.bars_owning else ""
        self.log.error(
            "standby_halted",
            f"the shard is not followed any more{after}",
            shard=shard,
            code=end.cause,
        )
        return True
