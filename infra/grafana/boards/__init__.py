"""The dashboards: what each shows. Overview first, then drill down by the links at the top."""

from infra.grafana.boards.day import DAY
from infra.grafana.boards.kafka import KAFKA
from infra.grafana.boards.lag import LAG
from infra.grafana.boards.market import AGGREGATION, MICROSTRUCTURE, TOXICITY
from infra.grafana.boards.money import PORTFOLIO, REPORTING
from infra.grafana.boards.orders import RISK, ROUTING, SIGNALS, VENUE
from infra.grafana.boards.overview import OVERVIEW

BOARDS = (
    OVERVIEW,
    LAG,
    AGGREGATION,
    TOXICITY,
    MICROSTRUCTURE,
    SIGNALS,
    RISK,
    ROUTING,
    VENUE,
    PORTFOLIO,
    REPORTING,
    DAY,
    KAFKA,
)
