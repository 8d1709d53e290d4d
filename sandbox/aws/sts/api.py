"""AssumeRole and GetCallerIdentity, in AWS's query protocol.

Source: AWS STS API reference, AssumeRole and GetCallerIdentity; IAM user guide, "Troubleshoot IAM roles" for the words
of a refusal. The identity's own policies are ignored: the trust policy alone decides.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from math import inf
from typing import Any, Protocol
from xml.sax.saxutils import escape  # it reads no XML # nosec B406

from sandbox.aws.errors import AwsFault
from sandbox.aws.sts.sessions import Identity, Session, Sessions
from sandbox.aws.sts.trust import ACTION, trusts

OPERATIONS = frozenset({"AssumeRole", "GetCallerIdentity"})
DEFAULT_SECONDS = 3600
LEAST_SECONDS, MOST_SECONDS = 900, 43_200
CHAINED_SECONDS = 3600
"""The longest session of a role that another role's session assumes (IAM user guide, "Role chaining")."""

_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


class Role(Protocol):
    """A role, as IAM has it."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def trust(self) -> Mapping[str, Any]: ...
    @property
    def max_seconds(self) -> int: ...


class Sts:
    """Answers for every account and region."""

    def __init__(self, sessions: Sessions, role_of: Callable[[str], Role | None], longest: float | None = None) -> None:
        """``role_of``: the role with an ARN; None where there is none.

        ``longest``: credentials last for so many seconds at most, whatever was asked for: shorter than AWS's least.
        """
        self._sessions = sessions
        self._role_of = role_of
        self._longest = inf if longest is None else longest

    def call(self, operation: str, request: Mapping[str, str], caller: Identity, *, regional: bool) -> bytes:
        """Answer one of ``OPERATIONS``, as XML. ``regional``: at an endpoint of a region. Raise ``AwsFault``."""
        if operation == "AssumeRole":
            session = self._assume(request, caller, everywhere=regional)
            return _answer(operation, _assumed(session))
        return _answer(
            operation,
            f"<Arn>{escape(caller.arn)}</Arn><UserId>{escape(caller.user_id)}</UserId>"
            f"<Account>{caller.account}</Account>",
        )

    def _assume(self, request: Mapping[str, str], caller: Identity, *, everywhere: bool) -> Session:
        arn, name = request.get("RoleArn", ""), request.get("RoleSessionName", "")
        external_id = request.get("ExternalId")
        _check("roleArn", arn, r"[\t\n\r\x20-\x7E\x85\xA0-\uFFFF]+", 20, 2048)
        _check("roleSessionName", name, r"[\w+=,.@-]*", 2, 64)
        if external_id is not None:
            _check("externalId", external_id, r"[\w+=,.@:\/-]*", 2, 1224)
        seconds = _seconds(request.get("DurationSeconds"))
        role = self._role_of(arn)
        if role is None or not trusts(role.trust, caller.arn, name, external_id):
            message = f"User: {caller.arn} is not authorized to perform: {ACTION} on resource: {arn}"
            raise AwsFault("AccessDenied", message, 403)
        if caller.session is not None and seconds > CHAINED_SECONDS:
            raise _invalid(
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
            )
        if seconds > role.max_seconds:
            raise _invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
        account = arn.split(":")[4]
        lasting = min(seconds, self._longest)
        return self._sessions.begin(account, role.name, role.id, name, lasting, everywhere=everywhere)


def _check(name: str, value: str, pattern: str, least: int, most: int) -> None:
    """Refuse as AWS's validation does, which names the first constraint that is not satisfied."""
    broken = ""
    if len(value) < least:
        broken = f"Member must have length greater than or equal to {least}"
    elif len(value) > most:
        broken = f"Member must have length less than or equal to {most}"
    elif not re.fullmatch(pattern, value, re.ASCII):
        broken = f"Member must satisfy regular expression pattern: {pattern}"
    if broken:
        raise _constraint(name, value, broken)


def _seconds(text: str | None) -> int:
    if text is None:
        return DEFAULT_SECONDS
    if not text.isdecimal():
        raise _invalid(f"The value {text!r} of DurationSeconds is no number.")
    seconds = int(text)
    if seconds < LEAST_SECONDS:
        raise _constraint("durationSeconds", text, f"Member must have value greater than or equal to {LEAST_SECONDS}")
    if seconds > MOST_SECONDS:
        raise _constraint("durationSeconds", text, f"Member must have value less than or equal to {MOST_SECONDS}")
    return seconds


def _constraint(name: str, value: str, broken: str) -> AwsFault:
    return _invalid(f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: {broken}")


def _invalid(message: str) -> AwsFault:
    return AwsFault("ValidationError", message)


def _assumed(session: Session) -> str:
    until = datetime.fromtimestamp(session.expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        f"<AssumedRoleUser><AssumedRoleId>{session.role_id}:{escape(session.name)}</AssumedRoleId>"
        f"<Arn>{escape(session.arn)}</Arn></AssumedRoleUser>"
        f"<Credentials><AccessKeyId>{session.access_key}</AccessKeyId>"
        f"<SecretAccessKey>{session.secret}</SecretAccessKey><SessionToken>{session.token}</SessionToken>"
        f"<Expiration>{until}</Expiration></Credentials>"
    )


def _answer(operation: str, result: str) -> bytes:
    return (
        f'<{operation}Response xmlns="{_NAMESPACE}"><{operation}Result>{result}</{operation}Result>'
        f"<ResponseMetadata><RequestId>0</RequestId></ResponseMetadata></{operation}Response>"
    ).encode()
