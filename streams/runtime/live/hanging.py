"""Transactions that hang: a take-over ends them before it writes anything.

A broker that ended uncleanly may lose the markers of a transaction, of an aborted one and of a committed one alike, while its coordinator calls
that transaction complete (decision 36 has the proof). Its records then hold the last stable offset back in their partitions; and the next
transaction of the same producer that ends there decides about them as well. Left alone, the next owner's first commit would make a batch
visible that was aborted, and its journal would fork.

After the fence nothing of ours may be open. Where something is, in the journal or in an output:

1. the journal records that lie open are read, whatever became of them
2. both producers write a record to every such partition and abort it: that aborts what hung there
3. of what was read, the batches that continue the journal are **carried out again**: executed, their digests compared, and committed with the
   same journal record. Whether the lost marker was a commit's, which a former owner may have been told of, or an abort's does not matter then:
   no reader has seen anything of it, and the outputs follow from the journal record.

What this cannot mend ends in :class:`HangingTransaction`: a batch of which some partitions show the outcome and others have lost it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from schemas.errors import CorruptLog
from streams.log.kafka.framing import HEADER_BYTES
from streams.log.kafka.transport import Partition, TransportFailed
from streams.runtime.execution import Output
from streams.runtime.journal import BATCH, CLOSE, JournalEntry, decode_entry
from streams.runtime.live.stored import read_range
from streams.runtime.task import JOURNAL

if TYPE_CHECKING:
    from streams.runtime.live.task import LiveTask

SETTLE_SECONDS = 15.0


class HangingTransaction(TransportFailed):
    """A transaction's marker is lost in some of its partitions, and what is left cannot be made whole from here."""

    code = "hanging_transaction"
    restart_helps = False


class Hanging:
    """What hangs in the partitions that one task writes.

    Args:
        task: fenced, the visible journal executed again.
    """

    def __init__(self, task: LiveTask) -> None:
        self.task = task
        self.spec = task.spec
        self._partitions = {self.spec.partition_of(topic): topic for topic in (JOURNAL, *self.spec.published)}
        self._values: list[bytes] = []

    def clear(self) -> bool:
        """Steps 1 and 2; False if nothing hangs.

        Raises:
            Fenced: what is open is the work of another owner, who took over meanwhile.
            HangingTransaction: records of a journal record that is visible hang; or the abort did not free what hangs.
        """
        found = self.task.admin.open_ranges(list(self._partitions))
        if not found:
            return False
        journal = self.spec.partition_of(JOURNAL)
        self._values = self._open_records(found)
        short = [partition for partition in found if self._is_short(partition)]
        for writer in self.task.writers:
            writer.void([journal, *(partition for partition in found if partition not in (journal, *short))])
        self._wait(found)
        self.task.on_step("hanging aborted")
        return True

    def carry_out(self) -> int:
        """Step 3; returns how many journal records were written again.

        Raises:
            Diverged: a batch executed again gave something else. OtherIdentity: it is of other code.
            HangingTransaction: an output shows a part of a batch.
        """
        task, count = self.task, 0
        for value in self._values:
            try:
                entry = decode_entry(value[HEADER_BYTES:])
            except CorruptLog:
                continue  # a record that was written to be aborted
            follows = (entry.sequence, entry.previous_digest) == (task.sequence + 1, task.last_digest)
            if follows and entry.kind in (BATCH, CLOSE) and not task.is_closed:
                self._again(entry)
                count += 1
        return count

    def _open_records(self, found: Mapping[Partition, tuple[int, int]]) -> list[bytes]:
        partition = self.spec.partition_of(JOURNAL)
        if partition not in found:
            return []
        reader = self.task.log.uncommitted(f"{self.spec.group}.recovery")
        try:
            return [value for chunk in read_range(reader, partition, *found[partition]) for value in chunk.values]
        finally:
            reader.close()

    def _is_short(self, partition: Partition) -> bool:
        """True if an output lacks records that a visible journal record speaks of: they hang, and an abort would lose them."""
        topic = self._partitions[partition]
        previous, count = self.task.recovery.last_written(topic)
        return count > 0 and self._visible(topic, previous) < count

    def _visible(self, topic: str, previous: int) -> int:
        """Records that a reader is given behind an offset, or from this journal's first on where that is -1."""
        partition = self.spec.partition_of(topic)
        starts = {item["topic"]: int(item.get("start_offset", 0)) for item in self.task.genesis["outputs"]}
        reader = self.task.log.reader(f"{self.spec.group}.recovery")
        try:
            begin = max(previous + 1 if previous >= 0 else starts.get(topic, 0), reader.start(partition))
            return sum(len(chunk.offsets) for chunk in read_range(reader, partition, begin, reader.end(partition)))
        finally:
            reader.close()

    def _wait(self, found: Mapping[Partition, tuple[int, int]]) -> None:
        """The markers of the aborts are written a moment after their answers. What lies behind the ends found is another owner's."""
        deadline = self.task.monotonic() + SETTLE_SECONDS
        reader = self.task.log.reader(f"{self.spec.group}.recovery")
        try:
            while left := {at: first for at, (first, _) in self.task.admin.open_ranges(list(found)).items() if first < found[at][1]}:
                if self.task.monotonic() > deadline:
                    raise self._stuck(*next(iter(left.items())))
                reader.assign(left)
                reader.poll(1, 0.1)
        finally:
            reader.close()

    def _stuck(self, partition: Partition, first: int) -> HangingTransaction:
        where = f"{partition[0]}/{partition[1]}"
        if self._is_short(partition):
            return HangingTransaction(
                f"{where}: the brokers lost the marker of a transaction at offset {first} that the journal says was committed; its records were "
                "left as they are. Keep the topics, and start another topology under another name: 'sq run ... --name NAME'"
            )
        tool = f"kafka-transactions.sh abort --topic {partition[0]} --partition {partition[1]} --start-offset {first}"
        return HangingTransaction(f"{where}: a transaction of another producer hangs at offset {first}; abort it with '{tool}', then start again")

    def _again(self, entry: JournalEntry) -> None:
        task, digest = self.task, entry.digest
        outputs: list[Output] = []
        if entry.kind == BATCH:
            batch = task.recovery.repeat(entry)
            told = {self.spec.outputs[item.output]: item for item in entry.outputs}
            outputs = [each for each in batch.outputs if each.topic in self.spec.published and not self._is_there(each, told[each.topic].previous_offset)]
        task._commit(entry, task.framed(outputs))
        assert entry.digest == digest
        task.on_step("carried out again")

    def _is_there(self, output: Output, previous: int) -> bool:
        """True if a reader is given this output already: its partition got the commit's marker, the journal's did not."""
        seen = self._visible(output.topic, previous)
        if seen not in (0, output.count):
            raise HangingTransaction(
                f"{output.topic}: {seen} records lie behind offset {previous}, the batch that hangs wrote {output.count}; "
                "somebody else writes there, or a part of a batch is lost: 'sq verify' the topology, then start another one under another name"
            )
        return seen > 0
