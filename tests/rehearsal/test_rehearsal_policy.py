"""The policy of a service decides how its deployments end."""

import pytest

from contracts.deployment import Outcome
from contracts.monitor import CriticalAlert
from contracts.results import StepFinished
from sandbox.scenarios.load import shipped
from services._policy.files import File, Files
from surefoot.rehearsal.rehearse import Rehearsal, rehearse


def under(scenario: str, text: str) -> tuple[Rehearsal, Files]:
    """Rehearse a scenario under a policy file."""
    policy = Files((File("policy.yaml", text.encode()),))
    return rehearse(shipped()[scenario], policy=policy), policy


LENIENT = """
version: 1
defaults:
  rules:
    response_time: {threshold: 30}
    response_time_warning: {threshold: 30}
    cpu: {threshold: 95}
  tests: {response_time_seconds: 30}
  health: {response_time_seconds: 30}
  comparison: {enabled: false}
"""


@pytest.mark.slow
def test_a_slow_version_is_good_enough_where_the_policy_says_so() -> None:
    rehearsal, policy = under("slow", LENIENT)
    assert rehearsal.finished.outcome is Outcome.SUCCEEDED, rehearsal.finished.reason
    answers = [envelope.event for envelope in rehearsal.events if isinstance(envelope.event, StepFinished)]
    judged = [answer for answer in answers if answer.step == "evaluate-rules"]
    assert [answer.policy_digest for answer in judged] == [policy.digest]
    assert {gate.name: gate.threshold for gate in judged[0].gates}["response_time_p95"] == 30


STRICT = """
version: 1
defaults:
  rules:
    error_rate: {threshold: 0.01, minutes: 1}
"""


@pytest.mark.slow
def test_a_healthy_version_is_rolled_back_where_the_policy_forgives_nothing() -> None:
    rehearsal, policy = under("healthy", STRICT)
    assert rehearsal.finished.outcome is Outcome.ROLLED_BACK, rehearsal.finished.reason
    raised = [envelope.event for envelope in rehearsal.events if isinstance(envelope.event, CriticalAlert)]
    assert {(alert.rule, alert.threshold, alert.policy_digest) for alert in raised} >= {
        ("error_rate", 0.01, policy.digest)
    }
