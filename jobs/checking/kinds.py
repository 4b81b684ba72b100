"""What each kind of finding means, how grave it is, and what to do: the one table of them.

Severity: an *error* makes results that were computed from the recording wrong; a *warning* asks to
be looked at; a *note* is a fact that a reader should know.
"""

from __future__ import annotations

from typing import NamedTuple

from streams.numeric.checking.codes import Code

NOTE, WARNING, ERROR = "note", "warning", "error"
SEVERITIES = (NOTE, WARNING, ERROR)


class Kind(NamedTuple):
    """A kind of finding. ``measure``: the unit of its greatest and total value, empty for none."""

    severity: str
    meaning: str
    action: str
    measure: str = ""


LOOK = "'sq cat FOLDER TOPIC --offset OFFSET' shows the records"
AGAIN = "record or download that part again, or leave it out with --from and --to"
KINDS: dict[Code, Kind] = {
    Code.UNKNOWN_INSTRUMENT: Kind(
        ERROR,
        "records of an instrument that ref.instruments does not have",
        "import again with the instrument in the table (--instruments)",
    ),
    Code.IMPLAUSIBLE_TIME: Kind(
        ERROR, "event times before 1970 or after 2100", "correct the source and import again"
    ),
    Code.LATE: Kind(
        NOTE,
        "records less than 1 s behind the time that their instrument had reached",
        "nothing: each counts at the time that was reached",
        "ns",
    ),
    Code.TIME_BACK: Kind(
        WARNING,
        "records 1 s or more behind the time that their instrument had reached",
        LOOK,
        "ns",
    ),
    Code.ESTIMATED_TIME: Kind(
        NOTE,
        "records without a usable time of the venue's, which have an estimated one",
        "nothing; latencies are not measured on them",
    ),
    Code.SILENCE: Kind(
        WARNING,
        "no record for longer than the limit; the place is that of the record behind it",
        "compare with the other topics: was the recorder disconnected? --silence sets the limit",
        "ns",
    ),
    Code.NEGATIVE_LATENCY: Kind(
        WARNING,
        "records received before they happened, though most are not: a clock wandered",
        "do not measure latencies on this recording; synchronise the recorder's clock",
        "ns",
    ),
    Code.RECORDER_CLOCK_BEHIND: Kind(
        WARNING,
        "most records are received before they happened: the recorder's clock is behind the "
        "venue's by at least the median",
        "results are not touched, for stages read event times; synchronise the recorder's clock",
        "ns",
    ),
    Code.LATENCY_JUMP: Kind(
        WARNING,
        "receive time less event time moved by more than 5 s from one record to the next",
        "the recorder was held up, or a clock was set: look at the records around it",
        "ns",
    ),
    Code.RECEIVE_TIME_BACK: Kind(
        WARNING,
        "receive times go back by more than 0.1 s: the recorder's clock was set back, or files are "
        "out of order",
        "check the order of the files and the recorder's clock",
        "ns",
    ),
    Code.TRADE_GAP: Kind(ERROR, "trade ids that never came", AGAIN, "ids"),
    Code.TRADE_DUPLICATE: Kind(
        ERROR,
        "trades whose id came before: their volume counts twice",
        "remove the overlap of the sources and import again",
    ),
    Code.TRADE_ID_LATE: Kind(
        NOTE, "trades that fill a gap of the ids before them", "nothing: they are there"
    ),
    Code.TRADE_IDS_ANEW: Kind(
        NOTE, "the venue numbers its trades anew", "nothing: the new numbering is followed"
    ),
    Code.IDS_NOT_CONTIGUOUS: Kind(
        NOTE,
        "trade ids are not numbered one by one, so that missing trades cannot be seen",
        "nothing; compare volumes with another source",
    ),
    Code.BAD_PRICE: Kind(ERROR, "prices that are not positive", LOOK),
    Code.BAD_QUANTITY: Kind(ERROR, "quantities that cannot be", LOOK),
    Code.OFF_TICK: Kind(
        WARNING,
        "prices off the instrument's tick",
        "check tick_size in the instrument table: was it in force on that day?",
        "levels",
    ),
    Code.OFF_LOT: Kind(
        NOTE,
        "quantities off the instrument's lot, as venues publish them",
        "nothing: lot rules bind orders, not the venue's data",
        "levels",
    ),
    Code.PRICE_JUMP: Kind(
        WARNING,
        "a price further from the one before than the limit",
        "a wrong print, or a real jump: compare with the book; --jump sets the limit",
        "ppm",
    ),
    Code.NO_AGGRESSOR: Kind(
        NOTE, "trades without the aggressor's side", "nothing; toxicity signs them by a rule"
    ),
    Code.DEPTH_GAP: Kind(
        ERROR,
        "updates are missing: the book is out of sync until the next snapshot",
        AGAIN,
        "ids",
    ),
    Code.NEVER_SYNCED: Kind(
        ERROR,
        "no snapshot that the updates continue: there is no book",
        "record a snapshot (GET depth) beside the stream",
    ),
    Code.BEFORE_SNAPSHOT: Kind(
        NOTE, "updates before the first snapshot, which no book takes", "nothing"
    ),
    Code.UPDATE_REPEATED: Kind(
        WARNING,
        "update ids at or below the one before",
        "duplicates or an order that is not the venue's; the book ignores them",
        "ids",
    ),
    Code.UPDATE_OVERLAP: Kind(
        WARNING,
        "updates that begin before the end of the one before (U is not the last u + 1)",
        "the book takes them; check that one stream was recorded, not two",
        "ids",
    ),
    Code.MALFORMED_UPDATE: Kind(
        ERROR, "updates with ids, prices or quantities that cannot be, which change nothing", LOOK
    ),
    Code.CROSSED: Kind(
        WARNING,
        "the best bid is above the best ask",
        "an auction, or a book that lost updates; orders are not priced on it",
        "ns",
    ),
    Code.LOCKED: Kind(WARNING, "the best bid equals the best ask", LOOK, "ns"),
    Code.ONE_SIDED: Kind(WARNING, "there is no bid, or no ask", LOOK, "ns"),
    Code.EMPTY_BOOK: Kind(WARNING, "there is neither bid nor ask", LOOK, "ns"),
    Code.UNSYNCED: Kind(
        WARNING, "the book is out of sync, after it was in sync", "see depth_gap", "ns"
    ),
    Code.BOOK_TOO_DEEP: Kind(
        ERROR,
        "a side has more levels than a book keeps: it is out of sync until the next snapshot",
        "check tick_size in the instrument table",
        "levels",
    ),
    Code.TICKER_DIFFERS: Kind(
        WARNING,
        "updates after which the best bid and ask are not the venue's own, at most 1 in 1,000",
        "the venue's streams may contradict each other for a few ids; look at the records",
    ),
    Code.TICKER_DIFFERS_OFTEN: Kind(
        ERROR,
        "updates after which the best bid and ask are not the venue's own, more than 1 in 1,000",
        "the book is wrong: check the snapshot's instrument and the order of the files",
    ),
    Code.BAR_INCONSISTENT: Kind(
        ERROR, "bars whose open, high, low, close or volumes cannot be", LOOK
    ),
    Code.BAR_MISSING: Kind(
        WARNING,
        "intervals without a bar, but for those in which the venue was closed",
        "nobody traded, or rows are missing: compare with the source",
        "intervals",
    ),
    Code.BAR_OVERLAP: Kind(ERROR, "bars that begin before the end of the one before", LOOK, "ns"),
    Code.BAR_REPEATED: Kind(
        ERROR, "a second bar of an interval, with the same version", "remove it at the source"
    ),
    Code.BAR_ZERO_VOLUME: Kind(NOTE, "bars without volume", "nothing: nobody traded"),
    Code.BAR_LENGTH: Kind(ERROR, "bars whose close time is not open time and interval", LOOK),
    Code.BAR_DIFFERS: Kind(
        ERROR,
        "bars that are not those of md.trades",
        "trades are missing or counted twice, or the bars are another market's",
    ),
    Code.STARTS_LATE: Kind(
        WARNING, "the topic begins later than the recording", "was the stream subscribed?", "ns"
    ),
    Code.ENDS_EARLY: Kind(
        WARNING, "the topic ends before the recording", "was the stream cut?", "ns"
    ),
    Code.DIGEST_DIFFERS: Kind(
        ERROR,
        "the records are not those that the manifest lists",
        "run 'sq verify', and restore the folder from a copy",
    ),
    Code.NOT_CLOSED: Kind(
        WARNING,
        "no manifest closes the folder: the recording may be unfinished",
        "let the command that writes it end",
    ),
    Code.UNREADABLE: Kind(
        ERROR,
        "the topic cannot be read further: nothing behind that place was checked",
        "run 'sq verify', and restore the folder from a copy",
    ),
    Code.REFUSED_LINES: Kind(
        NOTE,
        "lines that the import refused",
        "'sq cat FOLDER import.dlq' says which, and why",
    ),
}
