"""Prometheus: what is recorded, what alarms, which fault fires which alert. Everything in
``rules/`` is generated from here.

Start reading at :mod:`infra.prometheus.alerts` (one table), then :mod:`infra.prometheus.faults`
(the fault catalogue as scripted series, which ``promtool`` runs). ``python -m
infra.prometheus.generate`` writes ``rules/*.yml`` and ``docs/reference/faults.md``; a test compares
them.
"""
