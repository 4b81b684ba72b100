"""What a strategy reads of its account, the book and the last records is the state at that instant,
whatever the batches are.

Oracle: a twin in Python integers over the run's own topics: positions, cost and cash from
``fills``, open orders from ``orders.events`` and ``orders.requests``, equity from ``md.marks``, the
book from ``md.depth`` through ``reference_book.py``. The strategy (``observer.py``) logs what it
read; which records it had taken by then, its own log says.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from jobs.pipeline import stages_of
from jobs.runs import Backtest, Run
from jobs.verification import verify_run
from schemas.codec import codec
from schemas.errors import ShrivenError
from schemas.vocabulary import Flag, InstrumentKind
from streams.log.local import LocalLog
from streams.numeric import log_lines
from streams.numeric.reference_book import ReferenceBook
from streams.runtime.journal.journal import decode_entry
from streams.runtime.schedule.topology import BadTopology
from streams.signals import ema_cross
from streams.signals.strategy import Strategy
from tests.digests.found import Recordings
from tests.scenario import Killed, backtest, configuration, digests, records_in

OBSERVER = f"{Path(__file__).with_name('observer.py')}:Observer"
SLOW = "feed=1ms,entry=300ms,response=900ms"
RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "perpetual": (
        "perpetual",
        {"set": {"rate": "20"}, "fees": "maker=0,taker=0", "latency": "feed=0,entry=0,response=0"},
    ),
    "a gap, slow": ("gap", {"set": {"rate": "20"}, "latency": SLOW}),
    "spot": ("spot", {"set": {"rate": "20"}, "cash": "100000USDT"}),
    "three instruments": ("three", {"set": {"seed": "4", "rate": "20"}}),
}
CLOSED = ("FILLED", "CANCELLED", "REJECTED", "EXPIRED", "DENIED")
STATUSES = {1: "NEW", 4: "SUBMITTED", 5: "ACCEPTED", 7: "PARTIALLY_FILLED", 9: "PENDING_CANCEL"}
UNUSABLE = Flag.STALE | Flag.GAP


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Recordings:
    return Recordings(tmp_path_factory.mktemp("reads"), Path())


def inputs_of(run: Run, recording: Path) -> list[tuple[str, Any]]:
    """(topic, record) of every input in the order in which it was consumed, by the journal."""
    source, own = LocalLog.open(recording), LocalLog.open(run.folder)
    entries = [decode_entry(bytes(block.body)) for block in own.reader("pipeline.journal").blocks()]
    held: dict[str, list[Any]] = {}
    for topic in source.topics():
        if topic != "import.dlq":
            coder = codec(
                {"ref.instruments": "Instrument", "md.trades": "Trade", "md.depth": "DepthUpdate"}[
                    topic
                ]
            )
            held[topic] = [
                record
                for block in source.reader(topic).blocks()
                for record in coder.decode_records(block.body, block.count)
            ]
    topics = [topic for topic in ("ref.instruments", "md.trades", "md.depth") if topic in held]
    found = []
    for entry in entries:
        for element in entry.elements.tolist() if entry.elements is not None else ():
            number, first, last = element[0], element[1], element[2]
            found += (
                [(topics[number], held[topics[number]][at]) for at in range(first, last + 1)]
                if number >= 0
                else []
            )
    source.close()
    own.close()
    return found


class Twin:
    """One strategy's account, by hand."""

    def __init__(self, instruments: dict[int, Any], cash: int, precision: int) -> None:
        self.instruments, self.precision = instruments, precision
        self.cash = cash
        self.marks: dict[int, dict[str, Any]] = {}
        self.held = {number: [0, Fraction(0), 0, 0] for number in instruments}
        self.events: dict[str, tuple[Any, ...]] = {}
        self.seen: set[str] = set()

    def scale(self, number: int) -> int:
        instrument = self.instruments[number]
        return 10 ** (self.precision - instrument.price_precision - instrument.quantity_precision)

    def is_spot(self, number: int) -> bool:
        return self.instruments[number].kind == int(InstrumentKind.SPOT)

    def fill(self, fill: dict[str, Any]) -> None:
        number = fill["instrument"]
        signed = fill["quantity"] if fill["side"] == "BUY" else -fill["quantity"]
        held = self.held[number]
        gained, fee, price = 0, int(fill["fee"]), fill["price"]
        closing = min(abs(signed), abs(held[0])) if held[0] * signed < 0 else 0
        if closing:
            released = round(Fraction(held[1] * closing, abs(held[0])))
            sign = 1 if held[0] > 0 else -1
            gained = sign * price * closing - released
            held[0] -= sign * closing
            held[1] -= released
        opening = abs(signed) - closing
        held[0] += opening if signed > 0 else -opening
        held[1] += (opening if signed > 0 else -opening) * price
        held[2] += gained
        held[3] += fee
        moved = -signed * price if self.is_spot(number) else gained
        self.cash += (moved - fee) * self.scale(number)

    def exit_price(self, number: int) -> int:
        """Where the position could be closed, 0: nowhere."""
        mark = self.marks.get(number)
        if mark is None or mark["flags"] & UNUSABLE:
            return 0
        return mark["bid_price"] if self.held[number][0] > 0 else mark["ask_price"]

    def position(self, number: int) -> tuple[Any, ...]:
        quantity, cost, realized, fees = self.held[number]
        price = self.exit_price(number)
        profit = 0 if not quantity else quantity * price - cost if price else None
        return (
            quantity,
            round(Fraction(cost, quantity)) if quantity else 0,
            cost,
            realized,
            profit,
            fees,
        )

    def equity(self) -> int | None:
        total = self.cash
        for number, (quantity, cost, _, _) in self.held.items():
            price = self.exit_price(number)
            if quantity and not price:
                return None
            total += (
                (quantity * price - (0 if self.is_spot(number) else cost)) * self.scale(number)
                if quantity
                else 0
            )
        return total

    def event(self, event: dict[str, Any]) -> None:
        order_id = event["order_id"]
        self.seen.add(order_id)
        if event["refused"] or event["strategy"] == 0:
            return
        side, quantity = 1 if event["side"] == "BUY" else 2, event["quantity"]
        self.events.pop(order_id, None) if event["status"] in CLOSED else self.events.__setitem__(
            order_id,
            (
                event["instrument"],
                side,
                quantity,
                quantity - event["filled_quantity"],
                event["price"],
                event["status"],
            ),
        )


def lines_of(run: Run) -> Iterator[tuple[int, tuple[Any, ...]]]:
    for line in records_in(run.folder, "strategy.log"):
        yield line["sequence"], ast.literal_eval(line["text"])


def compare(run: Run, recording: Path, cash: int) -> dict[str, int]:
    """Compare every line with the twin; returns how many lines there are by what woke the strategy.
    """
    inputs = inputs_of(run, recording)
    instruments = {
        record.instrument: record for topic, record in inputs if topic == "ref.instruments"
    }
    precision = max(each.price_precision + each.quantity_precision for each in instruments.values())
    twin = Twin(instruments, cash * 10**precision, precision)
    topics = {
        name: iter(records_in(run.folder, name))
        for name in ("fills", "orders.events", "md.marks", "md.bars", "md.features", "md.toxicity")
    }
    requests = {
        record["order_id"]: record
        for record in records_in(run.folder, "orders.requests")
        if record["kind"] == "NEW"
    }
    cancels = {
        record["order_id"]
        for record in records_in(run.folder, "orders.requests")
        if record["kind"] == "CANCEL"
    }
    books = {number: ReferenceBook() for number in instruments}
    last: dict[str, dict[int, Any]] = {
        name: {} for name in ("trade", "quote", "mark", "bar", "features", "toxicity")
    }
    made: dict[str, None] = {}
    counts: dict[str, int] = {}
    consumed, waiting, depths = 0, None, 0
    for sequence, (
        woken_by,
        key,
        number,
        position,
        cash_seen,
        equity,
        orders,
        asked,
        bids,
        asks,
        flags,
        latest,
    ) in lines_of(run):
        counts[woken_by] = counts.get(woken_by, 0) + 1
        for topic, record in inputs[consumed:sequence]:
            if topic == "md.depth":
                books[record.instrument].apply(
                    record.kind, record.flags, record.first_update_id, record.final_update_id,
                    record.previous_update_id,
                    record.event_time, record.bids, record.asks,
                )  # fmt: skip
        consumed = max(consumed, sequence)
        if woken_by in ("position", "fill") and waiting is None:
            waiting = next(topics["fills"])
            twin.fill(waiting)
        if woken_by == "fill":
            assert waiting is not None and waiting["venue_trade_id"] == key
            waiting = None
        elif woken_by == "event":
            event = next(topics["orders.events"])
            assert event["order_id"] == key
            twin.event(event)
        elif woken_by in ("mark", "bar", "features", "toxicity"):
            record = next(
                topics[{"mark": "md.marks", "bar": "md.bars"}.get(woken_by, f"md.{woken_by}")]
            )
            assert (
                record["close_time" if woken_by == "bar" else "event_time"] == key
                and record["instrument"] == number
            )
            if woken_by == "mark":
                twin.marks[number] = record
        if woken_by in last:
            last[woken_by][number] = key
        assert latest == tuple(found.get(number) for found in last.values())
        assert position == twin.position(number)
        assert (cash_seen, equity) == (twin.cash, twin.equity())
        made.update(dict.fromkeys(asked))
        expected = dict(twin.events)
        for order_id in made:
            if order_id not in twin.seen:
                request = requests[order_id]
                side = 1 if request["side"] == "BUY" else 2
                expected[order_id] = (
                    request["instrument"],
                    side,
                    request["quantity"],
                    request["quantity"],
                    request["price"],
                    "NEW",
                )
        shown = {order[0]: (*order[1:6], STATUSES[order[6]]) for order in orders}
        for order_id in [
            each
            for each in shown
            if shown[each][5] == "PENDING_CANCEL" and each in cancels and each in expected
        ]:
            expected[order_id] = (*expected[order_id][:5], "PENDING_CANCEL")
        for order_id in [
            each for each in shown if each not in expected and shown[each][5] == "NEW"
        ]:
            # of sizing, for a signal of the strategy's
            assert requests[order_id]["quantity"] == shown.pop(order_id)[2]
        assert shown == expected
        book = books[number]
        levels = [book.levels(side) if book.synced else [] for side in (1, 2)]
        for side, found in zip(levels, (bids, asks), strict=True):
            whole = side if len(side) < 10 else side[:3] + side[-1:]
            assert list(found) in (side[:3], whole)
            depths += len(found) > 3
        assert bool(flags & Flag.STALE) is not book.synced
    assert next(topics["fills"], None) is None and waiting is None and depths > 3
    return counts


@pytest.mark.parametrize("name", RUNS)
def test_what_is_read_is_the_state_at_that_instant(
    recordings: Recordings, tmp_path: Path, name: str
) -> None:
    recording, options = RUNS[name]
    run = backtest(recordings.path(recording), tmp_path / "run", OBSERVER, **options)
    cash = int(configuration(OBSERVER, **options).cash)
    counts = compare(run, recordings.path(recording), cash)
    assert (
        counts["fill"] > 20
        and counts["event"] > 80
        and counts["acted"] > 1_000
        and counts["end"] == 1
    )
    assert verify_run(run.folder).is_good


OPTIONS: dict[str, Any] = {**RUNS["a gap, slow"][1], "state_digest_records": 500}


@pytest.fixture(scope="module")
def whole(recordings: Recordings, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run in one batch."""
    return backtest(
        recordings.path("gap"), tmp_path_factory.mktemp("whole") / "run", OBSERVER, **OPTIONS
    )


@pytest.mark.parametrize("batch", [1, 7, 4096])
def test_batches_change_nothing_of_it(
    recordings: Recordings, whole: Run, tmp_path: Path, batch: int
) -> None:
    """Oracle: the run in one batch. Batches of one end after a fifth of the recording: a sync each
    is slow.
    """
    options = {**OPTIONS, "to": "2024-01-01T00:00:10"} if batch == 1 else OPTIONS
    expected = (
        digests(backtest(recordings.path("gap"), tmp_path / "one", OBSERVER, **options))
        if batch == 1
        else digests(whole)
    )
    run = backtest(recordings.path("gap"), tmp_path / "run", OBSERVER, batch=batch, **options)
    assert run.manifest["topics"]["strategy.log"]["count"] > 100
    assert digests(run) == expected


def test_reading_and_logging_change_no_order(
    recordings: Recordings, whole: Run, tmp_path: Path
) -> None:
    """Oracle: the same strategy, which reads nothing then."""
    run = backtest(
        recordings.path("gap"),
        tmp_path / "run",
        OBSERVER,
        **{**OPTIONS, "set": {"rate": "20", "reads": "false"}},
    )
    assert run.manifest["topics"]["strategy.log"]["count"] == 0
    ids = (
        "fills",
        "positions",
        "orders.requests",
        "orders.decisions",
        "orders.events",
        "venue.commands",
        "venue.reports",
    )
    for topic in (*ids, "signals", "pnl"):
        found, expected = records_in(run.folder, topic), records_in(whole.folder, topic)
        for record in (*found, *expected):
            record.pop("order_id", None)  # another run has another journal id
        assert found == expected and found, topic


@pytest.mark.parametrize("snapshots", [1, 3])
def test_a_run_that_is_killed_reads_the_same_afterwards(
    recordings: Recordings, whole: Run, tmp_path: Path, snapshots: int
) -> None:
    """Oracle: the run that was not killed. What is kept comes out of a snapshot."""
    names: list[str] = []

    def watch(name: str) -> None:
        names.append(name)
        if names.count("snapshot written") == snapshots and name == "committed":
            raise Killed

    settings = configuration(OBSERVER, **OPTIONS, batch=400)
    with pytest.raises(Killed):
        Backtest(settings, recordings.path("gap"), tmp_path / "run", on_step=watch).run()
    run = Backtest(settings, recordings.path("gap"), tmp_path / "run").run()
    assert run.resumed_at and digests(run) == digests(whole)
    assert verify_run(run.folder).is_good


STRATEGY = """
from streams.signals.strategy import Strategy

class Curious(Strategy):
    WAKES = ("quotes",)
    {declares}

    def on_quote(self, quote, context):
        {does}
"""


@pytest.mark.parametrize(
    ("declares", "does", "words"),
    [
        ("pass", "context.cash", 'write READS = ("account",) in Curious (curious.py:9)'),
        ("pass", "context.position(1)", 'write READS = ("account",) in Curious (curious.py:9)'),
        ("pass", "context.open_orders()", 'write READS = ("account",) in Curious'),
        ('READS = ("bars",)', "context.book(1)", 'write READS = ("bars", "book",) in Curious'),
        (
            'READS = ("account",)',
            "context.last_trade(1)",
            'write READS = ("account", "trades",) in Curious',
        ),
        ("pass", "context.log('x')", "write LOGS = True in Curious (curious.py:9)"),
        (
            "LOGS = True",
            "context.log(quote.bid_price)",
            'give a text: context.log(f"{value}") (curious.py:9)',
        ),
        (
            'READS = ("account",)',
            "context.position(9)",
            "asks for instrument 9; it is given: 1 (curious.py:9)",
        ),
        (
            'READS = ("book",)',
            "context.book(1, 0)",
            "asks for 0 levels of the book; give 1 or more, or None for all",
        ),
        (
            'READS = ("prices",)',
            "pass",
            "READS is ('prices',); give a tuple of: account, book, trades",
        ),
    ],
)
def test_what_is_not_declared_is_refused_with_the_line_and_what_to_write(
    recordings: Recordings, tmp_path: Path, declares: str, does: str, words: str
) -> None:
    (tmp_path / "curious.py").write_text(STRATEGY.format(declares=declares, does=does))
    with pytest.raises(ShrivenError) as caught:
        backtest(
            recordings.path("perpetual"),
            tmp_path / "run",
            f"{tmp_path / 'curious.py'}:Curious",
            batch=64,
        )
    assert words in caught.value.text, caught.value.text


def test_a_compiled_strategy_is_told_how_it_logs(
    recordings: Recordings, tmp_path: Path
) -> None:
    source = Path(ema_cross.__file__).read_text()
    source = source.replace('NAME = "ema-cross"', 'NAME = "cross"\nLOGS = True')
    (tmp_path / "cross.py").write_text(source)
    words = "cross is compiled and has LOGS = True; give a tuple of its lines"
    with pytest.raises(BadTopology, match=words):
        backtest(recordings.path("perpetual"), tmp_path / "run", str(tmp_path / "cross.py"))


def test_the_log_is_bounded(
    recordings: Recordings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long lines are cut, later ones left out; an early strategy logs as well. Oracle: the bounds.
    """
    monkeypatch.setattr(log_lines, "LINES_MAX", 40)
    does = "context.log('caf\u00e9 ' * 1000)"
    (tmp_path / "curious.py").write_text(STRATEGY.format(declares="LOGS = True", does=does))
    run = backtest(
        recordings.path("perpetual"), tmp_path / "run", f"{tmp_path / 'curious.py'}:Curious"
    )
    lines = records_in(run.folder, "strategy.log")
    assert len(lines) == 40 and lines[-1]["text"].startswith(
        "the log is full: a run keeps 40 lines"
    )
    assert all(len(line["text"]) == 1_000 and line["text"].endswith("...") for line in lines[:-1])
    assert [line["sequence"] for line in lines] == sorted(line["sequence"] for line in lines)


def test_who_reads_market_data_alone_keeps_its_place(recordings: Recordings) -> None:
    """Before the order side; one that reads its account is the last of all."""
    places = {}
    for reads in ("bars", "account", "book"):
        stage = type(
            "Mine",
            (Strategy,),
            {
                "WAKES": ("quotes",),
                "READS": (reads,),
                "on_quote": lambda self, quote, context: None,
            },
        )
        stages = stages_of(configuration("noop-python", ticker="off"), strategy=(stage, None))
        places[reads] = [each[0].NAME for each in stages].index("Mine") - len(stages)
    assert places == {"bars": -7, "account": -2, "book": -1}, (
        "behind it, what sends modified orders"
    )
