"""The credentials with which AWS is called: those of this process, and those of a role in another account.

botocore signs each request with what ``get_frozen_credentials`` returns. Here that never waits for STS while there are
valid credentials: those of a role are renewed in the background (``accounts.py``), long before they expire. Times are
real seconds by the machine's clock, by which requests are signed.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError, UnauthorizedSSOTokenError

from contracts.policy import Access

SESSION_SECONDS = 3600
"""The duration that is requested for a role. One role that assumes another gets no more, whatever the other allows (IAM
user guide, "Role chaining")."""
RENEW_SHARE = 0.35
"""A role's credentials are renewed when less than this share of their time is left: 21 minutes of an hour."""
LEAST_SECONDS = 2.0
"""Credentials that expire sooner are not used any more."""
REFUSED_SECONDS = (120.0, 150.0)
"""The least and the most seconds before a role that was refused is assumed again; drawn at random each time."""
SILENT_SECONDS = (5.0, 10.0)
"""The same where STS did not answer."""
FORCED_SECONDS = 10.0
"""Seconds between two renewals of credentials that should still be valid: AWS may refuse those just issued."""
OWN_AGAIN_SECONDS = 5.0
"""Seconds between two attempts to get this process's own credentials after one that failed."""

EXPIRED = {"ExpiredToken", "ExpiredTokenException"}
"""AWS's codes for expired credentials. The refused call has changed nothing."""
CAUSES = (
    "this process's own role may not call sts:AssumeRole on it",
    "its trust policy does not name this process's role",
    "the external id is not the one that it demands",
    "this process's role was deleted and made again, and the trust policy holds the old one's id: save it again",
    "it demands another session name",
)
"""Causes of a denied AssumeRole, the most usual first; AWS does not name the one that applies (IAM user guide,
"Troubleshoot IAM roles")."""

log = structlog.get_logger()


class NoCredentials(BotoCoreError):
    """There are no credentials to call AWS with. The text is a sentence without its full stop, and without secrets."""

    fmt = "{sentence}"

    def __init__(self, sentence: str, *, temporary: bool, code: str = "") -> None:
        super().__init__(sentence=sentence)
        self.code = code or type(self).__name__
        """AWS's code where it refused."""
        self.temporary = temporary
        """Whether another try may help; if not, a role, policy or setting has to be changed first."""


class ClockOff(NoCredentials):
    """AWS refuses every signature, since this machine's clock is wrong."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Credentials from STS, valid from ``begun`` to ``until`` (epoch seconds)."""

    frozen: ReadOnlyCredentials
    begun: float
    until: float


@dataclass(frozen=True, slots=True)
class _Refusal:
    error: NoCredentials
    until: float


class RoleCredentials(Credentials):
    """Credentials of the role of one account. They may be used from several threads."""

    def __init__(
        self,
        account: str,
        access: Access,
        assume: Callable[[Mapping[str, Any]], Mapping[str, Any]],
        now: Callable[[], float] = time.time,
    ) -> None:
        """``assume`` calls AssumeRole with the given parameters, at the STS endpoint of a region."""
        super().__init__("", "", "", method="surefoot-role", account_id=account)
        self.account = account
        self.access = access
        self.held: Keys | None = None
        self._assume = assume
        self._now = now
        self._renewing = threading.Lock()
        self._refusal: _Refusal | None = None
        self._forced_at = -FORCED_SECONDS

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Return valid credentials. Raise ``NoCredentials`` where there are none and STS issues none."""
        held = self.held
        if held is not None and held.until - self._now() > LEAST_SECONDS:
            return held.frozen
        return self.renew(held).frozen

    @property
    def due(self) -> bool:
        """Return whether the credentials should be renewed."""
        held = self.held
        return held is None or held.until - self._now() < (held.until - held.begun) * RENEW_SHARE

    @property
    def left(self) -> float:
        """Return for how many seconds the credentials are still valid."""
        return self.held.until - self._now() if self.held is not None else 0.0

    def renew(self, stale: object) -> Keys:
        """Return credentials other than ``stale``. One thread requests them; all others wait for its result."""
        with self._renewing:
            if self.held is not None and self.held is not stale:
                return self.held
            return self._renew()

    def renew_refused(self, stale: object) -> bool:
        """Renew credentials that AWS refused as expired; return False where that was done a moment ago."""
        with self._renewing:
            if self.held is stale:
                if self._now() - self._forced_at < FORCED_SECONDS:
                    return False
                self._forced_at = self._now()
                self._renew()
            return True

    def _renew(self) -> Keys:
        if self._refusal is not None and self._now() < self._refusal.until:
            raise self._refusal.error
        try:
            self.held = self._assumed()
        except (ClientError, BotoCoreError) as error:
            explained = self._explained(error)
            least, most = SILENT_SECONDS if explained.temporary else REFUSED_SECONDS
            self._refusal = _Refusal(explained, self._now() + random.uniform(least, most))  # noqa: S311  no secret
            raise explained from None
        self._refusal = None
        return self.held

    def demands_external_id(self) -> bool:
        """Return whether the role refuses callers without the external id; it is assumed once to find out."""
        try:
            self._assume(self._parameters(with_external_id=False))
        except ClientError as error:
            if _code(error) == "AccessDenied":
                return True
            raise
        return False

    def _assumed(self) -> Keys:
        """Return the keys of the role, assumed anew."""
        answer = self._assume(self._parameters(with_external_id=True))["Credentials"]
        frozen = ReadOnlyCredentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"], None)
        return Keys(frozen, self._now(), answer["Expiration"].timestamp())

    def _parameters(self, *, with_external_id: bool) -> dict[str, Any]:
        access = self.access
        known = {"ExternalId": access.external_id} if access.external_id and with_external_id else {}
        return {
            "RoleArn": access.role,
            "RoleSessionName": access.session_name,
            "DurationSeconds": SESSION_SECONDS,
            **known,
        }

    def _explained(self, error: ClientError | BotoCoreError) -> NoCredentials:
        """Return the error as a sentence about the account, with what to do where AWS refused."""
        entering = f"account {self.account} cannot be entered by {self.access.role}"
        if isinstance(error, NoCredentials):
            return error
        if isinstance(error, BotoCoreError):
            return NoCredentials(f"{entering}: STS does not answer ({type(error).__name__})", temporary=True)
        code, status = _code(error), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code == "AccessDenied":
            causes = "; ".join(f"({number}) {cause}" for number, cause in enumerate(CAUSES, 1))
            sentence = f"{entering}: AccessDenied. Usual causes, in this order: {causes}"
            return NoCredentials(sentence, temporary=False, code=code)
        return NoCredentials(f"{entering}: STS says {code}", temporary=status >= 500 or code == "Throttling")


class OwnCredentials(Credentials):
    """This process's own credentials, wherever botocore finds them: environment, file, container or machine.

    Credentials of containers and machines expire, and botocore renews them. Where it cannot, the last ones are used for
    as long as AWS accepts them, and ``fault`` says what is wrong.
    """

    def __init__(self, find: Callable[[], Credentials | None], now: Callable[[], float] = time.monotonic) -> None:
        super().__init__("", "", "", method="surefoot-own")
        self.fault = ""
        """What is wrong, as a sentence without its full stop; empty while the credentials can be renewed."""
        self.held: ReadOnlyCredentials | None = None
        self._find = find
        self._now = now
        self._found: Credentials | None = None
        self._asking = threading.Lock()
        self._again_at = 0.0

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Return the present credentials. Raise ``NoCredentials`` where there never were any."""
        return self.held if self.fault and self.held is not None else self.refresh()

    def refresh(self) -> ReadOnlyCredentials:
        """Get the credentials from their source, unless that has just failed: an attempt may take some seconds.

        Raise ``NoCredentials`` where there never were any.
        """
        with self._asking:
            if not self.fault or self._now() >= self._again_at:
                self._ask()
            if self.held is None:
                raise NoCredentials(self.fault, temporary=True)
            return self.held

    def renew_refused(self, stale: object) -> bool:
        """Get the credentials again where AWS refused ``stale`` as expired; return whether there are others now."""
        return self.refresh() != stale

    def _ask(self) -> None:
        try:
            self._found = self._found or self._find()
            if self._found is None:
                self._failed("no credentials are configured in the environment, a file, the container or the machine")
                return
            self.held = self._found.get_frozen_credentials()
        except (BotoCoreError, ClientError, OSError, RuntimeError, ValueError, KeyError) as error:
            # botocore raises RuntimeError where the answer has credentials of the past
            self._failed(f"their source fails ({_kind(error)})")
        else:
            self.fault = ""

    def _failed(self, why: str) -> None:
        if not self.fault:
            log.warning("no credentials of our own", why=why)
        self.fault = f"this process cannot get its own credentials: {why}"
        self._again_at = self._now() + OWN_AGAIN_SECONDS


def _kind(error: Exception) -> str:
    if isinstance(error, RuntimeError):
        return "it answers with credentials that have expired"
    if isinstance(error, UnauthorizedSSOTokenError):
        return "the SSO session has ended: sign in again"
    return type(error).__name__


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))
