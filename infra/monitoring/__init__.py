"""Prometheus, Alertmanager and the lag exporter as processes of this machine; what Grafana needs.

Start reading at :mod:`infra.monitoring.stack`. The configurations are written by
:mod:`infra.monitoring.configuration`, for this machine and, committed under ``infra/prometheus``,
``infra/alertmanager`` and ``infra/grafana/provisioning``, for containers.
"""
