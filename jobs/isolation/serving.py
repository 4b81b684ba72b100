"""Answers of the child: the strategy is built and called as the engine would, with a context of its
own.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import json
import traceback
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from jobs.isolation.asking import Entry
from jobs.isolation.compiled import (
    CompiledInstance,
    CompiledStrategy,
    compile_in_memory,
    is_compiled,
)
from jobs.isolation.framing import (
    STATE_BYTES_MAX,
    Answer,
    Begin,
    Description,
    Question,
    decoder,
    read_frame,
    write_frame,
)
from jobs.isolation.reading import RemoteServices
from schemas import records
from schemas.checking import strategy_checks
from schemas.errors import WrongUse
from streams.runtime.schedule.context import StageContext
from streams.runtime.schedule.python_stage import ORDER_SIDE, UPSTREAM
from streams.runtime.tools import allowed
from streams.signals.artefacts import read_artefacts
from streams.signals.catalogue import read_settings, strategy_of
from streams.signals.loading import import_strategy, place_of
from streams.signals.sources import sources_of
from streams.signals.strategy import undeclared

ENCODE = msgspec.msgpack.Encoder().encode
KINDS: dict[type, int] = {records.Signal: 0, records.OrderRequest: 1}
NOTHING = Answer()


class Server:
    """One strategy, from its files.

    Args:
        file, name: its file and class.
        digest: of all its files, as the host read them.
        parameters: JSON.
    """

    def __init__(self, file: str, name: str, digest: str, parameters: str) -> None:
        self.sources = sources_of(Path(file))
        self.name = name
        self.parameters = json.loads(parameters)
        self.artefacts = read_artefacts(self.sources)
        self.contents = {path: path.read_bytes() for path in self.sources.modules.values()}
        if self.sources.digest() != digest:
            raise WrongUse("the strategy's files changed meanwhile; verify again")
        self.decoders = {
            name: decoder(kind)
            for name, kind in vars(records).items()
            if hasattr(kind, "__struct_fields__")
        }
        self.begins = decoder(Begin)
        asked = (self.describe, self.begin, self.follow, self.call, self.state, self.restore)
        self.answers: dict[str, Any] = {each.__name__: each for each in (*asked, self.books)}
        self.entry = Entry()
        self.lost: list[str] = []
        self.stage: Any = None
        self.strategy: Any = None
        for content in self.contents.values():
            _import_what_it_imports(content)
        if is_compiled(self.contents[self.sources.main]):
            compile_in_memory(self.contents.values())
        strategy_checks()  # reads the schemas
        np.array([1.0, 2.0]).sum()  # what NumPy imports at a first use is imported

    def serve(self, questions: int, answers: int, lost: list[str]) -> None:
        """Answer until the host closes its end."""
        self.lost = lost
        self.pipe = questions, answers
        ask = decoder(Question)
        while True:
            try:
                question = ask.decode(read_frame(questions))
            except EOFError:
                return
            try:
                answer = self.answers[question.what](question)
            except BaseException as problem:  # noqa: BLE001 - whatever a strategy raises is an answer
                answer = Answer(error=self._error(problem))
            write_frame(answers, ENCODE(answer))

    def _error(self, problem: BaseException) -> str:
        place = place_of(problem, self.sources)
        where = f" ({place[0].name}:{place[1]})" if place is not None else ""
        with contextlib.suppress(Exception):
            return f"{type(problem).__name__}: {str(problem)[:700]}{where}"
        return f"{type(problem).__name__}{where}"

    def describe(self, _: Question) -> Answer:
        """Import the strategy; say what it is."""
        found = strategy_of(
            import_strategy(self.sources, self.contents), self.sources.main, self.name
        )
        self.stage = found if isinstance(found, type) else CompiledStrategy(found, self.entry)
        self.settings = read_settings(
            self.name or self.stage.NAME, self.stage.Settings, self.parameters
        )
        said = Description(
            str(self.stage.NAME), list(self.stage.WAKES), hasattr(self.stage, "on_end"), self.lost
        )
        said.reads, said.logs, said.number = (
            list(self.stage.READS),
            bool(self.stage.LOGS),
            int(self.stage.STRATEGY),
        )
        if isinstance(self.stage, CompiledStrategy):
            said.compiled_for = ORDER_SIDE if self.stage.is_on_order_side else UPSTREAM
            said.requests_most, said.keeps_books = self.stage.requests_most, self.stage.keeps_books
        return Answer(body=ENCODE(said))

    def begin(self, question: Question) -> Answer:
        """Build the strategy over its instruments."""
        given = self.begins.decode(question.body)
        compiled = isinstance(self.stage, CompiledStrategy)
        sizes = [(given.window, given.tail_capacity)] if compiled else []
        self.strategy = self.stage(given.instruments, self.settings, *sizes)
        return Answer(timer=int(self.strategy.state.timer))

    def follow(self, question: Question) -> Answer:
        """Records of ``md.depth`` for the books."""
        self.strategy.follow(msgspec.msgpack.decode(question.body, type=list[bytes]))
        return Answer()

    def books(self, question: Question) -> Answer:
        """The books as a snapshot has them."""
        self.strategy.take_books(msgspec.msgpack.decode(question.body, type=bytes))
        return Answer()

    def call(self, question: Question) -> Answer:
        """One record, timer or end."""
        context = StageContext(
            question.journal_id, question.shard, question.first, question.account, self.artefacts
        )
        context.check_what_strategies_emit()
        context.clock, context.sequence = question.clock, question.sequence
        context.last_sequence, context.ordinal = question.last_sequence, question.ordinal
        context.services = RemoteServices(
            self.strategy, context, lambda name, arguments: self._value(context, name, arguments)
        )
        compiled = isinstance(self.strategy, CompiledInstance)
        if compiled:
            self.strategy.take_copies(question.copies)
            self.entry.ask = lambda name, record: self._value(context, name, "", record)
        before = question.ordinal if question.last_sequence == question.sequence else question.first
        handler = getattr(self.strategy, question.name)
        try:
            if question.record:
                handler(self.decoders[question.record].decode(question.body), context)
            elif question.name == "on_timer":
                handler(msgspec.msgpack.decode(question.body), context)
            else:
                handler(context)
        except AttributeError as problem:
            raise undeclared(self.strategy, problem) or problem from problem
        taken = context.ordinal - before if context.last_sequence == question.sequence else 0
        answer = Answer(emitted=_packed(context.pending), ids=taken)
        answer.timer = int(self.strategy.state.timer)
        answer.replacements = self.strategy.new_replacements() if compiled else b""
        return answer

    def _value(
        self, context: StageContext, name: str, arguments: str, record: bytes = b""
    ) -> bytes:
        """What the host says for what the strategy asks in the middle of a call."""
        questions, answers = self.pipe
        answer = Answer(emitted=_packed(context.pending), wants=name)
        answer.arguments, answer.body = arguments, record
        write_frame(answers, ENCODE(answer))
        found: Question = decoder(Question).decode(read_frame(questions))
        if found.name:
            raise WrongUse(found.name)
        return bytes(msgspec.msgpack.decode(bytes(found.body), type=bytes))

    def state(self, _: Question) -> Answer:
        """The state as a snapshot has it."""
        compiled = isinstance(self.strategy, CompiledInstance)
        body = self.strategy.encoded_state() if compiled else ENCODE(self.strategy.state)
        if len(body) > STATE_BYTES_MAX:
            raise MemoryError(f"the state has {len(body)} bytes")
        return Answer(body=body)

    def restore(self, question: Question) -> Answer:
        """Take up a state."""
        content = msgspec.msgpack.decode(bytes(question.body), type=bytes)
        if isinstance(self.strategy, CompiledInstance):
            self.strategy.take_state(content)
        else:
            self.strategy.state = msgspec.msgpack.decode(content, type=type(self.strategy.state))
        return Answer(timer=int(self.strategy.state.timer))


def _packed(emitted: list[Any]) -> list[tuple[int, msgspec.Raw]]:
    return [(KINDS.get(type(record), -1), msgspec.Raw(ENCODE(record))) for record in emitted]


def _import_what_it_imports(content: bytes) -> None:
    """Import the allowed modules that a file names, with their compiled code: the child will open
    no file any more.
    """
    traceback.extract_stack()
    for node in ast.walk(ast.parse(content)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            if allowed.is_module(name):
                load_compiled = getattr(importlib.import_module(name), "load_compiled", None)
                if load_compiled is not None:
                    load_compiled()
