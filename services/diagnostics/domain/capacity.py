"""Tasks that ECS cannot place, as its events report, and tasks that were taken away.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html
"""

from re import IGNORECASE, search

from contracts.base import Target
from contracts.diagnostics import Issue, Severity
from services.diagnostics.domain.evidence import ServiceEvent
from services.diagnostics.domain.playbook import DESCRIBE_SERVICE, SCALE, Playbook
from services.diagnostics.domain.situation import PRESENT_SECONDS, Situation
from services.diagnostics.domain.task_rule import TaskRule

_IMPACT = "The desired count is not reached; the running tasks carry the load alone."

QUOTA = Playbook(
    "fargate_quota",
    "infrastructure",
    "The account's quota of Fargate vCPUs is used up.",
    _IMPACT,
    ("a quota below what all services ask for at their peak", "a deployment that doubles the tasks for a while"),
    ("aws service-quotas list-service-quotas --service-code fargate", DESCRIBE_SERVICE),
    ("alarm on the quota's use", "keep maximumPercent within the quota"),
)
ADDRESSES = Playbook(
    "subnet_addresses",
    "infrastructure",
    "The subnets have no free addresses for new tasks.",
    _IMPACT,
    ("small subnets", "a deployment that doubles the tasks for a while"),
    ("aws ec2 describe-subnets --subnet-ids <subnet>", DESCRIBE_SERVICE),
    ("plan subnets for twice the highest desired count",),
)
CAPACITY = Playbook(
    "no_capacity",
    "infrastructure",
    "AWS has no capacity for new tasks just now.",
    _IMPACT,
    ("Fargate or Fargate Spot is short in this Availability Zone",),
    (DESCRIBE_SERVICE, "aws ecs update-service --cluster {cluster} --service {service} --force-new-deployment"),
    ("run in several Availability Zones", "mix FARGATE_SPOT with a base on FARGATE"),
)
PLACEMENT = Playbook(
    "placement_failed",
    "infrastructure",
    "ECS cannot place tasks.",
    _IMPACT,
    ("no container instance has the CPU, memory, ports or attributes that the task needs",),
    (DESCRIBE_SERVICE, "aws ecs list-container-instances --cluster {cluster}", SCALE),
    ("use a capacity provider with managed scaling",),
)
SPOT = Playbook(
    "spot_interrupted",
    "infrastructure",
    "AWS took Fargate Spot tasks back.",
    "Tasks end with two minutes' notice, and are replaced while there is capacity.",
    ("Spot capacity is needed elsewhere",),
    (DESCRIBE_SERVICE,),
    ("keep a base of tasks on FARGATE", "end in time on SIGTERM"),
)

EVENTS = (
    (r"limit on the number of vCPUs|vCPU limit", QUOTA),
    (r"free (?:ip )?addresses", ADDRESSES),
    (r"capacity is unavailable|insufficient capacity|no capacity", CAPACITY),
    (r"unable to place (?:a )?task", PLACEMENT),
)
"""Pattern → playbook; the first pattern that matches an event decides."""

RULES = (TaskRule(SPOT, lambda task: task.stop_code == "SpotInterruption"),)


def find(target: Target, events: tuple[ServiceEvent, ...], situation: Situation) -> tuple[Issue, ...]:
    """Return one issue for each kind among recent events; critical while tasks are missing."""
    quotes: dict[str, list[str]] = {}
    for event in events:
        if situation.now - event.at > PRESENT_SECONDS:
            continue
        playbook = next((playbook for pattern, playbook in EVENTS if search(pattern, event.message, IGNORECASE)), None)
        if playbook is not None:
            quotes.setdefault(playbook.kind, []).append(event.message)
    playbooks = {playbook.kind: playbook for _, playbook in EVENTS}
    severity: Severity = "critical" if situation.below else "info"
    return tuple(playbooks[kind].issue(target, severity, messages) for kind, messages in quotes.items())
