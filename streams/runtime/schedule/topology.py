"""A topology: which stages run together, in which order, and who reads what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np

from schemas.catalogue import TOPICS
from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.errors import WrongUse
from schemas.records import Instrument
from schemas.user_topics import PREFIX as USER_TOPICS
from schemas.user_topics import is_user_topic
from streams.numeric.book import new_books
from streams.numeric.deadlines import TIMERS_MAX
from streams.numeric.log_lines import TOPIC as LOG
from streams.numeric.log_lines import values_in
from streams.numeric.stage_calls import CompiledStage
from streams.numeric.strategy_outputs import READABLE
from streams.runtime.schedule.compiled_strategy import CompiledStrategy
from streams.runtime.schedule.loop import NEVER, KernelStage, handler_name
from streams.runtime.schedule.python_stage import (
    UPSTREAM,
    CompiledElsewhere,
    HasEnd,
    HasTimer,
    PythonStage,
)

MUST_BE_WRITTEN = (
    *("orders.", "venue.", "signals", "fills", "pnl", "positions"),
    USER_TOPICS,
)
"""Beginnings of topics that a stage reads in vain where no stage writes them."""


class OrderSideStage(msgspec.Struct, frozen=True):
    """An order-side stage with its place in the stage order."""

    name: str
    rank: int
    instance: PythonStage


class BadTopology(WrongUse):
    """The stages do not fit together."""

    code = "bad_topology"


class Topology:
    """Stages wired by topics.

    A kernel with no order-side stage upstream runs in the *upstream pass*; a kernel that reads what
    order-side stages write is called *on demand*. Order-side stages at the head of the stage order
    that read nothing of other order-side stages or of an on-demand stage are *early*. A compiled
    strategy that reads what the order side makes, or asks for orders, is called among the
    order-side stages (``compiled_strategy.py``).

    Args:
        name: prefix of the journal's topic.
        stages: kernel modules with settings as ``(module, settings)`` and order-side stages as
            objects, in stage order.
        instruments: reference data, one book slot each.
        feeds: external topics, in merge order.
        window: ticks in a book's dense window.
        salt: digest of user code.
        account: what order-side stages are told is traded here.
        artefacts: files that the strategy declares, by name.

    Attributes:
        stand_in: see :meth:`_stand_in`; ``relayed`` are its inputs.
    """

    def __init__(
        self,
        name: str,
        stages: Sequence[tuple[Any, Any]],
        instruments: Sequence[Instrument],
        feeds: Sequence[str],
        window: int = 1 << 16,
        tail_capacity: int = 1 << 16,
        salt: bytes = b"",
        account: int = 1,
        artefacts: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.account = account
        self.artefacts = MappingProxyType(dict(artefacts or {}))
        self.feeds = list(feeds)
        self.instruments = list(instruments)
        self.salt = salt
        self.settings = {stage.NAME: settings for stage, settings in stages}
        _check_names(stages)
        self.upstream: list[KernelStage] = []
        self.on_demand: list[KernelStage] = []
        self.order_side_stages: list[OrderSideStage] = []
        upstream = [stage for stage, _ in stages if _is_kernel(stage) and not acts_on_demand(stage)]
        order_side_topics = {
            topic for stage, _ in stages if stage not in upstream for topic in outputs_of(stage)
        }
        for rank, (stage, settings) in enumerate(stages):
            self._add(rank, stage, settings, bool(order_side_topics & set(stage.INPUTS)))
        if len(self.on_demand) > 1:
            raise BadTopology(
                "a topology has at most one stage that is stepped by commands; run the second "
                "venue in a topology of its own"
            )
        self.books = self._new_books(self.upstream, window, tail_capacity)
        self.on_demand_books = self._new_books(self.on_demand, window, tail_capacity)
        written = [topic for stage, _ in stages for topic in outputs_of(stage)]
        from_kernels = {topic for stage in upstream for topic in stage.OUTPUTS}
        for topic in written:
            if topic in self.feeds or (topic in from_kernels and written.count(topic) > 1):
                raise BadTopology(
                    f"{topic} has two writers; a kernel's topic is written by it alone"
                )
        self.outputs = sorted((topic for topic in TOPICS if topic in written), key=_place)
        known = set(written) | set(self.feeds)
        for stage, _ in stages:
            for topic in stage.INPUTS:
                if topic not in known and topic.startswith(MUST_BE_WRITTEN):
                    raise BadTopology(
                        f"{stage.NAME} reads {topic}, which no stage of {name} writes and no input "
                        "brings"
                    )
        self.stand_in = self._stand_in()
        self.relayed = list(self.stand_in.INPUTS) if self.stand_in is not None else []
        self.command_topic = next(
            (
                topic
                for stage in self.on_demand
                for topic in stage.module.INPUTS
                if topic in order_side_topics
            ),
            "",
        )
        self.early = self._early()
        self.late = self.order_side_stages[len(self.early) :]

    def _add(self, rank: int, stage: Any, settings: Any, is_commanded: bool) -> None:
        """Take a stage up in its place; ``is_commanded``: it reads what order-side stages write."""
        if acts_on_demand(stage):
            self.order_side_stages.append(
                OrderSideStage(stage.NAME, rank, self._on_demand(stage, settings))
            )
        elif not _is_kernel(stage):
            self.order_side_stages.append(
                OrderSideStage(stage.NAME, rank, stage(self.instruments, settings))
            )
        else:
            state = _checked(stage, stage.new_state(self.instruments, settings))
            found = KernelStage(stage.NAME.replace("-", "_"), rank, stage, state)
            (self.on_demand if is_commanded else self.upstream).append(found)

    def _new_books(self, stages: Sequence[KernelStage], window: int, tail_capacity: int) -> Any:
        return (
            new_books(self.instruments, window, tail_capacity)
            if any(stage.takes_books for stage in stages)
            else None
        )

    def _on_demand(self, module: Any, settings: Any) -> CompiledStrategy:
        """A compiled strategy of the order side. Raises BadTopology for one that cannot be."""
        check_on_demand(module)
        state = _checked(module, module.new_state(self.instruments, settings))
        return CompiledStrategy(module, state, self.instruments, self.account, self.salt)

    def _stand_in(self) -> Any:
        """The stage that stands for a compiled strategy of the upstream pass, None without one. It
        has each record where the loop would call the strategy, behind the stages of the pass.
        """
        instances = [stage.instance for stage in self.order_side_stages]
        found = [each for each in instances if isinstance(each, CompiledElsewhere)]
        return next((each for each in found if each.COMPILED_ELSEWHERE == UPSTREAM), None)

    def order_side_readers(self, topic: str) -> list[Any]:
        """Order-side stages that read the topic, in stage order."""
        return self._readers(self.order_side_stages, topic)

    def late_readers(self, topic: str) -> list[Any]:
        """Those of them that are not early."""
        return self._readers(self.late, topic)

    def _readers(self, stages: Sequence[OrderSideStage], topic: str) -> list[Any]:
        readers = [stage.instance for stage in stages if topic in stage.instance.INPUTS]
        own = [each for each in readers if each is not self.stand_in]
        return [each for each in own if hasattr(each, handler_name(topic))]

    def _early(self) -> list[OrderSideStage]:
        """Order-side stages at the head of the stage order that nothing of the order side leads to:
        no topic of an order-side stage or of the venue, no timer, no end.
        """
        made_late = {topic for stage in self.order_side_stages for topic in stage.instance.OUTPUTS}
        made_late.update(topic for stage in self.on_demand for topic in stage.module.OUTPUTS)
        found: list[OrderSideStage] = []
        for stage in self.order_side_stages:
            instance = stage.instance
            acts_by_itself = isinstance(instance, HasTimer | HasEnd)
            acts_by_itself = acts_by_itself or self.command_topic in instance.OUTPUTS
            is_compiled = isinstance(instance, CompiledStage | CompiledElsewhere)
            if acts_by_itself or is_compiled or made_late.intersection(instance.INPUTS):
                break
            found.append(stage)
        return found


def _place(topic: str) -> tuple[bool, str]:
    """Ours as the catalogue has them; users' behind them by name, in whatever order they became
    known.
    """
    return (True, topic) if is_user_topic(topic) else (False, "")


def is_strategy(instance: Any) -> bool:
    """True for an order-side stage whose records are a user's: it publishes signals or asks for
    orders, and is no reader of signals, as sizing is.
    """
    return (
        bool({"signals", "orders.requests"}.intersection(instance.OUTPUTS))
        and "signals" not in instance.INPUTS
    )


def acts_on_demand(stage: Any) -> bool:
    """True for a compiled strategy that asks for orders, reads by calls (READS), has named timers,
    logs, or reads what the order side or a user's stage makes (which has no rows, and is refused
    there).
    """
    if not _is_kernel(stage) or not is_strategy(stage):
        return False
    made_there = (is_user_topic(each) or topic_of(each).kind == "order" for each in stage.INPUTS)
    acts = "orders.requests" in stage.OUTPUTS or hasattr(stage, "TIMERS")
    acts = acts or any(bool(getattr(stage, name, None)) for name in ("READS", "LOGS"))
    return acts or any(made_there)


def outputs_of(stage: Any) -> tuple[str, ...]:
    """The topics that a stage writes: a strategy that asks for orders may always publish signals,
    too, as one in plain Python may.
    """
    outputs = tuple(stage.OUTPUTS)
    if acts_on_demand(stage) and getattr(stage, "LOGS", None):
        outputs = (*outputs, LOG)
    return outputs if not acts_on_demand(stage) or "signals" in outputs else ("signals", *outputs)


def check_on_demand(module: Any) -> None:
    """Raise BadTopology for a compiled strategy of the order side that asks for what only the
    upstream pass has, or declares what there is not.
    """
    name = module.NAME
    _check_reads(module)
    _check_timers(module)
    _check_logs(module)
    foreign = [f"VIEWS = {module.VIEWS!r}"] if getattr(module, "VIEWS", ()) else []
    for topic in module.INPUTS:
        found = codec(topic_of(topic).record)
        if found.dtype is None or found.has_levels:
            foreign.append(topic)
    if foreign:
        what = f"{name} is compiled, of the order side, and reads {', '.join(foreign)}"
        advice = "it takes rows of a fixed width; write a Strategy class in plain Python"
        raise BadTopology(f"{what}; {advice}")
    for topic in module.INPUTS:
        handler = handler_name(topic)
        if not hasattr(module, handler):
            raise BadTopology(f"{name} reads {topic} and has no {handler}(state, record, out)")
    for topic in module.OUTPUTS:
        if topic not in module.RESERVE:
            advice = f"say in RESERVE[{topic!r}] how many records a call publishes at most"
            raise BadTopology(f"{name} publishes {topic}; {advice}")


def _check_reads(module: Any) -> None:
    """Raise BadTopology for a compiled strategy that reads what there is not."""
    reads = getattr(module, "READS", ())
    if isinstance(reads, str) or not set(reads) <= set(READABLE):
        what = f"{module.NAME} is compiled and has READS = {reads!r}"
        raise BadTopology(f"{what}; give a tuple of: {', '.join(READABLE)}")
    if "queue" in reads and "account" not in reads:
        what = f"{module.NAME} is compiled and reads queue positions without its orders"
        raise BadTopology(f'{what}; write READS = ("account", "queue")')


def _check_timers(module: Any) -> None:
    """Raise BadTopology for names of timers that are none."""
    timers = getattr(module, "TIMERS", ())
    is_named = isinstance(timers, tuple) and all(isinstance(each, str) for each in timers)
    if not is_named or len(set(timers)) != len(timers) or len(timers) > TIMERS_MAX:
        what = f"{module.NAME} has TIMERS = {timers!r:.200}"
        raise BadTopology(f"{what}; give a tuple of different names, {TIMERS_MAX} at most")
    if timers and not hasattr(module, "on_timer"):
        raise BadTopology(f"{module.NAME} has TIMERS and no on_timer(state, timer, out)")


def _check_logs(module: Any) -> None:
    """Raise BadTopology or BadStrategy for templates of lines that are none."""
    logs = getattr(module, "LOGS", ())
    if not isinstance(logs, tuple):
        what = f"{module.NAME} is compiled and has LOGS = {logs!r:.200}"
        raise BadTopology(f"{what}; give a tuple of its lines, for example (\"{{symbol}}: {{}}\",)")
    for template in logs:
        values_in(module.NAME, template)
    if logs and LOG not in module.RESERVE:
        advice = f"say in RESERVE[{LOG!r}] how many lines a call logs at most"
        raise BadTopology(f"{module.NAME} has LOGS; {advice}")


def _check_names(stages: Sequence[tuple[Any, Any]]) -> None:
    """Raise BadTopology for a name that two stages have, or that a compiled stage cannot have."""
    names = [stage.NAME for stage, _ in stages]
    for stage, _ in stages:
        name = stage.NAME
        if names.count(name) > 1:
            raise BadTopology(f"two stages are called {name!r}; give one of them another NAME")
        if _is_kernel(stage) and not name.replace("-", "_").isidentifier():
            advice = "a NAME has letters, digits and hyphens only"
            raise BadTopology(f"a kernel stage is called {name!r}; {advice}")


def _is_kernel(stage: Any) -> bool:
    return hasattr(stage, "new_state")


def _checked(stage: Any, state: Any) -> Any:
    """The state, if it follows the kernel contract."""
    for field, length in (("clock", 1), ("timer", 1), ("fault", 4)):
        array = getattr(state, field, None)
        if array is None or array.dtype != np.int64 or array.shape != (length,):
            raise BadTopology(f"the state of {stage.NAME} needs {field}: int64[{length}]")
    if int(state.timer[0]) < 0:
        state.timer[0] = NEVER
    for field, array in state._asdict().items():
        if not isinstance(array, np.ndarray) or not array.flags.c_contiguous:
            raise BadTopology(f"{field} in the state of {stage.NAME} is not a contiguous array")
    return state
