"""The parts of a policy that commands carry, each with the sections that the commanded service judges by."""

from contracts.base import Contract
from contracts.policy import Application, ChangeScope, Gates, Health, Monitoring, Recovery, Worsening
from contracts.policy_rules import RulePolicy
from contracts.policy_section import Digest
from contracts.policy_tests import Tests


class PolicyPart(Contract):
    """The part that a command carries of the policy with which its run began, so that every replica judges alike.

    A command of the previous version carries none; then the policy in force holds.
    """

    digest: Digest = ""


class PreflightPolicy(PolicyPart):
    gates: Gates
    change: ChangeScope | None = None
    """None in a command of the previous version: then recovery alone looks at what a change brings."""


class HealthPolicy(PolicyPart):
    application: Application
    health: Health


class MonitoringPolicy(PolicyPart):
    monitoring: Monitoring
    rules: tuple[RulePolicy, ...]
    comparison: Worsening = Worsening()
    """What a command or a state of the previous version does not name has the defaults."""


class ValidationPolicy(PolicyPart):
    application: Application
    tests: Tests
    monitoring: Monitoring | None = None
    """It names the database, whose own troubles no version is blamed for; None in a command of the previous version."""


class RecoveryPolicy(PolicyPart):
    recovery: Recovery
