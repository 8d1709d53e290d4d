"""To whom a replay is addressed, and which dead letters are warned of."""

from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.dead_letter import DeadLettered, alert_of, is_for, letter_id
from contracts.monitor import WarningAlert

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
KEY = b"123456789012/us-west-2/Main/api"


def letter(**fields: Any) -> DeadLettered:
    held: dict[str, Any] = {
        "topic": "recovery.commands.v1",
        "partition": 3,
        "offset": 17,
        "group": "recovery",
        "reason": "failed",
        "detail": "RuntimeError after 8 attempts",
        "key": KEY,
        "headers": (("a", b"1"), ("a", None), ("b", b"\xff")),
        "value": b"{}",
    }
    return DeadLettered.model_construct(**(held | fields))


def test_a_replay_has_the_headers_as_they_were_and_goes_to_one_group() -> None:
    once = letter()
    headers = once.replay_headers
    assert headers[:3] == once.headers
    assert is_for(headers, "recovery")
    assert not is_for(headers, "orchestrator")
    assert is_for(once.headers, "orchestrator")
    assert dict(headers)["surefoot_letter"] == letter_id(once).encode()


def test_a_replay_of_a_replay_is_addressed_once() -> None:
    again = letter(offset=18, headers=letter().replay_headers)
    assert len(again.replay_headers) == len(letter().replay_headers)
    assert dict(again.replay_headers)["surefoot_letter"] == letter_id(again).encode()


def test_each_group_has_a_letter_of_its_own() -> None:
    assert len({letter_id(letter()), letter_id(letter(group="monitor")), letter_id(letter(offset=18))}) == 3


def test_what_is_raised_is_resolved_under_the_same_id() -> None:
    raised, resolved = alert_of(letter(), "raised", NOW), alert_of(letter(), "resolved", NOW)
    assert isinstance(raised, WarningAlert)
    assert isinstance(resolved, WarningAlert)
    assert raised.alert_id == resolved.alert_id
    assert (raised.rule, raised.state, raised.value, resolved.value) == ("dead-letter", "raised", 1, 0)
    assert str(raised.target).encode() == KEY
    assert letter_id(letter()) in raised.detail


@pytest.mark.parametrize(
    "fields",
    [
        {"reason": "invalid"},
        {"reason": "expired"},
        {"key": None},
        {"key": b"\xff"},
        {"key": b"a/b"},
        {"topic": "alerts.warning.v1"},  # or each warning would lead to the next
    ],
    ids=str,
)
def test_no_warning(fields: dict[str, Any]) -> None:
    assert alert_of(letter(**fields), "raised", NOW) is None
