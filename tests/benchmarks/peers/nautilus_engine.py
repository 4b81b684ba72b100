"""NautilusTrader's side of the benchmarks: a server in its own environment, one JSON command a line
in, one JSON answer a line out.

- ``{"do": "load", "name": .., "parts": [{"folder": .., "instrument": {..}}], "book": .., "quotes":
  ..}`` builds its native objects, of an instrument each part, from plain int64 columns and adds
  them to a ``BacktestEngine``; done once, not timed.
- ``{"do": "run", "name": .., "strategy": .., "fast": .., "slow": .., "size": ..}`` runs the engine
  over them with a fresh strategy and answers seconds of ``engine.run()``, orders and fills.
- ``{"do": "drop", "name": ..}`` forgets it.

With ``"book": "L2"`` its venue matches on a book made of the deltas, else on the quotes.
``"quotes": "given"`` adds quote ticks as data; ``"own"`` has its data engine keep a book too and
make a quote whenever the best bid or ask changes (``emit_quotes_from_book``).

The engine is as its defaults make it, except: no logging, no limit on the rate of orders, market
orders are acknowledged (as ours are), fees and latency zero. Strategies: ``compiled`` is the EMA
cross that ships inside its Rust library, ``python`` the same rule as a plain Python strategy on its
compiled indicators, ``noop`` a Python strategy that does nothing.
"""

from __future__ import annotations

import decimal
import gc
import json
import os
import resource
import sys
import time
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nautilus_trader import model
from nautilus_trader.backtest import BacktestEngine, BacktestEngineConfig
from nautilus_trader.common import LoggerConfig
from nautilus_trader.data import DataEngineConfig
from nautilus_trader.execution import MakerTakerFeeModel
from nautilus_trader.indicators import ExponentialMovingAverage
from nautilus_trader.risk import RiskEngineConfig
from nautilus_trader.trading import EmaCrossConfig, Strategy, StrategyConfig

VENUE = model.Venue("BENCH")
UNLIMITED = "1000000000/00:00:01"
CHUNK = 500_000
HOUR_MS = 3_600_000
BUY = 1
SPOT = 1


class BookKeeper(Strategy):  # type: ignore[misc]
    """Makes the data engine keep a book, at the least cost it offers: a snapshot an hour, no call
    an update.
    """

    instrument_id: Any = None

    def on_start(self) -> None:
        """Ask for the snapshots."""
        self.subscribe_book_at_interval(self.instrument_id, model.BookType.L2_MBP, HOUR_MS)


class Noop(Strategy):  # type: ignore[misc]
    """Takes every quote and does nothing."""

    instrument_id: Any = None

    def on_start(self) -> None:
        """Ask for the quotes."""
        self.subscribe_quotes(self.instrument_id)

    def on_quote(self, quote: Any) -> None:
        """Nothing."""


class PythonCross(Strategy):  # type: ignore[misc]
    """The compiled strategy's rule, line for line, in Python."""

    instrument_id: Any = None
    size: Any = None
    periods = (0, 0)

    def on_start(self) -> None:
        """Ask for the quotes."""
        self.fast = ExponentialMovingAverage(self.periods[0], model.PriceType.MID)
        self.slow = ExponentialMovingAverage(self.periods[1], model.PriceType.MID)
        self.was_above: bool | None = None
        self.subscribe_quotes(self.instrument_id)

    def on_quote(self, quote: Any) -> None:
        """Update both means and follow a cross."""
        fast, slow = self.fast, self.slow
        fast.handle_quote_tick(quote)
        slow.handle_quote_tick(quote)
        if not slow.initialized:
            return
        is_above = fast.value > slow.value
        if is_above is not self.was_above:
            if self.was_above is not None:
                self.enter(model.OrderSide.BUY if is_above else model.OrderSide.SELL)
            self.was_above = is_above

    def enter(self, side: Any) -> None:
        """Send a market order."""
        self.submit_order(self.order_factory.market(self.instrument_id, side, self.size))


class Part:
    """One instrument with its data.

    Columns (files of int64 in the folder): ``quotes``: time, sequence, bid, bid quantity, ask, ask
    quantity; ``updates``: time, first level, level count, whether a snapshot, sequence; ``levels``:
    side, price, quantity; ``trades``: time, price, quantity, side, id. Prices and quantities are
    mantissas. A quote follows the update whose sequence it has, so that the venue's book is as new
    as the quote.
    """

    def __init__(self, folder: Path, facts: dict[str, int], gives_quotes: bool) -> None:
        self.folder, self.gives_quotes = folder, gives_quotes
        self.price_precision, self.size_precision = (
            facts["price_precision"],
            facts["quantity_precision"],
        )
        self.price_unit = 10 ** (model.FIXED_PRECISION - self.price_precision)
        self.size_unit = 10 ** (model.FIXED_PRECISION - self.size_precision)
        tether, name = model.Currency.from_str("USDT"), f"I{facts['instrument']}"
        self.instrument_id = model.InstrumentId.from_str(f"{name}.{VENUE}")
        base = model.Currency.from_str("BTC")
        steps = (self.price(facts["tick_size"]), self.size(facts["lot_size"]), 0, 0)
        precisions = (self.price_precision, self.size_precision)
        symbol = model.Symbol(name)
        if facts["kind"] == SPOT:
            self.instrument = model.CurrencyPair(
                self.instrument_id, symbol, base, tether, *precisions, *steps
            )
        else:
            self.instrument = model.CryptoPerpetual(
                self.instrument_id, symbol, base, tether, tether, False, *precisions, *steps
            )

    def streams(self, book: str) -> tuple[Iterator[Any], ...]:
        """Its data in streams that are ordered by time each."""
        return (
            (self.trades(), self.book_and_quotes())
            if book == "L2"
            else ((quote for _, quote in self.quotes()),)
        )

    def price(self, mantissa: int) -> Any:
        """A price from its mantissa."""
        return model.Price.from_raw(mantissa * self.price_unit, self.price_precision)

    def size(self, mantissa: int) -> Any:
        """A quantity from its mantissa."""
        return model.Quantity.from_raw(mantissa * self.size_unit, self.size_precision)

    def columns(self, topic: str, names: tuple[str, ...]) -> list[array[int]]:
        """The columns of a topic; empty ones if the recording has none of it."""
        found = []
        for name in names:
            column = array("q")
            path = self.folder / f"{topic}.{name}"
            if path.is_file():
                column.frombytes(path.read_bytes())
            found.append(column)
        return found

    def book_and_quotes(self) -> Iterator[Any]:
        """Each update, then its quote if it made one."""
        quotes = self.quotes() if self.gives_quotes else iter(())
        waiting = next(quotes, None)
        for sequence, update in self.updates():
            yield update
            if waiting is not None and waiting[0] == sequence:
                yield waiting[1]
                waiting = next(quotes, None)
        if waiting is not None:
            yield waiting[1]
            for _, quote in quotes:
                yield quote

    def quotes(self) -> Iterator[tuple[int, Any]]:
        """Sequence and quote tick."""
        price_unit, size_unit, price_precision, size_precision = (
            self.price_unit,
            self.size_unit,
            self.price_precision,
            self.size_precision,
        )
        build, instrument_id = model.QuoteTick.from_raw, self.instrument_id
        columns = self.columns(
            "quotes", ("time", "sequence", "bid", "bid_quantity", "ask", "ask_quantity")
        )
        for moment, sequence, bid, bid_quantity, ask, ask_quantity in zip(*columns, strict=True):
            quote = build(
                instrument_id,
                bid * price_unit,
                ask * price_unit,
                price_precision,
                price_precision,
                bid_quantity * size_unit,
                ask_quantity * size_unit,
                size_precision,
                size_precision,
                moment,
                moment,
            )
            yield sequence, quote

    def trades(self) -> Iterator[Any]:
        """Trade ticks."""
        sides = {1: model.AggressorSide.BUY, 2: model.AggressorSide.SELL}
        for moment, price, quantity, side, number in zip(
            *self.columns("trades", ("time", "price", "quantity", "side", "id")), strict=True
        ):
            yield model.TradeTick(
                self.instrument_id,
                self.price(price),
                self.size(quantity),
                sides[side],
                model.TradeId(str(number)),
                moment,
                moment,
            )

    def updates(self) -> Iterator[tuple[int, Any]]:
        """Sequence and order book deltas, those of one update together: what its documents call a
        batch, and the cheapest it takes.
        """
        sides, prices, quantities = self.columns("levels", ("side", "price", "quantity"))
        delta, order, action = model.OrderBookDelta, model.BookOrder, model.BookAction
        buy, sell = model.OrderSide.BUY, model.OrderSide.SELL
        price_unit, size_unit, price_precision, size_precision = (
            self.price_unit,
            self.size_unit,
            self.price_precision,
            self.size_precision,
        )
        make_price, make_size, instrument_id = (
            model.Price.from_raw,
            model.Quantity.from_raw,
            self.instrument_id,
        )
        for moment, first, count, is_snapshot, sequence in zip(
            *self.columns("updates", ("time", "first", "count", "snapshot", "sequence")),
            strict=True,
        ):
            base = int(model.RecordFlag.F_SNAPSHOT.value) if is_snapshot else 0
            batch = [delta.clear(instrument_id, sequence, moment, moment)] if is_snapshot else []
            for at in range(first, first + count):
                quantity = quantities[at]
                batch.append(
                    delta(
                        instrument_id,
                        (action.ADD if is_snapshot else action.UPDATE)
                        if quantity
                        else action.DELETE,
                        order(
                            buy if sides[at] == BUY else sell,
                            make_price(prices[at] * price_unit, price_precision),
                            make_size(quantity * size_unit, size_precision),
                            0,
                        ),
                        base
                        | (int(model.RecordFlag.F_LAST.value) if at == first + count - 1 else 0),
                        sequence,
                        moment,
                        moment,
                    )
                )
            if batch:
                yield sequence, model.OrderBookDeltas(instrument_id, batch)


class Loaded:
    """An engine with one instrument or more, and their data."""

    def __init__(self, parts: list[dict[str, Any]], book: str, quotes: str) -> None:
        self.gives_quotes = quotes == "given"
        self.parts = [
            Part(Path(each["folder"]), each["instrument"], self.gives_quotes) for each in parts
        ]
        self.engine = BacktestEngine(
            BacktestEngineConfig(
                logging=LoggerConfig(bypass_logging=True),
                data_engine=DataEngineConfig(emit_quotes_from_book=quotes == "own"),
                risk_engine=RiskEngineConfig(max_order_submit_rate=UNLIMITED),
            )
        )
        self.engine.add_venue(
            VENUE,
            model.OmsType.NETTING,
            model.AccountType.MARGIN,
            [model.Money.from_str("1000000 USDT")],
            book_type=model.BookType.L2_MBP if book == "L2" else model.BookType.L1_MBP,
            fee_model=MakerTakerFeeModel(decimal.Decimal(0), decimal.Decimal(0)),
            use_market_order_acks=True,
        )
        self.items = 0
        for part in self.parts:
            self.engine.add_instrument(part.instrument)
            for stream in part.streams(book):
                self.add_all(stream)
        self.engine.sort_data()

    def add_all(self, stream: Iterator[Any]) -> None:
        """Give the engine a stream, piece by piece."""
        chunk: list[Any] = []
        for item in stream:
            chunk.append(item)
            if len(chunk) == CHUNK:
                self.add(chunk)
                chunk = []
        self.add(chunk)

    def add(self, chunk: list[Any]) -> None:
        """Give the engine some data."""
        if chunk:
            self.engine.add_data(chunk, None, False, False)
            self.items += len(chunk)

    def run(self, strategy: str, fast: int, slow: int, size: int) -> dict[str, Any]:
        """One run with a fresh strategy: seconds of ``engine.run()``, orders, fills, positions."""
        engine = self.engine
        engine.reset()
        engine.clear_strategies()
        for number, part in enumerate(self.parts):
            self.add_strategies(part, number, strategy, (fast, slow), size)
        gc.collect()
        gc.disable()
        started = time.perf_counter()
        engine.run()
        seconds = time.perf_counter() - started
        gc.enable()
        result = engine.get_result()
        orders = engine.cache.orders()
        return {
            "seconds": seconds,
            "orders": result.total_orders,
            "fills": sum(len(order.trade_ids) for order in orders),
            "denied": sum(
                order.status in (model.OrderStatus.DENIED, model.OrderStatus.REJECTED)
                for order in orders
            ),
            "events": result.total_events,
            "iterations": result.iterations,
        }

    def add_strategies(
        self, part: Part, number: int, strategy: str, periods: tuple[int, int], size: int
    ) -> None:
        """A fresh strategy for an instrument, and what keeps its book where quotes are not given.
        """
        engine, quantity = self.engine, part.size(size)
        tag = "" if number == 0 else str(number + 1)
        if strategy == "compiled":
            tagged = {"order_id_tag": f"10{tag}"} if tag else {}
            engine.add_builtin_strategy(
                "EmaCross", EmaCrossConfig(part.instrument_id, quantity, *periods, **tagged)
            )
        else:
            made = PythonCross if strategy == "python" else Noop
            chosen = made(StrategyConfig(order_id_tag=f"10{tag}")) if tag else made()
            chosen.instrument_id = part.instrument_id
            if isinstance(chosen, PythonCross):
                chosen.size, chosen.periods = quantity, periods
            engine.add_strategy(chosen)
        if not self.gives_quotes:
            keeper = BookKeeper(StrategyConfig(order_id_tag=f"002{tag}"))
            keeper.instrument_id = part.instrument_id
            engine.add_strategy(keeper)


def main() -> None:
    """Answer until the input ends; anything the library prints goes to the standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    loaded: dict[str, Loaded] = {}
    for line in sys.stdin:
        command = json.loads(line)
        name = command["name"]
        if command["do"] == "load":
            started = time.perf_counter()
            loaded[name] = Loaded(command["parts"], command["book"], command["quotes"])
            answer = {"items": loaded[name].items, "seconds": time.perf_counter() - started}
        elif command["do"] == "run":
            answer = loaded[name].run(
                command["strategy"],
                command.get("fast", 0),
                command.get("slow", 0),
                command.get("size", 0),
            )
        else:
            loaded.pop(name).engine.dispose()
            answer = {}
        answer["memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
