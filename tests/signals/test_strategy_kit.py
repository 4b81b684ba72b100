"""The test kit (STR-14): one line runs a strategy of either kind; look-ahead and start dependence
are found. Oracle: planted cheats.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from schemas.errors import CapacityExceeded
from schemas.general import BadRecord
from schemas.records import (
    DepthUpdate,
    LogLine,
    Mark,
    OrderEvent,
    OrderRequest,
    PnL,
    Position,
    Quote,
    Signal,
    Trade,
)
from schemas.vocabulary import DepthKind, Flag, OrderStatus
from streams.signals import kit
from streams.signals.strategy import BadStrategy, Strategy, StrategyState
from tests.test_documents import blocks

SECOND = 1_000_000_000


def quotes(count: int = 400, seed: int = 1) -> list[Quote]:
    dice = random.Random(seed)
    bid, made = 100_000, []
    for at in range(count):
        bid += dice.randrange(-40, 41)
        made.append(Quote(1, (at + 1) * SECOND, at, bid, 5, bid + 1, 5, 0))
    return made


@pytest.mark.parametrize("name", ["ema-cross", "ema-cross-python"])
def test_one_line_runs_a_strategy_of_the_catalogue(name: str) -> None:
    emitted = kit.run(name, quotes(), {"fast": "5", "slow": "9"})
    assert emitted and all(isinstance(record, Signal) for record in emitted)


def test_a_kernel_and_its_twin_emit_the_same_records() -> None:
    assert kit.trace("ema-cross", quotes()) == kit.trace("ema-cross-python", quotes())


def test_noop_emits_nothing() -> None:
    assert kit.run("noop-python", quotes()) == []


def test_a_strategy_reads_what_the_list_says_of_its_account_and_the_book() -> None:
    """Oracle: the list."""

    class Reader(Strategy):
        WAKES = ("quotes", "order_events")
        READS = ("account", "book", "trades")
        LOGS = True

        def on_quote(self, quote: Quote, context: Any) -> None:
            held, book, trade = context.position(1), context.book(1, 1), context.last_trade(1)
            if quote.sequence == 1:
                self.order(context, 1, 1, 7, price=99)
            orders = [(each.remaining, each.price, each.status) for each in context.open_orders()]
            where = (
                held.quantity,
                held.average_price,
                held.unrealized,
                context.cash,
                context.equity,
            )
            context.log(f"{(where, orders, book.bids, book.asks, trade and trade.price)}")

        def on_order_event(self, event: OrderEvent, context: Any) -> None:
            context.log(f"{[each.status for each in context.open_orders()]}")

    def quote(sequence: int) -> Quote:
        return Quote(1, sequence * SECOND, sequence, 100, 5, 101, 5, 0)

    def event(status: OrderStatus, filled: int) -> OrderEvent:
        return OrderEvent(f"{1:020d}", 1, 1, 1, 3 * SECOND, int(status), 0, 1, 7, 99, filled, False)

    snapshot = int(Flag.FIRST_OF_SNAPSHOT | Flag.LAST_OF_SNAPSHOT | Flag.FUTURES_CHAIN)
    records = [
        quote(0),
        DepthUpdate(
            1,
            SECOND,
            SECOND,
            5,
            6,
            4,
            int(DepthKind.SNAPSHOT),
            snapshot,
            [(100, 3), (99, 1)],
            [(102, 4)],
        ),
        Trade(1, SECOND, SECOND, 1, 1, 102, 1, 1, 0),
        quote(1),
        event(OrderStatus.ACCEPTED, 0),
        Position(1, 1, 1, 3 * SECOND, f"{1:020d}", 3, 297, 0, 1),
        event(OrderStatus.PARTIALLY_FILLED, 3),
        Mark(1, 3 * SECOND, 3 * SECOND, 101, 1, 102, 1, 102, 3 * SECOND, 0),
        PnL(1, 3 * SECOND, 5, 0, 6, 1, 999, 1005, 0, 0),
        quote(4),
        event(OrderStatus.FILLED, 7),
    ]
    lines = [record.text for record in kit.run(Reader, records) if isinstance(record, LogLine)]
    assert lines == [
        "((0, 0, 0, 0, 0), [], (), (), None)",
        "((0, 0, 0, 0, 0), [(7, 99, 1)], ((100, 3),), ((102, 4),), 102)",
        "[5]",
        "[7]",
        "((3, 99, 6, 999, 1005), [(4, 99, 7)], ((100, 3),), ((102, 4),), 102)",
        "[]",
    ]


def test_targets_modified_orders_and_named_timers_work_in_the_kit() -> None:
    """Oracle: by hand. Ten are wanted, three are held, two work: five are ordered. Two of those
    fill before they are modified to nine.
    """

    class Doer(Strategy):
        WAKES = ("quotes", "order_events", "timers")
        READS = ("account",)
        LOGS = True

        def on_quote(self, quote: Quote, context: Any) -> None:
            if quote.sequence == 1:
                self.order(context, 1, 1, 2, price=90)
                context.order_target(1, 10, price=99)
                context.set_timer("late", context.clock + 5 * SECOND)
                context.set_timer("soon", context.clock + SECOND // 2)

        def on_timer(self, name: str, context: Any) -> None:
            context.log(f"{name} at {context.clock}, {context.working(1)} at work")
            if name == "soon":
                context.modify(f"{2:020d}", quantity=9)
                context.log(f"{context.working(1)} will be")

        def on_order_event(self, event: OrderEvent, context: Any) -> None:
            context.log(f"{event.filled_quantity} of {event.quantity}")

    def event(
        number: int, at: float, status: OrderStatus, quantity: int, filled: int
    ) -> OrderEvent:
        price = 90 if number == 1 else 99
        return OrderEvent(
            f"{number:020d}",
            1,
            1,
            1,
            int(at * SECOND),
            int(status),
            0,
            1,
            quantity,
            price,
            filled,
            False,
        )

    records = [
        Position(1, 1, 1, SECOND // 2, f"{0:020d}", 3, 297, 0, 1),
        Quote(1, SECOND, 1, 100, 5, 101, 5, 0),
        event(1, 1.1, OrderStatus.ACCEPTED, 2, 0),
        event(2, 1.1, OrderStatus.PARTIALLY_FILLED, 5, 2),
        event(2, 2, OrderStatus.CANCELLED, 5, 2),
        Quote(1, 9 * SECOND, 2, 100, 5, 101, 5, 0),
    ]
    found = kit.run(Doer, records)
    assert [(each.kind, each.quantity, each.price) for each in found if isinstance(each,
    OrderRequest)] == [
        (1, 2, 90), (1, 5, 99), (2, 0, 0), (1, 7, 99),
    ]  # fmt: skip
    assert [each.text for each in found if isinstance(each, LogLine)] == [
        "0 of 2", "2 of 5", f"soon at {3 * SECOND // 2}, 5 at work", "9 will be", "2 of 5",
        f"late at {6 * SECOND}, 9 at work",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["ema-cross", "ema-cross-python"])
def test_an_honest_strategy_decides_the_same_on_truncated_histories(name: str) -> None:
    assert kit.look_ahead(name, quotes(120), {"fast": "2", "slow": "5"}) == []


def test_a_strategy_that_looks_ahead_is_found() -> None:
    """Planted: it knows the whole history and acts on the price five quotes on."""
    history: list[Quote] = []

    class Seer(Strategy):
        WAKES = ("quotes",)

        class State(StrategyState):
            at: int = 0

        def on_quote(self, quote: Quote, context: Any) -> None:
            self.state.at += 1
            later = history[min(self.state.at + 4, len(history) - 1)]
            self.signal(context, 1, 1 if later.bid_price > quote.bid_price else -1)

    records = quotes(60)

    def whole_history(part: Any) -> Any:
        history[:] = part
        return original(Seer, Seer.Settings(), part, kit.made_up_instruments(part))

    original = kit.drive
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            kit, "drive", lambda stage, settings, part, table, artefacts: whole_history(part)
        )
        assert kit.look_ahead(Seer, records) != []


def test_an_exponential_mean_forgets_its_start() -> None:
    parameters = {"fast": "3", "slow": "8"}
    assert kit.recursive("ema-cross", quotes(300), parameters, cut=50, warm=200) == []


def test_a_strategy_that_depends_on_its_start_is_found() -> None:
    class Every(Strategy):
        """Acts on every tenth quote since it was started."""

        WAKES = ("quotes",)

        class State(StrategyState):
            at: int = 0

        def on_quote(self, quote: Quote, context: Any) -> None:
            self.state.at += 1
            if self.state.at % 10 == 0:
                self.signal(context, 1, 1)

    assert kit.recursive(Every, quotes(300), cut=53, warm=200) != []


def test_records_of_topics_the_strategy_does_not_read_are_not_delivered() -> None:
    class Bars(Strategy):
        WAKES = ("bars",)

        def on_bar(self, bar: Any, context: Any) -> None:
            self.signal(context, 1, 1)

    assert kit.run(Bars, quotes()) == []


def test_the_end_of_the_input_reaches_the_strategy() -> None:
    class Flat(Strategy):
        WAKES = ("quotes",)

        def on_quote(self, quote: Quote, context: Any) -> None: ...

        def on_end(self, context: Any) -> None:
            self.signal(context, 1, 0)

    assert [item.at for item in kit.trace(Flat, quotes(3))] == [-1]


KERNEL = """
from typing import Any, NamedTuple
import msgspec
import numpy as np
from schemas.kernel import kernel

NAME = "every-fifth"
INPUTS = ("md.quotes",)
OUTPUTS = ("signals",)
STATE_VERSION = 1
RESERVE = {"signals": 1}

class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    every: int = 5

class State(NamedTuple):
    clock: Any
    timer: Any
    fault: Any
    every: Any
    seen: Any

def new_state(instruments, settings):
    return State(np.zeros(1, np.int64), np.full(1, 2**63 - 1), np.zeros(4, np.int64),
                 np.array([settings.every]), np.zeros(1, np.int64))

@kernel
def on_quote(state, quote, out):
    state.seen[0] += 1
    if state.seen[0] % state.every[0]:
        return
    rows, count = out.signals
    row = rows[count[0]]
    row.instrument = quote.instrument
    row.event_time = state.clock[0]
    row.sequence = quote.sequence
    row.strategy = 1
    row.direction = 1
    row.strength = 1.0
    row.size = 0
    row.fast = 0.0
    row.slow = 0.0
    row.flags = 0
    count[0] += 1
"""


def test_a_users_kernel_module_runs_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "every_fifth.py"
    path.write_text(KERNEL)
    assert [signal.sequence for signal in kit.run(str(path), quotes(20), {"every": "5"})] == [
        4,
        9,
        14,
        19,
    ]


def test_numbers_of_numpy_are_taken_where_they_are_whole_and_refused_by_name_where_not() -> None:
    """Oracle: the same strategy with Python's numbers (B9)."""

    class Sized(Strategy):
        WAKES = ("quotes",)

        class Settings(msgspec.Struct, frozen=True, kw_only=True):
            kind: Any = int

        def on_quote(self, quote: Quote, context: Any) -> None:
            kind = self.settings.kind
            self.order(context, kind(1), kind(1), kind(quote.sequence + 1), price=kind(100))
            self.signal(context, kind(1), kind(-1), strength=kind(1), size=kind(7))

    def published(kind: Any) -> list[Any]:
        driver = kit.drive(
            Sized, Sized.Settings(kind=kind), quotes(3), kit.made_up_instruments(quotes(3))
        )
        assert all(
            type(getattr(item.record, name)) in (int, float, str, bool)
            for item in driver
            for name in item.record.__struct_fields__
        )
        return [item.record for item in driver]

    assert published(np.int64) == published(np.float64) == published(int) != []
    with pytest.raises(BadStrategy, match="price is 100.5"):
        published(lambda value: value + 0.5 if value == 100 else value)


def test_an_order_under_an_id_of_its_own_is_refused_as_in_a_run() -> None:
    class Own(Strategy):
        WAKES = ("quotes",)

        def on_quote(self, quote: Quote, context: Any) -> None:
            context.emit(OrderRequest("mine", 1, 1, 1, context.clock, 1, 1, 1, 2, False, 5, 0))

    with pytest.raises(
        BadRecord,
        match=r"OrderRequest.order_id = 'mine' is not an id .* take each from context.order_id\(\)",
    ):
        kit.run(Own, quotes(1))


MAKER = next(
    block
    for block in blocks(Path(__file__).resolve().parents[2] / "docs" / "strategies.md", "python")
    if block.startswith("# maker.py")
)


def test_a_compiled_strategy_asks_for_orders_in_the_kit_too(tmp_path: Path) -> None:
    """Oracle: its twin in Python. The kit numbers the orders of the two in ways of its own."""
    file = tmp_path / "maker.py"
    file.write_text(MAKER)
    twin = f"{Path(__file__).resolve().parents[1] / 'runtime' / 'maker_twin.py'}:MakerTwin"
    compiled, plain = kit.trace(str(file), quotes()), kit.trace(twin, quotes())
    assert [msgspec.structs.replace(each.record, order_id="") for each in compiled] == [
        msgspec.structs.replace(each.record, order_id="") for each in plain
    ]
    assert [each.at for each in compiled] == [each.at for each in plain]
    assert len(compiled) == 4  # two orders, and their cancels; nothing says that they ended
    ids = [each.record.order_id for each in compiled]
    assert ids[:2] == ids[2:] and ids[0] != ids[1]


@pytest.mark.parametrize(
    ("old", "new", "kind", "said"),
    [
        ('{"orders.requests": 2}', '{"orders.requests": 1}', CapacityExceeded, "more than 1 rec"),
        ("GTC, True", "GTC, 3", BadRecord, "post_only"),
    ],
)
def test_the_kit_refuses_what_a_run_refuses(
    tmp_path: Path, old: str, new: str, kind: type[Exception], said: str
) -> None:
    file = tmp_path / "maker.py"
    file.write_text(MAKER.replace(old, new))
    with pytest.raises(kind, match=said):
        kit.run(str(file), quotes())
