"""Our metrics as CloudWatch names and queries them."""

from typing import Any

from services._aws import cloudwatch
from services.monitor.domain.metrics import Metric, Scope
from services.monitor.domain.watched_service import WatchedService


def namespace(metric: Metric, metrics_namespace: str) -> str:
    namespaces: dict[Scope, str] = {
        "service": "AWS/ECS",
        "group": "AWS/ApplicationELB",
        "shared group": "AWS/ApplicationELB",
        "balancer": "AWS/ApplicationELB",
        "application": metrics_namespace,
    }
    return namespaces[metric.scope]


def in_cloudwatch(metric: Metric, target: WatchedService, metrics_namespace: str) -> cloudwatch.Metric:
    """Return a metric with the target's dimensions: ``TargetGroup`` before ``LoadBalancer``, as in AWS's console."""
    if metric.scope in {"service", "application"}:
        named = {"ClusterName": target.cluster, "ServiceName": target.service}
    elif target.load_balancer is None or target.target_group is None:
        raise ValueError(f"{metric.id} needs a load balancer")
    elif metric.scope in {"group", "shared group"}:
        named = {"TargetGroup": target.target_group, "LoadBalancer": target.load_balancer}
    else:
        named = {"LoadBalancer": target.load_balancer}
    return cloudwatch.Metric(metric.id, namespace(metric, metrics_namespace), metric.name, metric.stat, named)


def dimensions_of(metric: Metric, target: WatchedService) -> list[dict[str, str]]:
    return cloudwatch.dimensions_of(in_cloudwatch(metric, target, ""))


def query(
    metric: Metric, target: WatchedService, metrics_namespace: str, period: int, *, returned: bool = True
) -> dict[str, Any]:
    """Return one of the ``MetricDataQueries``, with the metric's id."""
    return cloudwatch.query(in_cloudwatch(metric, target, metrics_namespace), period, returned=returned)
