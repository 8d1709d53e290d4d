"""Whose the errors of a shared load balancer are, by what is counted for one target group."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.own_errors import MINUTE, GroupCounts, OwnErrors, Series

LAST = 19
HEALTHY = {at * MINUTE: 2.0 for at in range(LAST + 1)}


def every(value: float, since: int = 0, until: int = LAST) -> dict[float, float]:
    return {at * MINUTE: value for at in range(since, until + 1)}


def group(requests: Series, *answers: Series, healthy: Series = HEALTHY) -> GroupCounts:
    return GroupCounts(requests, answers, healthy)


def test_errors_are_a_neighbour_s_while_targets_answer_all_requests_of_the_group() -> None:
    found = OwnErrors(every(100, 10), [group(every(50), every(49), every(1))])
    assert found.errors == {}
    assert found.undecided == frozenset()


def test_requests_that_no_target_answered_are_errors_of_ours_but_no_more_than_there_were() -> None:
    answered = every(50, 0, 9) | every(20, 10)
    assert OwnErrors(every(100, 10), [group(every(50), answered)]).errors == every(30, 10)
    assert OwnErrors(every(12, 10), [group(every(50), answered)]).errors == pytest.approx(every(12, 10))


def test_without_a_healthy_target_all_errors_are_ours() -> None:
    down = HEALTHY | every(0, 10)
    found = OwnErrors(every(80, 10), [group(every(50, 0, 9), every(50, 0, 9), healthy=down)])
    assert found.errors == every(80, 10)
    assert found.unanswered == ({},)


def test_a_group_without_targets_shows_no_point_and_one_whose_point_is_late_none_either() -> None:
    gone = every(2, 0, 9)
    found = OwnErrors(every(80, 10), [group(every(50, 0, 9), every(50, 0, 9), healthy=gone)])
    assert found.errors == every(80, 10, LAST - 3), "what may still come within three minutes is not missing"
    late = every(2, 0, LAST - 1)
    assert OwnErrors(every(80, 10), [group(every(50), every(50), healthy=late)]).errors == {}


def test_a_group_that_chose_targets_or_has_never_shown_any_is_not_without_them() -> None:
    assert OwnErrors(every(80), [group(every(50), every(50), healthy=every(2, 0, 9))]).errors == {}
    assert OwnErrors(every(80), [group({}, {}, healthy={})]).errors == {}
    young = group(every(50, 10), every(50, 10), healthy=every(2, 10))
    assert OwnErrors(every(80), [young]).errors == {}, "before the service was there, nothing was its own"


def test_answers_that_are_not_there_yet_prove_nothing_before_they_are_missing() -> None:
    answered = every(49, 0, LAST - 2)
    found = OwnErrors(every(100), [group(every(50), answered, every(1))])
    assert found.undecided == {(LAST - 1) * MINUTE, LAST * MINUTE}
    assert found.errors == {}
    found = OwnErrors(every(100), [group(every(50), every(49, 0, 9), every(1, 0, 9))])
    assert found.errors == every(50, 10, LAST - 3)


def test_a_rare_class_of_answers_is_not_waited_for() -> None:
    rare = {0.0: 1.0}
    found = OwnErrors(every(100, 10), [group(every(50), every(50, 0, 9) | every(25, 10), rare)])
    assert found.errors == every(25, 10)


def test_what_is_answered_in_the_next_minute_is_no_error() -> None:
    answered = every(50) | {10 * MINUTE: 20.0, 11 * MINUTE: 80.0}
    assert OwnErrors(every(100, 10), [group(every(50), answered)]).errors == {}


def test_connections_that_nobody_answers_without_an_error_are_the_usual_ones_and_no_errors() -> None:
    websockets = group(every(100), every(60))
    assert OwnErrors(every(200, 12), [websockets]).errors == {}
    broken = group(every(100), every(60, 0, 11) | every(10, 12))
    found = OwnErrors(every(200, 12), [broken]).errors
    assert found.keys() == every(0, 12).keys()
    assert all(30 < errors < 50 for errors in found.values())


def test_of_several_groups_behind_it_each_has_its_share() -> None:
    first = group(every(50), every(50, 0, 9) | every(20, 10))
    second = group(every(100), every(100, 0, 9) | every(90, 10))
    found = OwnErrors(every(20, 10), [first, second])
    assert found.errors == pytest.approx(every(20, 10))
    assert found.unanswered[0] == pytest.approx(every(15, 10))
    assert found.unanswered[1] == pytest.approx(every(5, 10))


counts = st.dictionaries(st.integers(0, 8).map(lambda at: at * MINUTE), st.integers(0, 300).map(float))


@given(balancer=counts, requests=counts, answered=counts, healthy=counts)
def test_no_more_errors_are_ours_than_there_were_and_no_more_requests_than_came(
    balancer: Series, requests: Series, answered: Series, healthy: Series
) -> None:
    found = OwnErrors(balancer, [group(requests, answered, healthy=healthy)])
    for minute, errors in found.errors.items():
        assert 0 < errors <= balancer[minute] + 1e-9
    (unanswered,) = found.unanswered
    assert all(0 < count <= requests[minute] + 1e-9 for minute, count in unanswered.items())
    assert not found.undecided & found.errors.keys()
