"""Drills while AWS refuses an operation: each is measured, or says why not, and leaves all as it was."""

import pytest

from benchmarks.denials.drills import ACCEPTED, OPERATIONS, Ended, Worth, matrix, played, worth
from benchmarks.denials.matrix import with_name
from sandbox.scenarios.operations import operations_of


def test_each_operation_is_one_of_aws_and_meets_each_harm() -> None:
    cells = list(matrix())
    assert len({cell.name for cell in cells}) == len(cells) == 5 * sum(map(len, OPERATIONS.values()))
    for cell in cells:
        service, operation = cell.operation.split(":")
        assert operation in operations_of(service)
        assert with_name(matrix(), cell.name) == cell
        assert cell.scenario.harm[0].operation == operation


@pytest.mark.parametrize(
    ("ended", "found"),
    [
        (Ended("measured", "It took 45 s.", as_before=True), Worth.RIGHT),
        (Ended("failed", "It was not over in time.", as_before=True), Worth.TOLD),
        (Ended("refused", "Not tried.", as_before=True), Worth.TOLD),
        (Ended("measured", "It took 45 s.", as_before=False), Worth.LEFT),
        (Ended("", "", as_before=True), Worth.SILENT),
        (Ended("failed", "", as_before=True), Worth.SILENT),
    ],
)
def test_what_an_end_is_worth(ended: Ended, found: Worth) -> None:
    assert worth(ended) is found


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("ec2:CreateSecurityGroup deny recreate", "grant it the rights of `surefoot iam --recreate`"),
        ("logs:DescribeLogGroups deny recreate", "Whether the log group /ecs/court-case-backend is there is not known"),
    ],
)
def test_a_drill_of_making_a_service_again_tells_what_recovery_may_not(name: str, says: str) -> None:
    ended = played(with_name(matrix(), name))
    assert worth(ended) in ACCEPTED
    assert says in ended.sentence
