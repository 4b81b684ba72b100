"""Reporting: from what the ledger booked to numbers and a page that can be trusted.

Topics in: fills, pnl, ref.instruments. Topic out: reports (one PerformanceReport for each metric, at the end of the input).

Start with `metrics.py`: what each number means. `equity.py` samples equity each minute, `round_trips.py` pairs fills into round trips; both are
plain state machines, shared by the stage (`stage.py`) and by the report. The report is a pure function of a run's records:
`document.py` gathers them into one model (`accounting.py`, `estimates.py` and `caveats.py` are its chapters), `tables.py` writes the CSV files,
`tearsheet.py` one HTML page with the pictures of `charts.py`. The same records give the same bytes, in every format the same numbers.
"""
