"""A task as the target of a load balancer, and the results of its health check."""

from dataclasses import dataclass
from enum import StrEnum
from math import inf

from sandbox.aws.http_answers import NotHttp, Request, answer
from sandbox.scenarios.behaviour import Behaviour

INTERVAL = 10.0
"""Seconds between two checks of a target of the sandbox's own target group."""
HEALTHY_AFTER = 2
UNHEALTHY_AFTER = 3


class State(StrEnum):
    INITIAL = "initial"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    DRAINING = "draining"


_INITIAL = ("Elb.RegistrationInProgress", "Target registration is in progress")
_DRAINING = ("Target.DeregistrationInProgress", "Target deregistration is in progress")
TIMEOUT = ("Target.Timeout", "Request timed out")
REFUSED = ("Target.FailedHealthChecks", "Health checks failed")

Failure = tuple[str, str] | None
"""Reason code and description of a failed health check, as ``DescribeTargetHealth`` has them; None where it passed."""


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """How a target group checks its targets; the defaults are those of the sandbox's own target group."""

    protocol: str = "HTTP"
    path: str = "/health"
    interval: float = INTERVAL
    healthy_after: int = HEALTHY_AFTER
    unhealthy_after: int = UNHEALTHY_AFTER
    codes: str = "200"
    """Status codes of a passed check: ``200``, ``200,302``, ``200-299``."""

    def failure(self, behaviour: Behaviour, *, listening: bool) -> Failure:
        """Return how a check of a container that behaves so ends."""
        if not listening:
            return TIMEOUT if self.protocol != "TCP" else REFUSED
        if self.protocol == "TCP":
            return None
        try:
            status = answer(Request("GET", self.path, {}), behaviour, lucky=True).status
        except NotHttp:
            return REFUSED
        status = status if behaviour.passes_health_check else 503
        if any(_within(status, part) for part in self.codes.split(",")):
            return None
        return "Target.ResponseCodeMismatch", f"Health checks failed with these codes: [{status}]"


def _within(status: int, part: str) -> bool:
    low, _, high = part.partition("-")
    return int(low) <= status <= int(high or low)


@dataclass(slots=True)
class Target:
    """One registered address of one target group."""

    group: str
    """The ARN of the target group."""
    address: str
    port: int
    state: State = State.INITIAL
    reason: Failure = _INITIAL
    health_check: HealthCheck = HealthCheck()
    next_check: float = inf
    passed: int = 0
    failed: int = 0

    def check(self, failure: Failure, now: float) -> None:
        """Take one result of the health check."""
        self.next_check = now + self.health_check.interval
        self.passed, self.failed = (self.passed + 1, 0) if failure is None else (0, self.failed + 1)
        if self.passed >= self.health_check.healthy_after:
            self.state, self.reason = State.HEALTHY, None
        elif self.failed >= self.health_check.unhealthy_after:
            self.state, self.reason = State.UNHEALTHY, failure

    def drain(self) -> None:
        self.state, self.reason = State.DRAINING, _DRAINING
