"""Queries of GetMetricData and of metric-math alarms: metrics and expressions by id, and their values."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from sandbox.aws.cloudwatch.metric_math import InvalidExpression, Scope, Value, evaluate, identifiers
from sandbox.aws.cloudwatch.metric_store import MetricKey, MetricStore, check_stat, period_starts

QUERY_LIMIT = 500
"""The most MetricDataQueries of one call of GetMetricData."""


@dataclass(frozen=True, slots=True)
class Query:
    """One of MetricDataQueries: either a metric with its statistic, or an expression over the others' ids."""

    id: str
    label: str
    returned: bool
    period: int | None
    """Seconds; an expression may leave it to the metrics that it names."""
    metric: MetricKey | None = None
    stat: str = ""
    unit: str | None = None
    expression: str | None = None


def check(queries: Sequence[Query]) -> None:
    """Raise ``InvalidExpression`` for what CloudWatch refuses before it looks at any data."""
    if len(queries) > QUERY_LIMIT:
        raise InvalidExpression(f"at most {QUERY_LIMIT} queries go into one call, not {len(queries)}")
    seen: set[str] = set()
    for query in queries:
        if not re.fullmatch(r"[a-z]\w*", query.id):
            raise InvalidExpression(f"the id {query.id!r} must begin with a small letter, then letters, digits and _")
        if query.id in seen:
            raise InvalidExpression(f"the id {query.id!r} is used twice")
        seen.add(query.id)
        if (query.metric is None) == (query.expression is None):
            raise InvalidExpression(f"the query {query.id!r} needs either MetricStat or Expression")
        if query.period is not None:
            check_period(query.period)
        if query.metric is not None:
            try:
                check_stat(query.stat)
            except ValueError as error:
                raise InvalidExpression(str(error)) from error


def check_period(period: int) -> None:
    """Raise ``InvalidExpression`` unless CloudWatch takes ``period``, in seconds."""
    if period not in {1, 5, 10, 20, 30} and (period < 60 or period % 60):
        raise InvalidExpression(f"a period is 1, 5, 10, 20, 30 or a multiple of 60 seconds, not {period}")


def resolve(queries: Sequence[Query], store: MetricStore, start: float, end: float) -> dict[str, Value]:
    """Return query id → value over ``[start, end)``, in product epoch seconds.

        An expression without a period of its own has the longest period of the queries that it names. Raise
    ``InvalidExpression`` for an expression that is wrong, names an unknown id, or refers to itself.
    """
    by_id = {query.id: query for query in queries}
    names = {query.id: identifiers(query.expression or "") & by_id.keys() for query in queries}
    try:
        order = list(TopologicalSorter(names).static_order())
    except CycleError as error:
        raise InvalidExpression(f"expressions lead back to themselves: {', '.join(error.args[1])}") from error
    values: dict[str, Value] = {}
    periods: dict[str, int] = {}
    for query in map(by_id.__getitem__, order):
        period = periods[query.id] = query.period or max((periods[name] for name in names[query.id]), default=60)
        if query.metric is not None:
            points = store.statistics(query.metric, start, end, period, query.stat, unit=query.unit)
            values[query.id] = dict(points)
        else:
            scope = Scope(values, period_starts(start, end, period))
            values[query.id] = evaluate(query.expression or "", scope)
    return values
