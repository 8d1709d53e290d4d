"""Targets of the load balancer that get no requests, by AWS's reason code.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
"""

from contracts.base import Target
from contracts.diagnostics import Issue
from services.diagnostics.domain.evidence import TargetHealth
from services.diagnostics.domain.playbook import CHECK_DATABASE, DESCRIBE_SERVICE, READ_LOGS, Playbook
from services.diagnostics.domain.situation import Situation

_IMPACT = "These tasks get no requests; ECS will replace them."
_TARGETS = "aws elbv2 describe-target-health --target-group-arn <target-group-arn>"
_GROUPS = "aws elbv2 describe-target-groups --target-group-arns <target-group-arn>"

NONE_HEALTHY = Playbook(
    "no_healthy_target",
    "infrastructure",
    "The load balancer has no healthy target.",
    "Users get errors: the service is unavailable.",
    ("no task runs", "all tasks fail the health check", "the load balancer cannot reach the tasks"),
    (DESCRIBE_SERVICE, _TARGETS, READ_LOGS),
    ("keep minimumHealthyPercent at 100", "alarm on HealthyHostCount below 1"),
)
WRONG_CODE = Playbook(
    "target_response_code",
    "application",
    "Targets answer the health check with an unexpected status.",
    _IMPACT,
    ("a dependency, often the database, is away", "the health check's path moved, or asks for a login"),
    (_TARGETS, CHECK_DATABASE, READ_LOGS),
    ("test the health check's path before a release",),
)
TIMEOUT = Playbook(
    "target_timeout",
    "infrastructure",
    "Targets do not answer the health check in time.",
    _IMPACT,
    (
        "the tasks' security group does not admit the load balancer",
        "the application listens on another port, or on the loopback only",
        "the application is overloaded or still starting",
    ),
    (_TARGETS, "aws ec2 describe-security-groups", READ_LOGS),
    ("admit the load balancer by its security group", "give the grace period the slowest start seen"),
)
FAILED_CHECKS = Playbook(
    "target_failed_checks",
    "infrastructure",
    "The load balancer cannot connect to targets.",
    _IMPACT,
    ("nothing listens on the target's port", "TLS or the protocol version does not fit"),
    (_TARGETS, _GROUPS, READ_LOGS),
    ("keep the container's port and the target group's in one place",),
)
NOT_IN_USE = Playbook(
    "target_not_in_use",
    "infrastructure",
    "Targets are registered where no load balancer uses them.",
    "These tasks get no requests.",
    ("no listener forwards to the target group", "the target's Availability Zone is not enabled at the load balancer"),
    (_TARGETS, _GROUPS, "aws elbv2 describe-load-balancers"),
    ("enable every Availability Zone in which tasks may run",),
)
INTERNAL = Playbook(
    "load_balancer_internal_error",
    "infrastructure",
    "The load balancer's own health check fails.",
    _IMPACT,
    ("a fault of AWS",),
    (_TARGETS, "aws health describe-events"),
    ("run in several Availability Zones",),
)

PLAYBOOKS = {
    "Target.ResponseCodeMismatch": WRONG_CODE,
    "Target.Timeout": TIMEOUT,
    "Target.FailedHealthChecks": FAILED_CHECKS,
    "Target.NotInUse": NOT_IN_USE,
    "Target.IpUnusable": FAILED_CHECKS,
    "Target.InvalidState": FAILED_CHECKS,
    "Elb.InternalError": INTERNAL,
}
_UNHEALTHY = {"unhealthy", "unhealthy.draining", "unused", "unavailable"}
"""States in which a target gets no requests though it should. An initial target waits for its first checks, and a
draining one is being removed."""


def find(target: Target, targets: tuple[TargetHealth, ...], situation: Situation) -> tuple[Issue, ...]:
    """Return one issue for each reason, and one when nothing is healthy."""
    if situation.service.desired == 0:
        return ()
    reasons: dict[str, list[TargetHealth]] = {}
    for found in targets:
        playbook = PLAYBOOKS.get(found.reason)
        if playbook is not None and found.state in _UNHEALTHY:
            reasons.setdefault(playbook.kind, []).append(found)
    playbooks = {playbook.kind: playbook for playbook in PLAYBOOKS.values()}
    issues = [
        playbooks[kind].issue(target, "critical" if situation.healthy_targets == 0 else "warning", map(_quote, sick))
        for kind, sick in reasons.items()
    ]
    if situation.healthy_targets == 0:
        quotes = list(map(_quote, targets)) or ["no target is registered"]
        issues.append(NONE_HEALTHY.issue(target, "critical", quotes))
    return tuple(issues)


def _quote(found: TargetHealth) -> str:
    why = " ".join(filter(None, (found.reason, found.description)))
    return f"{found.address} is {found.state}{f': {why}' if why else ''}"
