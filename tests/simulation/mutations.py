"""The runner broken on purpose. A check that no mutation can turn red proves nothing: each of these
must be caught within its number of seeds.

``caught_as`` names what the checker may call it; the first rows are the table of reference/kafka.md
section 8, with the design's own in place of two of them (recovery never reads group offsets, so
"offsets left out" breaks nothing; the journal is the cursor).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from streams.runtime.live.shard import ShardTask
from tests.simulation.broken_runners import EXECUTIONS, TASKS

if TYPE_CHECKING:
    from tests.simulation.process import Process

Make = Callable[..., Any]


class Mutation(NamedTuple):
    """One way to break the runner."""

    name: str
    what: str
    caught_as: tuple[str, ...]
    seeds: int
    subject: str = "event"


ROWS = (
    Mutation(
        "recovery-from-group-offsets",
        "recovery positions the inputs at the group's offsets, not at the journal's",
        ("duplicate", "poll-skip", "inconsistent-offsets", "unseen"),
        200,
    ),
    Mutation(
        "journal-outside-transaction",
        "the journal record is produced by a producer without transactions",
        ("fork", "lost-write", "aborted-read", "inconsistent-offsets", "unseen"),
        100,
    ),
    Mutation(
        "outputs-before-begin",
        "outputs are produced before the transaction begins, so outside it",
        ("aborted-read", "precommitted-read", "duplicate"),
        100,
    ),
    Mutation(
        "random-transactional-id",
        "a transactional id of its own per start, so nothing fences the former owner",
        ("fork", "duplicate", "aborted-read", "inconsistent-offsets", "G0", "halted"),
        100,
    ),
    Mutation(
        "journal-read-before-init",
        "the journal's end is read before the former owner is fenced",
        ("fork", "duplicate", "aborted-read", "inconsistent-offsets", "halted"),
        300,
    ),
    Mutation(
        "unknown-treated-as-failed",
        "a commit of unknown outcome is produced and committed again",
        ("fork", "duplicate", "aborted-read", "inconsistent-offsets", "halted"),
        200,
    ),
    Mutation(
        "unknown-treated-as-done",
        "a commit of unknown outcome is taken for done",
        ("fork", "lost-write", "poll-skip", "inconsistent-offsets", "halted", "unseen"),
        200,
    ),
    Mutation(
        "state-kept-after-abort",
        "after a failed batch the task goes on with the state that the batch has already changed",
        ("diverged", "duplicate", "fork", "halted"),
        200,
    ),
    Mutation(
        "clock-read-in-apply",
        "a stage reads the host's clock",
        ("diverged", "halted", "lost-write", "aborted-read"),
        50,
    ),
    Mutation(
        "replay-by-event-time",
        "recovery re-executes each batch in event-time order, not in the journal's",
        ("halted", "diverged", "unseen"),
        100,
    ),
    Mutation(
        "dead-letter-skipped",
        "a record that cannot be used is passed over without a dead letter",
        ("diverged", "lost-write"),
        50,
    ),
    Mutation(
        "offset-plus-one",
        "positions are computed as first offset + count, as if markers took no offsets",
        ("duplicate", "poll-skip", "inconsistent-offsets", "halted", "unseen"),
        200,
    ),
    Mutation(
        "first-batch-on-free-producer",
        "after a take-over the first batch goes to whichever producer is free",
        ("fork", "duplicate", "aborted-read", "inconsistent-offsets", "halted"),
        1500,
    ),
    Mutation(
        "process-local-counter",
        "producers alternate by a counter of the process, not by the journal's sequence",
        ("fork", "duplicate", "aborted-read", "inconsistent-offsets", "halted"),
        1500,
    ),
    Mutation(
        "one-producer-fenced-only",
        "a take-over initialises producer 0 and leaves 1 to its former owner",
        ("fork", "duplicate", "aborted-read", "inconsistent-offsets", "G0", "halted"),
        200,
    ),
    Mutation(
        "standby-not-drained",
        "a standby is promoted where it stands, without what is left of the journal",
        ("fork", "duplicate", "lost-write", "inconsistent-offsets", "halted"),
        100,
        "standby",
    ),
    Mutation(
        "hanging-left",
        "a take-over does not look for transactions whose markers the brokers lost",
        ("fork", "duplicate", "aborted-read", "lost-write", "inconsistent-offsets", "halted"),
        200,
    ),
    Mutation(
        "own-claim-believed",
        "a member believes the claim that it wrote itself, though another one of its topology came "
        "first",
        ("halted", "split-claim"),
        60,
        "claims",
    ),
    Mutation(
        "garbage-claim-raises",
        "a record that is no claim ends whoever reads the claims",
        ("halted", "unseen"),
        20,
        "claims",
    ),
    Mutation(
        "snapshot-unbound",
        "recovery takes a snapshot whose states alone are the journal's, whatever positions it "
        "names",
        ("duplicate", "poll-skip", "inconsistent-offsets", "halted", "diverged", "unseen"),
        100,
        "proof",
    ),
    Mutation(
        "wall-clock-believed",
        "a step of the host's wall clock is believed and journaled",
        ("runaway-clock",),
        20,
        "clocks",
    ),
    Mutation(
        "dates-believed",
        "records dated a day ahead are believed, and move the clock",
        ("runaway-clock",),
        10,
        "pipeline",
    ),
    Mutation(
        "close-forgives-foreign",
        "the verifier asks no more for foreign records once the journal is closed",
        ("missed",),
        20,
        "proof",
    ),
    Mutation(
        "outputs-not-compared",
        "the verifier believes the journal's digests, whatever the outputs hold",
        ("missed",),
        20,
        "proof",
    ),
    Mutation(
        "offsets-not-compared",
        "the verifier does not compare where records lie with what the journal says",
        ("missed",),
        20,
        "proof",
    ),
    Mutation(
        "chain-not-checked",
        "the verifier takes journal records that do not continue the one before",
        ("missed",),
        20,
        "proof",
    ),
    Mutation(
        "stops-at-close", "the verifier does not look behind a Close", ("missed",), 20, "proof"
    ),
    Mutation(
        "retention-called-tampering",
        "the verifier calls records that retention removed changed ones",
        ("misnamed",),
        20,
        "proof",
    ),
    Mutation(
        "elements-believed",
        "the verifier passes over journal elements that the inputs cannot give",
        ("missed",),
        20,
        "proof",
    ),
)
MUTATIONS = {row.name: row for row in ROWS}


def mutate(
    name: str, process: Process, kind: type[ShardTask], make: Make
) -> tuple[type[ShardTask], Make]:
    """The runner and its execution, broken in the named way (empty: not at all)."""
    if name in TASKS:
        return TASKS[name](process, kind), make
    if name in EXECUTIONS:
        return kind, lambda *arguments: EXECUTIONS[name](process, make(*arguments))
    return kind, make
