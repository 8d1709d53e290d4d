"""The matrix of denials has every operation that a deployment calls, and no cell that would repeat another."""

import pytest

from benchmarks.denials.cells import CLOCK, HARMS, IMAGE_NAMES, Cell, matrix, with_name
from benchmarks.denials.operations import NEEDED_BACK, NEEDED_FOR_ALARMS, OF_ALARMS, OPERATIONS, When
from benchmarks.denials.play import calls_without_harm
from benchmarks.denials.report import Result, report, result_of
from benchmarks.denials.rule import Ended
from sandbox.scenarios.operations import operations_of


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_operations_are_those_that_deployments_call_and_when() -> None:
    called: dict[str, set[When]] = {}
    plain = [Cell(CLOCK, "none", When.ALWAYS, image) for image in (*IMAGE_NAMES, "users-only")]
    # what only users see leaves the time for the service's own alarm to fire, whatever the draws
    with_alarm = Cell(min(OF_ALARMS), "none", When.ALWAYS, "users-only")
    for cell in (*plain, with_alarm):
        for operation, when in calls_without_harm(cell.scenario).items():
            called.setdefault(operation, set()).update(when)
    assert called == {operation: set(use.when) for operation, use in OPERATIONS.items()}


def test_each_operation_is_one_of_aws() -> None:
    for name in OPERATIONS:
        service, operation = name.split(":")
        assert operation in operations_of(service)
    assert OPERATIONS.keys() >= NEEDED_BACK | NEEDED_FOR_ALARMS | OF_ALARMS


def test_each_operation_meets_each_harm_with_each_image() -> None:
    cells = matrix()
    assert len(set(cells)) == len(cells)
    met = {(cell.operation, cell.harm, cell.image) for cell in cells}
    for operation, use in OPERATIONS.items():
        harms = [harm for harm in HARMS if harm != "omit" or use.optional]
        assert {(operation, harm, image) for harm in harms for image in IMAGE_NAMES} <= met


@pytest.mark.parametrize("name", [cell.name for cell in matrix()[::37]])
def test_a_name_is_a_cell_that_can_be_played(name: str) -> None:
    cell = with_name(name)
    assert cell.name == name
    assert cell.scenario.image.error_rate == (0.5 if cell.image == "errors-50" else 0.001)
    assert (cell.rule is None) == (cell.operation == CLOCK)


@pytest.mark.parametrize(
    "name",
    [
        "logs:DescribeLogGroups deny rollback errors-50",
        "ecs:UpdateService deny rollback healthy",
        "s3:GetObject omit always healthy",
        "monitoring:PutDashboard deny after healthy",
        "clock ahead before healthy",
        "ecs:DescribeServices deny always slow",
        "ecs:Describe deny always healthy",
    ],
)
def test_what_cannot_be_or_repeats_another_is_no_cell(name: str) -> None:
    with pytest.raises(ValueError, match=r"called|can lack|rolled back|clock|no such"):
        with_name(name)


def test_a_result_is_read_as_it_was_kept_and_its_wrong_end_is_told() -> None:
    cell = with_name("elasticloadbalancing:DescribeRules deny always healthy")
    result = Result(cell, Ended("rolled_back", "It was not to be.", changed=True, sent_back=True))
    assert result_of(result.as_json()) == result
    text = report([result])
    assert "| elasticloadbalancing:DescribeRules | 0 of 1: 1 false rollback | — |" in text
    assert f"- false rollback: *{cell.name}*: rolled_back. It said: It was not to be." in text
