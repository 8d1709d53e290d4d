"""``surefoot recreate``: the plan in lines, and what the exit code says."""

from typing import Any

from surefoot.recreate import planned

ANSWER: dict[str, Any] = {
    "snapshot_id": "20260112_143000_aaaaaaaa",
    "desired_count": 6,
    "parts": [
        {"kind": "log group", "name": "/ecs/backend", "state": "there"},
        {"kind": "target group", "name": "web", "state": "differs"},
        {"kind": "service", "name": "backend", "state": "missing"},
        {"kind": "alarm", "name": "busy", "state": "unknown"},
    ],
    "warnings": ["The target group web is there with another Port; it is left as it is."],
    "by_hand": ["aws ec2 authorize-security-group-ingress …"],
    "blocked": [],
    "sentence": "1 of 4 parts are missing and would be made, in this order.",
}


def test_a_plan_is_shown_part_by_part_in_the_order_in_which_they_are_made() -> None:
    assert planned(ANSWER).splitlines() == [
        "from the snapshot 20260112_143000_aaaaaaaa, 6 tasks",
        "  there    log group /ecs/backend",
        "  differs  target group web",
        "+ missing  service backend",
        "? unknown  alarm busy",
        "warning: The target group web is there with another Port; it is left as it is.",
        "Afterwards, by whoever owns the other security groups:",
        "aws ec2 authorize-security-group-ingress …",
        "1 of 4 parts are missing and would be made, in this order.",
    ]


def test_a_daemon_has_no_count() -> None:
    assert planned(ANSWER | {"desired_count": None}).startswith("from the snapshot 20260112_143000_aaaaaaaa\n")
