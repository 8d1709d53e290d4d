"""One error rate: as a number and as CloudWatch's metric math."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.limits import ERROR_RATE, error_rate

counts = st.floats(0, 1e6, allow_nan=False)


@pytest.mark.parametrize(
    ("requests", "target_5xx", "balancer_5xx", "rate"),
    [(100, 0, 0, 0), (100, 10, 0, 10), (80, 0, 20, 20), (0, 0, 30, 100), (90, 5, 10, 15)],
)
def test_what_the_load_balancer_answers_itself_is_a_request_that_failed(
    requests: float, target_5xx: float, balancer_5xx: float, rate: float
) -> None:
    assert error_rate(requests, target_5xx, balancer_5xx) == rate


def test_nobody_is_no_rate() -> None:
    assert error_rate(0, 0, 0) is None


@given(requests=counts.filter(bool), target_5xx=counts, balancer_5xx=counts)
def test_the_number_and_the_metric_math_are_the_same_formula(
    requests: float, target_5xx: float, balancer_5xx: float
) -> None:
    names = {"requests": requests, "target_5xx": target_5xx, "balancer_5xx": balancer_5xx}
    expression = ERROR_RATE.format(**{name: repr(value) for name, value in names.items()})
    assert eval(expression, {"__builtins__": {}}) == error_rate(requests, target_5xx, balancer_5xx)
