"""Rules for faults of AWS's calls, which last for a time or for a number of calls."""

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from contracts.suggest import did_you_mean
from sandbox.aws.call_log import changes
from sandbox.aws.errors import AwsFault
from sandbox.aws.faults.operations import operations_of


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
    RESET = "reset"
    """The connection ends without an answer, and nothing was done."""
    RESET_AFTER = "reset-after"
    """It takes effect, and the connection ends without an answer."""
    STALE = "stale"
    """A call that reads gets the answer of some time ago."""


AFTER = frozenset({Kind.ERROR_AFTER, Kind.SLOW_AFTER, Kind.RESET_AFTER})
"""Kinds of fault in which the call takes effect first."""
_S3_CODES = {Kind.THROTTLE: "SlowDown", Kind.DENY: "AccessDenied", Kind.EXPIRE: "ExpiredToken"}
_QUERY_CODES = {Kind.THROTTLE: "Throttling", Kind.DENY: "AccessDenied", Kind.EXPIRE: "ExpiredToken"}
_CODES = {
    Kind.THROTTLE: "ThrottlingException",
    Kind.DENY: "AccessDeniedException",
    Kind.EXPIRE: "ExpiredTokenException",
}


SERVICES = frozenset({
    "application-autoscaling", "ce", "ec2", "ecr", "ecs", "elasticloadbalancing", "events", "iam", "kms", "logs",
    "monitoring", "pricing", "rds", "s3", "secretsmanager", "sns", "sqs", "ssm", "sts",
})  # fmt: skip
"""Services as signatures name them: CloudWatch signs as ``monitoring``."""
_POLICIES = {"monitoring": "cloudwatch"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A call before it takes effect."""

    service: str
    """The service, as the signature names it."""
    operation: str
    agent: str
    """The User-Agent."""
    caller: str
    """An ARN."""
    resource: str
    account: str = ""
    """The account of the caller, in which the call acts."""
    region: str = ""
    """The region of the signature, in which the call acts."""

    @property
    def action(self) -> str:
        """Return the action as IAM policies name it, such as ``ecs:UpdateService``."""
        return f"{_POLICIES.get(self.service, self.service)}:{self.operation}"


class Rule(BaseModel):
    """Which calls fail, how, and for how long. A field that is left empty matches all calls."""

    model_config = ConfigDict(extra="forbid", frozen=True)

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
    account: Annotated[str, Field(pattern=r"^(\d{12})?$")] = ""
    """The account in which the call acts."""
    calls: int | None = Field(default=None, ge=1)
    """Ends after so many calls."""
    seconds: float | None = Field(default=None, gt=0)
    """Ends after so many real seconds."""
    share: float = Field(default=1.0, gt=0, le=1)
    delay: float = Field(default=1.0, ge=0, le=60)
    """Real seconds, for ``slow``, ``slow-after`` and ``stale``."""

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

    def meets(self, call: "Asked") -> bool:
        return (
            self.service in {"", call.service}
            and self.operation in {"", call.operation}
            and self.agent in call.agent
            and self.caller in call.caller
            and self.resource in call.resource
            and self.account in {"", call.account}
        )


class FaultRules:
    """The rules in force. Safe to use from several threads."""

    def __init__(self, *, seed: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self._random = Random(seed)  # noqa: S311  a simulation wants to be repeatable
        self._clock = clock
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._rules: dict[int, tuple[Rule, float]] = {}
        self._done: dict[int, int] = {}

    @property
    def any(self) -> bool:
        """Return whether a rule may be in force."""
        return bool(self._rules)

    def add(self, rule: Rule) -> int:
        """Put a rule into force, and return its number."""
        with self._lock:
            number = next(self._numbers)
            self._rules[number] = (rule, self._clock())
            self._done[number] = 0
            return number

    def end(self, number: int | None = None) -> list[dict[str, object]]:
        """End one rule, or all; return those that were in force."""
        ended = [rule for rule in self.rules() if number in {None, rule["id"]}]
        with self._lock:
            for rule in ended:
                self._rules.pop(int(str(rule["id"])), None)
        return ended

    def rules(self) -> list[dict[str, object]]:
        """Return the rules in force, with how many calls each has met."""
        with self._lock:
            self._expire()
            return [
                {"id": number, "done": self._done[number], **rule.model_dump(mode="json", exclude_defaults=True)}
                for number, (rule, _) in self._rules.items()
            ]

    def of(self, call: "Asked") -> Rule | None:
        """Return the first rule that this call meets, and count it; None leaves the call alone."""
        with self._lock:
            self._expire()
            for number, (rule, _) in self._rules.items():
                if not rule.meets(call) or (rule.kind is Kind.STALE and changes(call.operation)):
                    continue
                if rule.share < 1 and self._random.random() >= rule.share:
                    continue
                self._done[number] += 1
                return rule
            return None

    def _expire(self) -> None:
        now = self._clock()
        for number, (rule, since) in list(self._rules.items()):
            used_up = rule.calls is not None and self._done[number] >= rule.calls
            if used_up or (rule.seconds is not None and now - since > rule.seconds):
                del self._rules[number]


def fault_of(kind: Kind, call: Asked, *, query: bool) -> AwsFault:
    """Return the error as the service words it. ``query``: it speaks AWS's older protocol, in XML."""
    service = call.service
    codes = _S3_CODES if service == "s3" else _QUERY_CODES if query else _CODES
    code = codes.get(kind)
    if code is None:
        return AwsFault("InternalError" if service == "s3" or query else "ServerException", "An internal error.", 500)
    message = {
        Kind.THROTTLE: "Rate exceeded",
        Kind.DENY: f"User: {call.caller} is not authorized to perform: {call.action} "
        f"because no identity-based policy allows the {call.action} action",
        Kind.EXPIRE: "The security token included in the request is expired",
    }[kind]
    status = {Kind.THROTTLE: 503 if service == "s3" else 400, Kind.DENY: 403 if service == "s3" or query else 400}
    return AwsFault(code, message, status.get(kind, 400))


def invalid_token(call: Asked, *, query: bool) -> AwsFault:
    """Return the error for invalid or unknown credentials, as the service words it."""
    message = "The security token included in the request is invalid"
    if call.service == "s3":
        return AwsFault("InvalidToken", "The provided token is malformed or otherwise invalid.")
    if call.service == "ec2":
        return AwsFault("AuthFailure", "AWS was not able to validate the provided access credentials", 401)
    return (
        AwsFault("InvalidClientTokenId", message, 403)
        if query
        else AwsFault("UnrecognizedClientException", f"{message}.")
    )
