"""Grafana: dashboards as code. ``python -m infra.grafana.generate`` writes ``dashboards/*.json``; a
test compares them.

Start reading at :mod:`infra.grafana.boards` (one module a dashboard or a few of a kind: titles,
queries, thresholds, and nothing else), then :mod:`infra.grafana.panels` (how a panel is made) and
:mod:`infra.grafana.board` (how panels become a dashboard: grid, variables, links).
"""
