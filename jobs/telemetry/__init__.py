"""What our processes say of themselves: metrics, health, structured logs. Taken at the edges; no
stage knows of it.

Start reading at :mod:`jobs.telemetry.metrics` (every metric in one table), then
:mod:`jobs.telemetry.task` (what the runner's observer calls), :mod:`jobs.telemetry.serving`
(``/metrics`` and ``/healthz``, and how Prometheus finds the port) and :mod:`jobs.telemetry.logs`.
"""
