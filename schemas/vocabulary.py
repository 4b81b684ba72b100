"""One vocabulary: every enum of the schemas, and the data-quality flags.

Generated from the .avsc files by `python -m schemas.generate`; edit those, not this.
"""

import enum


class BarKind(enum.IntEnum):
    """How a bar is cut."""

    UNKNOWN = 0
    TIME = 1


class ClaimKind(enum.IntEnum):
    """A claim, or its end."""

    UNKNOWN = 0
    CLAIM = 1
    CLOSED = 2


class ControlKind(enum.IntEnum):
    """Operator command."""

    UNKNOWN = 0
    KILL = 1
    REARM = 2
    LIMIT = 3
    PARAMETER = 4
    SKIP = 5


class ControlScope(enum.IntEnum):
    """What an operator command covers."""

    UNKNOWN = 0
    SYSTEM = 1
    ACCOUNT = 2
    STRATEGY = 3
    INSTRUMENT = 4


class DeadLetterAction(enum.IntEnum):
    """What was decided about a dead letter."""

    UNKNOWN = 0
    REDRIVEN = 1
    DISCARDED = 2


class DecisionOutcome(enum.IntEnum):
    """Result of the pre-trade checks."""

    UNKNOWN = 0
    APPROVED = 1
    DENIED = 2


class DepthKind(enum.IntEnum):
    """What a depth record does to the book."""

    UNKNOWN = 0
    DELTA = 1
    SNAPSHOT = 2


class InstrumentKind(enum.IntEnum):
    """Kind of contract."""

    UNKNOWN = 0
    SPOT = 1
    PERPETUAL = 2
    FUTURE = 3
    OPTION = 4
    EQUITY = 5
    INDEX = 6


class JournalKind(enum.IntEnum):
    """Kind of journal record."""

    UNKNOWN = 0
    GENESIS = 1
    BATCH = 2
    UPGRADE = 3
    SKIP = 4
    CLOSE = 5


class Liquidity(enum.IntEnum):
    """Whether a fill added or removed liquidity."""

    UNKNOWN = 0
    MAKER = 1
    TAKER = 2


class NullReason(enum.IntEnum):
    """Why a nullable measure is null."""

    UNKNOWN = 0
    NONE = 1
    WARMING_UP = 2
    STALE_BOOK = 3
    END_OF_INPUT = 4
    NO_MARK = 5
    TOO_FEW_SAMPLES = 6


class OrderReason(enum.IntEnum):
    """Why an order event happened or was refused."""

    UNKNOWN = 0
    NONE = 1
    RISK_DENIED = 2
    USER_CANCEL = 3
    KILL_SWITCH = 4
    IOC_REMAINDER = 5
    NO_LIQUIDITY = 6
    BOOK_NOT_SYNCED = 7
    POST_ONLY_WOULD_CROSS = 8
    UNKNOWN_ORDER = 9
    ORDER_CLOSED = 10
    DUPLICATE_ORDER = 11
    INVALID_ORDER = 12
    OVERFILL = 13
    WRONG_SIDE = 14
    WRONG_INSTRUMENT = 15
    INVALID_FILL = 16
    DUPLICATE_FILL = 17
    REFUSED_TRANSITION = 18
    LATE_FILL = 19
    CANCEL_REJECTED = 20
    CAPACITY = 21
    END_OF_INPUT = 22
    PROTECTION_PRICE = 23
    LIQUIDATION = 24


class OrderStatus(enum.IntEnum):
    """State of the order state machine."""

    UNKNOWN = 0
    NEW = 1
    PENDING_RISK = 2
    APPROVED = 3
    SUBMITTED = 4
    ACCEPTED = 5
    TRIGGERED = 6
    PARTIALLY_FILLED = 7
    FILLED = 8
    PENDING_CANCEL = 9
    CANCELLED = 10
    PENDING_REPLACE = 11
    REPLACED = 12
    REJECTED = 13
    EXPIRED = 14
    DENIED = 15
    IN_DOUBT = 16


class OrderType(enum.IntEnum):
    """Order type."""

    UNKNOWN = 0
    MARKET = 1
    LIMIT = 2


class ReportKind(enum.IntEnum):
    """What an execution report says."""

    UNKNOWN = 0
    ACCEPTED = 1
    REJECTED = 2
    FILL = 3
    CANCELLED = 4
    CANCEL_REJECTED = 5
    EXPIRED = 6


class RequestKind(enum.IntEnum):
    """What an order request asks for."""

    UNKNOWN = 0
    NEW = 1
    CANCEL = 2


class RiskCode(enum.IntEnum):
    """Pre-trade check that failed; streams/risk/codes.py has the order of evaluation."""

    UNKNOWN = 0
    NONE = 1
    KILL_SWITCH = 2
    UNKNOWN_INSTRUMENT = 3
    FOREIGN_ACCOUNT = 4
    INVALID_QUANTITY = 5
    INVALID_PRICE = 6
    DUPLICATE_ORDER = 7
    STALE_DATA = 8
    NO_REFERENCE_PRICE = 9
    MIN_QUANTITY = 10
    MAX_QUANTITY = 11
    MIN_NOTIONAL = 12
    MAX_NOTIONAL = 13
    POSITION_LIMIT = 14
    SHORT_NOT_ALLOWED = 15
    PRICE_COLLAR = 16
    INSUFFICIENT_CASH = 17
    UNKNOWN_ORDER = 18
    OUTSIDE_WINDOW = 19
    INSUFFICIENT_MARGIN = 20
    LIQUIDATION = 21
    ACCOUNT_HALTED = 22


class Severity(enum.IntEnum):
    """Alert level."""

    UNKNOWN = 0
    INFO = 1
    WARNING = 2
    CRITICAL = 3
    EMERGENCY = 4


class Side(enum.IntEnum):
    """Side of an order, trade or fill."""

    UNKNOWN = 0
    BUY = 1
    SELL = 2


class SignMethod(enum.IntEnum):
    """How the aggressor side of trades was found."""

    UNKNOWN = 0
    EXCHANGE_FLAG = 1
    TICK_RULE = 2
    LEE_READY = 3


class TimeInForce(enum.IntEnum):
    """Time in force."""

    UNKNOWN = 0
    GTC = 1
    IOC = 2


class ToxicityRegime(enum.IntEnum):
    """Plain-language reading of the toxicity components."""

    UNKNOWN = 0
    BENIGN = 1
    ELEVATED = 2
    TOXIC = 3


class Flag(enum.IntFlag):
    """Data-quality bits of the ``flags`` field."""

    STALE = 1  # the book or mark behind the value is older than it may be
    GAP = 2  # records are missing before this one
    CROSSED = 4  # best bid at or above best ask
    ONE_SIDED = 8  # no bid or no ask
    LATE = 16  # event time behind the clock
    AMENDED = 32  # replaces an earlier version
    ESTIMATED_TIME = 64  # event time is not the venue's own
    OUT_OF_HOURS = 128  # outside the venue's session
    PARTIAL = 256  # the interval is not covered in full
    SYNTHETIC = 512  # filled in, not observed
    SIMULATED = 1024  # from a generated market
    OFF_TICK = 2048  # price off the tick or quantity off the lot
    FIRST_OF_SNAPSHOT = 4096  # first chunk of a book snapshot: clears the book
    LAST_OF_SNAPSHOT = 8192  # last chunk of a book snapshot: completes it
    FUTURES_CHAIN = 16384  # updates chain by previous id, the rule of futures feeds
    OVERFLOW = 32768  # a sum beyond int64, whose wide field holds it


class MeasureReason(enum.IntEnum):
    """Why a measure of ``md.microstructure`` is null."""

    UNKNOWN = 0
    NONE = 1  # the measure is not null
    WARMING_UP = 2  # its window is not full yet
    UNDEFINED = 3  # its formula has no value for what was seen
    NO_TRADES = 4  # no trade with a known aggressor, or no trade at all
    STALE_BOOK = 5  # there was no book in sync
    NOT_GIVEN = 6  # the settings name no parameters for it
