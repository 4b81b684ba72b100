"""What a task writes to and recovers from: a run folder (``run_folder.py``), or one shard's topics
on a cluster (``live/shard_log.py``). The task and its recovery know these protocols only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from streams.runtime.journal.batch import Batch, Output
from streams.runtime.journal.journal import JournalEntry, OutputEntry
from streams.runtime.journal.snapshot import Snapshot

if TYPE_CHECKING:
    from streams.runtime.recovery.task import Task

Stored = tuple[int, JournalEntry]
"""A journal record and its place: the offset at which it lies."""


class Beginning(NamedTuple):
    """A journal as it was found.

    Attributes:
        genesis: its first record.
        snapshot: the latest one that agrees with the journal; None: the state is that of genesis.
        entries: records after genesis; from the snapshot's own record on, where there is one.
        written_by: facts of the code that wrote its last record.
    """

    genesis: Stored
    snapshot: Snapshot | None
    entries: list[Stored]
    written_by: dict[str, Any]


class Journal(Protocol):
    """Reads one journal, to its present end and on from there."""

    def begin(self) -> Beginning | None:
        """Read up to the present end; None if there is no journal.

        Raises:
            CorruptLog: it does not begin with a genesis record, or its chain has a fork.
            OtherIdentity: it is another run's or topology's, or of code that may not go on with it.
        """

    def read_on(self, previous: bytes) -> list[Stored]:
        """What was written since, up to the present end; it continues the record of this digest."""

    def fetch(self, previous: bytes, wait_seconds: float) -> list[Stored]:
        """As :meth:`read_on`, but at most one fetch of what has come, waiting for it so long."""

    def wait(self, wait_seconds: float) -> None:
        """Wait for a first record."""

    def position(self) -> int:
        """Offset from which is read on."""

    def end(self) -> int:
        """Where it ends now."""

    def close(self) -> None:
        """Give the connection back."""


class LooseEnds(Protocol):
    """What a former owner left unfinished behind the journal's end. A task that begins to own makes
    an end of it before it writes anything.
    """

    def clear(self) -> bool:
        """Abort what hangs; True if the journal may end elsewhere now, and is to be read on."""

    def carry_out(self) -> None:
        """Finish what can be finished, cut what cannot."""


class TaskLog(Protocol):
    """See the module's head.

    Attributes:
        title: of the run or topology, for messages.
        of: " of" and the journal's name, for messages; empty where there is no other.
        advice: what to do where recovery finds something else than the journal.
        facts: what the genesis record is to say of whoever writes now: identity, code, version.
        outputs: topics by number, as the journal counts them; ``inputs`` likewise.
    """

    title: str
    of: str
    advice: str
    facts: dict[str, Any]
    outputs: Sequence[str]
    inputs: Sequence[str]

    def own(self, meanwhile: Callable[[], None]) -> None:
        """Let nobody else write from now on; ``meanwhile`` is work that needs no ownership."""

    def journal(self, rejected: Callable[[], None]) -> Journal:
        """Its reader; ``rejected`` is called for each snapshot that is passed over."""

    def loose_ends(self, task: Task) -> LooseEnds:
        """What lies behind the journal's end."""

    def begin(self) -> dict[str, Any]:
        """There is no journal: facts of the genesis record that begins one."""

    def stand_at(self, place: int, snapshot: Snapshot | None = None) -> None:
        """The state is that behind the journal record at this place, taken from a snapshot or not.
        """

    def note(self, entry: JournalEntry) -> None:
        """A journal record whose outputs lie on the log already: it was executed again, or is a
        snapshot's.
        """

    def settle(self, genesis: dict[str, Any]) -> None:
        """At the journal's end, owned: find out where the outputs end."""

    def append(self, sequence: int, outputs: Sequence[Output], clock: int) -> list[OutputEntry]:
        """Steps 3 and 4 of a batch: its outputs, and what the journal says of each."""

    def commit(self, entry: JournalEntry) -> None:
        """Steps 5 and 6: the journal record, for good."""

    def complete(self, snapshot: Snapshot, entry: JournalEntry, execution: Any) -> Snapshot:
        """The snapshot with what else this log's snapshots hold; the journal record, not written
        yet, is given the digests of all of it.
        """

    def write_snapshot(self, snapshot: Snapshot) -> int:
        """Step 7; returns its bytes. It is only a cache."""

    def check(self, genesis: dict[str, Any]) -> None:
        """Refuse inputs and outputs that are not those of the genesis record any more; looked at
        now and then.
        """

    def look_after(self, execution: Any) -> None:
        """Tell tools where the task stands, if that is due."""

    def difference(self, entry: JournalEntry, batch: Batch) -> str:
        """The first record on the log that is not what the batch makes now; empty if none can be
        named.
        """

    def closing_facts(self) -> dict[str, Any]:
        """What the Close says."""

    def flush(self, execution: Any) -> None:
        """Wait for what was queued, and tell tools where the task stands: it drains."""

    def abandon(self) -> None:
        """Abort what is open, where that is possible; the next owner does it otherwise."""

    def close(self) -> None:
        """Give connections back."""
