"""What an account can pay, through the command: cash, protection prices, margin, liquidation, ruin,
the window, targets that are dropped.

Each case was tried on the version before and was wrong there. Oracle: by hand; the worst fees are
those of 4 basis points.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

import shrivenquant
from connectors.instruments import load
from schemas.records import DepthUpdate
from schemas.vocabulary import DepthKind, Flag, InstrumentKind
from streams.reporting.wording import decimal_text
from tests.scenario import INSTRUMENT, START, records_in, write_recording

MS = 1_000_000
PLAN = """\
import msgspec
from streams.signals.strategy import BUY, IOC, NO_TIMER, SELL, Strategy, StrategyState

class Plan(Strategy):
    NAME = "plan"
    WAKES = ("marks", "timer")

    class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        plan: str = ""

    class State(StrategyState):
        start: int = 0
        at: int = 0

    def on_mark(self, mark, context):
        if not self.state.start:
            self.state.start = context.clock
            self.state.timer = context.clock

    def on_timer(self, deadline, context):
        steps = [each.split(":") for each in self.settings.plan.split(";")]
        while self.state.at < len(steps):
            when, side, number, quantity, price = steps[self.state.at]
            due = self.state.start + int(when) * 1_000_000
            if due > context.clock:
                self.state.timer = due
                return
            if side == "V":
                self.signal(context, int(number), int(quantity))
            else:
                self.order(context, int(number), BUY if side == "B" else SELL, int(quantity),
                           price=int(price), time_in_force=IOC)
            self.state.at += 1
        self.state.timer = NO_TIMER
"""
SPOT = msgspec.structs.replace(
    INSTRUMENT,
    symbol="SPOTUSDT",
    kind=int(InstrumentKind.SPOT),
    quantity_precision=3,
    tick_size=1,
    shortable=False,
    maximum_quantity=10**9,
)
COIN = msgspec.structs.replace(INSTRUMENT, instrument=2, symbol="COINUSDT", tick_size=1)


def book(
    number: int, at: int, step: int, bids: list[tuple[int, int]], asks: list[tuple[int, int]]
) -> DepthUpdate:
    """One update of a book that chains on; the first is a snapshot."""
    kind, flags = (
        (DepthKind.DELTA, Flag(0))
        if step
        else (DepthKind.SNAPSHOT, Flag.FIRST_OF_SNAPSHOT | Flag.LAST_OF_SNAPSHOT)
    )
    time, first = START + at * MS, 10 + 3 * step
    return DepthUpdate(
        number,
        time,
        time + MS,
        first,
        first + 2,
        first - 1,
        int(kind),
        int(flags | Flag.FUTURES_CHAIN),
        bids,
        asks,
    )


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds of spot and a perpetual at 100.00 to 100.01; spot has 4 there and then 100 at
    250.00. The perpetual doubles at 6 s.
    """
    depth = []
    for step in range(12):
        bids = [(10_000, 5_000 + step)]
        asks = [(10_001, 4_000), (25_000, 100_000)] if step == 0 else []
        depth.append(book(1, step * 1000, step, bids, asks))
        if step == 0:
            depth.append(book(2, 0, 0, [(10_000, 500_000)], [(10_001, 500_000)]))
        elif step == 6:
            depth.append(book(2, 6000, 6, [(20_000, 500_000)], [(10_001, 0), (20_001, 500_000)]))
        else:
            depth.append(book(2, step * 1000, step, [(10_000, 500_000 + step)], []))
    return write_recording(tmp_path_factory.mktemp("account") / "market", [SPOT, COIN], [], depth)


@pytest.fixture
def run(
    sq: Callable[..., Any], market: Path, tmp_path: Path
) -> Callable[..., tuple[str, dict[str, list[Any]]]]:
    """The last sentence of a backtest with these orders and options, and its records by topic;
    verified.
    """
    (tmp_path / "plan.py").write_text(PLAN)

    def backtest(plan: str, *options: object) -> tuple[str, dict[str, list[Any]]]:
        out = tmp_path / "run"
        strategy = (
            "--strategy",
            f"{tmp_path / 'plan.py'}:Plan",
            "--set",
            f"plan={plan}",
            "--latency",
            "feed=0,entry=0,response=0",
        )
        ended = sq("backtest", market, *strategy, *options, "--out", out, "--fresh")
        assert ended.code == 0, ended.err
        topics = ("orders.decisions", "orders.events", "fills", "pnl", "risk.events", "positions")
        return ended.out.splitlines()[-2], {topic: records_in(out, topic) for topic in topics}

    return backtest


def codes(found: dict[str, list[Any]]) -> list[str]:
    return [each["code"] for each in found["orders.decisions"]]


@pytest.mark.parametrize(
    ("cash", "expected"),
    [("100.01", "INSUFFICIENT_CASH"), ("100.054", "INSUFFICIENT_CASH"), ("100.055", "NONE")],
)
def test_a_spot_buy_costs_its_fee_too(run: Any, cash: str, expected: str) -> None:
    """1 at 100.01 costs 0.040004 more, and 0.005 are kept for rounding: a fill of 0.001 may cost
    half a unit of 0.00001 more.
    """
    said, found = run("0:B:1:1000:10001", "--cash", f"{cash}USDT")
    assert codes(found) == [expected]
    assert all(each["cash"] >= 0 for each in found["pnl"])
    assert bool(found["fills"]) == (expected == "NONE")
    if expected != "NONE":
        assert said.endswith(
            "did not trade. Its 1 order was denied: 1 INSUFFICIENT_CASH (not enough cash; see "
            "--cash)."
        ), said


def test_a_market_order_stops_at_its_protection_price(run: Any) -> None:
    """6 are asked for on 700: 4 are there at 100.01, and the next at 250.00 would cost 500."""
    _, found = run("0:B:1:6000:0", "--cash", "700USDT")
    assert [(each["price"], each["quantity"]) for each in found["fills"]] == [(10_001, 4_000)]
    last = found["orders.events"][-1]
    assert (last["status"], last["reason"], last["filled_quantity"], last["price"]) == (
        "CANCELLED",
        "PROTECTION_PRICE",
        4_000,
        0,
    )
    assert all(each["cash"] >= 0 for each in found["pnl"])


def test_a_perpetual_needs_its_margin(run: Any) -> None:
    """10 are worth 1,000.10 and may cost 1,050.2; with --leverage 10 a tenth of it, and the
    distance.
    """
    for options, expected in (((), "INSUFFICIENT_MARGIN"), (("--leverage", "10"), "NONE")):
        _, found = run("0:B:2:10000:0", "--cash", "200USDT", *options)
        assert codes(found) == [expected]


@pytest.mark.parametrize(
    ("symbols", "options", "is_idle"),
    [
        ("SPOTUSDT", ("--leverage", "5"), True),
        ("SPOTUSDT", (), False),
        ("COINUSDT", ("--leverage", "5"), False),
        ("SPOTUSDT,COINUSDT", ("--leverage", "5"), False),
    ],
)
def test_leverage_where_nothing_needs_margin_is_said_to_do_nothing(
    sq: Callable[..., Any],
    market: Path,
    tmp_path: Path,
    symbols: str,
    options: tuple[str, ...],
    is_idle: bool,
) -> None:
    """Oracle: the table of decision 23."""
    command = ("backtest", market, "--strategy", "noop-python", "--symbols", symbols)
    ended = sq(*command, *options, "--out", tmp_path / "run")
    assert ended.code == 0
    assert (
        "sq: --leverage 5 has no effect: nothing that is traded needs margin" in ended.err
    ) == is_idle
    assert ended.err.count("leverage") == is_idle


@pytest.mark.parametrize(
    ("margins", "expected"),
    [
        ("", "NONE"),
        ('COINUSDT = "0.2"', "INSUFFICIENT_MARGIN"),
        ('"test:COINUSDT" = "0.2"', "INSUFFICIENT_MARGIN"),
        ('"other:COINUSDT" = "0.2"', "NONE"),
        ('COINUSDT = "0.2", "test:COINUSDT" = "0.05"', "NONE"),
    ],
)
def test_an_instrument_has_its_own_margin(
    run: Any, tmp_path: Path, margins: str, expected: str
) -> None:
    """10 at 100.01 with a leverage of 10 bind 100.01 and the distance of 50.1, or 200.02 and the
    distance; 200 are there.

    A key with the venue goes before the symbol's.
    """
    (tmp_path / "run.toml").write_text(f"[risk]\ninitial_margin = {{ {margins} }}\n")
    _, found = run(
        "0:B:2:10000:0", "--cash", "200USDT", "--leverage", "10", "--config", tmp_path / "run.toml"
    )
    assert codes(found) == [expected]


TABLE = """
[[instrument]]
instrument = 9
venue = "test"
symbol = "COINUSDT"
kind = "perpetual"
base = "TEST"
quote = "USDT"
price_precision = {price}
quantity_precision = {quantity}
tick_size = "0.01"
lot_size = "{lot}"
minimum_quantity = "{lot}"
maximum_quantity = "{most}"
minimum_notional = "0"
shortable = true
valid_from = 2024-01-01T00:00:00Z
{margin}
"""


@pytest.mark.parametrize(
    ("table", "configured", "expected"),
    [
        ("", "", "NONE"),
        ('initial_margin = "0.2"', "", "INSUFFICIENT_MARGIN"),
        ('initial_margin = "0.05"', "", "NONE"),
        ('initial_margin = "0.2"', 'COINUSDT = "0.05"', "NONE"),
        ('initial_margin = "0.05"', '"test:COINUSDT" = "0.2"', "INSUFFICIENT_MARGIN"),
    ],
)
def test_an_instrument_table_has_the_margin(
    sq: Callable[..., Any], tmp_path: Path, table: str, configured: str, expected: str
) -> None:
    """As above, of the table that the recording was made with. What is configured goes before it,
    both count where they are more than a tenth.
    """
    lot, most = (
        decimal_text(COIN.lot_size, COIN.quantity_precision),
        decimal_text(COIN.maximum_quantity, COIN.quantity_precision),
    )
    content = TABLE.format(
        price=COIN.price_precision,
        quantity=COIN.quantity_precision,
        lot=lot,
        most=most,
        margin=table,
    )
    (tmp_path / "table.toml").write_text(content)
    coin = load([tmp_path / "table.toml"])["test", "COINUSDT"]
    depth = [
        book(9, 0, 0, [(10_000, 500_000)], [(10_001, 500_000)]),
        book(9, 1000, 1, [(10_000, 500_001)], []),
    ]
    market = write_recording(tmp_path / "market", [coin], [], depth)
    (tmp_path / "plan.py").write_text(PLAN)
    (tmp_path / "run.toml").write_text(f"[risk]\ninitial_margin = {{ {configured} }}\n")
    options = (
        "--strategy",
        f"{tmp_path / 'plan.py'}:Plan",
        "--set",
        "plan=0:B:9:10000:0",
        "--latency",
        "feed=0,entry=0,response=0",
    )
    money = ("--cash", "200USDT", "--leverage", "10", "--config", tmp_path / "run.toml")
    ended = sq("backtest", market, *options, *money, "--out", tmp_path / "run")
    assert ended.code == 0, ended.err
    assert codes({"orders.decisions": records_in(tmp_path / "run", "orders.decisions")}) == [
        expected
    ]
    (printed,) = sq("cat", tmp_path / "run", "ref.instruments").out.splitlines()
    rate = table.partition('"')[2].rstrip('"')
    assert json.loads(printed)["initial_margin"] == (int(Decimal(rate) * 10**8) if rate else None)
    (shown,) = sq("cat", tmp_path / "run", "ref.instruments", "--decimal").out.splitlines()
    assert json.loads(shown)["initial_margin"] == (rate or None)
    frame = shrivenquant.open(tmp_path / "run").read("ref.instruments", decimal=True)
    assert frame["initial_margin"].to_list() == [Decimal(rate) if rate else None]
    advice = "see --cash, --leverage, and initial_margin in [risk] and the instrument table"
    assert (advice in ended.out) == (expected != "NONE"), ended.out


@pytest.mark.parametrize(
    "value", ['"0"', '"-0.1"', '"1.00000001"', '"0.000000001"', '"much"', '""', "0.05"]
)
def test_a_margin_that_cannot_be_is_refused(
    sq: Callable[..., Any], market: Path, tmp_path: Path, value: str
) -> None:
    name = "maintenance_margin" if value == '"much"' else "initial_margin"
    (tmp_path / "run.toml").write_text(f"[risk]\n{name} = {{ COINUSDT = {value} }}\n")
    ended = sq(
        "backtest",
        market,
        "--strategy",
        "ema-cross",
        "--config",
        tmp_path / "run.toml",
        "--out",
        tmp_path / "run",
    )
    assert ended.code == 2 and ended.out == "", ended
    assert name in ended.err and "Traceback" not in ended.err
    assert not (tmp_path / "run" / "run.json").exists()


def test_a_short_is_liquidated_and_ruin_halts_the_account(run: Any, tmp_path: Path) -> None:
    """20 sold at 100.00 on 1,000 with leverage 5 are worth -1,000 at 200.01, in the mark of second
    7. What is asked for later is denied.
    """
    said, found = run("0:S:2:20000:0;8000:B:1:1000:0", "--cash", "1000USDT", "--leverage", "5")
    assert [(each["code"], each["severity"]) for each in found["risk.events"]] == [
        ("LIQUIDATION", "EMERGENCY"), ("ACCOUNT_HALTED", "EMERGENCY"), ("ACCOUNT_HALTED", "WARNING")
    ]  # fmt: skip
    assert [(each["outcome"], each["code"],
    each["side"]) for each in found["orders.decisions"]] == [
        ("APPROVED", "NONE", "SELL"), ("APPROVED", "NONE", "BUY"), ("DENIED", "ACCOUNT_HALTED",
        "BUY")
    ]  # fmt: skip
    assert [(each["price"], each["side"]) for each in found["fills"]] == [
        (10_000, "SELL"),
        (20_001, "BUY"),
    ]
    assert found["positions"][-1]["quantity"] == 0
    assert said.endswith("The account was ruined at 2024-01-01T00:00:07Z and halted."), said
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert {"RUIN", "LIQUIDATED"} <= {each["code"] for each in report["warnings"]}


def test_from_to_and_warm_up_bind_orders_of_a_strategy_too(run: Any) -> None:
    """An order each second; half-open: what is at a boundary trades in exactly one half."""
    plan = ";".join(f"{1000 * second}:B:1:10:10001" for second in range(11))
    moment = "2024-01-01T00:00:0{}"
    halves: list[int] = []
    # microseconds, read as such
    for options in (("--to", moment.format(5)), ("--from", (START + 5000 * MS) // 1000)):
        said, found = run(plan, *options)
        times = [
            (each["event_time"] - START) // (1000 * MS)
            for each in found["orders.decisions"]
            if each["outcome"] == "APPROVED"
        ]
        assert {
            each["code"] for each in found["orders.decisions"] if each["outcome"] == "DENIED"
        } <= {"OUTSIDE_WINDOW"}
        halves += times
    _, found = run(plan)
    assert halves == [
        (each["event_time"] - START) // (1000 * MS) for each in found["orders.decisions"]
    ]
    assert {4, 5, 6} < set(halves)
    said, found = run(plan, "--warmup", "20s")
    assert set(codes(found)) == {"OUTSIDE_WINDOW"}
    why = (
        "11 OUTSIDE_WINDOW (before --from, from --to on, or during the warm-up; see --from, "
        "--to, --warmup)"
    )
    assert said.endswith(f"Its 11 orders were all denied: {why}.")


def test_a_signal_of_no_instrument_says_which_may_be_named(
    sq: Callable[..., Any], market: Path, tmp_path: Path
) -> None:
    """The advice was an option that no backtest has. Oracle: the command's own help."""
    (tmp_path / "plan.py").write_text(PLAN)
    ended = sq(
        "backtest",
        market,
        "--strategy",
        f"{tmp_path / 'plan.py'}:Plan",
        "--set",
        "plan=0:V:999:1:0",
        "--out",
        tmp_path / "run",
    )
    assert ended.code == 1
    assert (
        "a signal names instrument 999, which is not in ref.instruments; name one that the "
        "strategy is given" in ended.err
    )
    assert all(
        each.strip(",;.()") in sq("backtest", "--help").out
        for each in ended.err.split()
        if each.startswith("--")
    )


def test_a_target_that_is_dropped_is_a_decision(run: Any) -> None:
    """A view of -1 on spot that cannot be sold short, and one below a lot."""
    said, found = run("0:V:1:-1:0", "--cash", "1000USDT")
    assert [
        (each["code"], each["side"], each["observed"]) for each in found["orders.decisions"]
    ] == [("SHORT_NOT_ALLOWED", "SELL", -100)]
    assert "1 SHORT_NOT_ALLOWED" in said


def test_the_default_size_is_one_per_cent_of_the_cash(run: Any) -> None:
    """10,000 of a million at a bid of 100.00; and of 1,000, where a lot is 0.001."""
    for cash, quantity in (("1000000", 100_000), ("1000", 100)):
        _, found = run("0:V:2:1:0", "--cash", f"{cash}USDT")
        assert [each["quantity"] for each in found["orders.decisions"]] == [quantity]
