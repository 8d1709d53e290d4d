"""The service as a whole: is it there, complete, and does its deployment come up?"""

from contracts.base import Target
from contracts.diagnostics import Issue
from services.diagnostics.domain.playbook import DESCRIBE_SERVICE, DESCRIBE_TASK, READ_LOGS, ROLL_BACK, SCALE, Playbook
from services.diagnostics.domain.situation import Situation

MISSING = Playbook(
    "service_missing",
    "infrastructure",
    "ECS knows no such active service.",
    "Nothing runs under this name, or its last tasks are being stopped.",
    ("a misspelt cluster or service", "another region or account", "the service was deleted"),
    (DESCRIBE_SERVICE, "aws ecs list-services --cluster {cluster}"),
    ("protect production's services from deletion",),
)
BELOW = Playbook(
    "below_desired_count",
    "infrastructure",
    "Fewer tasks run than are wanted.",
    "The running tasks carry the load alone; with none, the service is unavailable.",
    ("tasks fail to start or end by themselves", "ECS finds no place for them", "a deployment is under way"),
    (DESCRIBE_SERVICE, DESCRIBE_TASK, READ_LOGS, SCALE),
    ("keep minimumHealthyPercent at 100", "enable the deployment circuit breaker with rollback"),
)
FAILING = Playbook(
    "deployment_failing",
    "infrastructure",
    "The deployment does not come up.",
    "The new version does not serve; the old one may be stopped already.",
    ("tasks of the new version fail to start", "they fail their health check", "an alarm stopped the deployment"),
    (DESCRIBE_SERVICE, DESCRIBE_TASK, READ_LOGS, ROLL_BACK),
    ("deploy through Surefoot, which checks before and rolls back", "enable the deployment circuit breaker"),
)
ROLLED_BACK = Playbook(
    "deployment_rolled_back",
    "infrastructure",
    "The last deployment failed and is being rolled back.",
    "The old version serves; the new one is not live.",
    ("tasks of the new version failed", "an alarm fired during the deployment"),
    (DESCRIBE_SERVICE, DESCRIBE_TASK, READ_LOGS),
    ("deploy through Surefoot, which says why before it rolls back",),
)


def find(target: Target, situation: Situation) -> tuple[Issue, ...]:
    """Return at most one issue of each kind."""
    return (*_below(target, situation), *_failing(target, situation), *_rolled_back(target, situation))


def _below(target: Target, situation: Situation) -> tuple[Issue, ...]:
    if not situation.below:
        return ()
    service = situation.service
    quote = f"{service.running} of {service.desired} tasks run, {service.pending} pending"
    return (BELOW.issue(target, "warning" if situation.recovering else "critical", (quote,)),)


def _failing(target: Target, situation: Situation) -> tuple[Issue, ...]:
    primary = situation.service.primary
    if primary is None or primary.rollout_state == "COMPLETED":
        return ()
    failures = max(primary.failed_tasks, situation.failures)
    if not situation.failing and not failures:
        return ()
    quotes = filter(None, (primary.reason, f"{failures} failed tasks of {primary.id}"))
    return (FAILING.issue(target, "critical" if situation.failing else "warning", quotes),)


def _rolled_back(target: Target, situation: Situation) -> tuple[Issue, ...]:
    reasons = [
        deployment.reason
        for deployment in situation.service.deployments
        if deployment.status != "PRIMARY" and deployment.rollout_state == "FAILED"
    ]
    return (ROLLED_BACK.issue(target, "warning", reasons),) if reasons else ()
