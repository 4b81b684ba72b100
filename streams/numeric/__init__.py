"""What stages share: exact numbers, built ids, draws, and the order book. No topics, no clock, no
files.

- ``fixed``: decimal text and int64, and the named roundings; ``wide``: 128-bit sums as two limbs,
  of the market stages.
- ``int128``: 128-bit integers in kernels that read like Python's; ``table``: records and tables of
  records, each one pointer; ``index``: from ids to rows; ``pool``: rows that come and go, in
  chains, and ids remembered last; ``conversion``: single records to rows and back.
- ``cost``: average cost of a position, as portfolio and risk keep it.
- ``identity``: order ids from (journal, shard, sequence, ordinal); ``draws``: random numbers as
  functions of (seed, entity, ordinal).
- ``book``: the L2 book. Read ``reference_book`` for what it does, ``sync`` for when it may be
  believed, ``book_state`` for how its memory is laid out; then ``book`` (one record), ``book_side``
  (the hot loop), ``window`` and ``tail`` (where levels live), ``book_queries``, ``book_levels``.
- ``elementary``: exp, log and pow; ``error_function``: erfc; ``normal``: the normal distribution;
  ``elementary_tables``: their tables.
- ``smoothing``, ``rolling``, ``vwap``: the indicators; ``periods``: how far they look back;
  ``session``: times of day.
- ``measures``: measures of microstructure (spreads, impact, flow, intensities), a file each.
- ``borrowing``: the kernel decorator of all these, without reference counts; ``shared``: the one of
  steps that plain Python calls, too; ``bits``: processor operations Numba lacks.
- ``order_requests``, ``strategy_reads``: what compiled strategies call; ``strategy_outputs``,
  ``strategy_view``, ``portfolio_reads``: the records behind it; ``entry_calls``: calls by address.
- ``outputs``: the type of what a kernel appends its rows to.
"""
