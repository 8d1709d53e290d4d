"""What an end of a cell of the denial matrix is worth."""

import pytest

from benchmarks.denials.cells import Cell, with_name
from benchmarks.denials.rule import Ended, Worth, may_arm, may_go_back, worth

HEALTHY = with_name("elasticloadbalancing:DescribeRules deny always healthy")
BAD = with_name("elasticloadbalancing:DescribeRules deny always errors-50")
NO_WAY_BACK = with_name("ecs:UpdateService deny rollback errors-50")


def ended(outcome: str, words: str = "", reason: str = "") -> Ended:
    return Ended(outcome, reason, **dict.fromkeys(words.split(), True))


@pytest.mark.parametrize(
    ("cell", "end", "expected"),
    [
        (HEALTHY, ended("succeeded", "changed live armed"), Worth.RIGHT),
        (HEALTHY, ended("succeeded", "changed live told"), Worth.UNARMED),
        (HEALTHY, ended("succeeded", "changed"), Worth.FALSE_SUCCESS),
        (HEALTHY, ended("blocked", "told", "Elastic Load Balancing did not answer DescribeRules."), Worth.REFUSED),
        (HEALTHY, ended("blocked", "told", "It did not answer."), Worth.SILENT),
        (HEALTHY, ended("blocked", "changed told", "DescribeRules"), Worth.FALSE_ROLLBACK),
        (HEALTHY, ended("failed", "changed live told"), Worth.NO_VERDICT),
        (HEALTHY, ended("failed", "changed live"), Worth.SILENT),
        (HEALTHY, ended("failed", "told"), Worth.REFUSED),
        (HEALTHY, ended("rolled_back", "changed sent_back told"), Worth.FALSE_ROLLBACK),
        (HEALTHY, ended("rollback_failed", "changed live sent_back told"), Worth.FALSE_ROLLBACK),
        (HEALTHY, ended("never"), Worth.LATE),
        (HEALTHY, ended("fault"), Worth.FAULT),
        (HEALTHY, ended("succeeded", "changed live armed spilt"), Worth.SPILT),
        (BAD, ended("rolled_back", "changed sent_back"), Worth.RIGHT),
        (BAD, ended("rolled_back", "changed"), Worth.RIGHT),
        (BAD, ended("blocked", "told", "DescribeRules"), Worth.REFUSED),
        (BAD, ended("succeeded", "changed live armed"), Worth.FALSE_SUCCESS),
        (BAD, ended("succeeded", "changed"), Worth.FALSE_SUCCESS),
        (BAD, ended("failed", "changed live told"), Worth.WITHHELD),
        (BAD, ended("never", "changed live"), Worth.WITHHELD),
        (BAD, ended("failed", "changed live sent_back"), Worth.STAYED),
        (BAD, ended("rollback_failed", "changed sent_back"), Worth.CALLED_FAILED),
        (BAD, ended("never", "changed"), Worth.LATE),
        (NO_WAY_BACK, ended("rollback_failed", "changed live", "ECS refused UpdateService."), Worth.NO_WAY_BACK),
        (NO_WAY_BACK, ended("rollback_failed", "changed live told", "It failed."), Worth.STAYED),
        (NO_WAY_BACK, ended("failed", "changed live", "ECS refused UpdateService."), Worth.NO_WAY_BACK),
        (NO_WAY_BACK, ended("failed", "changed live told", "Nobody can tell."), Worth.STAYED),
    ],
)
def test_an_end_is_worth_what_aws_allowed(cell: Cell, end: Ended, expected: Worth) -> None:
    assert worth(cell, end) is expected


def test_harm_that_ends_with_the_change_prevents_neither_a_rollback_nor_alarms() -> None:
    assert may_go_back(with_name("ecs:DescribeServices deny before errors-50"))
    assert may_arm(with_name("ecs:DescribeServices deny before healthy"))
    assert may_go_back(with_name("ecs:DescribeServices omit after errors-50"))
    assert not may_go_back(with_name("ecs:DescribeServices deny after errors-50"))
    assert not may_arm(with_name("ecs:DescribeServices deny after healthy"))


def test_a_wrong_clock_and_what_was_only_answered_in_part_have_no_name() -> None:
    for name in ("clock ahead always healthy", "ecs:DescribeServices omit always healthy"):
        assert worth(with_name(name), ended("blocked", reason="Why.")) is Worth.REFUSED
