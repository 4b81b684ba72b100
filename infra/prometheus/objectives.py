"""Service levels and thresholds, once: alerts compare with them, dashboards draw them.

Freshness: of the batches of 30 days, 99 % are committed within 500 ms of the Kafka timestamp of
their oldest record, the job's linger (`--linger`) left out. A batch counts once, by its oldest
record, so the objective is stricter than one that counts ticks. Burn rates are those of the SRE
workbook (Beyer et al., The Site Reliability Workbook, chapter 5): at 14.4 the month's budget is
gone in two days, at 6 in five.
"""

from __future__ import annotations

FRESHNESS_SECONDS = 0.5
FRESHNESS_OBJECTIVE = 0.99
FAST_BURN = 14.4
SLOW_BURN = 6.0
FRESHNESS_BATCHES = 1000
"""A share of fewer batches is no burn rate: 14 late ones of a start would be a page. Counted over
the longer window of each alert.
"""
ERROR_BUDGET = round(1 - FRESHNESS_OBJECTIVE, 6)
FAST_BURN_RATIO = round(FAST_BURN * ERROR_BUDGET, 6)
SLOW_BURN_RATIO = round(SLOW_BURN * ERROR_BUDGET, 6)

COMMIT_SECONDS = 0.1
TRANSACTION_AGE_SECONDS = 5.0
RETENTION_RATIO = 0.2
CAPACITY_RATIO = 0.8
DRAWDOWN_RATIO = 0.1
CRASH_LOOP_RESTARTS = 3
REBALANCES = 10
LAG_SECONDS = 10.0
"""Drawn only: when a lag is worth a look. Alarms follow the state of the group and the objective,
not a number of seconds.
"""
RECOVERY_SECONDS = 5.0
"""Drawn only: the bar of a recovery in the same slot."""
EXPORTER_AGE_SECONDS = 60.0
CANARY_SLACK = 1.5
"""A feed that brings less than this times what the canary writes is quiet: the two are counted by
different processes.
"""
