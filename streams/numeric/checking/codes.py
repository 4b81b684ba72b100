"""What ``sq check`` counts: a number for kernels, a name for people."""

from __future__ import annotations

import enum


class Code(enum.IntEnum):
    """A kind of finding. ``jobs/checking/kinds.py`` says what each means and what to do."""

    UNKNOWN_INSTRUMENT = 0
    IMPLAUSIBLE_TIME = 1
    LATE = 2
    TIME_BACK = 3
    ESTIMATED_TIME = 4
    SILENCE = 5
    NEGATIVE_LATENCY = 6
    RECORDER_CLOCK_BEHIND = 7
    LATENCY_JUMP = 8
    RECEIVE_TIME_BACK = 9
    TRADE_GAP = 10
    TRADE_DUPLICATE = 11
    TRADE_ID_LATE = 12
    TRADE_IDS_ANEW = 13
    IDS_NOT_CONTIGUOUS = 14
    BAD_PRICE = 15
    BAD_QUANTITY = 16
    OFF_TICK = 17
    OFF_LOT = 18
    PRICE_JUMP = 19
    NO_AGGRESSOR = 20
    DEPTH_GAP = 21
    NEVER_SYNCED = 22
    BEFORE_SNAPSHOT = 23
    UPDATE_REPEATED = 24
    UPDATE_OVERLAP = 25
    MALFORMED_UPDATE = 26
    CROSSED = 27
    LOCKED = 28
    ONE_SIDED = 29
    EMPTY_BOOK = 30
    UNSYNCED = 31
    BOOK_TOO_DEEP = 32
    TICKER_DIFFERS = 33
    BAR_INCONSISTENT = 34
    BAR_MISSING = 35
    BAR_OVERLAP = 36
    BAR_REPEATED = 37
    BAR_ZERO_VOLUME = 38
    BAR_LENGTH = 39
    BAR_DIFFERS = 40
    STARTS_LATE = 41
    ENDS_EARLY = 42
    DIGEST_DIFFERS = 43
    NOT_CLOSED = 44
    UNREADABLE = 45
    REFUSED_LINES = 46
    TICKER_DIFFERS_OFTEN = 47
