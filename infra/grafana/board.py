"""A dashboard from its rows: the grid is filled from the left, variables and links are the same
everywhere, ids are given in order.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as model

from infra.grafana.panels import DATASOURCE, Panel, build

WIDTH = 24
REFRESH = "10s"
TAG = "shrivenquant"


class Variable(NamedTuple):
    """A template variable: one or several values of a label, narrowed by the variables before it.
    """

    name: str
    title: str
    query: str


class Row(NamedTuple):
    """Panels under one heading. The first row of a dashboard is open; details below are folded."""

    title: str
    panels: tuple[Panel, ...]
    folded: bool = False


class Board(NamedTuple):
    """One dashboard."""

    uid: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]
    folder: str
    span: str = "now-1h"


ENVIRONMENT = Variable("environment", "Environment", "label_values(up, environment)")
TOPOLOGY = Variable(
    "topology",
    "Topology",
    'label_values(shriven_task_state{environment=~"$environment"}, topology)',
)
SHARD = Variable(
    "shard",
    "Shard",
    'label_values(shriven_task_state{environment=~"$environment",topology=~"$topology"}, shard)',
)
GROUP = Variable(
    "group", "Group", 'label_values(shriven_consumer_state{environment=~"$environment"}, group)'
)
TOPIC = Variable(
    "topic",
    "Topic",
    'label_values(shriven_consumer_state{environment=~"$environment",group=~"$group"}, topic)',
)
PIPELINE = (ENVIRONMENT, TOPOLOGY, SHARD)
CONSUMERS = (ENVIRONMENT, GROUP, TOPIC)
TASKS = 'environment=~"$environment",topology=~"$topology",shard=~"$shard"'
TOPOLOGIES = 'environment=~"$environment",topology=~"$topology"'
GROUPS = 'environment=~"$environment",group=~"$group",topic=~"$topic"'
EVERYWHERE = 'environment=~"$environment"'


def dashboard_of(board: Board) -> model.Dashboard:
    """Grafana's model of the dashboard."""
    built = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags([TAG, board.folder])
    )
    built.readonly().timezone("browser").time(board.span, "now").refresh(REFRESH).tooltip(
        model.DashboardCursorSync.CROSSHAIR
    )
    built.with_variable(
        dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
    )
    for variable in board.variables:
        built.with_variable(_variable(variable))
    built.annotations([_annotation(*each) for each in ANNOTATIONS])
    link = (
        dashboard.DashboardLink("ShrivenQuant")
        .type(model.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(True)
        .include_vars(True)
        .keep_time(True)
    )
    built.links([link])
    whole: model.Dashboard = built.build()
    whole.panels = _placed(board.rows)
    return whole


def _placed(rows: tuple[Row, ...]) -> list[Any]:
    """Rows and panels with ids and places. A folded row holds its panels."""
    found: list[Any] = []
    identity = 0
    top = 0
    for row in rows:
        identity += 1
        header = model.RowPanel(title=row.title, id_val=identity, collapsed=row.folded, panels=[])
        header.grid_pos = model.GridPos(h=1, w=WIDTH, x=0, y=top)
        found.append(header)
        top += 1
        left = tallest = 0
        for panel in row.panels:
            if left + panel.width > WIDTH:
                left, top, tallest = 0, top + tallest, 0
            identity += 1
            made = build(panel)
            made.id_val = identity
            made.grid_pos = model.GridPos(h=panel.height, w=panel.width, x=left, y=top)
            left += panel.width
            tallest = max(tallest, panel.height)
            (header.panels if row.folded else found).append(made)
        top += tallest
    return found


def _variable(variable: Variable) -> dashboard.QueryVariable:
    made = (
        dashboard.QueryVariable(variable.name)
        .label(variable.title)
        .datasource(DATASOURCE)
        .query(variable.query)
        .definition(variable.query)
    )
    made.multi(True).include_all(True).all_value(".+").refresh(
        model.VariableRefresh.ON_TIME_RANGE_CHANGED
    ).sort(model.VariableSort.ALPHABETICAL_ASC)
    return made.current(model.VariableOption(selected=True, text="All", value="$__all"))


ANNOTATIONS = (
    (
        "Deploys",
        "blue",
        "max by (version, code) (shriven_build_info and on (instance) (time() - "
        'process_start_time_seconds{job="member"} < 30))',
        "{{version}} {{code}}",
    ),
    (
        "Replays",
        "purple",
        'count by (group) (shriven_consumer_state{purpose="replay",state="CATCHING_UP"} == 1)',
        "replay {{group}}",
    ),
    (
        "Critical alerts",
        "red",
        'count by (alertname) (ALERTS{alertstate="firing",severity="critical"})',
        "{{alertname}}",
    ),
)


def _annotation(name: str, colour: str, expr: str, title: str) -> dashboard.AnnotationQuery:
    made = (
        dashboard.AnnotationQuery()
        .name(name)
        .datasource(DATASOURCE)
        .enable(True)
        .hide(False)
        .icon_color(colour)
    )
    return made.expr(expr).title_format(title).step("10s")
