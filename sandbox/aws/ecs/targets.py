"""A task as the target of a load balancer, and the results of its health check."""

from dataclasses import dataclass
from enum import StrEnum

INTERVAL = 10.0
"""Seconds between two health checks of a target."""
HEALTHY_AFTER = 2
UNHEALTHY_AFTER = 3


class State(StrEnum):
    INITIAL = "initial"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    DRAINING = "draining"


_INITIAL = ("Elb.RegistrationInProgress", "Target registration is in progress")
_DRAINING = ("Target.DeregistrationInProgress", "Target deregistration is in progress")
MISMATCH = ("Target.ResponseCodeMismatch", "Health checks failed with these codes: [503]")
TIMEOUT = ("Target.Timeout", "Request timed out")


@dataclass(slots=True)
class Target:
    """One registered address of one target group."""

    group: str
    """The ARN of the target group."""
    address: str
    port: int
    state: State = State.INITIAL
    reason: tuple[str, str] | None = _INITIAL
    """Reason code and description, as ``DescribeTargetHealth`` has them."""
    passed: int = 0
    failed: int = 0

    def check(self, failure: tuple[str, str] | None) -> None:
        """Take one result of the health check: None when it passed, else why it failed."""
        self.passed, self.failed = (self.passed + 1, 0) if failure is None else (0, self.failed + 1)
        if self.passed >= HEALTHY_AFTER:
            self.state, self.reason = State.HEALTHY, None
        elif self.failed >= UNHEALTHY_AFTER:
            self.state, self.reason = State.UNHEALTHY, failure

    def drain(self) -> None:
        self.state, self.reason = State.DRAINING, _DRAINING
