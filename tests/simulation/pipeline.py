"""The whole pipeline in the simulator: every stage, a strategy that trades on everything, fed with
a small generated market.

Slower than the stand-in by a hundred times, and nothing of it is made for the simulator: topology,
feeds, execution and task are those of a deployed job (``jobs/live/deployment.py``). The verdict is
asked twice: of the checker, and of ``sq verify``'s own verifier.
"""

from __future__ import annotations

import functools
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from jobs.live.deployment import Deployment, maker, spec_of
from jobs.live.proof import task_spec
from jobs.pipeline import FEEDS
from jobs.ticker import TICKERS, settled
from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.errors import WrongUse
from schemas.records import ControlCommand, Trade
from schemas.vocabulary import ControlKind, ControlScope, Side
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.framing import HEADER_BYTES, header
from streams.log.kafka.transport import Partition
from streams.log.local import LocalLog
from streams.runtime.journal.batch import Batch
from streams.runtime.journal.journal import BATCH, JOURNAL, JournalEntry, decode_entry
from streams.runtime.journal.snapshot import TOPIC as SNAPSHOTS
from streams.runtime.live.evidence import LiveEvidence
from streams.runtime.live.order import LiveOrder
from streams.runtime.live.shard import ShardTask
from streams.runtime.live.spec import Bounds
from streams.runtime.live.stored import split
from streams.runtime.order.merge import ELEMENT
from streams.runtime.order.skip import SkipRequest, skip_command
from streams.runtime.recovery.comparison import compare
from streams.runtime.recovery.execution import Execution
from streams.runtime.verify.verify import Verifier
from tests.simulation.broken_runners import EXECUTIONS
from tests.simulation.broker import SimulatedBroker
from tests.simulation.checker import Batched, Violation
from tests.simulation.clock import SECOND, START
from tests.simulation.log import SimulatedLog
from tests.simulation.mutations import mutate
from tests.simulation.network import Network
from tests.simulation.process import Process
from tests.simulation.retention import deletable
from tests.simulation.world import Feed

ROOT = Path(__file__).resolve().parents[2]
BUSY = f"{ROOT / 'tests' / 'runtime' / 'busy.py'}:Busy"
OBSERVER = f"{ROOT / 'tests' / 'runtime' / 'observer.py'}:Observer"
TRADER = f"{ROOT / 'tests' / 'runtime' / 'trader.py'}:Trader"
BUSY_KERNEL = str(ROOT / "tests" / "runtime" / "busy_kernel.py")
WAIT_SECONDS = 0.1
UPDATES, TRADES = 160, 240
INPUTS = (*FEEDS, TICKERS)
MARKET = ("md.depth", "md.trades", TICKERS)
CONTROL_CODE = INPUTS.index("control")


@functools.cache
def market() -> dict[str, list[tuple[int, bytes]]]:
    """(event time, body) of every record of a generated market, by topic, in its order there."""
    sys.path.insert(0, str(ROOT / "tests"))
    from tests.scenario import make_recording

    found: dict[str, list[tuple[int, bytes]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        log = LocalLog.open(
            make_recording(Path(folder) / "market", UPDATES, TRADES, has_tickers=True)
        )
        for topic in log.topics():
            record = topic_of(topic).record
            found[topic] = []
            for block in log.reader(topic).blocks():
                times = [
                    each.event_time
                    for each in codec(record).decode_records(block.body, block.count)
                ]
                found[topic] += zip(times, split(block.body, block.count, record), strict=True)
        log.close()
    return found


@functools.cache
def deployment(strategy: str = BUSY) -> Deployment:
    """The job, as ``sq run pipeline`` would deploy it."""
    sys.path.insert(0, str(ROOT / "tests"))
    from tests.scenario import configuration

    options: dict[str, Any] = {"book_window": 256, "tail_capacity": 16384}
    if strategy == BUSY_KERNEL:  # one of them with the stage that a job switches on
        options["microstructure"] = {"window": 11, "trades": 20, "waiting": 512}
    found = Deployment(
        job="pipeline",
        topology="pipeline",
        configuration=settled(configuration(strategy, **options), has_tickers=True),
        cluster=Cluster(bootstrap="simulated:0"),
        journal_id=5,
    )
    outputs = found.outputs()
    ids = {topic: number for number, topic in enumerate([*INPUTS, *outputs, JOURNAL, SNAPSHOTS], 1)}
    return msgspec.structs.replace(found, publish=outputs, schema_ids=ids)


class PipelineSubject:
    """See the module's head. Mutations of the task run over it too; those of the execution are the
    stand-in's business.
    """

    together = 1

    def __init__(self, mutation: str = "", strategy: str = BUSY) -> None:
        if mutation in EXECUTIONS:
            raise WrongUse(f"{mutation} breaks the stand-in execution: --subject event")
        self.mutation = mutation
        self.deployment = deployment(strategy)
        self.topics = self.deployment.outputs()
        spec = self.spec(64, 64)
        self.inputs: Sequence[Partition] = [spec.partition_of(topic) for topic in spec.inputs]
        self.outputs: Sequence[Partition] = [spec.partition_of(topic) for topic in self.topics]
        self.journal: Partition = spec.partition_of(JOURNAL)
        self.others: Sequence[Partition] = [spec.partition_of(SNAPSHOTS)]
        self.has_previous_offsets = True

    def spec(self, records: int, state_digest_records: int) -> Any:
        """The task of shard 0; bounds and snapshot distance may differ from one process to the
        next.
        """
        found = spec_of(self.deployment, 0, self.topics, Bounds(records=records))
        return msgspec.structs.replace(found, state_digest_records=state_digest_records)

    def feed(self, source: random.Random) -> list[Feed]:
        """A stretch of the market from its beginning, in bursts; instruments first or late; a kill
        switch now and then; poison.
        """
        ids = self.deployment.schema_ids
        framed = {topic: header(ids[topic]) for topic in INPUTS}
        merged = sorted(
            (moment, topic, place, body)
            for topic in MARKET
            for place, (moment, body) in enumerate(market()[topic])
        )
        merged = merged[: source.randint(40, len(merged))]
        feeds: list[Feed] = []
        reference = [framed["ref.instruments"] + body for _, body in market()["ref.instruments"]]
        late = source.choice((0, 0, 3))
        place = 0
        while place < len(merged):
            burst = merged[place : place + source.randint(1, 12)]
            place += len(burst)
            if reference and (len(feeds) >= late or place >= len(merged)):
                feeds.append(Feed(0, ("ref.instruments", 0), reference, "plain", 0))
                reference = []
            for topic in MARKET:
                values = [framed[topic] + body for _, name, _, body in burst if name == topic]
                if source.random() < 0.05:
                    values.append(source.choice((b"", b"no framing", framed[topic] + b"\x01")))
                if values:
                    outcome = source.choice(("plain", "plain", "commit"))
                    wait = int(source.choice((0, 0.001, 0.02, 0.15)) * SECOND)
                    feeds.append(
                        Feed(
                            wait,
                            (topic, 0),
                            values,
                            outcome,
                            int(source.choice((0.001, 0.05)) * SECOND),
                        )
                    )
            if source.random() < 0.06:
                feeds.append(source.choice((self._dated_ahead, self._skip))(source, framed))
            if source.random() < 0.03:
                kind = ControlKind.KILL if source.random() < 0.5 else ControlKind.REARM
                command = ControlCommand(
                    burst[0][0],
                    int(kind),
                    int(ControlScope.SYSTEM),
                    0,
                    0,
                    0,
                    "",
                    "",
                    "operator",
                    "simulated",
                )
                feeds.append(
                    Feed(
                        0,
                        ("control", 0),
                        [framed["control"] + codec("ControlCommand").encode_records([command])],
                        "plain",
                        0,
                    )
                )
        return feeds

    @staticmethod
    def _dated_ahead(source: random.Random, framed: dict[str, bytes]) -> Feed:
        """A trade or a command of tomorrow."""
        at = START + 86_400 * SECOND
        if source.random() < 0.5:
            command = ControlCommand(
                at,
                int(ControlKind.REARM),
                int(ControlScope.SYSTEM),
                0,
                0,
                0,
                "",
                "",
                "operator",
                "tomorrow",
            )
            return Feed(
                0,
                ("control", 0),
                [framed["control"] + codec("ControlCommand").encode_records([command])],
                "plain",
                0,
            )
        trade = Trade(1, at, source.choice((0, at)), 999_999, 1, 10_000, 1_000, int(Side.BUY), 0)
        return Feed(
            0,
            ("md.trades", 0),
            [framed["md.trades"] + codec("Trade").encode_records([trade])],
            "plain",
            0,
        )

    @staticmethod
    def _skip(source: random.Random, framed: dict[str, bytes]) -> Feed:
        """A record that an operator leaves out, somewhere in the market."""
        request = SkipRequest(source.choice(MARKET), 0, source.randrange(120), "pipeline")
        command = skip_command(request, "simulated", "operator", START)
        return Feed(
            0,
            ("control", 0),
            [framed["control"] + codec("ControlCommand").encode_records([command])],
            "plain",
            0,
        )

    def run(self, process: Process, log: SimulatedLog) -> None:
        """Take over, recover, batches until told to drain."""
        spec = self.spec(process.random.choice((1, 7, 64)), process.random.choice((20, 64, 1000)))
        kind, make = mutate(self.mutation, process, ShardTask, maker(self.deployment))
        task = kind(log, spec, make, process.clock_ns, process.monotonic, process.step)
        task.prepare()
        while not process.draining:
            task.step(WAIT_SECONDS)
        task.drain()
        task.close()

    forges = False

    def forge(self, broker: SimulatedBroker, source: random.Random) -> bool:
        """Nobody writes what only the runner may write."""
        return False

    def judge(self, broker: SimulatedBroker) -> list[Violation]:
        """The market is of the day before: no clock is of today."""
        for record in broker.committed(*self.journal):
            entry = decode_entry((record.value or b"")[HEADER_BYTES:])
            if entry.clock > START:
                return [
                    Violation(
                        "runaway-clock",
                        f"batch {entry.sequence} is at clock {entry.clock}, all of the market lies "
                        f"before {START}",
                    )
                ]
        return []

    def deletable(self, broker: SimulatedBroker) -> dict[Partition, int]:
        """How far retention may go; reference data is kept for ever."""
        found = deletable(broker, self.journal, self.others[0], self.inputs)
        return {key: offset for key, offset in found.items() if key[0].startswith("md.")}

    def _fresh(self, broker: SimulatedBroker) -> Execution:
        log = SimulatedLog(broker, Network(broker.clock))
        order: LiveOrder = maker(self.deployment)(log, self.spec(64, 64), dict.fromkeys(INPUTS, 0))
        return order.execution

    def reexecute(
        self, broker: SimulatedBroker, entries: Sequence[JournalEntry]
    ) -> tuple[list[Batched], str]:
        """Batch by batch, and in as few batches as the skips allow; then the verifier of ``sq
        verify``.

        What retention took is put back from the archive first. A skip leaves out what lies behind
        it in the order, and a batch obeys the skips that it begins with: a late one says nothing of
        a record that was consumed before it, so the order is cut where a skip was taken.
        """
        for key in self.inputs:
            broker.partition(key).start = 0
        piecewise = self._fresh(broker)
        batches: list[Batched] = []
        skips = self._skips(broker)
        stretches: list[list[Any]] = [[]]
        for entry in entries:
            if entry.kind != BATCH:
                continue
            if any(
                code == CONTROL_CODE and skips.intersection(range(first, last + 1))
                for code, first, last, _ in entry.elements.tolist()
            ):
                stretches.append([])
            batch = piecewise.repeat_batch(entry.elements)
            finding = compare(batch, entry, piecewise)  # type: ignore[arg-type]
            if (entry.clock, entry.input_sequence) != (batch.clock, batch.consumed):
                finding = (
                    finding
                    or f"(clock, records) is {(entry.clock, entry.input_sequence)}, an "
                    f"uninterrupted run has {(batch.clock, batch.consumed)}"
                )
            batches.append(Batched(self._framed(batch), finding))
            stretches[-1] += entry.elements.tolist()
        whole = self._fresh(broker)
        found = [
            self._framed(whole.repeat_batch(np.array([tuple(run) for run in runs], ELEMENT)))
            for runs in stretches
        ]
        for topic in self.topics:
            expected = [value for batch in batches for value in batch.outputs.get(topic, ())]
            if [value for outputs in found for value in outputs.get(topic, ())] != expected:
                return batches, f"a run that knows no batches writes other records to {topic}"
        if piecewise.is_started and whole.stage_states() != piecewise.stage_states():
            return batches, "a run that knows no batches ends in another state"
        return batches, self._verified(broker)

    @staticmethod
    def _skips(broker: SimulatedBroker) -> set[int]:
        """Offsets in ``control`` of the skips. A batch that takes skips begins with all the
        commands that waited.
        """
        decode = codec("ControlCommand").decode_records
        values = [
            (record.offset, (record.value or b"")[HEADER_BYTES:])
            for record in broker.committed("control", 0)
        ]
        return {offset for offset, body in values if decode(body, 1)[0].kind == ControlKind.SKIP}

    def _framed(self, batch: Batch) -> dict[str, list[bytes]]:
        ids = self.deployment.schema_ids
        return {
            output.topic: [
                header(ids[output.topic]) + body
                for body in split(output.body, output.count, topic_of(output.topic).record)
            ]
            for output in batch.outputs
        }

    def _verified(self, broker: SimulatedBroker) -> str:
        """What ``sq verify`` says of the log; empty if nothing."""
        log = SimulatedLog(broker, Network(broker.clock))
        sources = self.spec(64, 64).facts["sources"]
        evidence = LiveEvidence(
            log,
            lambda facts: task_spec(facts, ""),
            lambda facts: maker(self.deployment),
            lambda facts: sources,
            self.journal,
        )
        verdict = Verifier(evidence).verify()
        return "; ".join(
            f"sq verify: {finding.kind}: {finding.text}" for finding in verdict.findings
        )
