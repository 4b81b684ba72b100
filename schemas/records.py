"""One frozen struct per record, fields in schema order, units beside them.

Enum fields hold the plain integer of their class in ``schemas.vocabulary``; decimals are Python integers of any size;
order-book levels are (price, quantity) tuples.

Generated from the .avsc files by `python -m schemas.generate`; edit those, not this.
"""

import msgspec


class Bar(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A bar: interval closed left, open right."""

    instrument: int  # id
    kind: int  # BarKind
    interval: int  # ns
    open_time: int  # ns UTC
    close_time: int  # ns UTC
    version: int  # count
    open: int  # 10^-price_precision of the instrument
    high: int  # 10^-price_precision of the instrument
    low: int  # 10^-price_precision of the instrument
    close: int  # 10^-price_precision of the instrument
    volume: int  # 10^-quantity_precision of the instrument
    quote_volume: int  # 10^-(price_precision + quantity_precision) of the instrument
    trade_count: int  # trades
    taker_buy_volume: int  # 10^-quantity_precision of the instrument
    taker_buy_quote_volume: int  # 10^-(price_precision + quantity_precision) of the instrument
    flags: int  # bit set
    volume_wide: int | None = None  # 10^-quantity_precision of the instrument
    taker_buy_volume_wide: int | None = None  # 10^-quantity_precision of the instrument


class BookTicker(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The venue's own best bid and ask."""

    instrument: int  # id
    event_time: int  # ns UTC
    receive_time: int  # ns, recorder clock
    update_id: int  # id
    bid_price: int  # 10^-price_precision of the instrument
    bid_quantity: int  # 10^-quantity_precision of the instrument
    ask_price: int  # 10^-price_precision of the instrument
    ask_quantity: int  # 10^-quantity_precision of the instrument
    flags: int  # bit set


class ControlCommand(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An operator's command."""

    event_time: int  # ns UTC
    kind: int  # ControlKind
    scope: int  # ControlScope
    account: int  # id
    strategy: int  # id
    instrument: int  # id
    name: str  # name
    value: str  # text
    issued_by: str  # name
    reason: str  # text


class DeadLetter(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A record that could not be used, with its origin."""

    reason: str  # code
    detail: str  # text
    origin_topic: str  # name
    origin_partition: int  # partition
    origin_offset: int  # offset or line
    payload: bytes  # bytes


class DeadLetterDecision(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What an operator decided about a dead letter; a dead letter has at most one."""

    event_time: int  # ns UTC
    partition: int  # partition
    offset: int  # offset
    action: int  # DeadLetterAction
    origin_topic: str  # name
    origin_partition: int  # partition
    replaced: bool  # boolean
    reason: str  # text
    operator: str  # name


class DepthUpdate(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One order-book update of a venue: a delta, or a chunk of a snapshot."""

    instrument: int  # id
    event_time: int  # ns UTC
    receive_time: int  # ns, recorder clock
    first_update_id: int  # id
    final_update_id: int  # id
    previous_update_id: int  # id
    kind: int  # DepthKind
    flags: int  # bit set
    bids: list[tuple[int, int]]  # (price, quantity)
    asks: list[tuple[int, int]]  # (price, quantity)


class ExecutionReport(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a venue says about one of our orders."""

    order_id: str  # id, exactly 20 characters
    instrument: int  # id
    event_time: int  # ns UTC
    venue_time: int  # ns UTC
    kind: int  # ReportKind
    reason: int  # OrderReason
    venue_trade_id: int  # id
    side: int  # Side
    price: int  # 10^-price_precision of the instrument
    quantity: int  # 10^-quantity_precision of the instrument
    cumulative_quantity: int  # 10^-quantity_precision of the instrument
    leaves_quantity: int  # 10^-quantity_precision of the instrument
    liquidity: int  # Liquidity
    fee: int  # 10^-(price_precision + quantity_precision) of the instrument


class Fill(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A fill booked to an order."""

    order_id: str  # id, exactly 20 characters
    account: int  # id
    strategy: int  # id
    instrument: int  # id
    event_time: int  # ns UTC
    side: int  # Side
    price: int  # 10^-price_precision of the instrument
    quantity: int  # 10^-quantity_precision of the instrument
    liquidity: int  # Liquidity
    fee: int  # 10^-(price_precision + quantity_precision) of the instrument
    venue_trade_id: int  # id


class Instrument(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Instrument specification: reference data, never derived from prices seen."""

    instrument: int  # id
    venue: str  # name
    symbol: str  # name
    kind: int  # InstrumentKind
    base: str  # code
    quote: str  # code
    price_precision: int  # decimals
    quantity_precision: int  # decimals
    tick_size: int  # 10^-price_precision of the instrument
    lot_size: int  # 10^-quantity_precision of the instrument
    minimum_quantity: int  # 10^-quantity_precision of the instrument
    maximum_quantity: int  # 10^-quantity_precision of the instrument
    minimum_notional: int  # 10^-(price_precision + quantity_precision) of the instrument
    multiplier: int  # count
    shortable: bool  # boolean
    funding_interval: int  # ns
    expiry: int | None  # ns UTC
    valid_from: int  # ns UTC
    event_time: int  # ns UTC
    flags: int  # bit set
    initial_margin: int | None = None  # 10^-8 of the position's value
    maintenance_margin: int | None = None  # 10^-8 of the position's value


class Element(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A run of consecutive records of one input, or a clock element."""

    input: int  # index
    first_offset: int  # offset or ns UTC
    last_offset: int  # offset
    count: int  # records


class InputDigest(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a batch consumed from one input partition."""

    input: int  # index
    count: int  # records
    digest: bytes  # 32 bytes


class OutputDigest(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a batch wrote to one output partition."""

    output: int  # index
    count: int  # records
    digest: bytes  # 32 bytes
    checksum: bytes  # 16 bytes
    end_position: int  # bytes
    previous_offset: int  # offset


class StateDigest(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Digest of one stage's canonical state after this batch."""

    stage: int  # index
    state_digest: bytes  # 32 bytes


class JournalRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One record of a task's journal: what was consumed, in which order, at what clock, and what came out."""

    sequence: int  # count
    kind: int  # JournalKind
    previous_digest: bytes  # 32 bytes
    input_sequence: int  # records
    clock: int  # ns UTC
    facts: str  # JSON
    elements: list[Element]  # elements
    inputs: list[InputDigest]  # digests
    outputs: list[OutputDigest]  # digests
    states: list[StateDigest]  # digests
    digest: bytes  # 32 bytes


class LogLine(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A line that a strategy logged."""

    account: int  # id
    strategy: int  # id
    event_time: int  # ns UTC
    sequence: int  # records
    text: str  # text


class Mark(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Best bid, ask and last trade, conflated by event time."""

    instrument: int  # id
    event_time: int  # ns UTC
    sequence: int  # id
    bid_price: int  # 10^-price_precision of the instrument
    bid_quantity: int  # 10^-quantity_precision of the instrument
    ask_price: int  # 10^-price_precision of the instrument
    ask_quantity: int  # 10^-quantity_precision of the instrument
    last_price: int  # 10^-price_precision of the instrument
    book_time: int  # ns UTC
    flags: int  # bit set


class MarketFeatures(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Microstructure measures of one interval of event time."""

    instrument: int  # id
    event_time: int  # ns UTC
    sequence: int  # id
    interval: int  # ns
    spread: int  # 10^-price_precision of the instrument
    imbalance_1: float | None  # ratio -1 to 1
    imbalance_3: float | None  # ratio -1 to 1
    imbalance_5: float | None  # ratio -1 to 1
    imbalance_10: float | None  # ratio -1 to 1
    pressure: float | None  # ratio -1 to 1
    weighted_mid: float | None  # 10^-price_precision of the instrument
    order_flow_imbalance: int  # 10^-quantity_precision of the instrument
    order_flow_events: int  # events
    buy_volume: int  # 10^-quantity_precision of the instrument
    sell_volume: int  # 10^-quantity_precision of the instrument
    trade_count: int  # trades
    method: int  # SignMethod
    flags: int  # bit set
    order_flow_imbalance_wide: int | None = None  # 10^-quantity_precision of the instrument
    buy_volume_wide: int | None = None  # 10^-quantity_precision of the instrument
    sell_volume_wide: int | None = None  # 10^-quantity_precision of the instrument


class Microstructure(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Measures of trades, quotes and the book over one interval of event time. A reason is 1 none, 2 warming up, 3 undefined, 4 no trades, 5 stale book, 6 not given."""

    instrument: int  # id
    event_time: int  # ns UTC
    interval: int  # ns
    flags: int  # bit set
    method: int  # SignMethod
    spread_trades_100ms: int  # trades
    effective_spread_100ms: int  # 10^-price_precision of the instrument
    realised_spread_100ms: int  # 10^-price_precision of the instrument
    price_impact_100ms: int  # 10^-price_precision of the instrument
    spread_trades_1s: int  # trades
    effective_spread_1s: int  # 10^-price_precision of the instrument
    realised_spread_1s: int  # 10^-price_precision of the instrument
    price_impact_1s: int  # 10^-price_precision of the instrument
    spread_trades_5s: int  # trades
    effective_spread_5s: int  # 10^-price_precision of the instrument
    realised_spread_5s: int  # 10^-price_precision of the instrument
    price_impact_5s: int  # 10^-price_precision of the instrument
    spread_trades_30s: int  # trades
    effective_spread_30s: int  # 10^-price_precision of the instrument
    realised_spread_30s: int  # 10^-price_precision of the instrument
    price_impact_30s: int  # 10^-price_precision of the instrument
    spread_trades_60s: int  # trades
    effective_spread_60s: int  # 10^-price_precision of the instrument
    realised_spread_60s: int  # 10^-price_precision of the instrument
    price_impact_60s: int  # 10^-price_precision of the instrument
    refused_trades: int  # trades
    buy_trades: int  # trades
    sell_trades: int  # trades
    trade_imbalance: float | None  # ratio -1 to 1
    flow_imbalance: float | None  # ratio -1 to 1
    flow_reason: int  # MeasureReason
    recent_flow_imbalance: float | None  # ratio -1 to 1
    recent_flow_reason: int  # MeasureReason
    kyle_lambda: float | None  # 10^-price_precision per 10^-quantity_precision
    kyle_error: float | None  # 10^-price_precision per 10^-quantity_precision
    kyle_r_squared: float | None  # ratio 0 to 1
    kyle_reason: int  # MeasureReason
    amihud: float | None  # 1 per million of the quote currency
    amihud_reason: int  # MeasureReason
    roll_spread: float | None  # 10^-price_precision of the instrument
    roll_reason: int  # MeasureReason
    variance_ratio_2: float | None  # ratio
    variance_ratio_5: float | None  # ratio
    variance_ratio_10: float | None  # ratio
    variance_ratio_reason: int  # MeasureReason
    realised_volatility: float | None  # ratio
    return_deviation: float | None  # ratio
    ewma_volatility: float | None  # ratio
    momentum: float | None  # basis points
    volatility_reason: int  # MeasureReason
    quote_volatility: float  # 10^-price_precision of the instrument
    hawkes_buy_intensity: float | None  # trades a second
    hawkes_sell_intensity: float | None  # trades a second
    hawkes_reason: int  # MeasureReason
    bulk_bought_share: float | None  # ratio 0 to 1
    bulk_bought: int  # 10^-quantity_precision of the instrument
    bulk_sold: int  # 10^-quantity_precision of the instrument
    bulk_reason: int  # MeasureReason
    order_flow_1: int  # 10^-quantity_precision of the instrument
    order_flow_2: int  # 10^-quantity_precision of the instrument
    order_flow_3: int  # 10^-quantity_precision of the instrument
    order_flow_4: int  # 10^-quantity_precision of the instrument
    order_flow_5: int  # 10^-quantity_precision of the instrument
    integrated_order_flow: float | None  # ratio
    order_flow_reason: int  # MeasureReason
    bid_depth: int  # 10^-quantity_precision of the instrument
    ask_depth: int  # 10^-quantity_precision of the instrument
    weighted_mid: float | None  # 10^-price_precision of the instrument
    book_reason: int  # MeasureReason
    microprice: float | None  # 10^-price_precision of the instrument
    microprice_reason: int  # MeasureReason
    quoted_time: int  # ns
    quoted_spread: float | None  # 10^-price_precision of the instrument
    quoted_depth: float | None  # 10^-quantity_precision of the instrument
    quote_slope: float | None  # 10^-price_precision of the instrument, by the log of 10^-quantity_precision
    log_quote_slope: float | None  # ratio, by the log of 10^-quantity_precision
    quoted_reason: int  # MeasureReason
    vpin_rank: float | None  # ratio 0 to 1
    vpin_reason: int  # MeasureReason


class OrderEvent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One transition, or refused transition, of an order."""

    order_id: str  # id, exactly 20 characters
    account: int  # id
    strategy: int  # id
    instrument: int  # id
    event_time: int  # ns UTC
    status: int  # OrderStatus
    reason: int  # OrderReason
    side: int  # Side
    quantity: int  # 10^-quantity_precision of the instrument
    price: int  # 10^-price_precision of the instrument
    filled_quantity: int  # 10^-quantity_precision of the instrument
    refused: bool  # boolean


class OrderRequest(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A strategy asks for an order or a cancel."""

    order_id: str  # id, exactly 20 characters
    account: int  # id
    strategy: int  # id
    instrument: int  # id
    event_time: int  # ns UTC
    kind: int  # RequestKind
    side: int  # Side
    order_type: int  # OrderType
    time_in_force: int  # TimeInForce
    post_only: bool  # boolean
    quantity: int  # 10^-quantity_precision of the instrument
    price: int  # 10^-price_precision of the instrument


class PerformanceReport(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One headline number of the performance report."""

    account: int  # id
    event_time: int  # ns UTC
    name: str  # name
    value: float | None  # of the metric
    reason: int  # NullReason
    samples: int  # count


class PnL(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """P&L of an account."""

    account: int  # id
    event_time: int  # ns UTC
    amount_precision: int  # decimals
    realized: int  # 10^-amount_precision of the account currency
    unrealized: int | None  # 10^-amount_precision of the account currency
    fees: int  # 10^-amount_precision of the account currency
    cash: int  # 10^-amount_precision of the account currency
    equity: int | None  # 10^-amount_precision of the account currency
    reason: int  # NullReason
    flags: int  # bit set


class Position(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Position of an account in an instrument after a fill."""

    account: int  # id
    strategy: int  # id
    instrument: int  # id
    event_time: int  # ns UTC
    order_id: str  # id, exactly 20 characters
    quantity: int  # 10^-quantity_precision of the instrument
    cost: int  # 10^-(price_precision + quantity_precision) of the instrument
    realized: int  # 10^-(price_precision + quantity_precision) of the instrument
    fees: int  # 10^-(price_precision + quantity_precision) of the instrument


class Quote(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Best bid and ask of our own book, on change."""

    instrument: int  # id
    event_time: int  # ns UTC
    sequence: int  # id
    bid_price: int  # 10^-price_precision of the instrument
    bid_quantity: int  # 10^-quantity_precision of the instrument
    ask_price: int  # 10^-price_precision of the instrument
    ask_quantity: int  # 10^-quantity_precision of the instrument
    flags: int  # bit set


class RiskDecision(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Outcome of the pre-trade checks of one request, with the request."""

    order_id: str  # id, exactly 20 characters
    account: int  # id
    strategy: int  # id
    instrument: int  # id
    event_time: int  # ns UTC
    kind: int  # RequestKind
    outcome: int  # DecisionOutcome
    code: int  # RiskCode
    failed_checks: int  # bit set
    observed: int  # of the check
    limit: int  # of the check
    side: int  # Side
    order_type: int  # OrderType
    time_in_force: int  # TimeInForce
    post_only: bool  # boolean
    quantity: int  # 10^-quantity_precision of the instrument
    price: int  # 10^-price_precision of the instrument


class RiskEvent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One failed check or risk state change."""

    event_time: int  # ns UTC
    account: int  # id
    strategy: int  # id
    instrument: int  # id
    order_id: str  # id, exactly 20 characters
    code: int  # RiskCode
    severity: int  # Severity
    observed: int  # of the check
    limit: int  # of the check


class Signal(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A change of a strategy's view."""

    instrument: int  # id
    event_time: int  # ns UTC
    sequence: int  # id
    strategy: int  # id
    direction: int  # sign
    strength: float  # ratio
    size: int  # 10^-quantity_precision of the instrument
    fast: float  # of the strategy
    slow: float  # of the strategy
    flags: int  # bit set


class SimulationTruth(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Who was informed in the generated market; no stage may read it."""

    instrument: int  # id
    event_time: int  # ns UTC
    trade_id: int  # id
    informed: bool  # boolean
    fair_price: int  # 10^-price_precision of the instrument


class SnapshotChunk(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A chunk of a snapshot, or its manifest (last)."""

    sequence: int  # records
    journal_sequence: int  # count
    snapshot_digest: bytes  # 32 bytes
    number: int  # count
    chunks: int  # count
    payload: bytes  # bytes


class ClaimedTopic(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A topic that is claimed."""

    name: str  # name


class TopologyClaim(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A topology claims the topics it writes, or gives a claim back. The claim's offset is the topology's journal id."""

    topology: str  # name
    kind: int  # ClaimKind
    claim: int  # offset
    environment: str  # name
    topics: list[ClaimedTopic]  # topics
    shards: int  # count
    issued_by: str  # text


class Toxicity(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One closed volume bucket and the toxicity that can honestly be said so far."""

    instrument: int  # id
    event_time: int  # ns UTC
    bucket: int  # count
    bucket_size: int  # 10^-quantity_precision of the instrument
    buy_volume: int  # 10^-quantity_precision of the instrument
    sell_volume: int  # 10^-quantity_precision of the instrument
    window: int  # buckets
    imbalance_sum: int  # 10^-quantity_precision of the instrument
    vpin: float | None  # ratio 0 to 1
    vpin_null: float | None  # ratio 0 to 1
    vpin_excess: float | None  # ratio
    order_flow_imbalance: int  # 10^-quantity_precision of the instrument
    trade_count: int  # trades
    method: int  # SignMethod
    regime: int  # ToxicityRegime
    reason: int  # NullReason
    flags: int  # bit set
    order_flow_imbalance_wide: int | None = None  # 10^-quantity_precision of the instrument


class Trade(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One trade print of a venue."""

    instrument: int  # id
    event_time: int  # ns UTC
    receive_time: int  # ns, recorder clock
    trade_id: int  # id
    trade_count: int  # trades
    price: int  # 10^-price_precision of the instrument
    quantity: int  # 10^-quantity_precision of the instrument
    aggressor_side: int  # Side
    flags: int  # bit set


class VenueCommand(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A child order or cancel on its way to a venue."""

    order_id: str  # id, exactly 20 characters
    instrument: int  # id
    event_time: int  # ns UTC
    kind: int  # RequestKind
    side: int  # Side
    order_type: int  # OrderType
    time_in_force: int  # TimeInForce
    post_only: bool  # boolean
    quantity: int  # 10^-quantity_precision of the instrument
    price: int  # 10^-price_precision of the instrument


RECORDS: tuple[type[msgspec.Struct], ...] = (
    Bar,
    BookTicker,
    ControlCommand,
    DeadLetter,
    DeadLetterDecision,
    DepthUpdate,
    ExecutionReport,
    Fill,
    Instrument,
    JournalRecord,
    LogLine,
    Mark,
    MarketFeatures,
    Microstructure,
    OrderEvent,
    OrderRequest,
    PerformanceReport,
    PnL,
    Position,
    Quote,
    RiskDecision,
    RiskEvent,
    Signal,
    SimulationTruth,
    SnapshotChunk,
    TopologyClaim,
    Toxicity,
    Trade,
    VenueCommand,
)
