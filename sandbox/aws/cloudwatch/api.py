"""CloudWatch as boto3 sees it: moto's API in front of our store, our metric math and our alarms.

moto 5.2.5 finds a metric only with its dimensions in the order of the put, forgets the namespace, answers 500
to percentiles, knows no metric math, and needs seconds for a day of minutes. What it does well (the wire,
dashboards, tags, alarm records) stays. JSON (which boto3 speaks) and query requests are served; CBOR is not.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.exceptions import InvalidParameterCombination, InvalidParameterValue, ValidationError
from moto.cloudwatch.models import CloudWatchBackend
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionContext, ActionResult
from moto.core.serialize import JSONSerializer

from sandbox.aws.cloudwatch.alarm_api import alarm_patches, read_token
from sandbox.aws.cloudwatch.metric_math import InvalidExpression, Series, Value
from sandbox.aws.cloudwatch.metric_queries import Query, check, check_period, resolve
from sandbox.aws.cloudwatch.metric_store import (
    Datum,
    MetricKey,
    MetricStore,
    TooManySeries,
    aggregate,
    check_stat,
    metric_key,
    period_starts,
    samples,
    statistic_set,
)
from sandbox.aws.patching import Undo, put_in_place

POINT_LIMIT = 100_800
"""The most points of one answer of GetMetricData."""
STATISTICS_LIMIT = 1_440
"""The most points of one answer of GetMetricStatistics, which has no pages."""
PAGE = 500
"""The most metrics of one answer of ListMetrics."""
PAST, FUTURE = 14 * 86_400.0, 7_200.0
"""Seconds around now within which PutMetricData takes a timestamp."""

Now = Callable[[], float]


StoreOf = Callable[[str, str], MetricStore]
"""The metrics of an account and region."""


def install(store_of: StoreOf, now: Now) -> Undo:
    """Put our stores behind every CloudWatch of moto in this process; ``now`` returns product time in epoch seconds.

    Return a function that takes all of it back. If it is installed twice, the later installation serves.
    """
    return put_in_place(
        {
            # The backend, since moto's log groups put the metrics of their filters in here too.
            (CloudWatchBackend, "put_metric_data"): _put_metric_data(store_of, now),
            # moto computes these from its own list of data.
            (CloudWatchResponse, "get_metric_data"): _get_metric_data(store_of),
            (CloudWatchResponse, "get_metric_statistics"): _get_metric_statistics(store_of),
            (CloudWatchResponse, "list_metrics"): _list_metrics(store_of, now),
            **alarm_patches(now),
        }
    )


def _put_metric_data(store_of: StoreOf, now: Now) -> Callable[..., None]:
    def put_metric_data(self: CloudWatchBackend, namespace: str, metric_data: list[dict[str, Any]]) -> None:
        store, at, kept = store_of(self.account_id, self.region_name), now(), []
        for number, sent in enumerate(metric_data, 1):
            self._validate_parameters_put_metric_data(sent, number)
            stamp = _seconds(sent["Timestamp"]) if sent.get("Timestamp") else at
            if not at - PAST <= stamp <= at + FUTURE:
                raise InvalidParameterValue(
                    f"The parameter MetricData.member.{number}.Timestamp must specify a time no more than"
                    " two hours in the future and no more than two weeks in the past."
                )
            kept.append((_key(namespace, sent), stamp, _datum(sent)))
        for key, stamp, datum in kept:
            try:
                store.put(key, stamp, datum)
            except TooManySeries as error:
                raise ServiceException("LimitExceeded", str(error)) from error

    return put_metric_data


def _datum(sent: Mapping[str, Any]) -> Datum:
    unit = sent.get("Unit")
    if sent.get("Values"):
        counts = sent.get("Counts")
        return samples([float(v) for v in sent["Values"]], counts and [float(c) for c in counts], unit)
    if sent.get("StatisticValues"):
        known = sent["StatisticValues"]
        size, total, low, high = (float(known[name]) for name in ("SampleCount", "Sum", "Minimum", "Maximum"))
        return statistic_set(size, total, low, high, unit)

    return samples([float(sent.get("Value") or 0.0)], unit=unit)


def _get_metric_data(store_of: StoreOf) -> Callable[..., ActionResult]:
    def get_metric_data(self: CloudWatchResponse) -> ActionResult:
        asked, store = self._get_params(), store_of(self.current_account, self.region)
        start, end = _window(asked, ValidationError)
        queries = [_query(query) for query in asked.get("MetricDataQueries", [])]
        offset = read_token(asked.get("NextToken"))
        limit = min(int(asked.get("MaxDatapoints") or POINT_LIMIT), POINT_LIMIT)
        try:
            check(queries)
            values = resolve(queries, store, start, end)
            found = [pair for query in queries if query.returned for pair in _many(query, values[query.id])]
        except InvalidExpression as error:
            raise ValidationError(f"{error}.") from error
        rising = asked.get("ScanBy") == "TimestampAscending"
        results, token = _page(found, rising=rising, offset=offset, limit=limit)
        answer = {"MetricDataResults": results, "Messages": []}
        return _PlainResult(answer if token is None else {**answer, "NextToken": token})

    return get_metric_data


class _PlainResult(ActionResult):
    """A result that already has the form of the wire protocol.

    moto's serializer takes every number by itself, three times as long as all the rest of a day's answer.
    """

    def execute_result(self, context: ActionContext) -> tuple[int, dict[str, Any], str | bytes]:
        if not issubclass(context.serializer_class, JSONSerializer):
            return super().execute_result(context)
        return 200, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(self.result)


def _many(query: Query, value: Value) -> list[tuple[Query, Series]]:
    if isinstance(value, float):
        raise InvalidExpression(f"the expression {query.id!r} is a number; what is returned must be a time series")
    return [(query, series) for series in (value if isinstance(value, list) else [value])]


def _page(
    found: Sequence[tuple[Query, Series]], *, rising: bool, offset: int, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """``limit`` points from ``offset`` on, counted through all results, and the token of the next page."""
    results = []
    begin = 0  # where the present result begins among all points
    for query, series in found:
        low, high = max(offset - begin, 0), min(offset + limit - begin, len(series))
        complete = high == len(series)
        if low < high or (
            not series and begin >= offset and begin <= offset + limit and (offset == 0 or begin > offset)
        ):
            points = sorted(series.items(), reverse=not rising)[low:high]
            results.append(
                {
                    "Id": query.id,
                    "Label": query.label,
                    "Timestamps": [int(at) for at, _ in points],
                    "Values": [value for _, value in points],
                    "StatusCode": "Complete" if complete else "PartialData",
                }
            )
        begin += len(series)
    return results, str(offset + limit) if begin > offset + limit else None


def _query(query: Mapping[str, Any]) -> Query:
    name, returned = str(query.get("Id")), query.get("ReturnData") is not False
    period = int(query["Period"]) if query.get("Period") else None
    how = query.get("MetricStat")
    if how is None:
        return Query(name, query.get("Label") or name, returned, period, expression=query.get("Expression"))
    metric = how["Metric"]
    label = query.get("Label") or metric["MetricName"]
    key = _key(metric["Namespace"], metric)
    return Query(name, label, returned, int(how["Period"]), key, how["Stat"], how.get("Unit"), query.get("Expression"))


def _get_metric_statistics(store_of: StoreOf) -> Callable[..., ActionResult]:
    def get_metric_statistics(self: CloudWatchResponse) -> ActionResult:
        asked, store = self._get_params(), store_of(self.current_account, self.region)
        start, end = _window(asked, InvalidParameterValue)
        plain, extended = asked.get("Statistics") or [], asked.get("ExtendedStatistics") or []
        period = int(asked["Period"])
        if not plain and not extended:
            raise InvalidParameterCombination("Must specify either Statistics or ExtendedStatistics")
        try:
            check_period(period)
            for stat in (*plain, *extended):
                check_stat(stat)
        except (InvalidExpression, ValueError) as error:
            raise InvalidParameterValue(f"{error}.") from error
        if (points := len(period_starts(start, end, period))) > STATISTICS_LIMIT:
            raise InvalidParameterCombination(
                f"You have requested up to {points} datapoints, which exceeds the limit of {STATISTICS_LIMIT}."
                " You may reduce the datapoints requested by increasing Period, or decreasing the time range."
            )
        key = _key(asked["Namespace"], asked)
        periods = store.periods(key, start, end, period, asked.get("Unit"))
        datapoints = [_datapoint(at, data, plain, extended) for at, data in periods]
        return ActionResult({"Label": asked["MetricName"], "Datapoints": datapoints})

    return get_metric_statistics


def _datapoint(at: float, data: Sequence[Datum], plain: Sequence[str], extended: Sequence[str]) -> dict[str, Any]:
    percentiles = {stat: value for stat in extended if (value := aggregate(data, stat)) is not None}
    return {
        "Timestamp": int(at),
        "Unit": data[-1].unit or "None",
        **{stat: aggregate(data, stat) for stat in plain},
        **({"ExtendedStatistics": percentiles} if percentiles else {}),
    }


def _list_metrics(store_of: StoreOf, now: Now) -> Callable[..., ActionResult]:
    def list_metrics(self: CloudWatchResponse) -> ActionResult:
        asked, store = self._get_params(), store_of(self.current_account, self.region)
        offset = read_token(asked.get("NextToken"))
        since = now() - (3 * 3_600.0 if asked.get("RecentlyActive") else PAST)
        found = [key for key in store.metrics() if _listed(key, asked) and (store.last(key) or 0.0) >= since]
        metrics = [
            {
                "Namespace": key.namespace,
                "MetricName": key.name,
                "Dimensions": [{"Name": name, "Value": value} for name, value in sorted(key.dimensions)],
            }
            for key in found[offset : offset + PAGE]
        ]
        token = str(offset + PAGE) if len(found) > offset + PAGE else None
        return ActionResult({"Metrics": metrics, "NextToken": token})

    return list_metrics


def _listed(key: MetricKey, asked: Mapping[str, Any]) -> bool:
    """Return whether ListMetrics lists a metric: a filter may name some dimensions, with or without values."""
    dimensions = dict(key.dimensions)
    return (
        asked.get("Namespace") in {None, key.namespace}
        and asked.get("MetricName") in {None, key.name}
        and all(
            dimension["Name"] in dimensions and dimension.get("Value") in {None, dimensions[dimension["Name"]]}
            for dimension in asked.get("Dimensions") or []
        )
    )


def _key(namespace: str, metric: Mapping[str, Any]) -> MetricKey:
    dimensions = {dimension["Name"]: dimension["Value"] for dimension in metric.get("Dimensions") or []}
    return metric_key(namespace, metric["MetricName"], dimensions)


def _window(asked: Mapping[str, Any], refusal: type[ServiceException]) -> tuple[float, float]:
    start, end = _seconds(asked["StartTime"]), _seconds(asked["EndTime"])
    if start >= end:
        raise refusal("The parameter StartTime must be less than the parameter EndTime.")
    return start, end


def _seconds(when: datetime) -> float:
    # moto's parser gives UTC without saying so.
    return when.replace(tzinfo=when.tzinfo or UTC).timestamp()
