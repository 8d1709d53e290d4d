"""The other services of AWS, as ECS uses them."""

from collections.abc import Sequence

from sandbox.aws.ecs.targets import HealthCheck

DEREGISTRATION_SECONDS = 300.0
"""Default deregistration delay of a target group, in seconds (Elastic Load Balancing user guide)."""


class Neighbours:
    """The neighbours without any fault; ``sandbox/aws/moto/neighbours.py`` asks moto instead."""

    def __init__(self) -> None:
        self.roles_gone: set[str] = set()
        """Names of roles that cannot be assumed."""
        self.secrets_gone = False
        """Whether ECS finds none of the secrets and parameters that it looks for."""
        self.database = True
        """Whether the database is there, which containers may look at when their health is checked."""
        self.schema = ""
        """The revision to which a migration has brought the database; empty before the first."""

    def alarms_firing(self, names: Sequence[str]) -> list[str]:
        """Return those of the CloudWatch alarms ``names`` that are in ALARM."""
        del names
        return []

    def alarm_seconds(self, names: Sequence[str]) -> float:
        """Return for how long the CloudWatch alarms ``names`` look back at most, in seconds."""
        del names
        return 0.0

    def secret_fault(self, reference: str) -> str:
        """Return AWS's words for why the secret or parameter of a ``valueFrom`` cannot be read; empty if it can."""
        del reference
        return ""

    def load_balancer_of(self, group: str) -> str | None:
        """Return ``app/name/id`` or ``net/name/id`` of the load balancer in front of a target group; None for none."""
        del group
        return "app/any/0"

    def takes_requests(self, group: str) -> bool:
        """Return whether a listener or a rule sends requests to the target group with this ARN."""
        del group
        return True

    def deregistration_seconds(self, group: str) -> float:
        """Return for how many seconds targets of the group with this ARN drain."""
        del group
        return DEREGISTRATION_SECONDS

    def health_check(self, group: str) -> HealthCheck:
        """Return how the group with this ARN checks its targets."""
        del group
        return HealthCheck()

    def free_addresses(self, subnet: str) -> int | None:
        """Return for how many more network interfaces the subnet has room; None where there is no such subnet."""
        del subnet
        return 251
