"""The store of data points and its statistics."""

import statistics
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.aws.cloudwatch import metric_store
from sandbox.aws.cloudwatch.metric_store import (
    MetricStore,
    TooManySeries,
    aggregate,
    metric_key,
    samples,
    statistic_set,
)

KEY = metric_key("Shop", "Time", {"ServiceName": "web", "ClusterName": "court"})
NOON = 1_763_985_600.0  # 12:00:00 UTC

values = st.floats(-1e6, 1e6, allow_nan=False)
weighted = st.lists(st.tuples(values, st.integers(1, 5)), min_size=1, max_size=30)


def store_of(*data: tuple[float, float]) -> MetricStore:
    store = MetricStore()
    for at, value in data:
        store.put(KEY, at, samples([value]))
    return store


@given(weighted, st.integers(1, 99))
def test_a_percentile_is_that_of_the_samples_written_out(pairs: list[tuple[float, int]], rank: int) -> None:
    written_out = [value for value, count in pairs for _ in range(count)]
    datum = samples([value for value, _ in pairs], [float(count) for _, count in pairs])
    if len(written_out) == 1:
        expected = written_out[0]
    else:
        expected = statistics.quantiles(written_out, n=100, method="inclusive")[rank - 1]
    assert aggregate([datum], f"p{rank}") == pytest.approx(expected, rel=1e-9, abs=1e-6)


@given(weighted, st.integers(0, 29))
def test_it_does_not_matter_how_samples_are_split_into_data(pairs: list[tuple[float, int]], cut: int) -> None:
    parts = [part for part in (pairs[:cut], pairs[cut:]) if part]
    split = [samples([value for value, _ in part], [float(count) for _, count in part]) for part in parts]
    written_out = [value for value, count in pairs for _ in range(count)]
    assert aggregate(split, "SampleCount") == len(written_out)
    assert aggregate(split, "Sum") == pytest.approx(sum(written_out), abs=1e-3)
    assert aggregate(split, "Average") == pytest.approx(statistics.fmean(written_out), abs=1e-3)
    assert aggregate(split, "Minimum") == aggregate(split, "p0") == min(written_out)
    assert aggregate(split, "Maximum") == aggregate(split, "p100") == max(written_out)


@given(
    st.lists(st.floats(NOON, NOON + 7200), max_size=40),
    st.floats(NOON, NOON + 3600),
    st.sampled_from([1, 5, 30, 60, 120, 300, 3600]),
)
def test_each_datum_of_the_window_is_counted_in_the_one_period_that_holds_it(
    moments: list[float], start: float, period: int
) -> None:
    end = start + 3000.0
    store = store_of(*((at, 1.0) for at in moments))
    found = store.statistics(KEY, start, end, period, "SampleCount")
    step = min(period, 60)
    first = start // step * step
    assert found == sorted(found)
    for at, count in found:
        assert (at - first) % period == 0
        assert first <= at < end
        assert count == sum(at <= moment < at + period for moment in moments if moment < -(-end // step) * step)
    assert sum(count for _, count in found) == sum(first <= moment < -(-end // step) * step for moment in moments)


def test_a_window_begins_with_its_minute_and_ends_with_its_minute() -> None:
    store = store_of((NOON + 5, 1.0), (NOON + 65, 2.0), (NOON + 125, 4.0))
    assert store.statistics(KEY, NOON + 34, NOON + 61, 60, "Sum") == [(NOON, 1.0), (NOON + 60, 2.0)]
    assert store.statistics(KEY, NOON + 60, NOON + 120, 60, "Sum") == [(NOON + 60, 2.0)]
    assert store.statistics(KEY, NOON + 60, NOON + 3600, 300, "Sum") == [(NOON + 60, 6.0)]


def test_data_that_come_late_are_put_in_their_place() -> None:
    store = store_of((NOON + 120, 4.0), (NOON, 1.0), (NOON + 60, 2.0), (NOON, 8.0))
    assert store.statistics(KEY, NOON, NOON + 180, 60, "Sum") == [
        (NOON, 9.0), (NOON + 60, 2.0), (NOON + 120, 4.0),
    ]  # fmt: skip


def test_dimensions_match_as_a_set_and_entirely() -> None:
    store = store_of((NOON, 1.0))
    turned = metric_key("Shop", "Time", {"ClusterName": "court", "ServiceName": "web"})
    assert store.statistics(turned, NOON, NOON + 60, 60, "Sum") == [(NOON, 1.0)]
    for other in (
        metric_key("Shop", "Time", {"ClusterName": "court"}),
        metric_key("Shop", "Time"),
        metric_key("Other", "Time", dict(KEY.dimensions)),
    ):
        assert store.statistics(other, NOON, NOON + 60, 60, "Sum") == []


def test_a_unit_that_was_not_put_finds_nothing() -> None:
    store = MetricStore()
    store.put(KEY, NOON, samples([1.0], unit="Seconds"))
    store.put(KEY, NOON, samples([50.0], unit="Percent"))
    assert store.statistics(KEY, NOON, NOON + 60, 60, "Sum", unit="Seconds") == [(NOON, 1.0)]
    assert store.statistics(KEY, NOON, NOON + 60, 60, "Sum", unit="Bytes") == []


def test_a_statistic_set_has_no_percentiles_unless_its_samples_are_equal() -> None:
    spread, equal = statistic_set(4, 10, 1, 4), statistic_set(3, 6, 2, 2)
    assert aggregate([spread, equal], "Average") == pytest.approx(16 / 7)
    assert aggregate([spread], "p50") is None
    assert aggregate([spread, equal], "p50") is None
    assert aggregate([equal], "p50") == 2


@pytest.mark.parametrize("stat", ["p101", "p", "sum", "Median", "p9.", "tm99"])
def test_an_unknown_statistic_is_named_even_without_data(stat: str) -> None:
    with pytest.raises(ValueError, match="is not known"):
        MetricStore().statistics(KEY, NOON, NOON + 60, 60, stat)


def test_retention_and_the_number_of_data_and_of_series_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MetricStore(retention=3600.0)
    for minute in range(600):
        store.put(KEY, NOON + minute * 60, samples([1.0]))
    kept = store.statistics(KEY, NOON, NOON + 36_000, 60, "Sum")
    assert 60 <= len(kept) <= 121
    assert kept[-1][0] == NOON + 599 * 60
    monkeypatch.setattr(metric_store, "DATA_LIMIT", 10)
    for _ in range(50):
        store.put(KEY, NOON + 36_000, samples([1.0]))
    assert sum(value for _, value in store.statistics(KEY, NOON, NOON + 40_000, 60, "Sum")) == 10
    monkeypatch.setattr(metric_store, "SERIES_LIMIT", 1)
    with pytest.raises(TooManySeries):
        store.put(metric_key("Shop", "Another"), NOON, samples([1.0]))


def test_a_query_of_a_day_reads_each_datum_once() -> None:
    reads = 0

    class Counted(tuple):  # type: ignore[type-arg]  # stands in for a Datum
        __slots__ = ()

        @property
        def total(self) -> float:
            nonlocal reads
            reads += 1
            return 1.0

    store, random = MetricStore(), Random(1)
    for minute in range(1440):
        store.put(KEY, NOON + minute * 60 + random.random(), Counted())  # type: ignore[arg-type]  # as above
    assert len(store.statistics(KEY, NOON, NOON + 86_400, 60, "Sum")) == 1440
    assert reads == 1440
