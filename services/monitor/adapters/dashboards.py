"""A target's dashboard: six graphs, and the thresholds of the rules on them.

Source of the body's syntax: "Dashboard body structure and syntax" in the CloudWatch API Reference.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import structlog

from contracts.base import Target
from contracts.limits import ERROR_RATE
from contracts.policy import Monitoring
from services._aws.errors import AwsError, changing, reading
from services._chassis.aws import Aws
from services.monitor.adapters.queries import dimensions_of, namespace
from services.monitor.domain.measures import Graph
from services.monitor.domain.metrics import (
    BALANCER_5XX,
    CPU,
    DATABASE_ERRORS,
    HEALTHY,
    MEMORY,
    REQUESTS,
    RESPONSE_TIME,
    RUNNING,
    TARGET_5XX,
    Metric,
    WatchedService,
)
from services.monitor.domain.names import dashboard_name, former_name
from services.monitor.domain.rules import Rule

log = structlog.get_logger()

WIDTH, HEIGHT = 12, 6
"""The size of a graph in the dashboard's grid of 24 columns."""
_TARGET_4XX = Metric("target_4xx", "HTTPCode_Target_4XX_Count", "Sum", "group")
_UNHEALTHY = Metric("unhealthy", "UnHealthyHostCount", "Maximum", "group")
_RESPONSE_TIMES = tuple(Metric(f"response_{stat}", RESPONSE_TIME.name, stat, "group") for stat in ("p50", "p95", "p99"))
_RATE = ERROR_RATE.format(
    requests=REQUESTS.id, target_5xx=f"FILL({TARGET_5XX.id}, 0)", balancer_5xx=f"FILL({BALANCER_5XX.id}, 0)"
)
_OF_LOAD_BALANCERS = frozenset({Graph.LOAD_BALANCER, Graph.ERROR_RATE, Graph.RESPONSE_TIME})


@dataclass(frozen=True, slots=True)
class CloudWatchDashboards:
    aws: Aws
    period: int
    """The seconds that one point of a graph stands for, a multiple of 60."""

    async def put(self, target: Target, service: WatchedService, rules: Iterable[Rule], monitoring: Monitoring) -> str:
        widgets = Drawing(service, monitoring, target.region, self.period).widgets(rules)
        name = dashboard_name(target.cluster, target.service)
        body = json.dumps({"widgets": widgets})
        with changing("CloudWatch", "PutDashboard"):
            await self.aws.at(target).call("cloudwatch", "put_dashboard", DashboardName=name, DashboardBody=body)
        try:
            await self._delete_former(target)
        except AwsError as error:  # the new one stands, and that is what counts
            log.warning("the previous version's dashboard is left behind", target=str(target), why=str(error))
        return name

    async def _delete_former(self, target: Target) -> None:
        """Delete the dashboard of the previous version, unless it shows another service, whose name was the same."""
        name = former_name(target.cluster, target.service)
        body = await self._body(target, name)
        if body is None or not shows(body, target):
            return
        with changing("CloudWatch", "DeleteDashboards"):
            await self.aws.at(target).call("cloudwatch", "delete_dashboards", DashboardNames=[name])

    async def body(self, target: Target) -> str | None:
        return await self._body(target, dashboard_name(target.cluster, target.service))

    async def _body(self, target: Target, name: str) -> str | None:
        try:
            with reading("CloudWatch", "GetDashboard"):
                answer = await self.aws.at(target).call("cloudwatch", "get_dashboard", DashboardName=name)
        except AwsError as error:
            if error.code in {"ResourceNotFound", "DashboardNotFoundError"}:
                return None
            raise
        return str(answer["DashboardBody"])


@dataclass(frozen=True, slots=True)
class Drawing:
    """The dashboard of one service."""

    service: WatchedService
    monitoring: Monitoring
    region: str
    period: int

    def widgets(self, rules: Iterable[Rule]) -> list[dict[str, Any]]:
        """Return the graphs that this service can fill, two in a row, with the thresholds of the rules on them."""
        graphs = [graph for graph in Graph if self.service.balanced or graph not in _OF_LOAD_BALANCERS]
        marks = _marks(rules)
        return [
            {"type": "metric", "x": index % 2 * WIDTH, "y": index // 2 * HEIGHT, "width": WIDTH, "height": HEIGHT}
            | {"properties": self._properties(graph, marks.get(graph, []))}
            for index, graph in enumerate(graphs)
        ]

    def _lines(self, graph: Graph) -> list[Any]:
        match graph:
            case Graph.SERVICE:
                return self._all(RUNNING, *((HEALTHY, _UNHEALTHY) if self.service.balanced else ()))
            case Graph.LOAD_BALANCER:
                return self._all(REQUESTS, _TARGET_4XX, TARGET_5XX, BALANCER_5XX)
            case Graph.ERROR_RATE:
                hidden = [self._line(metric, visible=False) for metric in (REQUESTS, TARGET_5XX, BALANCER_5XX)]
                return [[{"expression": _RATE, "label": "5xx per 100 requests", "id": "rate"}], *hidden]
            case Graph.RESPONSE_TIME:
                return self._all(*_RESPONSE_TIMES)
            case Graph.RESOURCES:
                return self._all(CPU, MEMORY)
            case Graph.DATABASE:
                return [*self._all(DATABASE_ERRORS), *self._database()]

    def _database(self) -> list[Any]:
        if not self.monitoring.database:
            return []
        named = ["DBInstanceIdentifier", self.monitoring.database]
        return [["AWS/RDS", name, *named] for name in ("DatabaseConnections", "CPUUtilization", "ReadLatency")]

    def _all(self, *metrics: Metric) -> list[Any]:
        return [self._line(metric) for metric in metrics]

    def _line(self, metric: Metric, **options: object) -> list[Any]:
        dimensions = dimensions_of(metric, self.service)
        named = [part for dimension in dimensions for part in (dimension["Name"], dimension["Value"])]
        shown = {"id": metric.id, "stat": metric.stat, **options}
        return [namespace(metric, self.monitoring.metrics_namespace), metric.name, *named, shown]

    def _properties(self, graph: Graph, marks: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "title": graph,
            "region": self.region,
            "view": "timeSeries",
            "period": self.period,
            "metrics": self._lines(graph),
            "yAxis": {"left": {"min": 0}},
        } | ({"annotations": {"horizontal": marks}} if marks else {})


def shows(body: str, target: Target) -> bool:
    """Return whether a dashboard shows a metric of exactly this service."""
    named = ["ClusterName", target.cluster, "ServiceName", target.service]
    widgets = json.loads(body).get("widgets") or ()
    lines = (line for widget in widgets for line in widget.get("properties", {}).get("metrics") or ())
    return any(line[2:6] == named for line in lines)


def _marks(rules: Iterable[Rule]) -> dict[Graph, list[dict[str, Any]]]:
    """Return a horizontal line for each rule that has one, by graph, the lowest threshold first."""
    marks: dict[Graph, list[dict[str, Any]]] = {}
    for rule in sorted(rules, key=lambda rule: rule.threshold):
        if mark := rule.measure.mark:
            marks.setdefault(mark.graph, []).append({"label": rule.label, "value": rule.threshold})
    return marks
