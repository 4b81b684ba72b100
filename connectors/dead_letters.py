"""Dead letters of a topology on the cluster: what they are, what was decided about them, and
redriving them exactly once.

A dead letter stays where it is, in ``<topology>.dlq``. What an operator decides is a record of its
own in ``<topology>.dlq.decisions``; a letter without one is open. To decide, in this order:

1. take the transactional id of this topology's dead letters over, which fences whoever else decides
   just now;
2. read the decisions to their end: whoever was fenced has either committed before that, or never
   will;
3. leave out what is decided already;
4. in one transaction write the record to its origin again (redrive) and the decision.

So a letter is redriven once, however often, by however many, and wherever the command was killed.
Only inputs that the catalogue declares commutative can be redriven: a record of an ordered input
would come at another place in its order, and mean something else there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from connectors.framed import FramedDecoder
from schemas.catalogue import topic as topic_of
from schemas.catalogue import topology_topics
from schemas.codec import codec
from schemas.errors import BadData, ShrivenError, WrongUse
from schemas.general import MalformedRecord
from schemas.records import DeadLetter, DeadLetterDecision
from schemas.vocabulary import DeadLetterAction
from streams.log.kafka.framing import header
from streams.log.kafka.scan import committed, facts_of
from streams.log.kafka.transport import Fenced, Log, OutcomeUnknown

LETTERS = "pipeline.dlq"
DECISIONS = "pipeline.dlq.decisions"
TRANSACTION_LETTERS = 500
REDRIVEN, DISCARDED = int(DeadLetterAction.REDRIVEN), int(DeadLetterAction.DISCARDED)


class NoSuchLetter(WrongUse):
    """There is no dead letter at a place."""

    code = "no_such_letter"


class NotRedrivable(WrongUse):
    """A dead letter of an ordered input, or one that would come back."""

    code = "not_redrivable"


class DecisionInterrupted(ShrivenError):
    """Whether the last decisions were written is not known here; the next run finds out by itself.
    """

    code = "decision_interrupted"


class Letter(NamedTuple):
    """One dead letter, where it lies, and what was decided about it; None while it is open."""

    partition: int
    offset: int
    content: DeadLetter
    decision: DeadLetterDecision | None

    @property
    def place(self) -> str:
        """``PARTITION/OFFSET`` in the dead-letter topic."""
        return f"{self.partition}/{self.offset}"

    @property
    def origin(self) -> str:
        """``TOPIC/PARTITION/OFFSET`` where it came from."""
        content = self.content
        return f"{content.origin_topic}/{content.origin_partition}/{content.origin_offset}"


class Outcome(NamedTuple):
    """What a decision did: letters decided now, and those that were decided before and did not
    change.
    """

    decided: list[Letter]
    before: list[Letter]


class DeadLetters:
    """The dead letters of one topology.

    Args:
        log: the cluster's.
        name: what a topic or id is called on the cluster.
        topology: whose.
        decoder: of the cluster's values.
        id_of: registry id to write a topic with, from its name in the catalogue.
    """

    def __init__(
        self,
        log: Log,
        name: Callable[[str], str],
        topology: str,
        decoder: FramedDecoder,
        id_of: Callable[[str], int],
    ) -> None:
        self._log = log
        self._name = name
        self.topology = topology
        self._decoder = decoder
        self._id_of = id_of
        topology_topics(topology)  # refuses a name that no topology can have
        self._decisions = f"{topology}.dlq.decisions"
        self.letters_topic, self.decisions_topic = name(f"{topology}.dlq"), name(self._decisions)
        self._group = name(f"{topology}.dlq.operator")

    def decisions(self) -> dict[tuple[int, int], DeadLetterDecision]:
        """Every decision, by partition and offset of its letter. Raises TopicMissing,
        TransportFailed, UnreadableRecord.
        """
        found: dict[tuple[int, int], DeadLetterDecision] = {}
        for chunk in committed(self._log, self._group, [self.decisions_topic]):
            for each in chunk:
                decision = self._decoder.records(
                    DECISIONS, each.partition, [each.offset], [each.value]
                )[0]
                found.setdefault((decision.partition, decision.offset), decision)
        return found

    def letters(self) -> Iterator[Letter]:
        """Every dead letter that retention has left. Raises TopicMissing, TransportFailed,
        UnreadableRecord.
        """
        decided = self.decisions()
        for chunk in committed(self._log, self._group, [self.letters_topic]):
            for each in chunk:
                content = self._decoder.records(
                    LETTERS, each.partition, [each.offset], [each.value]
                )[0]
                yield Letter(
                    each.partition, each.offset, content, decided.get((each.partition, each.offset))
                )

    def chosen(
        self,
        wanted_places: Sequence[tuple[int, int]],
        wanted: Callable[[Letter], bool] = lambda letter: True,
    ) -> list[Letter]:
        """The letters at these places, or without places all that are wanted. Raises NoSuchLetter.
        """
        named = set(wanted_places)
        found = [
            each
            for each in self.letters()
            if ((each.partition, each.offset) in named if named else wanted(each))
        ]
        missing = named - {(each.partition, each.offset) for each in found}
        if missing:
            places = ", ".join(f"{partition}/{offset}" for partition, offset in sorted(missing))
            raise NoSuchLetter(
                f"{self.letters_topic} holds no dead letter at {places}; 'sq dlq list' shows those "
                "it holds"
            )
        return found

    def record(self, letter: Letter) -> tuple[bytes, Any] | None:
        """(value to write to its topic, record) of a letter that decodes today; None if it does
        not, or is of no topic of the catalogue.

        Letters of undecodable records hold the value as it was, letters of records that failed a
        check the body alone.
        """
        content = letter.content
        try:
            record = self._decoder.records(
                content.origin_topic,
                content.origin_partition,
                [content.origin_offset],
                [content.payload],
            )[0]
            return content.payload, record
        except (BadData, WrongUse):
            pass  # not as a framed value: a body alone, or neither
        try:
            record = codec(topic_of(content.origin_topic).record).decode_records(
                content.payload, 1
            )[0]
        except (MalformedRecord, WrongUse):
            return None
        return self._framed(content.origin_topic, content.payload), record

    def discard(self, letters: Sequence[Letter], reason: str, operator: str, at: int) -> Outcome:
        """Decide that these letters are left as they are. Arguments and errors as :meth:`redrive`.
        """
        return self._decide(letters, DISCARDED, reason, operator, at, {})

    def redrive(
        self,
        letters: Sequence[Letter],
        reason: str,
        operator: str,
        at: int,
        replacement: Any = None,
    ) -> Outcome:
        """Write these letters' records to their topics again, at the end, each exactly once.

        Args:
            letters: which; all of commutative inputs, all readable by this code.
            reason, operator, at: for the decision; ``at`` in ns UTC.
            replacement: a corrected record, for a single letter, in place of its bytes.

        Raises:
            NotRedrivable: an ordered input, or a letter that would come back; nothing was written.
            DecisionInterrupted: another process decides, or an answer was lost; run the same again.
        """
        ordered = sorted(
            {letter.content.origin_topic for letter in letters if not _is_commutative(letter)}
        )
        if ordered:
            count = sum(not _is_commutative(letter) for letter in letters)
            raise NotRedrivable(
                f"{count} of {len(letters)} dead letters are of {', '.join(ordered)}, an ordered "
                "input: a record means what it means at its own offset only, and would come at "
                "another; discard them, or choose others with --origin"
            )
        values: dict[tuple[int, int], bytes] = {}
        for letter in letters:
            if replacement is not None:
                body = codec(topic_of(letter.content.origin_topic).record).encode_records(
                    [replacement]
                )
                values[letter.partition, letter.offset] = self._framed(
                    letter.content.origin_topic, body
                )
                continue
            found = self.record(letter)
            if found is None:
                raise NotRedrivable(
                    f"dead letter {letter.place} of {letter.origin} ({letter.content.reason}) "
                    "still does not decode and would come back; correct the record with --replace "
                    "FILE, or discard it"
                )
            values[letter.partition, letter.offset] = found[0]
        return self._decide(
            letters, REDRIVEN, reason, operator, at, values, replacement is not None
        )

    def _framed(self, topic: str, body: bytes) -> bytes:
        return header(self._id_of(topic)) + body

    def _decide(
        self,
        letters: Sequence[Letter],
        action: int,
        reason: str,
        operator: str,
        at: int,
        values: dict[tuple[int, int], bytes],
        replaced: bool = False,
    ) -> Outcome:
        """The steps of the module's head, in transactions of a bounded number of letters."""
        if not reason.strip():
            raise WrongUse("a decision about a dead letter needs --reason: it is asked for later")
        facts_of(
            self._log,
            [
                self.decisions_topic,
                *{self._name(letter.content.origin_topic) for letter in letters if values},
            ],
        )
        head = header(self._id_of(self._decisions))
        writer = self._log.writer(self._group)
        try:
            writer.init()  # 1
            decided = self.decisions()  # 2
            before = [
                letter._replace(decision=decided[place])
                for letter in letters
                if (place := (letter.partition, letter.offset)) in decided
            ]
            wanted = [
                letter for letter in letters if (letter.partition, letter.offset) not in decided
            ]  # 3
            done: list[Letter] = []
            for first in range(0, len(wanted), TRANSACTION_LETTERS):
                writer.begin()
                for letter in wanted[first : first + TRANSACTION_LETTERS]:  # 4
                    origin = letter.content.origin_topic, letter.content.origin_partition
                    decision = DeadLetterDecision(
                        at,
                        letter.partition,
                        letter.offset,
                        action,
                        *origin,
                        replaced,
                        reason,
                        operator,
                    )
                    if values:
                        writer.produce(
                            self._name(origin[0]),
                            origin[1],
                            [values[letter.partition, letter.offset]],
                        )
                    writer.produce(
                        self.decisions_topic,
                        0,
                        [head + codec("DeadLetterDecision").encode_records([decision])],
                    )
                    done.append(letter._replace(decision=decision))
                writer.commit()
            return Outcome(done, before)
        except Fenced as problem:
            raise DecisionInterrupted(
                "another 'sq dlq' decides about these dead letters too; run yours again, what is "
                "decided stays"
            ) from problem
        except OutcomeUnknown as problem:
            raise DecisionInterrupted(
                "the broker's answer was lost; run the same command again, what is decided stays"
            ) from problem
        finally:
            writer.abort()
            writer.close()


def _is_commutative(letter: Letter) -> bool:
    try:
        return topic_of(letter.content.origin_topic).redrive == "commutative"
    except WrongUse:
        return False
