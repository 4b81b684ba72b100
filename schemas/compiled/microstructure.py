# mypy: ignore-errors
"""Rows and bytes of Microstructure: Measures of trades, quotes and the book over one interval of event time. A reason is 1 none, 2 warming up, 3 undefined, 4 no trades, 5 stale book, 6 not given.

Generated from microstructure.avsc by `python -m schemas.generate`; edit that, not this.
"""

import numpy as np

from schemas import msgpack
from schemas.kernel import unlocked_kernel
from schemas.memory import address_of
from schemas.wire import (
    NO_ROOM,
    NULL,
    read_decimal,
    read_double,
    read_enum,
    read_int,
    read_long,
    write_byte,
    write_decimal,
    write_double,
    write_long,
)

DTYPE = np.dtype(
    [
        ("instrument", "i4"),
        ("event_time", "i8"),
        ("interval", "i8"),
        ("flags", "i4"),
        ("method", "u1"),
        ("spread_trades_100ms", "i8"),
        ("effective_spread_100ms_high", "i8"),
        ("effective_spread_100ms_low", "u8"),
        ("realised_spread_100ms_high", "i8"),
        ("realised_spread_100ms_low", "u8"),
        ("price_impact_100ms_high", "i8"),
        ("price_impact_100ms_low", "u8"),
        ("spread_trades_1s", "i8"),
        ("effective_spread_1s_high", "i8"),
        ("effective_spread_1s_low", "u8"),
        ("realised_spread_1s_high", "i8"),
        ("realised_spread_1s_low", "u8"),
        ("price_impact_1s_high", "i8"),
        ("price_impact_1s_low", "u8"),
        ("spread_trades_5s", "i8"),
        ("effective_spread_5s_high", "i8"),
        ("effective_spread_5s_low", "u8"),
        ("realised_spread_5s_high", "i8"),
        ("realised_spread_5s_low", "u8"),
        ("price_impact_5s_high", "i8"),
        ("price_impact_5s_low", "u8"),
        ("spread_trades_30s", "i8"),
        ("effective_spread_30s_high", "i8"),
        ("effective_spread_30s_low", "u8"),
        ("realised_spread_30s_high", "i8"),
        ("realised_spread_30s_low", "u8"),
        ("price_impact_30s_high", "i8"),
        ("price_impact_30s_low", "u8"),
        ("spread_trades_60s", "i8"),
        ("effective_spread_60s_high", "i8"),
        ("effective_spread_60s_low", "u8"),
        ("realised_spread_60s_high", "i8"),
        ("realised_spread_60s_low", "u8"),
        ("price_impact_60s_high", "i8"),
        ("price_impact_60s_low", "u8"),
        ("refused_trades", "i8"),
        ("buy_trades", "i8"),
        ("sell_trades", "i8"),
        ("trade_imbalance", "f8"),
        ("flow_imbalance", "f8"),
        ("flow_reason", "i4"),
        ("recent_flow_imbalance", "f8"),
        ("recent_flow_reason", "i4"),
        ("kyle_lambda", "f8"),
        ("kyle_error", "f8"),
        ("kyle_r_squared", "f8"),
        ("kyle_reason", "i4"),
        ("amihud", "f8"),
        ("amihud_reason", "i4"),
        ("roll_spread", "f8"),
        ("roll_reason", "i4"),
        ("variance_ratio_2", "f8"),
        ("variance_ratio_5", "f8"),
        ("variance_ratio_10", "f8"),
        ("variance_ratio_reason", "i4"),
        ("realised_volatility", "f8"),
        ("return_deviation", "f8"),
        ("ewma_volatility", "f8"),
        ("momentum", "f8"),
        ("volatility_reason", "i4"),
        ("quote_volatility", "f8"),
        ("hawkes_buy_intensity", "f8"),
        ("hawkes_sell_intensity", "f8"),
        ("hawkes_reason", "i4"),
        ("bulk_bought_share", "f8"),
        ("bulk_bought_high", "i8"),
        ("bulk_bought_low", "u8"),
        ("bulk_sold_high", "i8"),
        ("bulk_sold_low", "u8"),
        ("bulk_reason", "i4"),
        ("order_flow_1_high", "i8"),
        ("order_flow_1_low", "u8"),
        ("order_flow_2_high", "i8"),
        ("order_flow_2_low", "u8"),
        ("order_flow_3_high", "i8"),
        ("order_flow_3_low", "u8"),
        ("order_flow_4_high", "i8"),
        ("order_flow_4_low", "u8"),
        ("order_flow_5_high", "i8"),
        ("order_flow_5_low", "u8"),
        ("integrated_order_flow", "f8"),
        ("order_flow_reason", "i4"),
        ("bid_depth_high", "i8"),
        ("bid_depth_low", "u8"),
        ("ask_depth_high", "i8"),
        ("ask_depth_low", "u8"),
        ("weighted_mid", "f8"),
        ("book_reason", "i4"),
        ("microprice", "f8"),
        ("microprice_reason", "i4"),
        ("quoted_time", "i8"),
        ("quoted_spread", "f8"),
        ("quoted_depth", "f8"),
        ("quote_slope", "f8"),
        ("log_quote_slope", "f8"),
        ("quoted_reason", "i4"),
        ("vpin_rank", "f8"),
        ("vpin_reason", "i4"),
    ],
    align=True,
)

MAX_BYTES = 850  # of one body, and the slack a writer needs
PACKED_BYTES = 714  # of one msgpack array

# kind, nullable, offset in a row, number of symbols
FIELDS = np.array(
    [
        [0, 0, DTYPE.fields["instrument"][1], 0],  # instrument: int
        [1, 0, DTYPE.fields["event_time"][1], 0],  # event_time: long
        [1, 0, DTYPE.fields["interval"][1], 0],  # interval: long
        [0, 0, DTYPE.fields["flags"][1], 0],  # flags: int
        [4, 0, DTYPE.fields["method"][1], 4],  # method: enum
        [1, 0, DTYPE.fields["spread_trades_100ms"][1], 0],  # spread_trades_100ms: long
        [6, 0, DTYPE.fields["effective_spread_100ms_high"][1], 0],  # effective_spread_100ms: decimal
        [6, 0, DTYPE.fields["realised_spread_100ms_high"][1], 0],  # realised_spread_100ms: decimal
        [6, 0, DTYPE.fields["price_impact_100ms_high"][1], 0],  # price_impact_100ms: decimal
        [1, 0, DTYPE.fields["spread_trades_1s"][1], 0],  # spread_trades_1s: long
        [6, 0, DTYPE.fields["effective_spread_1s_high"][1], 0],  # effective_spread_1s: decimal
        [6, 0, DTYPE.fields["realised_spread_1s_high"][1], 0],  # realised_spread_1s: decimal
        [6, 0, DTYPE.fields["price_impact_1s_high"][1], 0],  # price_impact_1s: decimal
        [1, 0, DTYPE.fields["spread_trades_5s"][1], 0],  # spread_trades_5s: long
        [6, 0, DTYPE.fields["effective_spread_5s_high"][1], 0],  # effective_spread_5s: decimal
        [6, 0, DTYPE.fields["realised_spread_5s_high"][1], 0],  # realised_spread_5s: decimal
        [6, 0, DTYPE.fields["price_impact_5s_high"][1], 0],  # price_impact_5s: decimal
        [1, 0, DTYPE.fields["spread_trades_30s"][1], 0],  # spread_trades_30s: long
        [6, 0, DTYPE.fields["effective_spread_30s_high"][1], 0],  # effective_spread_30s: decimal
        [6, 0, DTYPE.fields["realised_spread_30s_high"][1], 0],  # realised_spread_30s: decimal
        [6, 0, DTYPE.fields["price_impact_30s_high"][1], 0],  # price_impact_30s: decimal
        [1, 0, DTYPE.fields["spread_trades_60s"][1], 0],  # spread_trades_60s: long
        [6, 0, DTYPE.fields["effective_spread_60s_high"][1], 0],  # effective_spread_60s: decimal
        [6, 0, DTYPE.fields["realised_spread_60s_high"][1], 0],  # realised_spread_60s: decimal
        [6, 0, DTYPE.fields["price_impact_60s_high"][1], 0],  # price_impact_60s: decimal
        [1, 0, DTYPE.fields["refused_trades"][1], 0],  # refused_trades: long
        [1, 0, DTYPE.fields["buy_trades"][1], 0],  # buy_trades: long
        [1, 0, DTYPE.fields["sell_trades"][1], 0],  # sell_trades: long
        [2, 1, DTYPE.fields["trade_imbalance"][1], 0],  # trade_imbalance: double
        [2, 1, DTYPE.fields["flow_imbalance"][1], 0],  # flow_imbalance: double
        [0, 0, DTYPE.fields["flow_reason"][1], 0],  # flow_reason: int
        [2, 1, DTYPE.fields["recent_flow_imbalance"][1], 0],  # recent_flow_imbalance: double
        [0, 0, DTYPE.fields["recent_flow_reason"][1], 0],  # recent_flow_reason: int
        [2, 1, DTYPE.fields["kyle_lambda"][1], 0],  # kyle_lambda: double
        [2, 1, DTYPE.fields["kyle_error"][1], 0],  # kyle_error: double
        [2, 1, DTYPE.fields["kyle_r_squared"][1], 0],  # kyle_r_squared: double
        [0, 0, DTYPE.fields["kyle_reason"][1], 0],  # kyle_reason: int
        [2, 1, DTYPE.fields["amihud"][1], 0],  # amihud: double
        [0, 0, DTYPE.fields["amihud_reason"][1], 0],  # amihud_reason: int
        [2, 1, DTYPE.fields["roll_spread"][1], 0],  # roll_spread: double
        [0, 0, DTYPE.fields["roll_reason"][1], 0],  # roll_reason: int
        [2, 1, DTYPE.fields["variance_ratio_2"][1], 0],  # variance_ratio_2: double
        [2, 1, DTYPE.fields["variance_ratio_5"][1], 0],  # variance_ratio_5: double
        [2, 1, DTYPE.fields["variance_ratio_10"][1], 0],  # variance_ratio_10: double
        [0, 0, DTYPE.fields["variance_ratio_reason"][1], 0],  # variance_ratio_reason: int
        [2, 1, DTYPE.fields["realised_volatility"][1], 0],  # realised_volatility: double
        [2, 1, DTYPE.fields["return_deviation"][1], 0],  # return_deviation: double
        [2, 1, DTYPE.fields["ewma_volatility"][1], 0],  # ewma_volatility: double
        [2, 1, DTYPE.fields["momentum"][1], 0],  # momentum: double
        [0, 0, DTYPE.fields["volatility_reason"][1], 0],  # volatility_reason: int
        [2, 0, DTYPE.fields["quote_volatility"][1], 0],  # quote_volatility: double
        [2, 1, DTYPE.fields["hawkes_buy_intensity"][1], 0],  # hawkes_buy_intensity: double
        [2, 1, DTYPE.fields["hawkes_sell_intensity"][1], 0],  # hawkes_sell_intensity: double
        [0, 0, DTYPE.fields["hawkes_reason"][1], 0],  # hawkes_reason: int
        [2, 1, DTYPE.fields["bulk_bought_share"][1], 0],  # bulk_bought_share: double
        [6, 0, DTYPE.fields["bulk_bought_high"][1], 0],  # bulk_bought: decimal
        [6, 0, DTYPE.fields["bulk_sold_high"][1], 0],  # bulk_sold: decimal
        [0, 0, DTYPE.fields["bulk_reason"][1], 0],  # bulk_reason: int
        [6, 0, DTYPE.fields["order_flow_1_high"][1], 0],  # order_flow_1: decimal
        [6, 0, DTYPE.fields["order_flow_2_high"][1], 0],  # order_flow_2: decimal
        [6, 0, DTYPE.fields["order_flow_3_high"][1], 0],  # order_flow_3: decimal
        [6, 0, DTYPE.fields["order_flow_4_high"][1], 0],  # order_flow_4: decimal
        [6, 0, DTYPE.fields["order_flow_5_high"][1], 0],  # order_flow_5: decimal
        [2, 1, DTYPE.fields["integrated_order_flow"][1], 0],  # integrated_order_flow: double
        [0, 0, DTYPE.fields["order_flow_reason"][1], 0],  # order_flow_reason: int
        [6, 0, DTYPE.fields["bid_depth_high"][1], 0],  # bid_depth: decimal
        [6, 0, DTYPE.fields["ask_depth_high"][1], 0],  # ask_depth: decimal
        [2, 1, DTYPE.fields["weighted_mid"][1], 0],  # weighted_mid: double
        [0, 0, DTYPE.fields["book_reason"][1], 0],  # book_reason: int
        [2, 1, DTYPE.fields["microprice"][1], 0],  # microprice: double
        [0, 0, DTYPE.fields["microprice_reason"][1], 0],  # microprice_reason: int
        [1, 0, DTYPE.fields["quoted_time"][1], 0],  # quoted_time: long
        [2, 1, DTYPE.fields["quoted_spread"][1], 0],  # quoted_spread: double
        [2, 1, DTYPE.fields["quoted_depth"][1], 0],  # quoted_depth: double
        [2, 1, DTYPE.fields["quote_slope"][1], 0],  # quote_slope: double
        [2, 1, DTYPE.fields["log_quote_slope"][1], 0],  # log_quote_slope: double
        [0, 0, DTYPE.fields["quoted_reason"][1], 0],  # quoted_reason: int
        [2, 1, DTYPE.fields["vpin_rank"][1], 0],  # vpin_rank: double
        [0, 0, DTYPE.fields["vpin_reason"][1], 0],  # vpin_reason: int
    ],
    np.int64,
)


@unlocked_kernel
def encode(rows, first, count, body, position):
    """Write ``rows[first : first + count]`` as Avro from ``body[position]`` -> next position, -index - 1 if row ``index`` has no Avro form.

    NO_ROOM if the rows are not there or the body is shorter than ``count * MAX_BYTES``; nothing is written then.
    """
    if first < 0 or first + count > rows.size or position < 0 or body.size - position < count * MAX_BYTES:
        return NO_ROOM
    base = address_of(body)
    at = base + position
    for index in range(first, first + count):
        row = rows[index]
        at = write_long(at, row.instrument)
        at = write_long(at, row.event_time)
        at = write_long(at, row.interval)
        at = write_long(at, row.flags)
        if row.method >= 4:
            return first - index - 1
        at = write_byte(at, 2 * row.method)
        at = write_long(at, row.spread_trades_100ms)
        if row.effective_spread_100ms_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.effective_spread_100ms_high, row.effective_spread_100ms_low)
        if row.realised_spread_100ms_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.realised_spread_100ms_high, row.realised_spread_100ms_low)
        if row.price_impact_100ms_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.price_impact_100ms_high, row.price_impact_100ms_low)
        at = write_long(at, row.spread_trades_1s)
        if row.effective_spread_1s_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.effective_spread_1s_high, row.effective_spread_1s_low)
        if row.realised_spread_1s_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.realised_spread_1s_high, row.realised_spread_1s_low)
        if row.price_impact_1s_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.price_impact_1s_high, row.price_impact_1s_low)
        at = write_long(at, row.spread_trades_5s)
        if row.effective_spread_5s_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.effective_spread_5s_high, row.effective_spread_5s_low)
        if row.realised_spread_5s_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.realised_spread_5s_high, row.realised_spread_5s_low)
        if row.price_impact_5s_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.price_impact_5s_high, row.price_impact_5s_low)
        at = write_long(at, row.spread_trades_30s)
        if row.effective_spread_30s_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.effective_spread_30s_high, row.effective_spread_30s_low)
        if row.realised_spread_30s_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.realised_spread_30s_high, row.realised_spread_30s_low)
        if row.price_impact_30s_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.price_impact_30s_high, row.price_impact_30s_low)
        at = write_long(at, row.spread_trades_60s)
        if row.effective_spread_60s_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.effective_spread_60s_high, row.effective_spread_60s_low)
        if row.realised_spread_60s_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.realised_spread_60s_high, row.realised_spread_60s_low)
        if row.price_impact_60s_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.price_impact_60s_high, row.price_impact_60s_low)
        at = write_long(at, row.refused_trades)
        at = write_long(at, row.buy_trades)
        at = write_long(at, row.sell_trades)
        if np.isnan(row.trade_imbalance):
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_double(at, row.trade_imbalance)
        if np.isnan(row.flow_imbalance):
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_double(at, row.flow_imbalance)
        at = write_long(at, row.flow_reason)
        if np.isnan(row.recent_flow_imbalance):
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_double(at, row.recent_flow_imbalance)
        at = write_long(at, row.recent_flow_reason)
        if np.isnan(row.kyle_lambda):
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_double(at, row.kyle_lambda)
        if np.isnan(row.kyle_error):
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_double(at, row.kyle_error)
        if np.isnan(row.kyle_r_squared):
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_double(at, row.kyle_r_squared)
        at = write_long(at, row.kyle_reason)
        if np.isnan(row.amihud):
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_double(at, row.amihud)
        at = write_long(at, row.amihud_reason)
        if np.isnan(row.roll_spread):
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_double(at, row.roll_spread)
        at = write_long(at, row.roll_reason)
        if np.isnan(row.variance_ratio_2):
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_double(at, row.variance_ratio_2)
        if np.isnan(row.variance_ratio_5):
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_double(at, row.variance_ratio_5)
        if np.isnan(row.variance_ratio_10):
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_double(at, row.variance_ratio_10)
        at = write_long(at, row.variance_ratio_reason)
        if np.isnan(row.realised_volatility):
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_double(at, row.realised_volatility)
        if np.isnan(row.return_deviation):
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_double(at, row.return_deviation)
        if np.isnan(row.ewma_volatility):
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_double(at, row.ewma_volatility)
        if np.isnan(row.momentum):
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_double(at, row.momentum)
        at = write_long(at, row.volatility_reason)
        at = write_double(at, row.quote_volatility)
        if np.isnan(row.hawkes_buy_intensity):
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_double(at, row.hawkes_buy_intensity)
        if np.isnan(row.hawkes_sell_intensity):
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_double(at, row.hawkes_sell_intensity)
        at = write_long(at, row.hawkes_reason)
        if np.isnan(row.bulk_bought_share):
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_double(at, row.bulk_bought_share)
        if row.bulk_bought_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.bulk_bought_high, row.bulk_bought_low)
        if row.bulk_sold_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.bulk_sold_high, row.bulk_sold_low)
        at = write_long(at, row.bulk_reason)
        if row.order_flow_1_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.order_flow_1_high, row.order_flow_1_low)
        if row.order_flow_2_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.order_flow_2_high, row.order_flow_2_low)
        if row.order_flow_3_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.order_flow_3_high, row.order_flow_3_low)
        if row.order_flow_4_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.order_flow_4_high, row.order_flow_4_low)
        if row.order_flow_5_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.order_flow_5_high, row.order_flow_5_low)
        if np.isnan(row.integrated_order_flow):
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_double(at, row.integrated_order_flow)
        at = write_long(at, row.order_flow_reason)
        if row.bid_depth_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.bid_depth_high, row.bid_depth_low)
        if row.ask_depth_high == NULL:
            return first - index - 1
        at = write_decimal(at, row.ask_depth_high, row.ask_depth_low)
        if np.isnan(row.weighted_mid):
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_double(at, row.weighted_mid)
        at = write_long(at, row.book_reason)
        if np.isnan(row.microprice):
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_double(at, row.microprice)
        at = write_long(at, row.microprice_reason)
        at = write_long(at, row.quoted_time)
        if np.isnan(row.quoted_spread):
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_double(at, row.quoted_spread)
        if np.isnan(row.quoted_depth):
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_double(at, row.quoted_depth)
        if np.isnan(row.quote_slope):
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_double(at, row.quote_slope)
        if np.isnan(row.log_quote_slope):
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_double(at, row.log_quote_slope)
        at = write_long(at, row.quoted_reason)
        if np.isnan(row.vpin_rank):
            at = write_byte(at, 0)
        else:
            at = write_byte(at, 2)
            at = write_double(at, row.vpin_rank)
        at = write_long(at, row.vpin_reason)
    return at - base


@unlocked_kernel
def decode(body, position, end, rows, first, count, ends):
    """Read ``count`` records from ``body[position:end]`` into ``rows[first:]`` -> next position, -index - 1 if record ``index`` is malformed.

    ``ends[first + index]`` becomes the position after record ``index``. NO_ROOM if rows, ends or body are too short.
    """
    if first < 0 or first + count > rows.size or first + count > ends.size or position < 0 or end > body.size:
        return NO_ROOM
    base = address_of(body)
    at = base + position
    stop = base + end
    for index in range(first, first + count):
        row = rows[index]
        row.instrument, at = read_int(at, stop)
        row.event_time, at = read_long(at, stop)
        row.interval, at = read_long(at, stop)
        row.flags, at = read_int(at, stop)
        row.method, at = read_enum(at, stop, 4)
        row.spread_trades_100ms, at = read_long(at, stop)
        row.effective_spread_100ms_high, row.effective_spread_100ms_low, at = read_decimal(at, stop)
        row.realised_spread_100ms_high, row.realised_spread_100ms_low, at = read_decimal(at, stop)
        row.price_impact_100ms_high, row.price_impact_100ms_low, at = read_decimal(at, stop)
        row.spread_trades_1s, at = read_long(at, stop)
        row.effective_spread_1s_high, row.effective_spread_1s_low, at = read_decimal(at, stop)
        row.realised_spread_1s_high, row.realised_spread_1s_low, at = read_decimal(at, stop)
        row.price_impact_1s_high, row.price_impact_1s_low, at = read_decimal(at, stop)
        row.spread_trades_5s, at = read_long(at, stop)
        row.effective_spread_5s_high, row.effective_spread_5s_low, at = read_decimal(at, stop)
        row.realised_spread_5s_high, row.realised_spread_5s_low, at = read_decimal(at, stop)
        row.price_impact_5s_high, row.price_impact_5s_low, at = read_decimal(at, stop)
        row.spread_trades_30s, at = read_long(at, stop)
        row.effective_spread_30s_high, row.effective_spread_30s_low, at = read_decimal(at, stop)
        row.realised_spread_30s_high, row.realised_spread_30s_low, at = read_decimal(at, stop)
        row.price_impact_30s_high, row.price_impact_30s_low, at = read_decimal(at, stop)
        row.spread_trades_60s, at = read_long(at, stop)
        row.effective_spread_60s_high, row.effective_spread_60s_low, at = read_decimal(at, stop)
        row.realised_spread_60s_high, row.realised_spread_60s_low, at = read_decimal(at, stop)
        row.price_impact_60s_high, row.price_impact_60s_low, at = read_decimal(at, stop)
        row.refused_trades, at = read_long(at, stop)
        row.buy_trades, at = read_long(at, stop)
        row.sell_trades, at = read_long(at, stop)
        present, at = read_enum(at, stop, 2)
        if present:
            row.trade_imbalance, at = read_double(at, stop)
            if np.isnan(row.trade_imbalance):
                at = stop + 1
        else:
            row.trade_imbalance = np.nan
        present, at = read_enum(at, stop, 2)
        if present:
            row.flow_imbalance, at = read_double(at, stop)
            if np.isnan(row.flow_imbalance):
                at = stop + 1
        else:
            row.flow_imbalance = np.nan
        row.flow_reason, at = read_int(at, stop)
        present, at = read_enum(at, stop, 2)
        if present:
            row.recent_flow_imbalance, at = read_double(at, stop)
            if np.isnan(row.recent_flow_imbalance):
                at = stop + 1
        else:
            row.recent_flow_imbalance = np.nan
        row.recent_flow_reason, at = read_int(at, stop)
        present, at = read_enum(at, stop, 2)
        if present:
            row.kyle_lambda, at = read_double(at, stop)
            if np.isnan(row.kyle_lambda):
                at = stop + 1
        else:
            row.kyle_lambda = np.nan
        present, at = read_enum(at, stop, 2)
        if present:
            row.kyle_error, at = read_double(at, stop)
            if np.isnan(row.kyle_error):
                at = stop + 1
        else:
            row.kyle_error = np.nan
        present, at = read_enum(at, stop, 2)
        if present:
            row.kyle_r_squared, at = read_double(at, stop)
            if np.isnan(row.kyle_r_squared):
                at = stop + 1
        else:
            row.kyle_r_squared = np.nan
        row.kyle_reason, at = read_int(at, stop)
        present, at = read_enum(at, stop, 2)
        if present:
            row.amihud, at = read_double(at, stop)
            if np.isnan(row.amihud):
                at = stop + 1
        else:
            row.amihud = np.nan
        row.amihud_reason, at = read_int(at, stop)
        present, at = read_enum(at, stop, 2)
        if present:
            row.roll_spread, at = read_double(at, stop)
            if np.isnan(row.roll_spread):
                at = stop + 1
        else:
            row.roll_spread = np.nan
        row.roll_reason, at = read_int(at, stop)
        present, at = read_enum(at, stop, 2)
        if present:
            row.variance_ratio_2, at = read_double(at, stop)
            if np.isnan(row.variance_ratio_2):
                at = stop + 1
        else:
            row.variance_ratio_2 = np.nan
        present, at = read_enum(at, stop, 2)
        if present:
            row.variance_ratio_5, at = read_double(at, stop)
            if np.isnan(row.variance_ratio_5):
                at = stop + 1
        else:
            row.variance_ratio_5 = np.nan
        present, at = read_enum(at, stop, 2)
        if present:
            row.variance_ratio_10, at = read_double(at, stop)
            if np.isnan(row.variance_ratio_10):
                at = stop + 1
        else:
            row.variance_ratio_10 = np.nan
        row.variance_ratio_reason, at = read_int(at, stop)
        present, at = read_enum(at, stop, 2)
        if present:
            row.realised_volatility, at = read_double(at, stop)
            if np.isnan(row.realised_volatility):
                at = stop + 1
        else:
            row.realised_volatility = np.nan
        present, at = read_enum(at, stop, 2)
        if present:
            row.return_deviation, at = read_double(at, stop)
            if np.isnan(row.return_deviation):
                at = stop + 1
        else:
            row.return_deviation = np.nan
        present, at = read_enum(at, stop, 2)
        if present:
            row.ewma_volatility, at = read_double(at, stop)
            if np.isnan(row.ewma_volatility):
                at = stop + 1
        else:
            row.ewma_volatility = np.nan
        present, at = read_enum(at, stop, 2)
        if present:
            row.momentum, at = read_double(at, stop)
            if np.isnan(row.momentum):
                at = stop + 1
        else:
            row.momentum = np.nan
        row.volatility_reason, at = read_int(at, stop)
        row.quote_volatility, at = read_double(at, stop)
        present, at = read_enum(at, stop, 2)
        if present:
            row.hawkes_buy_intensity, at = read_double(at, stop)
            if np.isnan(row.hawkes_buy_intensity):
                at = stop + 1
        else:
            row.hawkes_buy_intensity = np.nan
        present, at = read_enum(at, stop, 2)
        if present:
            row.hawkes_sell_intensity, at = read_double(at, stop)
            if np.isnan(row.hawkes_sell_intensity):
                at = stop + 1
        else:
            row.hawkes_sell_intensity = np.nan
        row.hawkes_reason, at = read_int(at, stop)
        present, at = read_enum(at, stop, 2)
        if present:
            row.bulk_bought_share, at = read_double(at, stop)
            if np.isnan(row.bulk_bought_share):
                at = stop + 1
        else:
            row.bulk_bought_share = np.nan
        row.bulk_bought_high, row.bulk_bought_low, at = read_decimal(at, stop)
        row.bulk_sold_high, row.bulk_sold_low, at = read_decimal(at, stop)
        row.bulk_reason, at = read_int(at, stop)
        row.order_flow_1_high, row.order_flow_1_low, at = read_decimal(at, stop)
        row.order_flow_2_high, row.order_flow_2_low, at = read_decimal(at, stop)
        row.order_flow_3_high, row.order_flow_3_low, at = read_decimal(at, stop)
        row.order_flow_4_high, row.order_flow_4_low, at = read_decimal(at, stop)
        row.order_flow_5_high, row.order_flow_5_low, at = read_decimal(at, stop)
        present, at = read_enum(at, stop, 2)
        if present:
            row.integrated_order_flow, at = read_double(at, stop)
            if np.isnan(row.integrated_order_flow):
                at = stop + 1
        else:
            row.integrated_order_flow = np.nan
        row.order_flow_reason, at = read_int(at, stop)
        row.bid_depth_high, row.bid_depth_low, at = read_decimal(at, stop)
        row.ask_depth_high, row.ask_depth_low, at = read_decimal(at, stop)
        present, at = read_enum(at, stop, 2)
        if present:
            row.weighted_mid, at = read_double(at, stop)
            if np.isnan(row.weighted_mid):
                at = stop + 1
        else:
            row.weighted_mid = np.nan
        row.book_reason, at = read_int(at, stop)
        present, at = read_enum(at, stop, 2)
        if present:
            row.microprice, at = read_double(at, stop)
            if np.isnan(row.microprice):
                at = stop + 1
        else:
            row.microprice = np.nan
        row.microprice_reason, at = read_int(at, stop)
        row.quoted_time, at = read_long(at, stop)
        present, at = read_enum(at, stop, 2)
        if present:
            row.quoted_spread, at = read_double(at, stop)
            if np.isnan(row.quoted_spread):
                at = stop + 1
        else:
            row.quoted_spread = np.nan
        present, at = read_enum(at, stop, 2)
        if present:
            row.quoted_depth, at = read_double(at, stop)
            if np.isnan(row.quoted_depth):
                at = stop + 1
        else:
            row.quoted_depth = np.nan
        present, at = read_enum(at, stop, 2)
        if present:
            row.quote_slope, at = read_double(at, stop)
            if np.isnan(row.quote_slope):
                at = stop + 1
        else:
            row.quote_slope = np.nan
        present, at = read_enum(at, stop, 2)
        if present:
            row.log_quote_slope, at = read_double(at, stop)
            if np.isnan(row.log_quote_slope):
                at = stop + 1
        else:
            row.log_quote_slope = np.nan
        row.quoted_reason, at = read_int(at, stop)
        present, at = read_enum(at, stop, 2)
        if present:
            row.vpin_rank, at = read_double(at, stop)
            if np.isnan(row.vpin_rank):
                at = stop + 1
        else:
            row.vpin_rank = np.nan
        row.vpin_reason, at = read_int(at, stop)
        if at > stop:
            return first - index - 1
        ends[index] = at - base
    return at - base


def rows_to_msgpack(rows, first, count, buffer, position):
    """Write rows as msgpack arrays, ``PACKED_BYTES`` free for each -> next position, or negative if a decimal exceeds 64 bits."""
    return msgpack.write_rows(FIELDS, rows.view(np.uint8), rows.itemsize, first, count, msgpack.NO_LEVELS, buffer, position)


def msgpack_to_body(buffer, position, count, body, body_position):
    """Turn ``count`` msgpack arrays into Avro, ``MAX_BYTES`` free for each -> next position, -index - 1 if record ``index`` does not fit."""
    return msgpack.write_bodies(FIELDS, buffer, position, count, body, body_position)
