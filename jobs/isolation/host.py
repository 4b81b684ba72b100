"""The stage that stands for a stranger's strategy in a trusted topology: it asks the child, and
takes nothing but checked records from it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from jobs.isolation.answering import Answers
from jobs.isolation.asking import RECORDS
from jobs.isolation.framing import (
    Answer,
    Begin,
    Description,
    Question,
    StrategyStopped,
    decoder,
    read_frame,
    write_frame,
)
from jobs.isolation.reading import value_of
from schemas import records
from schemas.catalogue import TOPICS
from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.errors import WrongUse
from streams.numeric.identity import EARLY_ORDINAL
from streams.runtime.schedule.loop import handler_name
from streams.runtime.schedule.python_stage import ORDER_SIDE, UPSTREAM, CompiledElsewhere
from streams.signals.services import StrategyServices
from streams.signals.sources import StrategySources
from streams.signals.strategy import TIMER, TIMERS, WAKE_OF_TOPIC, WAKE_TOPICS
from streams.signals.view import LOG, READABLE

ROOT = Path(__file__).resolve().parents[2]
START = (
    "import sys; sys.path.insert(0, sys.argv[1]); from jobs.isolation.child import start; "
    "start(sys.argv[2:])"
)
START_SECONDS = 60.0
COMPILE_SECONDS = 300.0
"""To begin, where a compiled strategy is compiled; its processor time is bounded besides."""
CALL_SECONDS = 10.0
"""A call that takes longer is stopped."""
NEVER = 2**63 - 1
ENCODE = msgspec.msgpack.Encoder().encode
NAME_LENGTH_MAX = 64
STRATEGY_NUMBERS = 1 << 20
BODIES_BYTES = 4 << 20
"""Of records for the books, in one frame."""
WANTED_MAX = 100_000
"""Questions to its context that a strategy may ask in one call."""


class Child:
    """The process, asked one question at a time."""

    def __init__(
        self, sources: StrategySources, name: str, parameters: Mapping[str, str], room: int
    ) -> None:
        try:
            self.empty: tempfile.TemporaryDirectory[str] | None = tempfile.TemporaryDirectory(
                prefix="sq-empty-"
            )
        except OSError:
            self.empty = None  # nothing can be written here; the child says what it keeps
        empty = self.empty.name if self.empty is not None else ""
        given = json.dumps(dict(parameters))
        arguments = [str(sources.main.resolve()), name, sources.digest(), empty, given, str(room)]
        plain = {
            "PATH": os.defpath,
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "NUMBA_NUM_THREADS": "1",
            "PYTHONHASHSEED": "random",
        }
        command = [sys.executable, "-I", "-c", START, str(ROOT), *arguments]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=plain,
            start_new_session=True,
            bufsize=0,
        )
        self._answer = decoder(Answer)

    def ask(
        self,
        question: Question,
        seconds: float | None = None,
        value: Callable[[Answer], bytes] | None = None,
    ) -> Answer:
        """Its answer.

        Args:
            value: gives what it asks of its context meanwhile.

        Raises:
            StrategyStopped: the strategy raised, took too long, or its process ended; it is not
                asked again.
        """
        assert self.process.stdin is not None and self.process.stdout is not None
        seconds = CALL_SECONDS if seconds is None else seconds
        try:
            write_frame(self.process.stdin.fileno(), ENCODE(question))
            answer: Answer = self._answer.decode(read_frame(self.process.stdout.fileno(), seconds))
            wanted = 0
            while answer.wants and value is not None and wanted < WANTED_MAX:
                wanted += 1
                write_frame(self.process.stdin.fileno(), ENCODE(_reply(answer, value)))
                answer = self._answer.decode(read_frame(self.process.stdout.fileno(), seconds))
        except TimeoutError:
            self.close()
            raise StrategyStopped(
                f"the isolated strategy took more than {seconds:g} s for one call and was stopped"
            ) from None
        except (EOFError, OSError):
            raise StrategyStopped(
                f"the isolated strategy's process ended ({self._how_it_ended()})"
            ) from None
        except (ValueError, msgspec.MsgspecError) as problem:
            self.close()
            raise StrategyStopped(
                f"the isolated strategy's process answered what is no answer ({problem})"
            ) from None
        if answer.wants:
            self.close()
            raise StrategyStopped(
                f"the isolated strategy asked its context more than {WANTED_MAX} times in one call "
                "and was stopped"
            )
        if answer.error:
            raise StrategyStopped(_printable(answer.error))
        return answer

    def _how_it_ended(self) -> str:
        code = self.process.wait(5)
        # by a signal, itself or the one it waits for
        number = -code if code < 0 else 256 - code if code > 192 else 0
        name = signal.Signals(number).name if number in set(signal.Signals) else f"exit code {code}"
        return f"{name}; it used up its processor time" if name in ("SIGXCPU", "SIGKILL") else name

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        if self.empty is not None:
            self.empty.cleanup()


def _reply(answer: Answer, value: Callable[[Answer], bytes]) -> Question:
    """The value of what is wanted; what is refused is the strategy's own error, as it would be
    here.
    """
    try:
        return Question("value", body=msgspec.Raw(ENCODE(value(answer))))
    except WrongUse as problem:
        return Question("value", name=problem.text)


def _printable(text: str) -> str:
    """A stranger's text, with nothing in it that a terminal would obey."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:800])


class Sizes(NamedTuple):
    """Lengths of a side of an order book, as the topology has them: its window, and the tail's."""

    window: int = 1 << 16
    tail_capacity: int = 1 << 16

    def bytes_of_a_book(self) -> int:
        """At most, with the tables that levels are read into; memory is used where levels are."""
        return 2 * (16 + 16) * self.window + 2 * (56 + 16) * self.tail_capacity


class State:
    """What the engine sees of the strategy's state."""

    timer = NEVER


class IsolatedStrategy:
    """The stage. Subclasses of it have the handlers that the strategy has."""

    NAME = ""
    INPUTS: tuple[str, ...] = ()
    OUTPUTS = ("signals", "orders.requests")
    STATE_VERSION = 1
    READS: tuple[str, ...] = ()
    LOGS = False
    STRATEGY = 1
    REQUESTS_MOST = 0
    KEEPS_BOOKS = False
    SIZES: Sizes
    child: Child

    def __init__(self, instruments: Sequence[records.Instrument], settings: Any) -> None:
        self.state = State()
        self._noted = 0
        self._answers: Answers | None = None
        self._stages: Any = None
        self._followed = 0
        self._decoders = (decoder(records.Signal), decoder(records.OrderRequest))
        begin = Begin(list(instruments), *self.SIZES)
        seconds = COMPILE_SECONDS if isinstance(self, CompiledElsewhere) else START_SECONDS
        question = Question("begin", body=msgspec.Raw(ENCODE(begin)))
        self._take_timer(self.child.ask(question, seconds))

    def read_from(self, stages: Any) -> None:
        """Know what the strategy reads where it is compiled; called once all stages are built."""
        self._stages = stages
        if self.READS and isinstance(self, CompiledElsewhere):
            self._answers = Answers(self.READS, self.STRATEGY, self.REQUESTS_MOST, stages)

    def _take_timer(self, answer: Answer) -> None:
        if not 0 <= answer.timer <= NEVER:
            raise StrategyStopped(
                f"the isolated strategy's timer is {answer.timer}; set state.timer to a time in ns"
            )
        self.state.timer = answer.timer

    def call(self, name: str, record: str, body: Any, context: Any) -> None:
        """One handler, and what comes of it."""
        question = Question(
            "call", name, record, msgspec.Raw(ENCODE(body)), context.clock, context.account,
            context.sequence, context.shard, context.journal_id,
            context.last_sequence, context.ordinal, context.first,
        )  # fmt: skip
        if self._answers is not None:
            question.copies = self._answers.changes()
        self._follow(context.sequence)
        self._noted = 0
        answer = self.child.ask(question, value=lambda asked: self._value(asked, context))
        self._take_timer(answer)
        if not 0 <= answer.ids <= EARLY_ORDINAL:
            raise StrategyStopped(
                f"the isolated strategy says that it built {answer.ids} ids on one record"
            )
        for _ in range(answer.ids):
            context.order_id()
        if context.services is not None:
            context.services.noted_before = self._noted
        for record in self._records(answer):
            context.emit(record)
        if self._answers is not None and answer.replacements:
            self._answers.take_replacements(answer.replacements, context)

    def _follow(self, sequence: int | None) -> None:
        """The books there take what was consumed up to a call, in the whole input batch for None:
        what is made of a record may wake the strategy before the record itself does.
        """
        if not self.KEEPS_BOOKS or self._stages is None:
            return
        bodies, self._followed = self._stages.bodies_behind("md.depth", self._followed, sequence)
        for part in _frames(bodies):
            self.child.ask(Question("follow", body=msgspec.Raw(ENCODE(part))))

    def check_state(self) -> None:
        """Behind each input batch: the books there are those behind it."""
        self._follow(None)

    def take_books(self, content: bytes, sequence: int) -> None:
        """The books of a snapshot."""
        if self.KEEPS_BOOKS:
            self.child.ask(Question("books", body=msgspec.Raw(ENCODE(content))), START_SECONDS)
            self._followed = sequence

    def _records(self, answer: Answer) -> list[Any]:
        """What it emitted, decoded."""
        found = []
        for kind, content in answer.emitted:
            if not 0 <= kind < len(self._decoders):
                raise StrategyStopped(
                    "the isolated strategy published what is neither a signal nor a request for an "
                    "order"
                )
            try:
                found.append(self._decoders[kind].decode(content))
            except (msgspec.MsgspecError, ValueError) as problem:
                raise StrategyStopped(
                    "the isolated strategy published a record that is none: "
                    f"{_printable(str(problem))}"
                ) from None
        return found

    def _value(self, asked: Answer, context: Any) -> bytes:
        """What it asks of its context: what it has asked for until then is counted among its open
        orders.
        """
        if self._answers is not None and asked.wants in RECORDS:
            return self._answers.answer(asked.wants, asked.body, context)
        if context.services is not None and context.services.notes_requests:
            requests = [
                record
                for record in self._records(asked)
                if isinstance(record, records.OrderRequest)
            ]
            for record in requests[self._noted :]:
                context.services.note(record)
            self._noted = len(requests)
        return value_of(context.services, asked.wants, asked.arguments)

    def services_for(self, context: Any, stages: Any) -> StrategyServices:
        """What the context does for it: the same as for a strategy in this process."""
        return StrategyServices(self, context, stages)

    def encoded_state(self) -> bytes:
        """The state as a snapshot has it."""
        return self.child.ask(Question("state")).body

    def take_state(self, state: bytes) -> None:
        """Take up a state."""
        self._take_timer(self.child.ask(Question("restore", body=msgspec.Raw(ENCODE(state)))))


def isolated(
    sources: StrategySources,
    name: str,
    parameters: Mapping[str, str],
    sizes: Sizes = Sizes(),
    instruments: int = 1,
) -> tuple[type[IsolatedStrategy], Child, list[str]]:
    """The stage for a strategy in a process of its own, that process, and what could not be taken
    from it.

    Args:
        sizes, instruments: of the order books, which it has room for beside its memory.

    Raises:
        WrongUse: the strategy cannot be imported there, or is none.
    """
    child = Child(sources, name, parameters, instruments * sizes.bytes_of_a_book())
    try:
        found = _description(child)
    except StrategyStopped as problem:
        child.close()
        raise WrongUse(
            f"strategy {sources.main.name} cannot be isolated: {problem.text}"
        ) from problem
    inputs = tuple(_topic_of(wake) for wake in found.wakes if wake not in (TIMER, TIMERS))
    members: dict[str, Any] = {"NAME": found.name, "INPUTS": inputs, "child": child, "SIZES": sizes}
    members |= {"READS": tuple(found.reads), "LOGS": found.logs, "STRATEGY": found.number}
    members |= {"REQUESTS_MOST": found.requests_most, "KEEPS_BOOKS": found.keeps_books}
    members |= {"COMPILED_ELSEWHERE": found.compiled_for} if found.compiled_for else {}
    members |= {"OUTPUTS": (*IsolatedStrategy.OUTPUTS, LOG)} if found.logs else {}
    for wake in found.wakes:
        members.update([_handler(wake)])
    if found.ends:
        members["on_end"] = lambda self, context: self.call("on_end", "", None, context)
    return (
        type("Isolated", (IsolatedStrategy,), members),
        child,
        [_printable(each) for each in found.limits],
    )


def _description(child: Child) -> Description:
    """What the strategy is. Raises StrategyStopped."""
    try:
        said = child.ask(Question("describe"), START_SECONDS).body
        found: Description = decoder(Description).decode(said)
    except msgspec.MsgspecError as problem:
        raise StrategyStopped(f"what it says of itself is no description ({problem})") from None
    topics = [wake for wake in found.wakes if wake not in (TIMER, TIMERS)]
    unknown = [topic for topic in topics if not is_given(_topic_of(topic))]
    unknown += [found.compiled_for] if found.compiled_for not in ("", ORDER_SIDE, UPSTREAM) else []
    unknown += [read for read in found.reads if read not in READABLE]
    is_named = 0 < len(found.name) <= NAME_LENGTH_MAX and found.name.isprintable()
    is_bounded = 0 <= found.number < STRATEGY_NUMBERS and 0 <= found.requests_most <= EARLY_ORDINAL
    if unknown or not is_named or not is_bounded:
        raise StrategyStopped("its NAME, WAKES, READS, RESERVE or STRATEGY are none")
    return found


def _topic_of(wake: str) -> str:
    """The topic of what wakes it, which a compiled strategy names itself."""
    return WAKE_TOPICS[wake][0] if wake in WAKE_TOPICS else wake


def is_given(topic: str) -> bool:
    """True for a topic whose records a strategy may be woken by."""
    has_rows = topic in TOPICS and codec(topic_of(topic).record).dtype is not None
    return has_rows or topic in WAKE_OF_TOPIC


def _handler(wake: str) -> tuple[str, Any]:
    if wake in (TIMER, TIMERS):
        return "on_timer", lambda self, deadline, context: self.call(
            "on_timer", "", deadline, context
        )
    topic = _topic_of(wake)
    name, kind = handler_name(topic), topic_of(topic).record
    return name, lambda self, record, context: self.call(name, kind, record, context)


def _frames(bodies: Sequence[bytes]) -> Iterator[list[bytes]]:
    """The bodies in parts that a frame has room for."""
    part: list[bytes] = []
    length = 0
    for body in bodies:
        if length + len(body) > BODIES_BYTES and part:
            yield part
            part, length = [], 0
        part.append(body)
        length += len(body)
    if part:
        yield part
