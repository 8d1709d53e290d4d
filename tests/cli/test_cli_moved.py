"""Who has changed a service, as a person reads it."""

import pytest

from surefoot.moved import hours_of, moves
from surefoot.output import CannotDo


def test_each_move_says_when_who_how_sure_and_by_what() -> None:
    found = {
        "sentences": ["2026-01-05 14:02 UTC: Terraform as arn has changed its desired count from 5 to 2."],
        "moves": [
            {
                "at": "2026-01-05T14:02:11Z", "by": "tool", "sure": "certain",
                "sentence": "Terraform as arn has changed its desired count from 5 to 2.",
                "evidence": ["CloudTrail event e-1: UpdateService by arn"],
            }
        ],
        "sources": {"ECS": "read", "CloudTrail": "not allowed: cloudtrail:LookupEvents"},
    }  # fmt: skip
    assert moves(found).splitlines() == [
        "2026-01-05 14:02 UTC: Terraform as arn has changed its desired count from 5 to 2.",
        "  2026-01-05 14:02:11  tool (certain): Terraform as arn has changed its desired count from 5 to 2.",
        "    CloudTrail event e-1: UpdateService by arn",
        "  CloudTrail: not allowed: cloudtrail:LookupEvents",
    ]


@pytest.mark.parametrize(("span", "hours"), [("90m", 1.5), ("24h", 24), ("7d", 168), ("0.5h", 0.5), ("90d", 2160)])
def test_a_time_is_minutes_hours_or_days(span: str, hours: float) -> None:
    assert hours_of(span) == hours


@pytest.mark.parametrize("span", ["", "24", "0h", "91d", "-1h", "1w", "\u0661h", "h"])
def test_any_other_time_is_refused_in_a_sentence(span: str) -> None:
    with pytest.raises(CannotDo, match="90m, 24h or 7d"):
        hours_of(span)
