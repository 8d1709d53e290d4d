"""Cost Explorer's API over what the tasks of the world used: on demand, without credits, taxes or discounts.

So the costs of all kinds are the same number. A line is there at once; at AWS it takes up to a day.
Source: AWS Billing and Cost Management API reference, GetCostAndUsage and GetDimensionValues.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.aws.costs.expressions import Predicate, dimension, group, not_simulated, predicate
from sandbox.aws.costs.fargate import Meter
from sandbox.aws.costs.ledger import Line
from sandbox.aws.costs.periods import Period, invalid, is_estimated, read_granularity, read_period, split
from sandbox.aws.costs.prices import HOURLY, UNIT

TARGET = "AWSInsightsIndexService"
"""The prefix of ``X-Amz-Target``."""
COSTS = frozenset({"AmortizedCost", "BlendedCost", "NetAmortizedCost", "NetUnblendedCost", "UnblendedCost"})
QUANTITY = "UsageQuantity"
MOST_GROUPINGS = 2

Answer = dict[str, Any]


class CostExplorer:
    """``call`` answers one operation."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._operations = {
            "GetCostAndUsage": self._get_cost_and_usage,
            "GetDimensionValues": self._get_dimension_values,
        }

    def call(self, operation: str, request: Answer, now: float) -> Answer:
        """Answer one call. Raise ``AwsFault`` for what AWS would refuse and for what isn't simulated."""
        if operation not in self._operations:
            raise not_simulated(operation)
        return self._operations[operation](request, now)

    def _get_cost_and_usage(self, request: Answer, now: float) -> Answer:
        granularity, metrics = read_granularity(request), _metrics(request)
        period, meant = read_period(request, granularity, now), _filter(request)
        groupings = request.get("GroupBy") or []
        if len(groupings) > MOST_GROUPINGS:
            raise invalid(f"At most {MOST_GROUPINGS} GroupBy definitions are allowed.")
        readers = [group(grouping) for grouping in groupings]
        results = []
        for part, lines in _by_period(split(period, granularity), self._lines(period, meant, now)):
            groups: defaultdict[tuple[str, ...], list[Line]] = defaultdict(list)
            for line in lines:
                groups[tuple(read(line) for read in readers)].append(line)
            measured = [{"Keys": [*keys], "Metrics": _measure(of, metrics)} for keys, of in sorted(groups.items())]
            results.append({
                "TimePeriod": part.written(granularity),
                "Total": {} if readers else _measure(lines, metrics),
                "Groups": measured if readers else [],
                "Estimated": is_estimated(part, now),
            })  # fmt: skip
        defined = {"GroupDefinitions": groupings} if groupings else {}
        return {**defined, "ResultsByTime": results, "DimensionValueAttributes": []}

    def _get_dimension_values(self, request: Answer, now: float) -> Answer:
        read, period, meant = (
            dimension(request.get("Dimension", "")),
            read_period(request, "DAILY", now),
            _filter(request),
        )
        searched = str(request.get("SearchString", "")).lower()
        values = sorted({read(line) for line in self._lines(period, meant, now)})
        found = [{"Value": value, "Attributes": {}} for value in values if searched in value.lower()]
        return {"DimensionValues": found, "ReturnSize": len(found), "TotalSize": len(found)}

    def _lines(self, period: Period, meant: Predicate, now: float) -> list[Line]:
        return [line for line in self._meter.lines(*period.seconds, now) if meant(line)]


def _by_period(periods: Sequence[Period], lines: Sequence[Line]) -> list[tuple[Period, list[Line]]]:
    """Each period with its lines; every line lies in one of them."""
    starts = [period.seconds[0] for period in periods]
    sorted_in: list[tuple[Period, list[Line]]] = [(period, []) for period in periods]
    for line in lines:
        sorted_in[bisect_right(starts, line.hour) - 1][1].append(line)
    return sorted_in


def _measure(lines: Sequence[Line], metrics: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the sums of the lines. Quantities of several usage types have no unit, as at AWS."""
    cost = sum(line.quantity * HOURLY[line.usage_type] for line in lines)
    quantity = sum(line.quantity for line in lines)
    unit = UNIT if len({line.usage_type for line in lines}) == 1 else "N/A"
    values = {name: {"Amount": _amount(cost), "Unit": "USD"} for name in COSTS}
    values[QUANTITY] = {"Amount": _amount(quantity), "Unit": unit}
    return {metric: values[metric] for metric in metrics}


def _amount(value: float) -> str:
    return f"{value:.10f}" if value else "0"


def _metrics(request: Mapping[str, Any]) -> list[str]:
    metrics = list(request.get("Metrics") or ())
    if not metrics:
        raise invalid("At least one metric is required.")
    for metric in metrics:
        if metric == "NormalizedUsageAmount":
            raise not_simulated(metric)
        if metric not in COSTS and metric != QUANTITY:
            raise invalid(f"Metric {metric} is invalid. Valid metrics are: {', '.join(sorted({*COSTS, QUANTITY}))}.")
    return metrics


def _filter(request: Mapping[str, Any]) -> Predicate:
    wanted = request.get("Filter")
    return predicate(wanted) if wanted else lambda _: True
