"""What ECS asks of the other services of AWS."""

from collections.abc import Sequence

DEREGISTRATION_SECONDS = 300.0
"""A target group's deregistration delay where nobody set it (Elastic Load Balancing user guide)."""


class Neighbours:
    """By itself, everything is there and well; ``sandbox/aws/moto/neighbours.py`` asks moto."""

    def __init__(self) -> None:
        self.roles_gone: set[str] = set()
        """Names of roles that nobody can assume."""
        self.secrets_gone = False
        """Whether ECS finds none of the secrets and parameters that it looks for."""

    def alarms_firing(self, names: Sequence[str]) -> list[str]:
        """Those of the CloudWatch alarms ``names`` that are in ALARM."""
        del names
        return []

    def secret_fault(self, reference: str) -> str:
        """Why the execution role cannot read the secret or parameter of a ``valueFrom``, in AWS's words; or empty."""
        del reference
        return ""

    def load_balancer_of(self, group: str) -> str | None:
        """``app/name/id`` of the load balancer in front of a target group, None where there is none."""
        del group
        return "app/any/0"

    def deregistration_seconds(self, group: str) -> float:
        """How long the targets of the group with this ARN drain."""
        del group
        return DEREGISTRATION_SECONDS

    def free_addresses(self, subnet: str) -> int | None:
        """How many network interfaces more the subnet has room for; None where there is no such subnet."""
        del subnet
        return 251
