"""Every field of md.microstructure found again, of one instrument: the oracle of its tests.

Nothing is kept from record to record. Spreads and means are searched for in the whole history, in
Python integers; the measures that look back are the objects of plain Python
(``streams.signals.measures``) and NumPy, fed with what lay in each interval. The book is the
reference book, which is a dictionary.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import norm, percentileofscore

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.records import DepthUpdate, Quote, Toxicity, Trade
from schemas.vocabulary import Flag, MeasureReason, Side
from streams.log.local import LocalLog
from streams.numeric.reference_book import ReferenceBook
from streams.signals.measures import Amihud, Changes, Hawkes, Kyle

UNUSABLE = int(Flag.STALE | Flag.GAP | Flag.CROSSED | Flag.ONE_SIDED)
LAST_OF_SNAPSHOT = int(Flag.LAST_OF_SNAPSHOT)
HORIZONS = {"100ms": 10**8, "1s": 10**9, "5s": 5 * 10**9, "30s": 3 * 10**10, "60s": 6 * 10**10}
NULLABLE = {
    "flow_reason": ("trade_imbalance", "flow_imbalance"),
    "recent_flow_reason": ("recent_flow_imbalance",),
    "kyle_reason": ("kyle_lambda", "kyle_error", "kyle_r_squared"),
    "amihud_reason": ("amihud",),
    "roll_reason": ("roll_spread",),
    "variance_ratio_reason": ("variance_ratio_2", "variance_ratio_5", "variance_ratio_10"),
    "volatility_reason": (
        "realised_volatility", "return_deviation", "ewma_volatility", "momentum",
    ),
    "hawkes_reason": ("hawkes_buy_intensity", "hawkes_sell_intensity"),
    "bulk_reason": ("bulk_bought_share",),
    "order_flow_reason": ("integrated_order_flow",),
    "book_reason": ("weighted_mid",),
    "microprice_reason": ("microprice",),
    "vpin_reason": ("vpin_rank",),
    "quoted_reason": ("quoted_spread", "quoted_depth", "quote_slope", "log_quote_slope"),
}  # fmt: skip
"""Measures by the field that says why they are null."""
NONE, WARMING_UP, UNDEFINED, NO_TRADES, STALE_BOOK, NOT_GIVEN = list(MeasureReason)[1:]


def records_of(folder: Path, topic: str) -> list[Any]:
    """A topic's records as structs."""
    with LocalLog.open(folder) as log:
        decoder = codec(topic_of(topic).record)
        return [
            record
            for block in log.reader(topic).blocks()
            for record in decoder.decode_records(block.body, block.count)
        ]


def merged(trades: list[Trade], depth: list[DepthUpdate]) -> Iterator[tuple[int, Any]]:
    """(clock, record) in the order of a backtest: by the running maximum of event time in each
    topic, trades before depth.
    """
    keyed: list[tuple[int, int, int, Any]] = []
    for rank, records in enumerate((trades, depth)):
        latest = 0
        for offset, record in enumerate(records):
            latest = max(latest, record.event_time)
            keyed.append((latest, rank, offset, record))
    clock = 0
    for time, _, _, record in sorted(keyed, key=lambda each: each[:3]):
        clock = max(clock, time)
        yield clock, record


def imbalance(buys: float, sells: float) -> float | None:
    return (buys - sells) / (buys + sells) if buys + sells else None


def flow_event(before: list[tuple[int, int]], now: list[tuple[int, int]]) -> int:
    """e_n of one level, (bid, ask) as (price, quantity), by the paper's formula; an empty side lies
    beyond every price.
    """
    (b0, qb0), (a0, qa0) = before
    (b1, qb1), (a1, qa1) = now
    b0, b1 = (b if q else -(10**30) for b, q in ((b0, qb0), (b1, qb1)))
    a0, a1 = (a if q else 10**30 for a, q in ((a0, qa0), (a1, qa1)))
    return qb1 * (b1 >= b0) - qb0 * (b1 <= b0) - qa1 * (a1 <= a0) + qa0 * (a1 >= a0)


class Searched:
    """The history of one instrument, and its rows.

    Args:
        quotes: what the run published; the quote of an update comes before the update's levels.
        buckets: the volume buckets that it published.
        settings: the stage's.
        scale: of a turnover in the currency.
    """

    def __init__(
        self, trades: list[Trade], depth: list[DepthUpdate], quotes: list[Quote],
        buckets: list[Toxicity], settings: Any, scale: float,
    ) -> None:  # fmt: skip
        self.settings, self.scale = settings, scale
        self.vpins = [(each.event_time, each.vpin) for each in buckets if each.vpin is not None]
        self.trades: list[tuple[int, Trade]] = []
        self.quotes: list[tuple[int, Quote]] = []
        self.levels: list[tuple[int, list[list[tuple[int, int]]] | None, bool]] = []
        book, waiting, self.end = ReferenceBook(), iter(quotes), 0
        following = next(waiting, None)
        for self.end, record in merged(trades, depth):
            if isinstance(record, Trade):
                self.trades.append((self.end, record))
                continue
            book.apply(
                record.kind, record.flags, record.first_update_id, record.final_update_id,
                record.previous_update_id, record.event_time, record.bids, record.asks,
            )  # fmt: skip
            key = (record.final_update_id, record.event_time)
            if following and (following.sequence, following.event_time) == key:
                self.quotes.append((self.end, following))
                following = next(waiting, None)
            held = (book.levels(Side.BUY)[:5], book.levels(Side.SELL)[:5])
            now = [
                [side[m] if m < len(side) else (0, 0) for side in held] for m in range(5)
            ]
            is_snapshot = bool(record.flags & LAST_OF_SNAPSHOT)
            self.levels.append((self.end, now if book.synced else None, is_snapshot))
        assert following is None, "a quote of the run belongs to no update"
        self.quote_times = [clock for clock, _ in self.quotes]
        self.mids = [
            0 if each.flags & UNUSABLE else each.bid_price + each.ask_price
            for _, each in self.quotes
        ]

    # -- what stands when

    def mid(self, place: int) -> int:
        return self.mids[place - 1] if place else 0

    def mid_before(self, time: int) -> int:
        """Twice the mid that the quotes before a time leave."""
        return self.mid(bisect_left(self.quote_times, time))

    def mid_by(self, time: int) -> int:
        return self.mid(bisect_right(self.quote_times, time))

    def sign(self, trade: Trade) -> int:
        return {Side.BUY: 1, Side.SELL: -1}.get(Side(trade.aggressor_side), 0)

    # -- rows

    def row_times(self) -> list[int]:
        length = self.settings.interval
        clocks = {clock for clock, _ in (*self.trades, *self.quotes)}
        clocks |= {clock for clock, now, _ in self.levels if now is not None}
        return sorted({min(clock // length * length + length, self.end) for clock in clocks})

    def rows(self) -> list[dict[str, Any]]:
        times, length = self.row_times(), self.settings.interval
        found: list[dict[str, Any]] = []
        s = self.settings
        self.kyle, self.amihud = Kyle(s.window), Amihud(s.window)
        self.moves, self.prints = Changes(s.window), Changes(s.trades)
        self.moves.push(0.0)
        given = s.hawkes.get("default")
        self.flow = Hawkes(given.mu, given.same, given.other, given.beta) if given else None
        self.returns: list[float] = []
        self.closes: list[int] = []
        self.signed: list[int] = []
        for place, time in enumerate(times):
            is_last = time == self.end and time % length
            start = (time - 1) // length * length
            until = time + 1 if is_last else time
            inside = list(self._between(self.trades, start, until))
            row: dict[str, Any] = {"instrument": 1, "event_time": time, "interval": length}
            row |= self.flows(inside)
            row |= self.points(inside, start, until, times[place - 1] if place else 0)
            row |= self.bulk(inside)
            row |= self.intensities(time)
            row |= self.quoted(start, time, until)
            row |= self.of_levels(start, until)
            row |= self.rank(until)
            found.append(row)
        self.add_spreads(found, times)
        return found

    @staticmethod
    def _between(records: list[Any], start: int, until: int) -> list[Any]:
        first = bisect_left(records, start, key=lambda each: each[0])
        return records[first : bisect_left(records, until, key=lambda each: each[0])]

    def flows(self, inside: list[tuple[int, Trade]]) -> dict[str, Any]:
        volumes = {1: 0, -1: 0, 0: 0}
        counts = {1: 0, -1: 0, 0: 0}
        for clock, trade in inside:
            sign = self.sign(trade)
            volumes[sign] += trade.quantity
            counts[sign] += 1
            self.prints.push(trade.price)
            if sign:
                self.signed.append(sign * trade.quantity)
                if self.flow is not None:
                    self.flow.update(clock, sign)
        last = self.signed[-self.settings.trades :]
        is_full = len(last) == self.settings.trades
        bought, sold = sum(q for q in last if q > 0), -sum(q for q in last if q < 0)
        roll = self.prints.roll_spread
        return {
            "buy_trades": counts[1],
            "sell_trades": counts[-1],
            "trade_imbalance": imbalance(counts[1], counts[-1]),
            "flow_imbalance": imbalance(volumes[1], volumes[-1]),
            "flow_reason": NONE if counts[1] + counts[-1] else NO_TRADES,
            "recent_flow_imbalance": imbalance(bought, sold) if is_full else None,
            "recent_flow_reason": NONE if is_full else WARMING_UP,
            "roll_spread": None if roll != roll else roll,
            "roll_reason": NONE
            if roll == roll
            else UNDEFINED
            if self.prints.ready
            else WARMING_UP,
        }

    def points(
        self, inside: list[tuple[int, Trade]], start: int, until: int, before: int
    ) -> dict[str, Any]:
        mid, mid_before = self.mid_before(until), self.mid_before(before) if before else 0
        if mid and mid_before:
            signed = sum(self.sign(trade) * trade.quantity for _, trade in inside)
            turnover = sum(trade.price * trade.quantity for _, trade in inside)
            self.kyle.update(signed, (mid - mid_before) / 2)
            self.amihud.update((mid - mid_before) / mid_before, turnover * self.scale)
            self.moves.push(self.moves.last + (mid - mid_before) / 2)
            self.returns.append(float(np.log(mid / mid_before)))
        line = [None if each != each else each for each in self.kyle.line]
        names = ("kyle_lambda", "kyle_error", "kyle_r_squared")
        row: dict[str, Any] = dict(zip(names, line, strict=True))
        row["kyle_reason"] = self._reason(self.kyle.ready, None not in line)
        amihud = self.amihud.value
        row["amihud"] = None if amihud != amihud else amihud
        row["amihud_reason"] = self._reason(False, amihud == amihud)
        for q in (2, 5, 10):
            ratio = self.moves.variance_ratio(q)
            row[f"variance_ratio_{q}"] = None if ratio != ratio else ratio
            row["variance_ratio_reason"] = self._reason(self.moves.ready, ratio == ratio)
        window = self.settings.window
        last = np.array(self.returns[-window:])
        is_full = len(last) == window
        mean = None
        for value in self.returns:
            mean = value**2 if mean is None else mean + 2 / (window + 1) * (value**2 - mean)
        row |= {
            "realised_volatility": float(np.sqrt(np.sum(last**2))) if is_full else None,
            "return_deviation": float(np.std(last, ddof=1)) if is_full else None,
            "ewma_volatility": float(np.sqrt(mean)) if is_full and mean is not None else None,
            "momentum": 1e4 * float(np.sum(last)) if is_full else None,
            "volatility_reason": NONE if is_full else WARMING_UP,
        }
        return row

    @staticmethod
    def _reason(is_ready: bool, is_known: bool) -> int:
        return NONE if is_known else UNDEFINED if is_ready else WARMING_UP

    def bulk(self, inside: list[tuple[int, Trade]]) -> dict[str, Any]:
        """By SciPy's normal distribution."""
        volume = sum(trade.quantity for _, trade in inside)
        changes = np.diff(np.array(self.closes, float))[-self.settings.window :]
        row = {"bulk_bought_share": None, "bulk_bought": 0, "bulk_sold": 0}
        if not inside:
            return {**row, "bulk_reason": NO_TRADES}
        close = inside[-1][1].price
        is_full = len(changes) == self.settings.window
        if is_full:
            sigma = float(np.std(changes, ddof=1))
            share = float(norm.cdf((close - self.closes[-1]) / sigma)) if sigma else 0.5
            units = round(share * 2**31)
            bought = volume * units // 2**31
            row = {
                "bulk_bought_share": units / 2**31,
                "bulk_bought": bought,
                "bulk_sold": volume - bought,
            }
        self.closes.append(close)
        return {**row, "bulk_reason": NONE if is_full else WARMING_UP}

    def intensities(self, time: int) -> dict[str, Any]:
        if self.flow is None:
            found: Any = (None, None, NOT_GIVEN)
        else:
            found = (*self.flow.at(time), NONE)
        names = ("hawkes_buy_intensity", "hawkes_sell_intensity", "hawkes_reason")
        return dict(zip(names, found, strict=True))

    def quoted(self, start: int, time: int, until: int) -> dict[str, Any]:
        """Each quote by the time that it stood, and the squares of the mid's changes."""
        first = bisect_left(self.quote_times, start)
        last = bisect_left(self.quote_times, until)
        standing = 0
        spread = depth = 0
        slope = log_slope = 0.0
        for place in range(max(first - 1, 0), last):
            begin = max(self.quote_times[place], start)
            end = min(self.quote_times[place + 1], time) if place + 1 < last else time
            quote = self.quotes[place][1]
            if not self.mids[place] or end <= begin:
                continue
            lasted = end - begin
            width = quote.ask_price - quote.bid_price
            logs = float(np.log(quote.bid_quantity) + np.log(quote.ask_quantity))
            standing += lasted
            spread += lasted * width
            depth += lasted * (quote.bid_quantity + quote.ask_quantity)
            slope += lasted * width / logs
            log_slope += lasted * float(np.log(quote.ask_price / quote.bid_price)) / logs
        changes = [
            (self.mids[place] - self.mid(place)) / 2
            for place in range(first, last)
            if self.mids[place] and self.mid(place)
        ]
        return {
            "quoted_time": standing,
            "quoted_spread": spread / standing if standing else None,
            "quoted_depth": depth / standing if standing else None,
            "quote_slope": slope / standing if standing else None,
            "log_quote_slope": log_slope / standing if standing else None,
            "quoted_reason": NONE if standing else STALE_BOOK,
            "quote_volatility": float(np.sqrt(sum(change**2 for change in changes))),
        }

    def of_levels(self, start: int, until: int) -> dict[str, Any]:
        first = bisect_left(self.levels, start, key=lambda each: each[0])
        last = bisect_left(self.levels, until, key=lambda each: each[0])
        sums, quantity, events = [0] * 5, 0, 0
        for place in range(first, last):
            _, now, is_snapshot = self.levels[place]
            before = self.levels[place - 1][1] if place else None
            if now is None or before is None or is_snapshot:
                continue
            events += 1
            quantity += sum(q for level in now for _, q in level)
            events_of_levels = map(flow_event, before, now)
            sums = [sum(pair) for pair in zip(sums, events_of_levels, strict=True)]
        now = self.levels[last - 1][1] if last else None
        bids, asks = (
            sum(level[side][1] for level in now) if now is not None else 0 for side in (0, 1)
        )
        (bid, qb), (ask, qa) = now[0] if now is not None else ((0, 0), (0, 0))
        mean = quantity / (10 * events) if events else 0.0
        integrated = sum(map(float, sums)) / 5 / mean if mean else None
        return {
            **{f"order_flow_{m}": total for m, total in enumerate(sums, 1)},
            "integrated_order_flow": integrated,
            "order_flow_reason": NONE if integrated is not None else STALE_BOOK,
            "bid_depth": bids,
            "ask_depth": asks,
            "weighted_mid": (bid * qa + ask * qb) / (qa + qb) if qb and qa else None,
            "book_reason": NONE if qb and qa else STALE_BOOK if now is None else UNDEFINED,
        }

    def rank(self, until: int) -> dict[str, Any]:
        """By SciPy's percentile of a score."""
        known = [vpin for clock, vpin in self.vpins if clock < until]
        last = known[-self.settings.vpins :]
        if len(last) < self.settings.vpins:
            return {"vpin_rank": None, "vpin_reason": WARMING_UP}
        share = float(percentileofscore(last, last[-1], "weak")) / 100
        return {"vpin_rank": share, "vpin_reason": NONE}

    def add_spreads(self, rows: list[dict[str, Any]], times: list[int]) -> None:
        """Each trade in the record that follows its horizon's end."""
        for name, horizon in HORIZONS.items():
            for row in rows:
                for kind in ("spread_trades", "effective_spread", "realised_spread"):
                    row[f"{kind}_{name}"] = 0
                row[f"price_impact_{name}"] = 0
            for (clock, trade), mid in zip(self.trades, self.mids_of_trades(), strict=True):
                sign, later = self.sign(trade), self.mid_by(clock + horizon)
                place = bisect_right(times, clock + horizon)
                if not (sign and mid and later) or place == len(times):
                    continue
                row = rows[place]
                row[f"spread_trades_{name}"] += 1
                row[f"effective_spread_{name}"] += sign * (2 * trade.price - mid)
                row[f"realised_spread_{name}"] += sign * (2 * trade.price - later)
                row[f"price_impact_{name}"] += sign * (later - mid)

    def mids_of_trades(self) -> list[int]:
        """The mid that stood when each trade came: a trade of a quote's time comes before it."""
        return [self.mid_before(clock) for clock, _ in self.trades]
