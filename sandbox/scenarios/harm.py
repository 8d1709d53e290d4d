"""Rules by which calls of AWS fail: which calls, how, and for how long. A scenario schedules them, or a person does."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from contracts.suggest import did_you_mean
from sandbox.scenarios.frozen import Frozen
from sandbox.scenarios.operations import operations_of


class Kind(StrEnum):
    """What happens to a call."""

    THROTTLE = "throttle"
    DENY = "deny"
    EXPIRE = "expire"
    """The caller's credentials have expired."""
    ERROR_BEFORE = "error-before"
    """An internal error, and nothing was done."""
    ERROR_AFTER = "error-after"
    """It takes effect, and the answer is an internal error."""
    SLOW = "slow"
    """It waits before it takes effect; a caller that has hung up by then leaves a call that lands late."""
    SLOW_AFTER = "slow-after"
    """It takes effect, and the answer waits."""
    HANG = "hang"
    """Nothing is done, and no answer comes: the caller's own limit ends it."""
    RESET = "reset"
    """The connection ends without an answer, and nothing was done."""
    RESET_AFTER = "reset-after"
    """It takes effect, and the connection ends without an answer."""
    STALE = "stale"
    """A call that reads gets the answer of some time ago."""
    OMIT = "omit"
    """The answer comes without the fields that ``omits`` names."""


SERVICES = frozenset({
    "application-autoscaling", "ce", "cloudformation", "cloudtrail", "ec2", "ecr", "ecs", "elasticloadbalancing",
    "events", "iam", "kms", "logs", "monitoring", "pricing", "rds", "s3", "secretsmanager", "servicediscovery", "sns",
    "sqs", "ssm", "sts",
})  # fmt: skip
"""Services as signatures name them: CloudWatch signs as ``monitoring``."""


class Rule(Frozen):
    """Which calls fail, how, and for how long. A field that is left empty matches all calls."""

    kind: Kind
    service: str = ""
    """The service, as the signature names it."""
    operation: str = ""
    agent: str = ""
    """A part of the User-Agent."""
    caller: str = ""
    """A part of the caller's ARN."""
    resource: str = ""
    """A part of the resource's name."""
    account: Annotated[str, Field(pattern=r"^([0-9]{12})?$")] = ""
    """The account in which the call acts."""
    calls: int | None = Field(default=None, ge=1)
    """Ends after so many calls."""
    seconds: float | None = Field(default=None, gt=0)
    """Ends after so many seconds: real ones at a sandbox that runs, product ones in a rehearsal."""
    share: float = Field(default=1.0, gt=0, le=1)
    delay: float = Field(default=1.0, ge=0, le=60)
    """Seconds, as above, for ``slow``, ``slow-after`` and ``stale``."""
    omits: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9]+$")], ...] = ()
    """Names of fields, at any depth of the answer, for ``omit``."""

    @field_validator("service")
    @classmethod
    def _is_known(cls, service: str) -> str:
        if service and service not in SERVICES:
            raise ValueError(f"no signature names {service!r}; they name {', '.join(sorted(SERVICES))}")
        return service

    @model_validator(mode="after")
    def _is_an_operation(self) -> Self:
        if not self.operation:
            return self
        services = [self.service] if self.service else sorted(SERVICES)
        known = [operation for service in services for operation in operations_of(service)]
        if self.operation not in known:
            where = self.service or "AWS"
            raise ValueError(f"{where} has no operation {self.operation[:100]}{did_you_mean(self.operation, known)}")
        return self

    @model_validator(mode="after")
    def _omits_something(self) -> Self:
        if (self.kind is Kind.OMIT) != bool(self.omits):
            raise ValueError("omit, and no other kind, names the fields that are missing, as omits")
        if self.kind is Kind.OMIT and self.service == "monitoring":
            raise ValueError("answers of CloudWatch are binary; nothing can be omitted from them")
        return self


class ScheduledRule(Rule):
    """A rule that comes into force during a rehearsal."""

    at: Annotated[float, Field(ge=0, le=86_400)] = 0
    """Seconds after the request."""
    agent: str = "surefoot"
    """A part of the User-Agent; by default Surefoot's calls are meant, and nobody else's."""
