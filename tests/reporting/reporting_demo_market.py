"""A small seeded market traded by an EMA cross in plain Python: input for the tests of the report,
independent of the runtime and its stages.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from schemas.records import Fill, Instrument, OrderEvent, PnL, Position, RiskDecision
from schemas.vocabulary import (
    DecisionOutcome,
    Flag,
    InstrumentKind,
    Liquidity,
    NullReason,
    OrderReason,
    OrderStatus,
    RiskCode,
    Side,
)
from streams.reporting.document import QuoteSeries, ReportInput, ToxicitySeries
from streams.risk.codes import DENIALS

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
START = 1_723_075_200 * SECOND
SPOT_KIND, PERPETUAL_KIND, FUNDING = (
    int(InstrumentKind.SPOT),
    int(InstrumentKind.PERPETUAL),
    8 * 3600 * SECOND,
)
BTC = Instrument(
    1,
    "binance",
    "BTCUSDT",
    SPOT_KIND,
    "BTC",
    "USDT",
    2,
    8,
    1,
    1000,
    1000,
    9 * 10**11,
    5 * 10**10,
    1,
    True,
    0,
    None,
    0,
    START,
    0,
)
PERPETUAL = Instrument(
    2,
    "binance_usdm",
    "BTCUSDT",
    PERPETUAL_KIND,
    "BTC",
    "USDT",
    2,
    8,
    10,
    10**5,
    10**5,
    10**12,
    10**12,
    1,
    True,
    FUNDING,
    None,
    0,
    START,
    0,
)


def identity(number: int) -> str:
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUV"
    text = ""
    for _ in range(20):
        number, digit = divmod(number, 32)
        text = digits[digit] + text
    return text


class Book:
    """The demo's own ledger: cash, position, average cost by total cost; integers in 10^-10."""

    def __init__(self, instrument: Instrument, cash: int) -> None:
        self.instrument, self.cash, self.start = instrument, cash, cash
        self.quantity = self.cost = self.realized = self.fees = 0
        self.spot = instrument.kind == InstrumentKind.SPOT

    def trade(self, signed: int, price: int, fee: int) -> None:
        before = self.realized
        rest = signed
        if self.quantity and (self.quantity > 0) != (signed > 0):
            closing = min(abs(signed), abs(self.quantity)) * (1 if signed > 0 else -1)
            released = self.cost * -closing // self.quantity
            self.realized += -closing * price - released
            self.cost -= released
            self.quantity += closing
            rest = signed - closing
        self.quantity += rest
        self.cost += rest * price
        self.fees += fee
        self.cash += (-signed * price if self.spot else self.realized - before) - fee

    def record(self, time: int, bid: int, ask: int, flags: int) -> PnL:
        worth = self.quantity * (bid if self.quantity > 0 else ask)
        unrealized = worth - self.cost
        equity = self.cash + (worth if self.spot else unrealized)
        return PnL(
            1,
            time,
            10,
            self.realized,
            unrealized,
            self.fees,
            self.cash,
            equity,
            int(NullReason.NONE),
            flags,
        )


def demo_input(
    minutes: int = 90, seed: int = 7, quotes_a_minute: int = 60, instrument: Instrument = BTC,
    fast: int = 30, slow: int = 120, size: int = 10**8,
    cash: int = 10**16, flags: int = int(Flag.SIMULATED), **facts: Any,
) -> ReportInput:  # fmt: skip
    """Quotes, fills, orders, decisions, positions, P&L and toxicity of one seeded run."""
    generator = random.Random(seed)
    book = Book(instrument, cash)
    times, bids, asks = [], [], []
    fills, events, decisions, positions, pnl = [], [], [], [], []
    tox_time, tox_value = [], []
    mid, drift, spread = 6_000_000.0, 0.0, 2
    fast_average = slow_average = mid
    target, number, next_pnl, vpin = 0, 0, START + MINUTE, 0.2
    step = MINUTE // quotes_a_minute
    for index in range(minutes * quotes_a_minute):
        time = START + index * step + generator.randrange(step)
        while next_pnl <= time and times:
            pnl.append(book.record(next_pnl, bids[-1], asks[-1], flags))
            next_pnl += MINUTE
        drift = 0.995 * drift + generator.gauss(0, 0.12)
        mid += drift + generator.gauss(0, 6 / quotes_a_minute**0.5 * 8)
        spread = max(1, min(400, spread + generator.choice((-1, 0, 0, 1))))
        bid = int(mid) - spread // 2
        times.append(time)
        bids.append(bid)
        asks.append(bid + spread)
        if index == 0:
            pnl.append(book.record(time, bid, bid + spread, flags | int(Flag.PARTIAL)))
        fast_average += 2 / (fast + 1) * (mid - fast_average)
        slow_average += 2 / (slow + 1) * (mid - slow_average)
        vpin = min(
            0.98,
            max(
                0.02,
                vpin + 0.02 * (0.18 + 0.002 * abs(drift) * 60 - vpin) + generator.gauss(0, 0.006),
            ),
        )
        if index % max(1, quotes_a_minute // 4) == 0:
            tox_time.append(time)
            tox_value.append(vpin if index > quotes_a_minute * 5 else float("nan"))
        wanted = (
            1
            if fast_average > slow_average + 40
            else -1
            if fast_average < slow_average - 40
            else target
        )
        if index > slow and wanted != target:
            number += 1
            order, signed = identity(number), (wanted - target) * size
            side = int(Side.BUY if signed > 0 else Side.SELL)
            denied = number % 9 == 5
            code = (
                RiskCode.NONE
                if not denied
                else RiskCode.PRICE_COLLAR
                if number % 2
                else RiskCode.STALE_DATA
            )
            outcome = DecisionOutcome.DENIED if denied else DecisionOutcome.APPROVED
            filled, quantity, failed = 0, abs(signed), int(denied) << int(code)
            decisions.append(
                RiskDecision(
                    order,
                    1,
                    1,
                    instrument.instrument,
                    time,
                    1,
                    int(outcome),
                    int(code),
                    failed,
                    0,
                    0,
                    side,
                    1,
                    2,
                    False,
                    quantity,
                    0,
                )
            )

            def event(at: int, status: OrderStatus, reason: OrderReason = OrderReason.NONE) -> None:
                place = order, 1, 1, instrument.instrument, at  # noqa: B023
                state = int(status), int(reason), side, quantity, 0, filled, False  # noqa: B023
                events.append(OrderEvent(*place, *state))

            if denied:
                event(time, OrderStatus.DENIED, OrderReason.RISK_DENIED)
                continue
            target = wanted
            event(time, OrderStatus.SUBMITTED)
            at = time + 10_000_000
            if number % 13 == 0:
                event(at, OrderStatus.CANCELLED, OrderReason.NO_LIQUIDITY)
                target = 1 if book.quantity > 0 else -1 if book.quantity < 0 else 0
                continue
            event(at, OrderStatus.ACCEPTED)
            parts = [quantity] if number % 4 else [quantity // 4, quantity - quantity // 4]
            for part in parts:
                maker = number % 5 == 0
                price = (
                    (bid if maker else bid + spread)
                    if signed > 0
                    else (bid + spread if maker else bid)
                )
                fee = -(-price * part * (1 if maker else 4) // 10_000)
                move = part if signed > 0 else -part
                filled += part
                liquidity = int(Liquidity.MAKER if maker else Liquidity.TAKER)
                fills.append(
                    Fill(
                        order,
                        1,
                        1,
                        instrument.instrument,
                        at,
                        side,
                        price,
                        part,
                        liquidity,
                        fee,
                        len(fills) + 1,
                    )
                )
                event(
                    at, OrderStatus.FILLED if filled == quantity else OrderStatus.PARTIALLY_FILLED
                )
                book.trade(move, price, fee)
                positions.append(
                    Position(
                        1,
                        1,
                        instrument.instrument,
                        at,
                        order,
                        book.quantity,
                        book.cost,
                        book.realized,
                        book.fees,
                    )
                )
    end = times[-1]
    if not pnl or pnl[-1].event_time < end:
        pnl.append(book.record(end, bids[-1], asks[-1], flags))
    known = {
        "strategy": "ema-cross", "parameters": {"fast": fast, "slow": slow, "size": "1"},
        "cash": str(cash // 10**10), "currency": "USDT",
        "fees": {"maker": "1bp", "taker": "4bp"}, "latency": {"feed": "2ms", "entry": "5ms",
        "response": "5ms"}, "symbols": ["BTCUSDT"],
        "inputs": ["data/toy"], "journal_id": 660042, "batches": 14, "records": 182_344,
        "code_digest": "9f" * 32, "run_digest": "1c" * 32,
        "topic_digests": {"md.quotes": "ab" * 32, "orders.events": "cd" * 32, "fills": "ef" * 32,
        "pnl": "12" * 32},
        "input_digests": {"md.depth": "34" * 32, "md.trades": "56" * 32},
        "versions": {"python": "3.11.2", "numpy": "2.4.1", "numba": "0.68.0"},
        "end_time": end, "provenance": "simulated",
    }  # fmt: skip
    known.update(facts)
    return ReportInput(
        instruments=[instrument],
        quotes={instrument.instrument: QuoteSeries(np.array(times, np.int64), np.array(bids,
        np.int64), np.array(asks, np.int64))},
        toxicity={instrument.instrument: ToxicitySeries(np.array(tox_time, np.int64),
        np.array(tox_value), np.full(len(tox_time), 0.17))},
        fills=fills, order_events=events, decisions=decisions, positions=positions, pnl=pnl,
        facts=known,
        denials=DENIALS,
    )  # fmt: skip
