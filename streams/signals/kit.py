"""Run a strategy over lists of records, without a log or a runtime (STR-14).

    emitted = run("my_file.py:MyStrategy", records)  # one line: what it published
    assert look_ahead("my_file.py:MyStrategy", records) == []  # truncated histories decide alike
    assert recursive("ema-cross", quotes, warm=400, cut=100) == []  # as does a later start, warm

Records are delivered in the order given, under the event-time clock (running maximum of event
times) with timers in between, as a backtest does. Order-side feedback is whatever order events,
fills, positions and P&L the list holds; nothing is matched here (``kit_account.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from schemas.catalogue import TOPICS
from schemas.checking import strategy_checks
from schemas.records import Bar, Instrument, OrderRequest
from schemas.shapes import snake
from schemas.vocabulary import InstrumentKind
from streams.signals.artefacts import read_artefacts
from streams.signals.catalogue import find_strategy, read_settings, read_sources, strategy_file
from streams.signals.kit_account import ListedStages
from streams.signals.sources import UnusableArtefact
from streams.signals.strategy import NO_TIMER, NoSettings, Strategy, UndeclaredState, undeclared

TOPIC_OF = {entry.record: entry.name for entry in TOPICS.values()}
KIT_TIMERS_MAX = 1_000_000  # timers one record may set off: more is a timer that does not move on


class Emitted(NamedTuple):
    """A record the strategy published, and the place in the list of the record that woke it (-1: at
    the end).
    """

    at: int
    record: Any


class TestContext:
    """The context handed to a Python strategy."""

    __test__ = False  # not a test case

    def __init__(self, artefacts: Mapping[str, Any] | None = None) -> None:
        self.clock = 0
        self.sequence = 0
        self.account = 1
        self.artefacts = artefacts or {}
        self.at = 0
        self.emitted: list[Emitted] = []
        self.ids = 0
        self.services: Any = None

    def __getattr__(self, name: str) -> Any:
        """What the runtime's context hands on to a strategy's services."""
        if name.startswith("_") or name == "services" or not hasattr(type(self.services), name):
            raise AttributeError(f"the context has no {name!r}")
        return getattr(self.services, name)

    def emit(self, record: Any) -> None:
        """Keep the record. Raises BadRecord, as a run does, for one that its schema does not allow.
        """
        check = strategy_checks().get(type(record))
        if check is not None:
            check(record)
        if (
            self.services is not None
            and self.services.notes_requests
            and isinstance(record, OrderRequest)
        ):
            self.services.note(record)
        self.emitted.append(Emitted(self.at, record))

    def artefact(self, name: str) -> Any:
        """The value of a declared file. Raises UnusableArtefact."""
        if name not in self.artefacts:
            raise UnusableArtefact(
                f"the strategy declares no artefact {name!r}; name its file in ARTEFACTS, and give "
                "the kit the strategy's file"
            )
        return self.artefacts[name]

    def order_id(self) -> str:
        """Ids in order, of the right length."""
        self.ids += 1
        return f"{self.ids:020d}"


def run(
    strategy: Any,
    records: Sequence[Any],
    parameters: Mapping[str, str] | None = None,
    instruments: Sequence[Instrument] | None = None,
) -> list[Any]:
    """What a strategy (a name, a file, a class or a kernel module) publishes over the records.

    Without ``instruments`` one is made up for every instrument id in the records.
    """
    return [emitted.record for emitted in trace(strategy, records, parameters, instruments)]


def trace(
    strategy: Any,
    records: Sequence[Any],
    parameters: Mapping[str, str] | None = None,
    instruments: Sequence[Instrument] | None = None,
) -> list[Emitted]:
    """As ``run``, with the place of the record that caused each."""
    stage = find_strategy(strategy) if isinstance(strategy, str) else strategy
    settings = read_settings(stage.NAME, getattr(stage, "Settings", NoSettings), parameters or {})
    table = list(instruments) if instruments is not None else made_up_instruments(records)
    file = strategy_file(strategy) if isinstance(strategy, str) else None
    return drive(
        stage,
        settings,
        records,
        table,
        read_artefacts(read_sources(file)) if file is not None else {},
    )


def drive(
    stage: Any,
    settings: Any,
    records: Sequence[Any],
    instruments: Sequence[Instrument],
    artefacts: Mapping[str, Any] | None = None,
) -> list[Emitted]:
    """What a stage of either kind publishes over the records; ``trace`` for a stage that is already
    found.
    """
    context = TestContext(artefacts)
    driver = driver_of(stage, instruments, settings, context)
    for at, record in enumerate(records):
        clock = max(context.clock, time_of(record))
        _fire_timers(driver, context, clock)
        context.at, context.clock, context.sequence = at, clock, at + 1
        driver.deliver(record)
        _fire_timers(driver, context, clock)  # work left pending goes on before the next record
    context.at = -1
    driver.end()
    return context.emitted


def driver_of(
    stage: Any, instruments: Sequence[Instrument], settings: Any, context: TestContext
) -> Any:
    """What calls the stage's functions."""
    if isinstance(stage, type) and issubclass(stage, Strategy):
        return PythonDriver(stage, instruments, settings, context)
    from streams.signals.kit_kernel import KernelDriver  # compiled code: only where a kernel is run

    return KernelDriver(stage, instruments, settings, context)


def look_ahead(
    strategy: Any,
    records: Sequence[Any],
    parameters: Mapping[str, str] | None = None,
    *,
    cuts: int = 20,
    instruments: Sequence[Instrument] | None = None,
) -> list[int]:
    """Places at which a history cut there decided otherwise than the whole history did: empty for
    an honest strategy.
    """
    table = list(instruments) if instruments is not None else made_up_instruments(records)
    whole = trace(strategy, records, parameters, table)
    places = sorted({len(records) * part // (cuts + 1) for part in range(1, cuts + 1)})
    return [
        cut
        for cut in places
        if [item for item in trace(strategy, records[:cut], parameters, table) if item.at >= 0]
        != [item for item in whole if 0 <= item.at < cut]
    ]


def recursive(
    strategy: Any,
    records: Sequence[Any],
    parameters: Mapping[str, str] | None = None,
    *,
    cut: int,
    warm: int,
    instruments: Sequence[Instrument] | None = None,
) -> list[tuple[Any, Any]]:
    """Decisions that differ when the history starts ``cut`` records later, looked at from record
    ``warm`` on: (whole, later start) pairs.

    Recursive measures (an exponential mean) forget their start only in time; a strategy whose
    decisions still differ after its warm-up depends on when it was started.
    """
    table = list(instruments) if instruments is not None else made_up_instruments(records)
    whole = [
        (item.at, _decision(item.record))
        for item in trace(strategy, records, parameters, table)
        if item.at >= warm
    ]
    later = [
        (item.at + cut, _decision(item.record))
        for item in trace(strategy, records[cut:], parameters, table)
        if item.at + cut >= warm
    ]
    length = max(len(whole), len(later))
    pairs = zip(
        whole + [None] * (length - len(whole)), later + [None] * (length - len(later)), strict=True
    )
    return [(one, other) for one, other in pairs if one != other]


def made_up_instruments(records: Iterable[Any]) -> list[Instrument]:
    """A plain spot instrument (two price decimals, three quantity decimals, tick and lot 1) for
    every id in the records, in order of id.
    """
    ids = sorted({record.instrument for record in records if hasattr(record, "instrument")})
    return [
        Instrument(
            number,
            "test",
            f"TEST{number}",
            int(InstrumentKind.SPOT),
            "TEST",
            "USDT",
            2,
            3,
            1,
            1,
            1,
            10**15,
            0,
            1,
            False,
            0,
            None,
            0,
            0,
            0,
        )
        for number in ids
    ]


def time_of(record: Any) -> int:
    """The time at which a record is known: its event time, a bar's close."""
    return (
        int(record.close_time) if isinstance(record, Bar) else int(getattr(record, "event_time", 0))
    )


class PythonDriver:
    """Calls the handlers of a strategy in plain Python."""

    def __init__(
        self,
        stage: type[Strategy],
        instruments: Sequence[Instrument],
        settings: Any,
        context: TestContext,
    ) -> None:
        self.strategy = stage(instruments, settings)
        self.context = context
        self.handlers = {
            TOPICS[name].record: _handler(self.strategy, TOPICS[name].record)
            for name in stage.INPUTS
        }
        self.stages = ListedStages(stage, instruments, context.account)
        context.services = self.strategy.services_for(context, self.stages)

    @property
    def timer(self) -> int:
        """The next deadline."""
        return int(self.strategy.state.timer)

    def deliver(self, record: Any) -> None:
        """One record, if the strategy wakes on it."""
        name = type(record).__name__
        self.stages.take(record, f"on_{snake(name)}", TOPIC_OF.get(name, ""), self.context)
        handler = self.handlers.get(name)
        if handler is not None:
            self._call(handler, record)
        self.stages.end(record, self.context)

    def fire(self, deadline: int) -> None:
        """One timer."""
        self._call(self.strategy.on_timer, deadline)  # type: ignore[attr-defined]

    def end(self) -> None:
        """The end of the input."""
        if hasattr(self.strategy, "on_end"):
            self.strategy.on_end(self.context)

    def _call(self, handler: Any, argument: Any) -> None:
        try:
            handler(argument, self.context)
        except AttributeError as error:
            typed = undeclared(self.strategy, error)
            if typed is None:
                raise
            raise typed from error


def _fire_timers(driver: Any, context: TestContext, clock: int) -> None:
    """Fire what is due up to the clock, each deadline as its own clock."""
    fired = 0
    while driver.timer <= clock and driver.timer != NO_TIMER:
        fired += 1
        if fired > KIT_TIMERS_MAX:
            raise UndeclaredState(
                f"on_timer did not move the timer on from {driver.timer}; set state.timer to a "
                "later deadline or NO_TIMER"
            )
        context.clock = max(context.clock, driver.timer)
        driver.fire(driver.timer)


def _handler(strategy: Any, record: str) -> Any:
    return getattr(strategy, f"on_{snake(record)}")


def _decision(record: Any) -> Any:
    """What a record decides: its direction or terms, without the values shown for explanation and
    without built ids.
    """
    kept = ("instrument", "direction", "size", "side", "order_type", "quantity", "price", "kind")
    return (
        type(record).__name__,
        *(getattr(record, name) for name in kept if hasattr(record, name)),
    )
