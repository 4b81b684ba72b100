"""The scheduler's tables: topics, stages, who reads what, what was emitted and is not delivered
yet.

Addresses are int64. A topic's rows have the DTYPE of ``schemas/compiled``.
"""

from __future__ import annotations

import numpy as np

from streams.numeric.stage_records import words

SCHEDULE = np.dtype(
    words("outcome position total is_last before records length clock sequence limit limit_clock")
    + words("emissions_used frames_used stored collected is_draining short_topic short_length")
    + words("timer timer_value timer_step timer_clock")
    + words("kept_clock kept_sequence kept_limit kept_limit_clock")
    + words("called_stage called_reader called_topic called_row code")
    + words("venue_rank venue_run venue_command venue_packed venue_control reports reports_topic")
    + words("reports_most")
    + words("events clocks ids topics stages outputs readers timers emissions frames")
)
"""The scheduler itself.

``position`` is the next event of the window's ``total``; ``is_last``: no window follows in the
input batch, which has ``records`` inputs (``length`` with its end) at ``clocks``, ``before`` of
them consumed earlier. ``limit`` and ``limit_clock`` say how far the venue must be when a command
comes now. ``stored`` counts the rows put in order since the last flush. ``collected``: the stage
whose rows are still to be collected, -1: none. ``is_draining``: only what was emitted is delivered.
``short_topic`` must have room for ``short_length`` rows, -1: the emissions. ``timer`` is the place
of the next timer, -1: none. ``kept_*``: what a stage that stands in for a strategy of the upstream
pass was called behind: where nothing comes of the call, that is not where the order side is.
``called_*`` and ``code`` say what Python is to do. ``venue_*`` are the
entries, the context and the control of the venue's loop, 0 without one; ``reports`` its rows. The
last line are addresses.
"""

TOPIC = np.dtype(
    words("kind rows used length order ordered is_disordered first_reader readers source stride")
    + words("target")
)
"""A topic. ``rows``: the table of what was emitted, in the order of emission; ``order``: places of
those rows in the order of delivery, which is the order of the topic's records; ``source``: rows
that the upstream pass or a window of strategies made. ``target``: the topic whose records a window
of strategies made."""
STORED, LISTED, UPSTREAM, MADE, RELAYED = map(np.int64, range(5))
"""Kinds of topics: rows in a table; records in a Python list, for they have text in them; rows of
the upstream pass, or records of an input; rows that market-data-only strategies made; rows of the
upstream pass, or records of an input, that are relayed (``topology.py``)."""

STAGE = np.dtype(
    words("entry header out first_output outputs sequence sequence_used rank ids_used")
)
"""A compiled stage: the address of its entry, and of the records that it is called with. The words
at ``sequence`` and ``sequence_used`` hold the table that says in which order its outputs were
written, and how many they are; 0: in the order of its outputs."""

OUTPUT = np.dtype(words("topic table used taken"))
"""An output of a stage: the addresses of the words that hold its table, and the rows used of it."""

READER = np.dtype(words("stage kind"))
"""Who reads a topic: a stage and the kind of its handler. ``kind`` of PYTHON: which Python
function.
"""
PYTHON, VENUE = map(np.int64, (-1, -2))

TIMER = np.dtype(words("deadline stage kind rank"))
"""A timer: the address of the word with its deadline. ``kind`` of PYTHON: which Python stage."""

EMISSION = np.dtype(words("topic row"))
FRAME = np.dtype(words("next first end reader"))
"""What one handler emitted: emissions ``first`` to ``end``; ``next`` is being delivered, to the
topic's reader ``reader``, -1 before it was put into the topic."""

WORD = np.dtype(words("value"))

NO_STEP, NO_TIMER = np.int64(2**62), np.int64(2**63 - 1)

GO, DONE, WINDOW, PYTHON_READER, PYTHON_TIMER, LIST, SETTLE, ROOM, FLUSH, VENUE_STOPPED, STUCK = (
    map(np.int64, range(11))
)
"""Why the scheduler returned: the input batch is done; the next window is wanted; a Python stage
has a record, or its timer is due; a record is for a list; a stage left a fault; a table is full;
rows are to be encoded; the venue's loop has no room or a fault; a timer did not move on."""
