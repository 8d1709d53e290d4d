"""A command and its answers under the policy with which its run began."""

from datetime import UTC, datetime

import pytest

from contracts.base import Target
from contracts.monitor import WatchClosely
from contracts.policy import Monitoring, ServicePolicy
from contracts.policy_parts import MonitoringPolicy
from contracts.recovery import Disarm
from contracts.results import StepFinished
from services._chassis.commands import Command
from services._chassis.policies import BuiltInPolicies, governed
from services._chassis.transition import Job

TARGET = Target(account="123456789012", region="us-west-2", cluster="Main", service="api")
OWN = MonitoringPolicy(digest="a" * 64, monitoring=Monitoring(interval_seconds=33), rules=())
COMMAND = WatchClosely(target=TARGET, run_id="run-1", until=datetime(2026, 1, 1, tzinfo=UTC), policy=OWN)


class Changed(BuiltInPolicies):
    def of(self, target: Target) -> ServicePolicy:
        return ServicePolicy(target=target, digest="b" * 64, monitoring=Monitoring(interval_seconds=44))


def test_a_command_is_governed_by_the_policy_that_it_carries_whatever_is_in_force() -> None:
    assert governed(COMMAND, MonitoringPolicy, Changed()) == (COMMAND, OWN)


def test_a_command_of_the_previous_version_is_governed_by_the_policy_in_force_and_carries_it_from_then_on() -> None:
    command, policy = governed(COMMAND.model_copy(update={"policy": None}), MonitoringPolicy, Changed())
    assert (policy.digest, policy.monitoring.interval_seconds) == ("b" * 64, 44)
    assert command.policy == policy


@pytest.mark.parametrize("through_a_job", [False, True])
def test_each_answer_names_the_policy_of_its_command(through_a_job: bool) -> None:
    command = Command.of(COMMAND, Job("command-1", "any"))
    if through_a_job:
        command = Command.read(command.job("any", b"").asked_by, "command-1")
    for emit in (command.passed("well"), command.gave_up("has failed 5 times")):
        assert isinstance(emit.event, StepFinished)
        assert emit.event.policy_digest == OWN.digest


def test_the_answer_to_a_command_without_a_policy_names_none() -> None:
    command = Command.of(Disarm(target=TARGET, run_id="run-1"), Job("command-1", "any"))
    assert Command.read(command.described, "command-1") == command
    assert command.policy_digest == ""
    assert b"policy_digest" not in command.described, "as version 0.1.0 wrote it"
