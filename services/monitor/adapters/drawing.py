"""The body of a dashboard: six graphs, and two more of each target group where a service has several.

Source of its syntax: "Dashboard body structure and syntax" in the CloudWatch API Reference.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.limits import ERROR_RATE
from contracts.policy import Monitoring
from services.monitor.adapters.queries import dimensions_of, namespace
from services.monitor.domain.groups import series_of, ways_of
from services.monitor.domain.measures import OF_SHARED, Graph, shared_counts
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
)
from services.monitor.domain.rules import Rule
from services.monitor.domain.watched_service import WatchedService

WIDTH, HEIGHT = 12, 6
"""The size of a graph in the dashboard's grid of 24 columns."""
_TARGET_4XX = Metric("target_4xx", "HTTPCode_Target_4XX_Count", "Sum", "group")
_UNHEALTHY = Metric("unhealthy", "UnHealthyHostCount", "Maximum", "group")
_P50, _P95, _P99 = (Metric(f"response_{stat}", RESPONSE_TIME.name, stat, "group") for stat in ("p50", "p95", "p99"))
_OF_LOAD_BALANCERS = frozenset({Graph.LOAD_BALANCER, Graph.ERROR_RATE, Graph.RESPONSE_TIME})

Marks = Mapping[Graph, Sequence[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Drawing:
    """The dashboard of one service."""

    service: WatchedService
    monitoring: Monitoring
    region: str
    period: int

    def widgets(self, rules: Iterable[Rule]) -> list[dict[str, Any]]:
        """Return the graphs that this service can fill, two in a row, with the thresholds of the rules on them."""
        return [
            {"type": "metric", "x": index % 2 * WIDTH, "y": index // 2 * HEIGHT, "width": WIDTH, "height": HEIGHT}
            | {"properties": properties}
            for index, properties in enumerate(self._graphs(_marks(rules)))
        ]

    def _graphs(self, marks: Marks) -> Iterator[dict[str, Any]]:
        for graph in Graph:
            if self.service.balanced or graph not in _OF_LOAD_BALANCERS:
                yield self._properties(graph, self._lines(graph), marks.get(graph))
        for group in self.service.groups if self._several else ():
            there = self.service.behind(group)
            counted = self._all(REQUESTS, _TARGET_4XX, TARGET_5XX, of=there)
            times = self._all(_P50, _P95, _P99, of=there)
            yield self._properties(f"Target Group {group.name}", counted)
            yield self._properties(f"{Graph.RESPONSE_TIME} of {group.name}", times, marks.get(Graph.RESPONSE_TIME))

    @property
    def _several(self) -> bool:
        return len(self.service.groups) > 1

    def _lines(self, graph: Graph) -> list[Any]:
        match graph:
            case Graph.SERVICE:
                return self._all(RUNNING, *((HEALTHY, _UNHEALTHY) if self.service.balanced else ()))
            case Graph.LOAD_BALANCER:
                return self._summed(REQUESTS, _TARGET_4XX, TARGET_5XX, BALANCER_5XX)
            case Graph.ERROR_RATE:
                shared = OF_SHARED if ways_of(self.service).shared else ()
                hidden = self._all(REQUESTS, TARGET_5XX, BALANCER_5XX, *shared, visible=False)
                return [[{"expression": self._rate(), "label": "5xx per 100 requests", "id": "rate"}], *hidden]
            case Graph.RESPONSE_TIME:
                return self._all(*((_P95,) if self._several else (_P50, _P95, _P99)))
            case Graph.RESOURCES:
                return self._all(CPU, MEMORY)
            case Graph.DATABASE:
                return [*self._all(DATABASE_ERRORS), *self._database()]

    def _database(self) -> list[Any]:
        if not self.monitoring.database:
            return []
        named = ["DBInstanceIdentifier", self.monitoring.database]
        return [["AWS/RDS", name, *named] for name in ("DatabaseConnections", "CPUUtilization", "ReadLatency")]

    def _rate(self) -> str:
        if (ways := ways_of(self.service)).shared:
            failed_of, asked = shared_counts(ways)
            return f"100 * ({failed_of}) / ({asked})"
        failed = {
            metric: " + ".join(f"FILL({name}, 0)" for name in self._ids(metric))
            for metric in (TARGET_5XX, BALANCER_5XX)
        }
        requests = " + ".join(self._ids(REQUESTS))
        return ERROR_RATE.format(requests=requests, target_5xx=failed[TARGET_5XX], balancer_5xx=failed[BALANCER_5XX])

    def _summed(self, *metrics: Metric) -> list[Any]:
        """Return the metrics' sums over all target groups, and hidden what they are made of; one group is no sum."""
        if not self._several:
            return self._all(*metrics)
        sums = [
            [{"expression": f"SUM([{', '.join(self._ids(metric))}])", "label": metric.name, "id": f"all_{metric.id}"}]
            for metric in metrics
        ]
        return [*sums, *self._all(*metrics, visible=False)]

    def _ids(self, metric: Metric) -> list[str]:
        return [named.id for named, _ in series_of(metric, self.service, ways_of(self.service))]

    def _all(self, *metrics: Metric, of: WatchedService | None = None, **options: object) -> list[Any]:
        """Return the lines of metrics, one for each target group or load balancer that has them."""
        service = of or self.service
        ways = ways_of(service)
        return [
            self._line(named, there, **options)
            for metric in metrics
            for named, there in series_of(metric, service, ways)
        ]

    def _line(self, metric: Metric, there: WatchedService, **options: object) -> list[Any]:
        dimensions = dimensions_of(metric, there)
        named = [part for dimension in dimensions for part in (dimension["Name"], dimension["Value"])]
        shown = {"id": metric.id, "stat": metric.stat, **options}
        if metric.name == BALANCER_5XX.name and there.load_balancer in there.shared:
            shown["label"] = f"{metric.name} of all its services"
        return [namespace(metric, self.monitoring.metrics_namespace), metric.name, *named, shown]

    def _properties(
        self, title: str, lines: list[Any], marks: Sequence[dict[str, Any]] | None = None
    ) -> dict[str, Any]:
        return {
            "title": title,
            "region": self.region,
            "view": "timeSeries",
            "period": self.period,
            "metrics": lines,
            "yAxis": {"left": {"min": 0}},
        } | ({"annotations": {"horizontal": marks}} if marks else {})


def _marks(rules: Iterable[Rule]) -> Marks:
    """Return a horizontal line for each rule that has one, by graph, the lowest threshold first."""
    marks: dict[Graph, list[dict[str, Any]]] = {}
    for rule in sorted(rules, key=lambda rule: rule.threshold):
        if mark := rule.measure.mark:
            marks.setdefault(mark.graph, []).append({"label": rule.label, "value": rule.threshold})
    return marks
