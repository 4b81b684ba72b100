"""Panels: a title, a description that says what is normal, a unit, queries with legends,
thresholds. How they look is decided here, once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from grafana_foundation_sdk.builders import (
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

DATASOURCE = common_model.DataSourceRef(type_val="prometheus", uid="${datasource}")
GREEN, YELLOW, ORANGE, RED, BLUE, PURPLE, GREY = (
    "green",
    "yellow",
    "orange",
    "red",
    "blue",
    "purple",
    "gray",
)


class Query(NamedTuple):
    """One PromQL expression and how its series are named."""

    expr: str
    legend: str


class Panel(NamedTuple):
    """One panel.

    Attributes:
        kind: ``graph``, ``number``, ``states`` or ``table``.
        title: what is shown.
        description: what it means, and what is normal.
        unit: Grafana's unit id.
        queries: what is drawn.
        thresholds: (value, colour) from small to large; below the first it is green. Equal to the
            alerts' where there is one.
        names: value -> (text, colour), for states.
        width: of 24.
        height: in grid units.
        minimum: of the axis; None lets Grafana choose.
        stacked: series add up to something.
        low_is_bad: colours turn round: red below the first threshold.
        nothing: what is said where there is no data, if that is a state of its own.
    """

    kind: str
    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    thresholds: tuple[tuple[float, str], ...] = ()
    names: Mapping[int, tuple[str, str]] = {}
    width: int = 8
    height: int = 8
    minimum: float | None = 0
    stacked: bool = False
    low_is_bad: bool = False
    nothing: str = ""


def graph(title: str, description: str, unit: str, *queries: tuple[str, str], **more: Any) -> Panel:
    """Lines over time."""
    return Panel(
        "graph", title, description, unit, tuple(Query(*query) for query in queries), **more
    )


def number(title: str, description: str, unit: str, expr: str, **more: Any) -> Panel:
    """One number, as of now, coloured by its thresholds."""
    return Panel(
        "number", title, description, unit, (Query(expr, ""),), **{"width": 4, "height": 4, **more}
    )


def states(
    title: str,
    description: str,
    expr: str,
    legend: str,
    names: Mapping[int, tuple[str, str]],
    **more: Any,
) -> Panel:
    """A band of states over time, a row an entity."""
    return Panel(
        "states",
        title,
        description,
        "none",
        (Query(expr, legend),),
        names=names,
        **{"width": 12, **more},
    )


def rows(title: str, description: str, unit: str, expr: str, **more: Any) -> Panel:
    """A table of the present series, a row each."""
    return Panel("table", title, description, unit, (Query(expr, ""),), **{"width": 12, **more})


def enumerated(
    metric: str, selector: str, values: Sequence[str], by: str, label: str = "state"
) -> str:
    """PromQL that turns a 0/1 series a state into one number, the state's place in ``values``."""
    parts = [
        f'{metric}{{{selector},{label}="{value}"}} * {place}' for place, value in enumerate(values)
    ]
    return f"max by ({by}) (" + " or ".join(parts) + ")"


def build(panel: Panel) -> model.Panel:
    """Grafana's panel, without id and place."""
    built = {"graph": _graph, "number": _number, "states": _states, "table": _table}[panel.kind](
        panel
    )
    built.title(panel.title).description(panel.description).datasource(DATASOURCE).unit(panel.unit)
    for place, query in enumerate(panel.queries):
        built.with_target(_target(panel, place, query))
    built.thresholds(_thresholds(panel))
    if panel.minimum is not None and panel.kind in ("graph", "number"):
        built.min(panel.minimum)
    if panel.nothing:
        built.no_value(panel.nothing)
    found: model.Panel = built.build()
    return found


def _target(panel: Panel, place: int, query: Query) -> prometheus.Dataquery:
    target = (
        prometheus.Dataquery()
        .expr(_whole(query.expr))
        .ref_id(chr(ord("A") + place))
        .datasource(DATASOURCE)
    )
    if panel.kind in ("number", "table"):
        target.instant().legend_format(query.legend or "__auto")
        if panel.kind == "table":
            target.format(PromQueryFormat.TABLE)
    else:
        target.range().legend_format(query.legend)
    return target


def _whole(expr: str) -> str:
    """Events are counted: ``increase`` stretches what it saw to the whole window and would show
    1.07 fills. Shares stay as they are.
    """
    return f"round({expr})" if "increase(" in expr and " / " not in expr else expr


def _thresholds(panel: Panel) -> dashboard.ThresholdsConfig:
    first = RED if panel.low_is_bad else GREEN
    steps = [
        model.Threshold(None, first),
        *(model.Threshold(value, colour) for value, colour in panel.thresholds),
    ]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)


def _graph(panel: Panel) -> Any:
    legend = (
        common.VizLegendOptions()
        .display_mode(common_model.LegendDisplayMode.TABLE)
        .placement(common_model.LegendPlacement.BOTTOM)
    )
    legend.show_legend(True).calcs(["lastNotNull", "max"])
    tooltip = (
        common.VizTooltipOptions()
        .mode(common_model.TooltipDisplayMode.MULTI)
        .sort(common_model.SortOrder.DESCENDING)
    )
    built = (
        timeseries.Panel()
        .legend(legend)
        .tooltip(tooltip)
        .line_width(1)
        .fill_opacity(25 if panel.stacked else 8)
    )
    built.show_points(common_model.VisibilityMode.NEVER).span_nulls(False)
    if panel.stacked:
        built.stacking(common.StackingConfig().mode(common_model.StackingMode.NORMAL).group("A"))
    if panel.thresholds:
        built.thresholds_style(
            common.GraphThresholdsStyleConfig().mode(common_model.GraphThresholdsStyleMode.DASHED)
        )
    return built


def _number(panel: Panel) -> Any:
    reduce = common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)
    built = stat.Panel().reduce_options(reduce).graph_mode(common_model.BigValueGraphMode.NONE)
    built.color_mode(
        common_model.BigValueColorMode.BACKGROUND
        if panel.thresholds or panel.names
        else common_model.BigValueColorMode.VALUE
    )
    if panel.names:
        built.mappings([_mapping(panel)])
    return built


def _states(panel: Panel) -> Any:
    legend = (
        common.VizLegendOptions()
        .display_mode(common_model.LegendDisplayMode.LIST)
        .placement(common_model.LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    built = statetimeline.Panel().legend(legend).row_height(0.85).fill_opacity(80).line_width(0)
    return (
        built.show_value(common_model.VisibilityMode.AUTO)
        .merge_values(True)
        .mappings([_mapping(panel)])
    )


def _table(panel: Panel) -> Any:
    built = table.Panel().show_header(True).filterable(False)
    hidden = {"Time": True, "__name__": True}
    organize = model.DataTransformerConfig(
        id_val="organize", options={"excludeByName": hidden, "renameByName": {"Value": "value"}}
    )
    return built.with_transformation(organize)


def _mapping(panel: Panel) -> model.ValueMap:
    options = {
        str(value): model.ValueMappingResult(text=text, color=colour, index=place)
        for place, (value, (text, colour)) in enumerate(panel.names.items())
    }
    return model.ValueMap(options=options)
