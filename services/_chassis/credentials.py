"""With which credentials AWS is called: those of this process, and those of a role in another account.

botocore signs each request with what ``get_frozen_credentials`` returns. Here that never waits for STS while there are
credentials that hold: a role's are renewed in the background (``accounts.py``), long before they end. Times are real
seconds by the machine's clock, which AWS signs and judges by.
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
"""A role that a role assumes lasts no longer, whatever it allows (IAM user guide, "Role chaining")."""
RENEW_SHARE = 0.35
"""Of the time of a role's credentials that is left when they are renewed: 21 minutes of an hour."""
LEAST_SECONDS = 2.0
"""Credentials that end sooner are not used any more."""
REFUSED_SECONDS = (120.0, 150.0)
"""For how long a role that was refused is not asked for again; drawn anew each time."""
SILENT_SECONDS = (5.0, 10.0)
"""The same where STS did not answer."""
FORCED_SECONDS = 10.0
"""Between two renewals of credentials that should still hold: AWS may refuse those that it has just given."""
OWN_AGAIN_SECONDS = 5.0
"""Between two looks for this process's own credentials, where there are none."""

EXPIRED = {"ExpiredToken", "ExpiredTokenException"}
"""AWS's codes for credentials whose time is over; nothing was done."""
CAUSES = (
    "this process's own role may not call sts:AssumeRole on it",
    "its trust policy does not name this process's role",
    "the external id is not the one that it demands",
    "this process's role was deleted and made again, and the trust policy holds the old one's id: save it again",
    "it demands another session name",
)
"""Why AssumeRole is denied, the most usual first; AWS does not say which (IAM user guide, "Troubleshoot IAM roles")."""

log = structlog.get_logger()


class NoCredentials(BotoCoreError):
    """There are no credentials to call AWS with. The text is a sentence without its full stop, and without secrets."""

    fmt = "{sentence}"

    def __init__(self, sentence: str, *, temporary: bool, code: str = "") -> None:
        super().__init__(sentence=sentence)
        self.code = code or type(self).__name__
        """AWS's code, if it refused."""
        self.temporary = temporary
        """Another try may help; False: somebody has to change something."""


class ClockOff(NoCredentials):
    """AWS refuses every signature, since this machine's clock is wrong."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Credentials from STS."""

    frozen: ReadOnlyCredentials
    begun: float
    until: float


@dataclass(frozen=True, slots=True)
class _Refusal:
    error: NoCredentials
    until: float


class RoleCredentials(Credentials):
    """Those of one account's role. Safe to use from several threads."""

    def __init__(
        self,
        account: str,
        access: Access,
        assume: Callable[[Mapping[str, Any]], Mapping[str, Any]],
        now: Callable[[], float] = time.time,
    ) -> None:
        """``assume``: AssumeRole with such parameters, at an STS endpoint of a region."""
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
        """Return what holds. Raise ``NoCredentials`` where nothing does and STS gives nothing."""
        held = self.held
        if held is not None and held.until - self._now() > LEAST_SECONDS:
            return held.frozen
        return self.renew(held).frozen

    @property
    def due(self) -> bool:
        """Whether they should be renewed."""
        held = self.held
        return held is None or held.until - self._now() < (held.until - held.begun) * RENEW_SHARE

    @property
    def left(self) -> float:
        """For how many seconds they still hold."""
        return self.held.until - self._now() if self.held is not None else 0.0

    def renew(self, stale: object) -> Keys:
        """Return others than ``stale``. One thread asks for them, the others wait for what comes of it."""
        with self._renewing:
            if self.held is not None and self.held is not stale:
                return self.held
            return self._renew()

    def renew_refused(self, stale: object) -> bool:
        """Renew credentials that AWS takes for expired; return False where that was tried a moment ago."""
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
            self.held = self._asked()
        except (ClientError, BotoCoreError) as error:
            told = self._told(error)
            least, most = SILENT_SECONDS if told.temporary else REFUSED_SECONDS
            self._refusal = _Refusal(told, self._now() + random.uniform(least, most))  # noqa: S311  no secret
            raise told from None
        self._refusal = None
        return self.held

    def demands_external_id(self) -> bool:
        """Whether the role refuses whoever does not know the external id. Asks STS once."""
        try:
            self._assume(self._parameters(with_external_id=False))
        except ClientError as error:
            if _code(error) == "AccessDenied":
                return True
            raise
        return False

    def _asked(self) -> Keys:
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

    def _told(self, error: ClientError | BotoCoreError) -> NoCredentials:
        entering = f"account {self.account} cannot be entered by {self.access.role}"
        if isinstance(error, NoCredentials):
            return error
        if isinstance(error, BotoCoreError):
            return NoCredentials(f"{entering}: STS does not answer ({type(error).__name__})", temporary=True)
        code, status = _code(error), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code == "AccessDenied":
            causes = "; ".join(f"({number}) {cause}" for number, cause in enumerate(CAUSES, 1))
            said = f"{entering}: AccessDenied. Usual causes, in this order: {causes}"
            return NoCredentials(said, temporary=False, code=code)
        return NoCredentials(f"{entering}: STS says {code}", temporary=status >= 500 or code == "Throttling")


class OwnCredentials(Credentials):
    """Those of this process, wherever botocore finds them: environment, file, container or machine.

    Those of containers end, and botocore renews them. Where it cannot, the last ones are used for as long as AWS takes
    them, and ``fault`` says what is wrong.
    """

    def __init__(self, find: Callable[[], Credentials | None], now: Callable[[], float] = time.monotonic) -> None:
        super().__init__("", "", "", method="surefoot-own")
        self.fault = ""
        """A sentence without its full stop; empty while all is well."""
        self.held: ReadOnlyCredentials | None = None
        self._find = find
        self._now = now
        self._found: Credentials | None = None
        self._asking = threading.Lock()
        self._again_at = 0.0

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Return what there is. Raise ``NoCredentials`` where there never was any."""
        return self.held if self.fault and self.held is not None else self.refresh()

    def refresh(self) -> ReadOnlyCredentials:
        """Ask where they come from, unless that has just failed, which may take some seconds."""
        with self._asking:
            if not self.fault or self._now() >= self._again_at:
                self._ask()
            if self.held is None:
                raise NoCredentials(self.fault, temporary=True)
            return self.held

    def renew_refused(self, stale: object) -> bool:
        """Ask again where AWS takes them for expired; return whether there are others now."""
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
