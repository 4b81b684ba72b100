"""Reporting: from what the ledger booked to numbers and a page that can be trusted.

The stage. Topics in: fills, pnl, ref.instruments. Topic out: reports (one PerformanceReport for
each metric, at the end of the input).

Start with `metrics.py`: what each number means. `equity.py` samples equity each minute,
`round_trips.py` pairs fills into round trips; both are plain state machines, shared by the stage
(`stage.py`) and by the report. The report is a pure function of a run's records, positions, quotes
and marks too: `document.py` gathers them into one model. Its chapters are `accounting.py`,
`estimates.py` and `report_warnings.py`, and those of `detail.py`: the drawn curve, buy and hold,
returns by month and day, rolling statistics, profit by instrument, excursions, markouts and
inventory (docs/tearsheet.md says what each is). `tables.py` writes the CSV files, `tearsheet.py`
one HTML page from the sections and charts beside it. The same records give the same bytes, in every
format the same numbers.
"""
