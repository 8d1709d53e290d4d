"""Keeps credentials for every account of the policy: renews them in time, and reports the accounts that refuse.

An account that refuses affects no other one. The process goes on and stays ready; ``/readyz`` shows a sentence about
the account under ``degraded`` and ``accounts``, and each call into the account fails with the same sentence. Only a
process that cannot get credentials of its own ends, after a while, since a new one may get them. Times are real
seconds.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from contracts.base import Target
from contracts.policy import Access
from services._chassis.aws import Aws
from services._chassis.aws_connection import AwsConnection, Place, Roles
from services._chassis.clock_offset import clock_fault, offset_of
from services._chassis.credentials import ClockOff, NoCredentials, RoleCredentials
from services._chassis.lanes import ENTERING
from services._chassis.readiness import Readiness

LOOK_SECONDS = 30.0
"""Seconds between two checks of credentials that may have to be renewed, and of accounts that refuse."""
OWN_SECONDS = 60.0
"""Seconds after which STS is asked again which account this process's own credentials belong to."""
CHECK_SECONDS = 300.0
"""Seconds after which STS is asked again which account a role's credentials belong to."""
LOST_SECONDS = 600.0
"""Seconds for which a process goes on without credentials of its own; twice as long while it works on jobs."""

OK = "ok"

log = structlog.get_logger()


class CredentialsLost(Exception):
    """This process cannot get credentials of its own; only a new one may. The text is a sentence for the log."""


@dataclass
class AccountWatch:
    """Checks every account in which the policy lists a service. ``run`` only ends by raising ``CredentialsLost``."""

    connection: AwsConnection
    roles: Roles
    own_account: str
    readiness: Readiness
    busy: Callable[[], bool] = lambda: False
    """Whether this process works on jobs."""
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _states: dict[Place, str] = field(default_factory=dict, init=False)
    """Place → the state that is reported of it: ``OK``, or a sentence about what is wrong."""
    _due: dict[Place, float] = field(default_factory=dict, init=False)
    """Place → when STS is asked again which account its credentials belong to."""
    _probed: dict[str, Access] = field(default_factory=dict, init=False)
    """Account → the role that was tried without its external id."""
    _own_due: float = field(default=0.0, init=False)
    _lost_at: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.connection.follow(self.roles, self.own_account)
        self._aws = Aws(self.connection, "chassis", lane=ENTERING)
        self.readiness.facts["accounts"] = self.status

    def status(self) -> dict[str, str]:
        """Return ``account/region`` → ``OK``, or a sentence about what is wrong."""
        return {_name(place): state for place, state in sorted(self._states.items())}

    async def run(self) -> None:
        """Check all accounts every ``LOOK_SECONDS``. Raise ``CredentialsLost``."""
        while True:
            await self.look()
            await self.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Check all accounts once, at the same time. Raise ``CredentialsLost``."""
        await self._in_thread(self.connection.drop_left_accounts)
        places = self._places()
        for place in self._states.keys() - places:
            self._forget(place)
        await asyncio.gather(self._look_at_own(), *(self._look_at(place) for place in sorted(places)))

    def _places(self) -> set[Place]:
        """Return where services are listed, and the other accounts that were entered; not the process's own place."""
        listed = {Place(target.account, target.region) for target in self.roles.all()}
        unlisted = self.connection.entered() - {place.account for place in listed}
        places = listed | {Place(account, self.connection.region) for account in unlisted}
        return places - {Place(self.own_account, self.connection.region)}

    async def _look_at(self, place: Place) -> None:
        """Renew the role's credentials if it is time, and ask STS now and then which account they belong to."""
        try:
            account = self.connection.account(place)
            credentials = account.credentials
            if isinstance(credentials, RoleCredentials) and credentials.due:
                await self._in_thread(credentials.renew, credentials.held)
            if self.now() >= self._due.get(place, 0.0) or self._states.get(place) != OK:
                await self._check(place)
                self._due[place] = self.now() + CHECK_SECONDS
            self._report(place, OK)
            if account.access is not None and isinstance(credentials, RoleCredentials):
                await self._probe(account.access, credentials)
        except (BotoCoreError, ClientError) as error:
            self._report(place, self._sentence(place, error))

    async def _check(self, place: Place) -> None:
        """Raise ``NoCredentials`` where the credentials belong to another account than the policy says."""
        target = Target(account=place.account, region=place.region, cluster="any", service="any")
        identity = await self._aws.at(target).call("sts", "get_caller_identity")
        if identity["Account"] != place.account:
            fault = f"the policy says account {place.account}, but its role's credentials are of {identity['Account']}"
            raise NoCredentials(fault, temporary=False)

    async def _probe(self, access: Access, credentials: RoleCredentials) -> None:
        """Assume the role once without its external id, and report where that succeeds: the id then protects nothing.

        Anybody whom the role's account trusts may then assume the role.
        """
        if self._probed.get(credentials.account) == access:
            return
        demands = access.external_id is None or await self._in_thread(credentials.demands_external_id)
        self._probed[credentials.account] = access
        self.readiness.clear(f"external-id:{credentials.account}")
        if not demands:
            fault = f"{access.role} does not demand its external id, which so protects nothing"
            log.warning("an external id that is not demanded", role=access.role)
            self.readiness.degrade(f"external-id:{credentials.account}", f"account {credentials.account}: {fault}.")

    async def _look_at_own(self) -> None:
        own = self.connection.own
        try:
            await self._in_thread(own.refresh)
            if self.now() >= self._own_due:
                answer = await self._aws.call("sts", "get_caller_identity")
                self._own_due = self.now() + OWN_SECONDS
                self._lost_at = None
                self.readiness.report("clock", clock_fault(offset_of(answer)))
                self.readiness.report("own-account", self._account_fault(str(answer["Account"])))
            self.readiness.report("own-credentials", own.fault)
        except ClockOff as error:
            self.readiness.report("clock", str(error))
        except NoCredentials as error:
            self.readiness.report("own-credentials", str(error))
            self._end_if_lost(str(error))
        except (BotoCoreError, ClientError) as error:
            self.readiness.report("own-account", f"STS does not say whose credentials these are ({_why(error)})")

    def _account_fault(self, actual: str) -> str:
        if actual == self.own_account:
            return ""
        return f"this process began with credentials of account {self.own_account}, and has those of {actual} now"

    def _end_if_lost(self, why: str) -> None:
        self._lost_at = self._lost_at if self._lost_at is not None else self.now()
        limit = LOST_SECONDS * 2 if self.busy() else LOST_SECONDS
        if self.now() - self._lost_at >= limit:
            raise CredentialsLost(f"{why}, for {(self.now() - self._lost_at) / 60:.0f} minutes by now")

    def _sentence(self, place: Place, error: Exception) -> str:
        fault = str(error) if isinstance(error, NoCredentials) else f"STS does not answer there ({_why(error)})"
        credentials = account.credentials if (account := self._entered(place)) else None
        if isinstance(credentials, RoleCredentials) and credentials.due and credentials.left > 0:
            return f"{fault}. The present credentials hold for {credentials.left / 60:.0f} more minutes"
        return fault

    def _entered(self, place: Place) -> Any:
        try:
            return self.connection.account(place)
        except NoCredentials:
            return None

    def _report(self, place: Place, state: str) -> None:
        """Report the state of a place at ``/readyz``, and log it where it has changed."""
        before = self._states.get(place)
        self._states[place] = state
        if state == OK:
            self.readiness.clear(_key(place))
        else:
            self.readiness.degrade(_key(place), f"account {_name(place)}: {state}.")
        if state != before and (state != OK or before is not None):
            log.warning("an account", account=place.account, region=place.region, state=state)

    def _forget(self, place: Place) -> None:
        self._states.pop(place)
        self._due.pop(place, None)
        self.readiness.clear(_key(place))
        self.readiness.clear(f"external-id:{place.account}")

    async def _in_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.connection.threads(ENTERING), work, *arguments)


def _name(place: Place) -> str:
    return f"{place.account}/{place.region}"


def _key(place: Place) -> str:
    return f"account {_name(place)}"


def _why(error: Exception) -> str:
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "unknown"))
    return type(error).__name__
