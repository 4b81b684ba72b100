"""Targets, modified orders, named timers and wakes on every topic.

Oracle: a twin in Python integers over the strategy's own lines (what it asked for, and when) and
the run's topics.
"""

from __future__ import annotations

import ast
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.configuration import BadConfiguration
from jobs.runs import Backtest, Run
from jobs.verification import verify_run
from schemas.errors import ShrivenError
from schemas.records import OrderRequest, Position, Quote
from schemas.vocabulary import Flag
from streams.signals import kit
from streams.signals.kit import made_up_instruments
from streams.signals.strategy import BUY, SELL, BadStrategy, Strategy
from tests.digests.found import Recordings
from tests.scenario import Killed, backtest, configuration, digests, records_in

TRADER = f"{Path(__file__).with_name('trader.py')}:Trader"
QUOTE = Quote(1, 1_000, 7, 100, 5, 101, 6, 0)
UNUSABLE = int(Flag.STALE | Flag.GAP)
RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "two instruments": ("two", {}),
    "a gap, slow": ("gap", {"latency": "feed=1ms,entry=300ms,response=900ms"}),
    "spot": ("spot", {"cash": "100000USDT"}),
}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Recordings:
    return Recordings(tmp_path_factory.mktemp("acting"), Path())


@pytest.fixture(scope="module")
def runs(recordings: Recordings, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    place = tmp_path_factory.mktemp("runs")
    return {
        name: backtest(recordings.path(what), place / name, TRADER, **options)
        for name, (what, options) in RUNS.items()
    }


def lines_of(run: Run) -> list[tuple[Any, ...]]:
    return [
        ast.literal_eval(line["text"])
        for line in records_in(run.folder, "strategy.log")
        if line["text"].startswith("(")
    ]


def requests_of(run: Run) -> dict[str, dict[str, Any]]:
    return {
        record["order_id"]: record
        for record in records_in(run.folder, "orders.requests")
        if record["kind"] == "NEW"
    }


def specifications(recording: Path) -> dict[int, dict[str, Any]]:
    return {record["instrument"]: record for record in records_in(recording, "ref.instruments")}


def in_lots(amount: int, lot: int) -> int:
    """Towards zero."""
    return (1 if amount > 0 else -1) * (abs(amount) // lot * lot)


@pytest.mark.parametrize("name", RUNS)
def test_targets_are_reached_in_whole_lots_with_what_works_already(
    recordings: Recordings, runs: dict[str, Run], name: str
) -> None:
    run, known = runs[name], specifications(recordings.path(RUNS[name][0]))
    precision = max(each["price_precision"] + each["quantity_precision"] for each in known.values())
    requests, found = requests_of(run), dict.fromkeys(range(4), 0)
    for _, woken_by, *rest in lines_of(run):
        if woken_by != "target":
            continue
        kind, number, asked, price, held, working, touch, equity, order_id = rest
        found[kind] += 1
        each = known[number]
        unit = each["multiplier"] * 10 ** (
            precision - each["price_precision"] - each["quantity_precision"]
        )
        target: int | None = asked
        if kind >= 2:
            value = (
                asked
                if kind == 2
                else None
                if equity is None
                else int(Fraction(equity) * round(asked * 10**9) / 10**9)
            )
            at = price or (
                0
                if touch is None or touch[2] & UNUSABLE or not value
                else touch[1]
                if value > 0
                else touch[0]
            )
            target = (
                None
                if value is None or (value and not at)
                else in_lots(int(Fraction(value, at * unit)), each["lot_size"])
                if value
                else 0
            )
            target = None if value and not target else target
        delta = in_lots(target - held - working, each["lot_size"]) if target is not None else 0
        if not delta:
            assert order_id == ""
            continue
        request = requests[order_id]
        side = "BUY" if delta > 0 else "SELL"
        assert (request["side"], request["quantity"], request["price"], request["instrument"]) == (
            side,
            abs(delta),
            price,
            number,
        )
        assert request["order_type"] == ("LIMIT" if price else "MARKET")
    assert min(found.values()) > 3


@pytest.mark.parametrize("name", RUNS)
def test_a_modified_order_is_sent_again_once_it_has_ended_less_what_it_filled(
    runs: dict[str, Run], name: str
) -> None:
    """And ``working`` counts what will work."""
    run = runs[name]
    requests, waiting = requests_of(run), {}
    asked: dict[str, tuple[str, int, int]] = {}
    events = iter(records_in(run.folder, "orders.events"))
    checked, sent, outcomes = 0, set(), set()
    prices: dict[str, int] = {}
    for _, woken_by, *rest in lines_of(run):
        if woken_by == "modify":
            old, new, quantity, price = rest
            again = next((each for each, terms in asked.items() if new == terms[0]), None)
            if again is not None:
                asked[again] = (new, quantity, price or asked[again][2])
            else:
                asked[old] = (new, quantity, price or prices[old])
        elif woken_by == "cancel":
            for old in [each for each, terms in asked.items() if rest[0] in (each, terms[0])]:
                del asked[old]
        elif woken_by == "event":
            event = next(events)
            order_id, number, working, orders = rest
            assert event["order_id"] == order_id
            prices[order_id] = event["price"]
            if order_id in asked and not event["refused"]:
                if event["reason"] == "CANCEL_REJECTED":
                    outcomes.add("refused")
                    del asked[order_id]
                elif event["status"] in ("CANCELLED", "FILLED", "REJECTED", "EXPIRED", "DENIED"):
                    new, quantity, price = asked.pop(order_id)
                    left = quantity - event["filled_quantity"]
                    outcomes.add((event["status"], left > 0, event["filled_quantity"] > 0))
                    if event["status"] == "CANCELLED" and left > 0:
                        assert (requests[new]["quantity"], requests[new]["price"]) == (left, price)
                        sent.add(new)
                    else:
                        assert new not in requests
            waiting = {old: terms[1] for old, terms in asked.items()}
            total = 0
            for each, instrument, side, quantity, remaining in orders:
                if instrument == number:
                    will = (
                        remaining
                        if each not in waiting
                        else max(0, waiting[each] - (quantity - remaining))
                    )
                    total += will if side == 1 else -will
            assert working == total
            checked += 1
    assert checked > 50 and len(sent) > 5
    assert ("CANCELLED", True, False) in outcomes
    if name == "a gap, slow":
        assert any(each[0] == "FILLED" for each in outcomes if each != "refused"), (
            "some filled while the cancel was under way"
        )


@pytest.mark.parametrize("name", RUNS)
def test_named_timers_wake_at_their_times_in_order(runs: dict[str, Run], name: str) -> None:
    timers: dict[str, int] = {}
    fired = 0
    for clock, woken_by, *rest in lines_of(runs[name]):
        if woken_by == "timer":
            at = timers.pop(rest[0])
            assert at == clock and at == min([at, *timers.values()]), (
                "at its time, the earliest first"
            )
            fired += 1
        elif woken_by == "set":
            timers[rest[0]] = rest[1]
        elif woken_by == "unset":
            timers.pop(rest[0], None)
        assert all(at >= clock for at in timers.values()), f"a timer was passed over at {clock}"
    assert fired > 10


@pytest.mark.parametrize("name", RUNS)
def test_every_topic_wakes(recordings: Recordings, runs: dict[str, Run], name: str) -> None:
    """Once for each record, in the topic's order; own cash and equity are those of the P&L record
    that wakes it.
    """
    run, recording = runs[name], recordings.path(RUNS[name][0])
    lines = lines_of(run)
    keys = {"fill": ("fills", "venue_trade_id"), "event": ("orders.events", "order_id"),
    "decision": ("orders.decisions", "order_id"),
            "risk": ("risk.events", "order_id")}  # fmt: skip
    for woken_by, (topic, key) in keys.items():
        found = [rest[0] for _, by, *rest in lines if by == woken_by]
        assert found == [record[key] for record in records_in(run.folder, topic)] and (
            found or woken_by == "risk"
        ), topic
    values = [rest for _, by, *rest in lines if by == "pnl"]
    assert [
        (int(record["cash"]), record["equity"]) for record in records_in(run.folder, "pnl")
    ] == [(each[0], each[1]) for each in values]
    assert all(each[:2] == each[2:] for each in values) and len(values) > 1
    assert [rest[0] for _, by, *rest in lines if by == "instrument"] == [
        record["instrument"] for record in records_in(recording, "ref.instruments")
    ]
    depths = next(rest[0] for _, by, *rest in lines if by == "end")
    assert depths == len(records_in(recording, "md.depth"))
    assert verify_run(run.folder).is_good


@pytest.mark.parametrize("batch", [7, 400])
def test_batches_and_a_kill_change_nothing_of_it(
    recordings: Recordings, runs: dict[str, Run], tmp_path: Path, batch: int
) -> None:
    """Oracle: the run in one batch. The kill lies behind a snapshot."""
    names: list[str] = []

    def watch(name: str) -> None:
        names.append(name)
        if names.count("snapshot written") == 2 and name == "committed":
            raise Killed

    what, options = RUNS["a gap, slow"]
    chosen = configuration(TRADER, **options, batch=batch, state_digest_records=700)
    with pytest.raises(Killed):
        Backtest(chosen, recordings.path(what), tmp_path / "run", on_step=watch).run()
    run = Backtest(chosen, recordings.path(what), tmp_path / "run").run()
    assert run.resumed_at and digests(run) == digests(runs["a gap, slow"])


@settings(max_examples=60, deadline=None)
@given(
    st.integers(-500, 500),
    st.integers(-500, 500),
    st.lists(st.integers(-60, 60).filter(bool), max_size=4),
    st.integers(1, 50),
)
def test_a_target_is_met_within_a_lot_from_whatever_is_held_and_works(
    target: int, held: int, working: list[int], lot: int
) -> None:
    """Property, through the kit: what is ordered is of whole lots, in the right direction, and
    leaves less than a lot.
    """

    class Aimer(Strategy):
        WAKES = ("quotes",)
        READS = ("account",)

        def on_quote(self, quote: Quote, context: Any) -> None:
            for quantity in working:
                self.order(context, 1, BUY if quantity > 0 else SELL, abs(quantity), price=100)
            context.order_target(1, target)
            assert abs(target - held - context.working(1)) < lot
            assert context.order_target(1, target) == "", "what was ordered counts at once"

    instruments = [msgspec.structs.replace(made_up_instruments([QUOTE])[0], lot_size=lot)]
    records = [Position(1, 1, 1, 1, "0" * 20, held, held * 100, 0, 0), QUOTE]
    asked = [
        each
        for each in kit.run(Aimer, records, instruments=instruments)
        if isinstance(each, OrderRequest)
    ][len(working) :]
    missing = target - held - sum(working)
    assert sum(each.quantity for each in asked) == abs(missing) // lot * lot
    assert (
        all(
            each.side == (BUY if missing > 0 else SELL) and each.quantity % lot == 0
            for each in asked
        )
        and len(asked) < 2
    )


STRATEGY = """
from streams.signals.strategy import Strategy

class Mine(Strategy):
    WAKES = ("quotes", {wakes})
    READS = ("account",)

    def on_quote(self, quote, context):
        {does}

    {handler}
"""
TIMED = ('"timers"', "def on_timer(self, name, context): ...")


@pytest.mark.parametrize(
    ("wakes", "handler", "does", "words"),
    [
        (
            *TIMED,
            "context.set_timer('a', context.clock)",
            "give a name that is a text, and a time after context.clock (mine.py:9)",
        ),
        (*TIMED, "context.set_timer(1, context.clock + 1)", "give a name that is a text"),
        (
            *TIMED,
            "[context.set_timer(f'{n}', context.clock + 1) for n in range(1025)]",
            "has 1024 timers set; cancel some of them",
        ),
        ("", "", "context.set_timer('a', 5)", 'write WAKES = ("quotes", "timers") (mine.py:9)'),
        (
            "",
            "",
            "context.modify('0' * 20, price=5)",
            "which is not among its open orders; modify a limit order of",
        ),
        (
            "",
            "",
            "context.modify(self.order(context, 1, 1, 5), price=5)",
            "which is a market order; modify a limit order of",
        ),
        (
            "",
            "",
            "context.modify('x', price=-5)",
            "give more than 0 and at most 2^63 - 1, or leave it out",
        ),
        ("", "", "context.order_target(1, 1.5)", "quantity is 1.5, a float; give a whole number"),
        ("", "", "context.order_target_percent(1, 'all')", "share is 'all', a str; give a number"),
        ("", "", "context.order_target(7, 1)", "asks for instrument 7; it is given: 1 (mine.py:9)"),
        (
            '"md.book_tickers"',
            "def on_book_ticker(self, t, c): ...",
            "pass",
            "wakes on md.book_tickers, which is not among the inputs",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_line_and_what_to_write(
    recordings: Recordings, tmp_path: Path, wakes: str, handler: str, does: str, words: str
) -> None:
    (tmp_path / "mine.py").write_text(STRATEGY.format(wakes=wakes, handler=handler, does=does))
    with pytest.raises(ShrivenError) as caught:
        backtest(
            recordings.path("perpetual"), tmp_path / "run", f"{tmp_path / 'mine.py'}:Mine", batch=64
        )
    assert words in caught.value.text, caught.value.text
    assert isinstance(caught.value, BadConfiguration | BadStrategy)


def test_topics_may_be_named_in_wakes_or_inputs() -> None:
    body = {
        "on_fill": lambda s, r, c: None,
        "on_quote": lambda s, r, c: None,
        "on_pnl": lambda s, r, c: None,
    }
    made = type("Made", (Strategy,), {"INPUTS": ("fills", "pnl"), "WAKES": ("md.quotes",), **body})
    assert (made.WAKES, made.INPUTS) == (("fills", "pnl", "quotes"), ("fills", "pnl", "md.quotes"))
    with pytest.raises(BadStrategy, match="'md.prices' wakes nothing; use trades"):
        type("Made", (Strategy,), {"INPUTS": ("md.prices",)})
    with pytest.raises(BadStrategy, match="leave out one of them"):
        type("Made", (Strategy,), {"WAKES": ("timer", "timers"), "on_timer": lambda s, r, c: None})
