"""Transactions that hang: a take-over ends them before it writes anything.

A broker that ended uncleanly may lose the markers of a transaction, of an aborted one and of a
committed one alike, while its coordinator calls that transaction complete (decision 36 has the
proof). Its records then hold the last stable offset back in their partitions; and the next
transaction of the same producer that ends there decides about them as well. Left alone, the next
owner's first commit would make a batch visible that was aborted, and its journal would fork.

After the fence nothing of ours may be open. Where something is, in the journal or in an output:

1. the journal records that lie open are read, whatever became of them
2. both producers write a record to every such partition and abort it: that aborts what hung there
3. of what was read, the batches that continue the journal are **carried out again**: executed,
   their digests compared, and committed with the same journal record (of a second one only the
   offsets change that say where the first one's outputs lie). Whether the lost marker was a
   commit's, which a former owner may have been told of, or an abort's does not matter then: the
   outputs follow from the journal record, and a partition that shows them already is left out.

A take-over that dies between 2 and 3 leaves those records, and a void behind them: the next one
goes on from there.

What this cannot mend ends in :class:`HangingTransaction`: a journal record that is visible, and
outputs of it that hang.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from schemas.errors import CorruptLog
from streams.log.kafka.framing import HEADER_BYTES
from streams.log.kafka.transport import VOID, Partition, TransportFailed
from streams.runtime.journal.batch import Output
from streams.runtime.journal.journal import (
    BATCH,
    CLOSE,
    JOURNAL,
    JournalEntry,
    OutputEntry,
    decode_entry,
)
from streams.runtime.live.stored import read_range

if TYPE_CHECKING:
    from streams.runtime.live.shard_log import ShardLog
    from streams.runtime.recovery.task import Task

SETTLE_SECONDS = 15.0


class HangingTransaction(TransportFailed):
    """A transaction's marker is lost, and what is left cannot be made whole from here."""

    code = "hanging_transaction"
    restart_helps = False


class Hanging:
    """What hangs in the partitions that one task writes.

    Args:
        task: the visible journal executed again.
        log: fenced.
    """

    def __init__(self, task: Task, log: ShardLog) -> None:
        self.task = task
        self.log = log
        self.spec = log.spec
        self._group = f"{log.spec.group}.recovery"
        topics = (JOURNAL, *log.spec.published)
        self._partitions = {log.spec.partition_of(topic): topic for topic in topics}
        self._entries: dict[tuple[int, bytes], JournalEntry] = {}
        self._moved: set[str] = set()
        self._found = 0

    def clear(self) -> bool:
        """Steps 1 and 2; False if nothing hangs.

        Raises:
            Fenced: what is open is the work of another owner, who took over meanwhile.
            HangingTransaction: records of a visible journal record hang, or an abort freed nothing.
        """
        found = self.log.admin.open_ranges(list(self._partitions))
        journal = self.spec.partition_of(JOURNAL)
        values = self._unseen(journal, found)
        if not found and VOID not in values:
            return False
        self._entries = {(each.sequence, each.previous_digest): each for each in _decoded(values)}
        freed = [each for each in found if each != journal and not self._is_short(each)]
        for writer in self.log.writers if found else ():
            writer.void([journal, *freed])
        self._wait(found)
        self._found = len(found)
        self.task.on_step("hanging aborted")
        return True

    def carry_out(self) -> None:
        """Step 3.

        Raises:
            Diverged: a batch executed again gave something else.
            OtherIdentity: a batch is of other code.
            HangingTransaction: an output shows a part of a batch.
        """
        task, count = self.task, 0
        while entry := self._entries.pop((task.sequence + 1, task.last_digest), None):
            if entry.kind not in (BATCH, CLOSE) or task.is_closed:
                break
            self._again(entry)
            count += 1
        if self._found or count:
            task.observer.hung(self._found, count)

    def _unseen(
        self, journal: Partition, found: Mapping[Partition, tuple[int, int]]
    ) -> list[bytes]:
        """What the journal holds and shows no reader, from where it hangs or after its end.

        Behind that lies one marker, and nothing is read. More is of an owner that died in a batch;
        or, with a void among it, in step 3.
        """
        if journal in found:
            start, end = found[journal]
        else:
            start, end = self.log.journal_offset + 1, self.task.recovery.end()
            if end <= start + 1:
                return []
        reader = self.log.cluster.uncommitted(self._group)
        try:
            chunks = read_range(reader, journal, start, end)
            return [value for chunk in chunks for value in chunk.values]
        finally:
            reader.close()

    def _is_short(self, partition: Partition) -> bool:
        """True if an output lacks records that a visible journal record speaks of.

        They hang, and an abort would lose them.
        """
        topic = self._partitions[partition]
        previous, count = self.log.last_written(topic)
        return count > 0 and self._visible(topic, previous) < count

    def _visible(self, topic: str, previous: int) -> int:
        """Records that a reader is given behind an offset; -1: from this journal's first on."""
        partition = self.spec.partition_of(topic)
        outputs = self.task.genesis["outputs"]
        starts = {item["topic"]: int(item.get("start_offset", 0)) for item in outputs}
        begin = previous + 1 if previous >= 0 else starts.get(topic, 0)
        reader = self.log.cluster.reader(self._group)
        try:
            begin = max(begin, reader.start(partition))
            chunks = read_range(reader, partition, begin, reader.end(partition))
            return sum(len(chunk.offsets) for chunk in chunks)
        finally:
            reader.close()

    def _wait(self, found: Mapping[Partition, tuple[int, int]]) -> None:
        """The aborts' markers come a moment after their answers.

        What lies behind the ends found is another owner's, and not waited for.
        """
        deadline = self.task.monotonic() + SETTLE_SECONDS
        reader = self.log.cluster.reader(self._group)
        try:
            while left := self._left(found):
                if self.task.monotonic() > deadline:
                    raise self._stuck(*next(iter(left.items())))
                reader.assign(left)
                reader.poll(1, 0.1)
        finally:
            reader.close()

    def _left(self, found: Mapping[Partition, tuple[int, int]]) -> dict[Partition, int]:
        """Of the ranges found, those still open: by partition, where."""
        now = self.log.admin.open_ranges(list(found))
        return {each: first for each, (first, _) in now.items() if first < found[each][1]}

    def _stuck(self, partition: Partition, first: int) -> HangingTransaction:
        topic, number = partition
        where = f"{topic}/{number}: a transaction hangs at offset {first}"
        if self._is_short(partition):
            return HangingTransaction(
                f"{where}: the brokers lost its marker, and the journal says it was committed; its "
                "records were left as they are. Keep the topics, and start another topology "
                "under another name: 'sq run ... --name NAME'"
            )
        return HangingTransaction(
            f"{where}, and it is of another producer; end it with 'kafka-transactions.sh abort "
            f"--topic {topic} --partition {number} --start-offset {first}', then start again"
        )

    def _again(self, entry: JournalEntry) -> None:
        task = self.task
        outputs: list[Output] = []
        if entry.kind == BATCH:
            entry.outputs = [self._placed(each) for each in entry.outputs]
            batch = task.recovery.repeat(entry)
            previous = {self.spec.outputs[e.output]: e.previous_offset for e in entry.outputs}
            published = [each for each in batch.outputs if each.topic in self.spec.published]
            outputs = [each for each in published if not self._is_there(each, previous[each.topic])]
        self.log.append(entry.sequence, outputs, entry.clock)
        task.commit(entry)
        self._moved.update(each.topic for each in outputs)
        task.on_step("carried out again")

    def _placed(self, item: OutputEntry) -> OutputEntry:
        """Behind where the batch before was written again."""
        topic = self.spec.outputs[item.output]
        previous = self.log.last_offsets[topic] if topic in self._moved else item.previous_offset
        first = item.output, item.count, item.digest, item.checksum, item.end_position
        return OutputEntry(*first, previous)

    def _is_there(self, output: Output, previous: int) -> bool:
        """True if a reader is given this output already.

        Its partition got the commit's marker, the journal's did not.
        """
        seen = self._visible(output.topic, previous)
        if seen not in (0, output.count):
            raise HangingTransaction(
                f"{output.topic}: {seen} records lie behind offset {previous}, the batch that hung "
                f"wrote {output.count}: somebody else writes there. 'sq topics drift' and 'sq "
                "status' say who; start another topology under another name"
            )
        return seen > 0


def _decoded(values: Sequence[bytes]) -> Iterator[JournalEntry]:
    """Journal records among values; of two with one place in the chain the later one counts.

    The earlier is of an owner that died in its batch, before what hangs was written.
    """
    for value in values:
        try:
            yield decode_entry(value[HEADER_BYTES:])
        except CorruptLog:
            continue
