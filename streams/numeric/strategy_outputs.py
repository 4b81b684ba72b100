"""``out`` of a compiled strategy on the order side: what its handlers publish, and what its orders
are made of.

Signals are rows, as every compiled stage writes them. A request for an order is first *asked for*,
as int64 in a column for each field of ``orders.requests``: what a strategy gives is looked at
before it is stored in a row, whose fields are narrower, so nothing is cut off without a word.
``order_requests.py`` asks; :func:`write_requests` looks at what was asked, and makes the rows.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.compiled.order_request import DTYPE as REQUEST
from schemas.errors import CapacityExceeded
from schemas.general import BOUNDS
from schemas.records import OrderRequest
from schemas.shapes import Field, shapes
from streams.numeric.bad_strategy import BadStrategy
from streams.numeric.book_reads import BOOK_READ
from streams.numeric.borrowing import inner_kernel
from streams.numeric.identity import EARLY_ORDINAL, HALF_BITS, ID_SOURCE
from streams.numeric.int128 import join
from streams.numeric.log_lines import REFUSALS, VALUES_MAX, id_text, render, values_in
from streams.numeric.log_lines import TOPIC as LOG
from streams.numeric.portfolio_reads import ACCOUNT_READ, POSITION_READ
from streams.numeric.stage_records import words
from streams.numeric.state_arrays import StateArrays, array_of
from streams.numeric.strategy_view import INSTRUMENT, LAST
from streams.numeric.table import Table
from streams.numeric.targets import SHARE_MAX
from streams.numeric.undeclared_read import UndeclaredRead

Array = np.ndarray[Any, Any]
REQUESTS, ACCOUNT = "orders.requests", "account"
SPARE_ROWS = 64
"""Rows behind those that a strategy reserves: one that writes a few more is told so."""

ORDER_CONTEXT = np.dtype(
    words("clock account strategy fault modified wrong_first wrong_second"
    " logged most_lines")
)
"""What every request carries, and what is wrong with what was asked. ``modified``: orders that the
present call modifies; ``logged``: lines of it, at most ``most_lines``."""
WRONG_REQUEST, TOO_MANY_ROWS, NO_IDS, BAD_READ, VIEW_FULL = map(np.int64, range(1, 6))
BAD_TERMS, NOT_MODIFIABLE, BAD_TIMER, BAD_LINE, TOO_MANY_LINES, LINES_FULL = map(
    np.int64, range(6, 12)
)
"""Faults: a request that its schema does not allow; more rows in a call than RESERVE says; more ids
than one input record has; a read that is not declared, of an instrument that is not listed, of an
amount with more than 38 digits, or that the reader of books refused. VIEW_FULL: open orders must
have room, and the call comes again.
BAD_TERMS, NOT_MODIFIABLE: an order is modified to these terms; one with this id is, and is no limit
order that is open. BAD_TIMER: one that there is none of is set, or to a time that has passed.
BAD_LINE, TOO_MANY_LINES: a line that LOGS does not have, or with other values; more in a call than
RESERVE says. LINES_FULL: lines must be written, and the call comes again."""

READS = np.dtype(
    [
        *words("address declared undeclared unlisted is_unlisted is_no_share code view_at"),
        *words("replacing_at portfolio"),
        *words("portfolio_entry portfolio_out portfolio_position portfolio_account"),
        *words("books books_entry books_code"),
        *(("position", POSITION_READ), ("account", ACCOUNT_READ), ("book", BOOK_READ)),
        *(("instrument", INSTRUMENT), *LAST.items()),
    ]
)
"""What a strategy may read (``strategy_reads.py``). ``address``: of this record; ``declared``: a
bit for each name of READABLE that it declares; then what is wrong with what it asked: the first
read that it does not declare, an instrument that is not listed, a target that is no share, the
fault of the portfolio or of the reader of books. ``view_at`` is the address of its view,
``replacing_at`` that of what replaces the orders it modifies, ``portfolio_*`` and ``books*`` say
how those two are called. The rest is what is asked and answered, and records of zeros for what
there is none of.
"""
READABLE = ("account", "book", *LAST, "queue")
READ_BIT = {name: np.int64(1 << place) for place, name in enumerate(READABLE)}

TIMERS = ("timer_count", "timer_numbers", "timer_times")
"""Arrays of the named timers that are set (``timers.py``): they are state."""

LINE = np.dtype(
    [*words("line clock sequence"), ("high", "i8", VALUES_MAX + 1), ("low", "u8", VALUES_MAX + 1)]
)
"""A line that is logged (``strategy_log.py``): its place in LOGS, and the limbs of its values."""
LINES = 1_024
"""Lines that are kept until they are written; a call's have room in any case."""

WHOLE = np.int64(0)
"""``WHOLE | x`` is x, and does not compile for a float: of what a strategy gives for an integer."""

COLUMNS: tuple[str, ...] = REQUEST.names or ()
"""Of what is asked for; an order's id is two of them."""


def _bounds_of(field: Field) -> list[tuple[int, int]]:
    """(lowest, highest) that the columns of a field may hold."""
    if field.kind == "id":
        return [(0, (1 << HALF_BITS) - 1)] * 2
    if field.kind in BOUNDS:
        return [(-BOUNDS[field.kind], BOUNDS[field.kind] - 1)]
    return [(0, len(field.symbols) - 1 if field.kind == "enum" else 1)]


ALLOWED: Array = np.array(
    [pair for field in shapes()["OrderRequest"].fields for pair in _bounds_of(field)], np.int64
)
"""Lowest and highest of each column, by the schema."""


@functools.cache
def strategy_outputs_type(topics: tuple[str, ...]) -> Any:
    """The class of ``out`` for a strategy that publishes these topics."""
    names = {topic: topic.replace(".", "_") for topic in topics if topic != REQUESTS}
    members: dict[str, Any] = {
        "PAIRS": {name: (f"{name}_rows", f"{name}_count") for name in names.values()}
    }
    for topic, name in names.items():
        members[f"{name}_rows"] = array_of(codec(topic_of(topic).record).dtype)
        members[f"{name}_count"] = array_of(np.int64)
    if REQUESTS in topics:
        members["asked"] = array_of(np.int64, 2)
        members["asked_count"] = array_of(np.int64)
        members["requests_rows"] = array_of(REQUEST)
        members["requests_count"] = array_of(np.int64)
    for name in TIMERS:
        members[name] = array_of(np.int64)
    members["lines"] = array_of(LINE)
    members["line_count"] = members["line_values"] = array_of(np.int64)
    members["orders"] = array_of(ORDER_CONTEXT)
    members["reads"] = array_of(READS)
    members["levels"] = array_of(np.int64, 3)
    members["ids"] = array_of(ID_SOURCE)
    return type("StrategyOutputs", (StateArrays,), members)


class StrategyOutputs:
    """Owns the arrays of one ``out``.

    Attributes:
        arrays: by name, in the order of the class.
        tables: of the rows, by topic.
        counts: of the rows written, by topic.

    Args:
        topics: what the strategy publishes.
        reserve: the most rows that a call writes, by topic.
        account: its orders carry it, and the strategy's number.
        timers: how many named timers the strategy has.
        logs: templates of what it logs.
    """

    def __init__(
        self,
        topics: Sequence[str],
        reserve: Mapping[str, int],
        account: int,
        strategy: int,
        timers: int = 0,
        logs: Sequence[str] = (),
    ) -> None:
        self.topics = tuple(topics)
        self.tables: dict[str, Table] = {}
        self.counts = {topic: np.zeros(1, np.int64) for topic in topics}
        found: dict[str, Array] = {}
        found["orders"], found["ids"] = np.zeros(1, ORDER_CONTEXT), np.zeros(1, ID_SOURCE)
        found["reads"] = np.zeros(1, READS)
        found |= self._log_arrays(logs, reserve.get(LOG, 0))
        for name, length in zip(TIMERS, (1, timers, timers), strict=True):
            found[name] = np.zeros(length, np.int64)
        found["levels"] = np.zeros((0, 0, 2), np.int64)  # the book reader's, if it reads any
        for topic in topics:
            name = "requests" if topic == REQUESTS else topic.replace(".", "_")
            dtype = codec(topic_of(topic).record).dtype
            self.tables[topic] = Table(dtype, reserve[topic] + SPARE_ROWS)
            found[f"{name}_rows"] = self.tables[topic].rows
            found[f"{name}_count"] = self.counts[topic]
        if REQUESTS in topics:
            found["asked"] = np.zeros((reserve[REQUESTS], len(COLUMNS)), np.int64)
            found["asked_count"] = np.zeros(1, np.int64)
        self.kind = strategy_outputs_type(self.topics)
        self.arrays = {name: found[name] for name in self.kind.FIELDS}
        self.orders, self.reads = found["orders"][0], found["reads"][0]
        self.orders["most_lines"] = reserve.get(LOG, 0)
        self.orders["account"], self.orders["strategy"] = account, strategy
        self.reads["address"] = found["reads"].ctypes.data
        self._reserve = dict(reserve)

    def _log_arrays(self, logs: Sequence[str], most: int) -> dict[str, Array]:
        self.templates = (*logs, *REFUSALS) if logs else ()
        counts = [values_in("", each) for each in self.templates]
        return {
            "lines": np.zeros(max(LINES, most) if logs else 0, LINE),
            "line_count": np.zeros(1, np.int64),
            "line_values": np.array(counts, np.int64),
        }

    def lines(self, symbols: Mapping[int, str]) -> list[tuple[int, int, str]]:
        """Clock, sequence and text of the lines that were logged; there are none then."""
        count, found = self.arrays["line_count"], []
        for row in self.arrays["lines"][: int(count[0])]:
            template = self.templates[int(row["line"])]
            pairs = zip(row["high"].tolist(), row["low"].tolist(), strict=True)
            text = render(template, [join(*pair) for pair in pairs], symbols)
            found.append((int(row["clock"]), int(row["sequence"]), text))
        count[0] = 0
        return found

    def group(self) -> Any:
        """``out``, for a handler that Python calls."""
        return self.kind(**self.arrays)

    def asked(self) -> list[OrderRequest]:
        """What was asked for and is no row yet, as it was given."""
        if "asked" not in self.arrays:
            return []
        count = int(self.arrays["asked_count"][0])
        return [_request(*map(int, values)) for values in self.arrays["asked"][:count]]

    def published(self) -> list[Any]:
        """All that a call published, topic by topic as the scheduler takes it; there is none then.
        """
        found: list[Any] = []
        for topic in self.topics:
            if topic == REQUESTS:
                found += self.asked()
                self.arrays["asked_count"][0] = 0
            else:
                found += self._taken(topic)
        return found

    def records(self) -> list[Any]:
        """The records of the rows, topic by topic; there are none then."""
        return [record for topic in self.tables for record in self._taken(topic)]

    def _taken(self, topic: str) -> list[Any]:
        count = int(self.counts[topic][0])
        self.counts[topic][0] = 0
        kind = codec(topic_of(topic).record)
        return kind.rows_to_records(self.tables[topic].rows, 0, count) if count else []

    def let_read(self, names: Sequence[str], places: Mapping[str, int]) -> None:
        """Let the strategy read what its READS names.

        Args:
            places: where it is found, by the field of READS that says so.
        """
        for name in (*names, *(["marks"] if ACCOUNT in names else ())):
            self.reads["declared"] |= READ_BIT[name]
        for name, value in places.items():
            self.reads[name] = value

    def raise_bad_read(self, name: str, reads: Sequence[str], known: Iterable[int]) -> None:
        """Raise what is wrong with what the strategy read, if it is the strategy that is wrong.

        Args:
            known: ids of the instruments.
        """
        found = self.reads
        if found["undeclared"]:
            read = next(each for each, bit in READ_BIT.items() if bit == found["undeclared"])
            declared = ", ".join(f'"{each}"' for each in (*reads, read))
            what = f"strategy {name} reads {read}, which its READS does not name"
            raise UndeclaredRead(f"{what}; write READS = ({declared},) in its file")
        if found["is_unlisted"]:
            what = f"strategy {name} asks for instrument {found['unlisted']}"
            raise UndeclaredRead(f"{what}; it is given: {', '.join(map(str, known))}")
        if found["is_no_share"]:
            what = f"strategy {name} asks for a share of its equity that is none"
            raise BadStrategy(f"{what}; give a number of at most {SHARE_MAX:,.0f} either way")

    def raise_bad_change(self, name: str) -> None:
        """Raise what is wrong with an order that the strategy changes, if that is the fault."""
        fault = self.orders["fault"]
        first, second = (int(self.orders[each]) for each in ("wrong_first", "wrong_second"))
        if fault == BAD_TERMS:
            what = f"strategy {name} modifies an order to {first} at {second}"
            raise BadStrategy(f"{what}; give more than 0, or 0 to leave it as it is")
        if fault == NOT_MODIFIABLE:
            what = f"strategy {name} modifies {id_text(first, second)!r}"
            raise BadStrategy(f"{what}, which is no limit order that is open; see first_order(out)")

    def raise_overrun(self, name: str) -> None:
        """Raise CapacityExceeded if the strategy published more than there is room for."""
        fault = int(self.orders["fault"])
        if fault == NO_IDS:
            text = f"strategy {name} asks for more than {EARLY_ORDINAL:,} ids on one input record"
            raise CapacityExceeded("identity.ordinal", EARLY_ORDINAL, text)
        if fault == TOO_MANY_ROWS:
            written = {topic: int(count[0]) for topic, count in self.counts.items()}
            beyond = [topic for topic in self.topics if written[topic] > self._reserve[topic]]
            topic = beyond[0] if beyond else REQUESTS
            setting, most = f"RESERVE[{topic!r}]", self._reserve[topic]
            what = f"strategy {name} publishes more than {most} records of {topic} in one call"
            raise CapacityExceeded(setting, most, f"{what}; raise {setting} in its file")

    def raise_bad_timer(self, name: str, timers: Sequence[str]) -> None:
        """Raise BadStrategy if the strategy set a timer that it does not have, or to a time that
        has passed.
        """
        if self.orders["fault"] == BAD_TIMER:
            number, at, clock = (
                int(self.orders[each]) for each in ("wrong_first", "wrong_second", "clock")
            )
            known = ", ".join(timers) or "none"
            what = f"strategy {name} sets timer {number} to {at} at {clock}"
            advice = f"give a number of one of its TIMERS ({known}), and a time after the clock"
            raise BadStrategy(f"{what}; {advice}")

    def raise_bad_line(self, name: str) -> None:
        """Raise BadStrategy if the strategy logged a line that it does not declare,
        CapacityExceeded for one more than there is room for.
        """
        fault = int(self.orders["fault"])
        number, count = int(self.orders["wrong_first"]), int(self.orders["wrong_second"])
        if fault == BAD_LINE:
            known = len(self.templates) - len(REFUSALS) if self.templates else 0
            what = f"strategy {name} logs line {number} with {count} values"
            if number < known and self.templates:
                needed = values_in(name, self.templates[number])
                raise BadStrategy(f"{what}; {self.templates[number]!r} takes {needed}")
            raise BadStrategy(f"{what}; its LOGS has {known} lines, from 0: write what is missing")
        if fault == TOO_MANY_LINES:
            setting = f"RESERVE[{LOG!r}]"
            what = f"strategy {name} logs more than {count} lines in one call"
            raise CapacityExceeded(setting, count, f"{what}; raise {setting} in its file")


def _request(high: int, low: int, *rest: int) -> OrderRequest:
    """A request with the values of its columns; halves that are those of no id are shown."""
    values: dict[str, Any] = dict(zip(COLUMNS[2:], rest, strict=True))
    if values["post_only"] in (0, 1):
        values["post_only"] = bool(values["post_only"])
    return OrderRequest(id_text(high, low), **values)


# -- in a handler, compiled


@inner_kernel
def refuse(out: Any, fault: Any, first: Any, second: Any) -> None:
    """The call ends with a fault, which names these; the first one stays."""
    orders = out.orders[0]
    if orders.fault == 0:
        orders.fault = fault
        orders.wrong_first = first
        orders.wrong_second = second


# -- after a handler, compiled


@inner_kernel
def write_requests(out: Any) -> None:
    """Rows of what was asked for, unless some of it is not allowed: then a fault is left."""
    count = out.asked_count[0]
    for place in range(count):
        for column in range(len(ALLOWED)):
            value = out.asked[place, column]
            if value < ALLOWED[column, 0] or value > ALLOWED[column, 1]:
                out.orders[0].fault = WRONG_REQUEST
                return
        write_request(out.asked, place, out.requests_rows[place])
    out.requests_count[0] = count
    out.asked_count[0] = 0


@inner_kernel
def write_request(asked: Any, place: Any, row: Any) -> None:
    """One of them; columns are in the order of the row's fields."""
    row.order_id_high = asked[place, 0]
    row.order_id_low = asked[place, 1]
    row.account = asked[place, 2]
    row.strategy = asked[place, 3]
    row.instrument = asked[place, 4]
    row.event_time = asked[place, 5]
    row.kind = asked[place, 6]
    row.side = asked[place, 7]
    row.order_type = asked[place, 8]
    row.time_in_force = asked[place, 9]
    row.post_only = asked[place, 10]
    row.quantity = asked[place, 11]
    row.price = asked[place, 12]
