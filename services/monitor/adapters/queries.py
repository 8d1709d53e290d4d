"""Our metrics in CloudWatch's words."""

from typing import Any

from services.monitor.domain.metrics import Dimensions, Metric, Scope


def namespace(metric: Metric, application: str) -> str:
    namespaces: dict[Scope, str] = {
        "service": "AWS/ECS",
        "group": "AWS/ApplicationELB",
        "balancer": "AWS/ApplicationELB",
        "application": application,
    }
    return namespaces[metric.scope]


def dimensions_of(metric: Metric, target: Dimensions) -> list[dict[str, str]]:
    """``TargetGroup`` before ``LoadBalancer``, as AWS's own console writes them."""
    if metric.scope in {"service", "application"}:
        named = {"ClusterName": target.cluster, "ServiceName": target.service}
    elif target.load_balancer is None or target.target_group is None:
        raise ValueError(f"{metric.id} needs a load balancer")
    elif metric.scope == "group":
        named = {"TargetGroup": target.target_group, "LoadBalancer": target.load_balancer}
    else:
        named = {"LoadBalancer": target.load_balancer}
    return [{"Name": name, "Value": value} for name, value in named.items()]


def query(
    metric: Metric, target: Dimensions, application: str, period: int, *, returned: bool = True
) -> dict[str, Any]:
    """Return one of MetricDataQueries; its id is the metric's."""
    return {
        "Id": metric.id,
        "MetricStat": {
            "Metric": {
                "Namespace": namespace(metric, application),
                "MetricName": metric.name,
                "Dimensions": dimensions_of(metric, target),
            },
            "Period": period,
            "Stat": metric.stat,
        },
        "ReturnData": returned,
    }
