"""Metric math."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.aws.cloudwatch.metric_math import InvalidExpression, Scope, Series, Value, evaluate
from sandbox.aws.cloudwatch.metric_queries import Query, check, resolve
from sandbox.aws.cloudwatch.metric_store import MetricStore, metric_key, samples

GRID = range(0, 300, 60)
FULL: Series = {0.0: 10.0, 60.0: 20.0, 120.0: 30.0, 180.0: 40.0, 240.0: 50.0}
HOLED: Series = {60.0: 1.0, 180.0: 3.0}
VALUES: dict[str, Value] = {"full": FULL, "holed": HOLED, "none": {}, "zero": dict.fromkeys(FULL, 0.0)}


def value(expression: str) -> Value:
    return evaluate(expression, Scope(VALUES, GRID))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("full + 1", {at: v + 1 for at, v in FULL.items()}),
        ("2 * full - full / 2", {at: 1.5 * v for at, v in FULL.items()}),
        ("full - 5 - 5", {at: v - 10 for at, v in FULL.items()}),
        ("-(full + -1.5e1)", {at: 15 - v for at, v in FULL.items()}),
        ("full > 20", {0.0: 0, 60.0: 0, 120.0: 1, 180.0: 1, 240.0: 1}),
        ("full >= 20 AND full != 30", {0.0: 0, 60.0: 1, 120.0: 0, 180.0: 1, 240.0: 1}),
        ("full < 20 || full == 50", {0.0: 1, 60.0: 0, 120.0: 0, 180.0: 0, 240.0: 1}),
        # A point that only one operand lacks counts as 0 there.
        ("full + holed", {0.0: 10, 60.0: 21, 120.0: 30, 180.0: 43, 240.0: 50}),
        ("full + none", FULL),
        ("holed - full / 10", {0.0: -1, 60.0: -1, 120.0: -3, 180.0: -1, 240.0: -5}),
        ("holed + none", HOLED),
        # A division by zero makes no point.
        ("full / zero", {}),
        ("full / holed", {60.0: 20, 180.0: 40 / 3}),
        ("FILL(holed, 0)", {0.0: 0, 60.0: 1, 120.0: 0, 180.0: 3, 240.0: 0}),
        ("FILL(none, 7)", dict.fromkeys(FULL, 7.0)),
        ("FILL(holed, full)", {0.0: 10, 60.0: 1, 120.0: 30, 180.0: 3, 240.0: 50}),
        ("FILL(holed, REPEAT)", {60.0: 1, 120.0: 1, 180.0: 3, 240.0: 3}),
        ("FILL(holed, LINEAR)", {60.0: 1, 120.0: 2, 180.0: 3}),
        ("IF(full > 20, full, 0)", {0.0: 0, 60.0: 0, 120.0: 30, 180.0: 40, 240.0: 50}),
        ("IF(full > 20, holed, -1)", {0.0: -1, 60.0: -1, 120.0: 0, 180.0: 3, 240.0: 0}),
        ("IF(full > 20, -1, holed)", {60.0: 1, 120.0: -1, 180.0: -1, 240.0: -1}),
        ("IF(full > 20, full)", {120.0: 30, 180.0: 40, 240.0: 50}),
        ("IF(1 < 2, full, holed)", FULL),
        ("SUM([full, holed])", {0.0: 10, 60.0: 21, 120.0: 30, 180.0: 43, 240.0: 50}),
        ("MAX([full, holed, none])", FULL),
        ("MIN([full, holed])", {0.0: 10, 60.0: 1, 120.0: 30, 180.0: 3, 240.0: 50}),
        ("AVG([full, holed])", {0.0: 5, 60.0: 10.5, 120.0: 15, 180.0: 21.5, 240.0: 25}),
        ("SUM(FILL([holed, none], 0) + 1)", {0.0: 2, 60.0: 3, 120.0: 2, 180.0: 5, 240.0: 2}),
        ("full / MAX(full)", {at: v / 50 for at, v in FULL.items()}),
        # The error rate of a load balancer, whose 5xx exist only where there were some.
        ("IF(full>=20, 100*FILL(holed,0)/full, 0)", {0.0: 0, 60.0: 5, 120.0: 0, 180.0: 7.5, 240.0: 0}),
        ("SUM(full)", 150.0),
    ],
)
def test_the_value_of_an_expression(expression: str, expected: Value) -> None:
    assert value(expression) == pytest.approx(expected)


def row(*points: float | None) -> Series:
    return {at * 60.0: float(point) for at, point in enumerate(points) if point is not None}


@pytest.mark.parametrize(
    ("expression", "values", "expected"),
    [
        # "Comparison and logical operators" of the User Guide.
        ("a < b", (row(30, 20, 0, 0), row(20, None, 20, None)), row(0, 0, 1, 0)),
        ("a >= 30", (row(30, 20, 0, 0),), row(1, 0, 0, 0)),
        ("a > 15 AND b > 15", (row(30, 20, 0, 0), row(20, None, 20, None)), row(1, 0, 0, 0)),
        # "Using IF expressions", its three tables.
        (
            "IF(a, b, c)",
            (row(1, 1, 0, 0, None), row(30, None, 0, 0, 30), row(0, 0, 20, None, 20)),
            row(30, 0, 20),
        ),
        ("IF(a, 5, c)", (row(1, 1, 0, 0, None), {}, row(0, 0, 20, None, 20)), row(5, 5, 20)),
        ("IF(a, b, 5)", (row(1, 1, 0, 0, None), row(30, None, 0, 0, 30)), row(30, 0, 5, 5)),
    ],
)
def test_the_tables_of_the_user_guide(expression: str, values: tuple[Series, ...], expected: Series) -> None:
    scope = Scope(dict(zip("abc", values, strict=False)), GRID)
    assert evaluate(expression, scope) == expected


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "the end"),
        ("full +", "the end"),
        ("full full", "should have ended"),
        ("(full", "is missing"),
        ("full $ 2", r"'\$' is not understood"),
        ("unknown + 1", "'unknown' is not defined"),
        ("METRICS()", "value is due"),
        ("RATE(full)", "RATE is not known"),
        ("IF(full)", "IF takes"),
        ("FILL(1, 0)", "time series, not the number 1"),
        ("SUM(1)", "not the number 1"),
        ("[full] + [holed]", "two arrays"),
        ("1 / 0", "no number"),
        ("(" * 500 + "1" + ")" * 500, "nested"),
        ("-" * 2000 + "1", "nested"),
        ("1+" * 2000 + "1", "at most 2048 characters"),
    ],
)
def test_a_wrong_expression_says_what_is_wrong(expression: str, words: str) -> None:
    with pytest.raises(InvalidExpression, match=words):
        value(expression)


numbers = st.integers(1, 99).map(str)
arithmetic = st.recursive(
    numbers,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", " - "]), inner).map("".join),
        inner.map(lambda text: f"({text})"),
        inner.map(lambda text: f"-({text})"),
    ),
    max_leaves=12,
)


@given(arithmetic)
def test_numbers_are_worked_out_as_anywhere_else(expression: str) -> None:
    assert value(expression) == pytest.approx(float(eval(expression)))


@given(st.text(alphabet="amIF(),[]+-*/<>=! 10.", max_size=30))
def test_whatever_is_written_either_has_a_value_or_a_sentence(expression: str) -> None:
    said = "it has a value"
    try:
        value(expression)
    except InvalidExpression as error:
        said = str(error)
    assert said


def metric(name: str, period: int = 60) -> Query:
    return Query(name, name, returned=True, period=period, metric=metric_key("Shop", name), stat="Sum")


def math_query(name: str, expression: str) -> Query:
    return Query(name, name, returned=True, period=None, expression=expression)


def test_expressions_are_worked_out_in_the_order_in_which_they_need_each_other() -> None:
    store = MetricStore()
    for minute in range(10):
        store.put(metric_key("Shop", "a"), minute * 60.0, samples([1.0]))
    queries = [
        math_query("last", "first + a"),
        math_query("first", "FILL(b, 0) + a"),
        metric("a", 300),
        metric("b", 300),
    ]
    assert resolve(queries, store, 0, 600)["last"] == {0.0: 10.0, 300.0: 10.0}
    long = [metric("a"), *(math_query(f"e{i}", f"{f'e{i - 1}' if i else 'a'} + 1") for i in range(490))]
    assert resolve(long, store, 0, 60)["e489"] == {0.0: 491.0}


def test_circles_and_double_ids_are_refused() -> None:
    with pytest.raises(InvalidExpression, match="lead back to themselves: "):
        resolve([math_query("a", "b"), math_query("b", "a")], MetricStore(), 0, 60)
    with pytest.raises(InvalidExpression, match="used twice"):
        check([metric("a"), metric("a")])
    with pytest.raises(InvalidExpression, match="at most 500"):
        check([metric(f"a{i}") for i in range(501)])
    with pytest.raises(InvalidExpression, match="FILL makes at most"):
        resolve([metric("a", 1), math_query("e", "FILL(a, 0)")], MetricStore(), 0, 1e9)
