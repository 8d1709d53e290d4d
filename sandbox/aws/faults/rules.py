"""Rules for faults of AWS's calls, which last for a time or for a number of calls."""

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from sandbox.aws.call_log import changes
from sandbox.aws.errors import AwsFault
from sandbox.scenarios.harm import Kind, Rule

AFTER = frozenset({Kind.ERROR_AFTER, Kind.SLOW_AFTER, Kind.RESET_AFTER, Kind.OMIT})
"""Kinds of fault in which the call takes effect first."""
_S3_CODES = {Kind.THROTTLE: "SlowDown", Kind.DENY: "AccessDenied", Kind.EXPIRE: "ExpiredToken"}
_QUERY_CODES = {Kind.THROTTLE: "Throttling", Kind.DENY: "AccessDenied", Kind.EXPIRE: "ExpiredToken"}
_CODES = {
    Kind.THROTTLE: "ThrottlingException",
    Kind.DENY: "AccessDeniedException",
    Kind.EXPIRE: "ExpiredTokenException",
}


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


def meets(rule: Rule, call: Asked) -> bool:
    """Return whether the call is one of those that the rule is for."""
    return (
        rule.service in {"", call.service}
        and rule.operation in {"", call.operation}
        and rule.agent in call.agent
        and rule.caller in call.caller
        and rule.resource in call.resource
        and rule.account in {"", call.account}
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
                if not meets(rule, call) or (rule.kind is Kind.STALE and changes(call.operation)):
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
