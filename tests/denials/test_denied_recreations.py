"""A service is made again while AWS refuses an operation: it serves, or what it waits for is said."""

from dataclasses import replace

import pytest

from benchmarks.denials.matrix import with_name
from benchmarks.denials.recreations import (
    ACCEPTED,
    OPERATIONS,
    Cell,
    Ended,
    When,
    Worth,
    gone,
    matrix,
    played,
    worth,
)
from benchmarks.recreations import Course, recreated
from benchmarks.surrounded import Person
from sandbox.scenarios.harm import Kind
from sandbox.scenarios.operations import operations_of

CELL = Cell("ecs:CreateService", Kind.DENY, When.ALWAYS)
SERVES = Ended("recreated", "It serves again.", as_before=True, twice=False)
GIVEN_UP = Ended(
    "failed", "It does not serve in time. It waited for this: ECS refused it.", as_before=False, twice=False
)


def test_each_operation_is_one_of_aws_and_meets_each_harm() -> None:
    cells = list(matrix())
    assert len({cell.name for cell in cells}) == len(cells) == 6 * 2 * len(OPERATIONS)
    for cell in cells:
        service, operation = cell.operation.split(":")
        assert operation in operations_of(service)
        assert with_name(matrix(), cell.name) == cell
        assert (cell.scenario.harm[0].seconds is None) is (cell.when is When.ALWAYS)


@pytest.mark.parametrize(
    ("cell", "ended", "found"),
    [
        (CELL, SERVES, Worth.RIGHT),
        (CELL, GIVEN_UP, Worth.TOLD),
        (CELL, replace(GIVEN_UP, sentence="It does not serve."), Worth.SILENT),
        (replace(CELL, when=When.WHILE), GIVEN_UP, Worth.SILENT),
        (CELL, replace(SERVES, as_before=False), Worth.LEFT),
        (CELL, replace(SERVES, twice=True), Worth.TWICE),
        (CELL, Ended("refused", "It cannot be made again yet.", as_before=False, twice=False), Worth.SILENT),
    ],
)
def test_what_an_end_is_worth(cell: Cell, ended: Ended, found: Worth) -> None:
    assert worth(cell, ended) is found


def test_without_harm_exactly_the_calls_of_the_matrix_are_made() -> None:
    scenario = gone()
    ended = recreated(scenario, course=Course(before=Person(scenario.world.service).surround))
    assert {f"{call.service}:{call.operation}" for call in ended.calls} == set(OPERATIONS)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["elasticloadbalancing:CreateTargetGroup error-after while", "ec2:AuthorizeSecurityGroupIngress deny while"],
)
def test_what_aws_does_not_let_it_make_for_a_while_is_made_once(name: str) -> None:
    ended = played(with_name(matrix(), name))
    assert worth(with_name(matrix(), name), ended) is Worth.RIGHT in ACCEPTED, ended.sentence
