"""A target's dashboard: six graphs and where their limits are.

Source of the body's syntax: "Dashboard body structure and syntax" in the CloudWatch API Reference.
"""

import json
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from services._chassis.aws import Aws
from services.monitor.adapters.failures import asking, code
from services.monitor.adapters.queries import dimensions_of, namespace
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
    Dimensions,
    Metric,
    own_name,
)

WIDTH, HEIGHT = 12, 6
"""Of a graph, in the dashboard's grid of 24 columns."""
_TARGET_4XX = Metric("target_4xx", "HTTPCode_Target_4XX_Count", "Sum", "group")
_UNHEALTHY = Metric("unhealthy", "UnHealthyHostCount", "Maximum", "group")
_RESPONSE_TIMES = tuple(Metric(f"response_{stat}", RESPONSE_TIME.name, stat, "group") for stat in ("p50", "p95", "p99"))
_RATE = "100 * (FILL(target_5xx, 0) + FILL(elb_5xx, 0)) / (requests + FILL(elb_5xx, 0))"


@dataclass(frozen=True, slots=True)
class CloudWatchDashboards:
    aws: Aws
    region: str
    application: str
    """The application's namespace."""
    database: str | None
    """The RDS instance that the application uses, if it is known."""
    period: int
    """Seconds of one point, a multiple of 60."""

    async def put(self, dimensions: Dimensions) -> str:
        with asking("CloudWatch", "PutDashboard"):
            await self.aws.call(
                "cloudwatch",
                "put_dashboard",
                DashboardName=dimensions.own_name,
                DashboardBody=json.dumps({"widgets": self.widgets(dimensions)}),
            )
        return dimensions.own_name

    async def body(self, cluster: str, service: str) -> str | None:
        with asking("CloudWatch", "GetDashboard"):
            try:
                name = own_name(cluster, service)
                answer = await self.aws.call("cloudwatch", "get_dashboard", DashboardName=name)
            except ClientError as error:
                if code(error) in {"ResourceNotFound", "DashboardNotFoundError"}:
                    return None
                raise
        return str(answer["DashboardBody"])

    def widgets(self, target: Dimensions) -> list[dict[str, Any]]:
        """Return the graphs that this target can fill, two in a row."""
        graphs = [
            self._graph("ECS Service Overview", target, (RUNNING, *((HEALTHY, _UNHEALTHY) if target.balanced else ()))),
            self._graph("Resource Utilization (%)", target, (CPU, MEMORY), {"CPU warning": 80, "memory warning": 85}),
            self._database(target),
        ]
        if target.balanced:
            graphs[1:1] = [
                self._graph("Application Load Balancer", target, (REQUESTS, _TARGET_4XX, TARGET_5XX, BALANCER_5XX)),
                self._error_rate(target),
                self._graph("Response Time (s)", target, _RESPONSE_TIMES, {"warning (p95)": 2, "critical (p95)": 5}),
            ]
        return [
            {"type": "metric", "x": index % 2 * WIDTH, "y": index // 2 * HEIGHT, "width": WIDTH, "height": HEIGHT}
            | {"properties": properties}
            for index, properties in enumerate(graphs)
        ]

    def _graph(
        self, title: str, target: Dimensions, metrics: tuple[Metric, ...], limits: dict[str, float] | None = None
    ) -> dict[str, Any]:
        return self._properties(title, [self._line(metric, target) for metric in metrics], limits or {})

    def _error_rate(self, target: Dimensions) -> dict[str, Any]:
        hidden = [self._line(metric, target, visible=False) for metric in (REQUESTS, TARGET_5XX, BALANCER_5XX)]
        lines = [[{"expression": _RATE, "label": "5xx per 100 requests", "id": "rate"}], *hidden]
        return self._properties("Error Rate (%)", lines, {"warning": 5, "critical": 10})

    def _database(self, target: Dimensions) -> dict[str, Any]:
        lines = [self._line(DATABASE_ERRORS, target)]
        if self.database:
            named = ["DBInstanceIdentifier", self.database]
            lines += [["AWS/RDS", name, *named] for name in ("DatabaseConnections", "CPUUtilization", "ReadLatency")]
        return self._properties("Database", lines, {})

    def _line(self, metric: Metric, target: Dimensions, **options: object) -> list[Any]:
        named = [part for one in dimensions_of(metric, target) for part in (one["Name"], one["Value"])]
        shown = {"id": metric.id, "stat": metric.stat, **options}
        return [namespace(metric, self.application), metric.name, *named, shown]

    def _properties(self, title: str, lines: list[Any], limits: dict[str, float]) -> dict[str, Any]:
        marks = [{"label": label, "value": value} for label, value in limits.items()]
        return {
            "title": title,
            "region": self.region,
            "view": "timeSeries",
            "period": self.period,
            "metrics": lines,
            "yAxis": {"left": {"min": 0}},
        } | ({"annotations": {"horizontal": marks}} if marks else {})
