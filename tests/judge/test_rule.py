"""The rule of the judge: what is right follows from numbers, and at the edges of what can be seen by nobody."""

from dataclasses import replace
from math import inf
from typing import Any

import pytest

from benchmarks.judge.facts import Cell, Service, Stage, Surroundings, Version
from benchmarks.judge.rule import ERRORS, SLOW, Answer, End, right


def version(errors: float = 0.001, latency: float = 0.08, spread: float = 0.25, **others: Any) -> Version:
    return Version((Stage(0, errors, latency, spread),), **others)


HEALTHY, ILL = version(), version(errors=0.3)
QUIET, BUSY = Surroundings(requests=0), Surroundings(requests=200)
WORKER = Service(counted=False, reachable=False, patience=inf, proven_after=40)
INTERNAL = Service(reachable=False)
LEAKING = version(memory_growth=4, ends=825)


def declining(after: float) -> Version:
    return replace(HEALTHY, stages=(*HEALTHY.stages, Stage(after, 0.3, 8.0, 0.25)))


def answer(after: Version, service: Service = Service(), before: Version = HEALTHY, **around: Any) -> Answer:  # noqa: B008
    return right(Cell(before, after, service, Surroundings(**around))).answer


@pytest.mark.parametrize("service", [Service(), Service(tasks=0), WORKER, INTERNAL], ids=str)
@pytest.mark.parametrize("requests", [0, 3, 200])
def test_a_healthy_version_goes_live_whatever_the_service_looks_like(service: Service, requests: float) -> None:
    assert right(Cell(HEALTHY, HEALTHY, service, Surroundings(requests=requests))).ends == {End.LIVE}


@pytest.mark.parametrize(
    "bad",
    [
        version(ends=5),
        version(ready=inf),
        version(passes_health_check=False),
        version(ends=300),
        version(errors=0.12),
        version(errors=0.5),
        version(errors=0.02),
        version(latency=6),
        version(latency=0.3),
        declining(360),
        LEAKING,
    ],
    ids=str,
)
def test_what_users_feel_or_a_comparison_proves_must_not_stay(bad: Version) -> None:
    assert right(Cell(HEALTHY, bad)).ends == {End.BACK}


def test_only_what_can_be_known_before_the_change_may_be_refused() -> None:
    assert right(Cell(HEALTHY, version(fits=False))).ends == {End.BACK, End.REFUSED}
    assert right(Cell(HEALTHY, version(fits=False), Service(tasks=0))).ends == {End.BACK, End.REFUSED}
    assert right(Cell(HEALTHY, version(ends=5))).ends == {End.BACK}


def test_an_alarm_that_fires_before_is_a_reason_to_refuse_and_none_to_roll_back() -> None:
    assert right(Cell(HEALTHY, HEALTHY, around=Surroundings(alarm_fires=True))).ends == {End.LIVE, End.REFUSED}
    assert right(Cell(HEALTHY, LEAKING, around=Surroundings(alarm_fires=True))).ends == {End.BACK, End.REFUSED}


@pytest.mark.parametrize(
    ("after", "requests", "expected"),
    [
        (version(errors=0.02), 200, Answer.STOP),
        (version(errors=0.02), 3, Answer.NONE),
        (version(errors=0.12), 3, Answer.STOP),
        (version(errors=0.12), 1, Answer.NONE),
        (version(errors=0.12), 0, Answer.NONE),
        (version(errors=0.5), 0, Answer.STOP),
        (version(latency=6), 0, Answer.STOP),
        (version(latency=0.3), 3, Answer.STOP),
        (version(latency=0.3), 0, Answer.NONE),
        (version(errors=0.5, shown_to_tests=False), 0, Answer.NONE),
        (version(errors=0.5, shown_to_tests=False), 3, Answer.STOP),
        (version(ends=300), 0, Answer.STOP),
        (LEAKING, 0, Answer.STOP),
    ],
)
def test_it_takes_users_or_tests_to_see_what_users_get(after: Version, requests: float, expected: Answer) -> None:
    assert answer(after, requests=requests) is expected


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (version(errors=0.5), Answer.NONE),
        (version(latency=6), Answer.NONE),
        (version(ends=5), Answer.STOP),
        (version(ends=300), Answer.STOP),
        (LEAKING, Answer.STOP),
    ],
)
def test_of_a_worker_its_tasks_and_its_memory_are_seen(after: Version, expected: Answer) -> None:
    assert answer(after, WORKER) is expected


def test_what_the_tests_cannot_reach_is_seen_by_users_alone() -> None:
    assert answer(version(errors=0.5), INTERNAL, requests=0) is Answer.NONE
    assert answer(version(errors=0.5), INTERNAL, requests=200) is Answer.STOP


def test_where_nothing_runs_nothing_but_the_image_is_seen() -> None:
    nobody = Service(tasks=0)
    assert {answer(bad, nobody) for bad in (version(ends=5), version(errors=0.5), LEAKING)} == {Answer.NONE}


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (HEALTHY, Answer.KEEP),
        (version(errors=0.02), Answer.KEEP),
        (version(errors=0.12), Answer.KEEP),
        (version(errors=0.3), Answer.KEEP),
        (version(errors=0.5), Answer.STOP),
        (version(latency=6), Answer.NONE),
        (LEAKING, Answer.NONE),
        (version(ends=5), Answer.STOP),
        (version(fits=False), Answer.STOP),
    ],
)
def test_over_a_version_that_is_ill_what_gets_worse_counts(after: Version, expected: Answer) -> None:
    assert answer(after, before=ILL) is expected


def test_what_begins_too_late_to_be_seen_demands_nothing() -> None:
    onsets = (60, 360, 600, 840, 2000)
    assert [answer(declining(onset)) for onset in onsets] == [Answer.STOP] * 3 + [Answer.NONE] * 2
    assert answer(declining(600), late=300) is Answer.NONE
    assert answer(declining(600), late=300, watch=30) is Answer.STOP
    assert answer(version(ends=900)) is Answer.NONE


@pytest.mark.parametrize(
    ("ready", "patience", "expected"), [(10, 45, Answer.KEEP), (60, 45, Answer.STOP), (60, 120, Answer.KEEP)]
)
def test_who_starts_slowly_may_take_as_long_as_the_service_gives(
    ready: float, patience: float, expected: Answer
) -> None:
    assert answer(version(ready=ready), Service(patience=patience)) is expected


def test_what_rises_by_too_little_to_matter_is_healthy() -> None:
    little = (version(errors=0.005), version(latency=0.1), version(memory=60), version(errors=0.13))
    assert [answer(after, requests=100_000) for after in little[:3]] == [Answer.KEEP] * 3
    assert answer(little[3], before=version(errors=0.12), requests=100_000) is Answer.KEEP


def test_from_two_to_four_per_cent_at_a_hundred_a_minute_is_found() -> None:
    cell = Cell(version(errors=0.02), version(errors=0.04), around=Surroundings(requests=100))
    assert right(cell).answer is Answer.STOP
    assert right(replace(cell, around=Surroundings(requests=10))).answer is Answer.NONE


def test_the_limits_are_those_of_the_policy() -> None:
    assert (ERRORS.threshold, ERRORS.minutes, SLOW.threshold, SLOW.minutes) == (10, 2, 5, 2)


def test_each_answer_says_why_with_its_numbers() -> None:
    assert right(Cell(HEALTHY, version(errors=0.12))).because == (
        "12.0% of users' requests fail, 0.1% before; it shows with a chance of 100%"
    )
    said = right(Cell(HEALTHY, version(errors=0.02), around=Surroundings(requests=3))).because
    assert "and that shows with a chance of" in said
