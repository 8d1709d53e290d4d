"""boto3's clients and threads of one process, by account and region.

Clients are shared, kept until the policy drops their account, and made under one lock: making one costs about 86 ms,
and is not safe beside another. ``credentials.py`` has how accounts are entered.
"""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, NamedTuple, Protocol

import boto3
from botocore.config import Config
from botocore.credentials import CredentialProvider, CredentialResolver, Credentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import Loader
from botocore.session import Session as BotocoreSession
from botocore.session import get_session

from contracts.base import Target
from contracts.policy import Access
from services._chassis.acting import check_right, name_caller
from services._chassis.aws_limits import USUAL_LIMITS, AwsLimits
from services._chassis.credentials import EXPIRED, NoCredentials, OwnCredentials, RoleCredentials
from services._chassis.lanes import ENTERING, MOST_THREADS, threads_of
from services._chassis.read_budget import ReadBudget

_MODELS = Loader()
"""The models of APIs are read once for all accounts, and for all rehearsals of a process."""


MOST_UNKNOWN_REGIONS = 4
"""Regions that neither botocore knows nor the policy lists, of an account: whoever may look at services may name any.
"""


class UnknownRegion(NoCredentials):
    """AWS has no such region, as far as this version knows."""

    def __init__(self, region: str) -> None:
        super().__init__(
            f"AWS has no region {region}, as far as botocore knows; list a service there if it is new", temporary=False
        )


@cache
def _known_regions() -> frozenset[str]:
    session = get_session()
    partitions = session.get_available_partitions()
    return frozenset(region for name in partitions for region in session.get_available_regions("ecs", name))


class Place(NamedTuple):
    """The account and region in which a call acts."""

    account: str = ""
    """Empty: this process's own."""
    region: str = ""


HOME = Place()
"""This process's own account and region."""


class Roles(Protocol):
    """The roles for other accounts, and the services, by the policy in force. A reload changes the answers."""

    def access(self, account: str) -> Access | None: ...

    def all(self) -> tuple[Target, ...]: ...


@dataclass(slots=True)
class Account:
    """One account, as this process enters it."""

    access: Access | None
    credentials: OwnCredentials | RoleCredentials
    session: Any
    clients: dict[tuple[str, str, str], Any] = field(default_factory=dict)
    """(region, API, lane) → its client."""


class AwsConnection:
    """The clients and threads of one process, by account and region."""

    def __init__(
        self,
        region: str,
        limits: AwsLimits = USUAL_LIMITS,
        find: Callable[[], Credentials | None] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """``find`` returns this process's own credentials; None: as botocore finds them. ``now``: AWS's real time."""
        self.region = region
        self._config = Config(
            connect_timeout=limits.connect,
            read_timeout=limits.answer,
            retries={"mode": "standard", "total_max_attempts": limits.tries},
            # as many as the largest lane has threads: each call beyond them would open a connection of its own
            max_pool_connections=MOST_THREADS,
            # one host name for all buckets: works with AWS and with an endpoint that is no wildcard domain
            s3={"addressing_style": "path"},
        )
        self._entering = self._config.merge(
            Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2})
        )
        self._now = now
        self._lock = threading.RLock()
        self._lanes: dict[str, ThreadPoolExecutor] = {}
        self._accounts: dict[str, Account] = {}
        self._roles: Roles | None = None
        self.reads: ReadBudget | None = None
        """What reads of an account draw from; None: there is no limit but AWS's."""
        self.own_account = ""
        """This process's own account. Until it is known (``follow``), every account counts as its own."""
        session = self._new_session()
        self.own = OwnCredentials(find or session.get_component("credential_provider").load_credentials)
        self._accounts[""] = Account(None, self.own, self._boto3(session, self.own))

    def follow(self, roles: Roles, own_account: str) -> None:
        """Enter accounts other than ``own_account`` by these roles from now on."""
        self._roles, self.own_account = roles, own_account

    def account(self, place: Place) -> Account:
        """Return how ``place``'s account is entered. Raise ``NoCredentials`` where the policy has no role for it."""
        if self._roles is None or place.account in {"", self.own_account}:
            return self._accounts[""]
        access = self._roles.access(place.account)
        if access is None:
            fault = f"the policy has no role for account {place.account}; add one under `accounts`"
            raise NoCredentials(fault, temporary=False)
        with self._lock:
            found = self._accounts.get(place.account)
            if found is None or found.access != access:
                self._drop(place.account)
                assume = partial(self._assume, place.region or self.region)
                credentials = RoleCredentials(place.account, access, assume, self._now)
                found = Account(access, credentials, self._boto3(self._new_session(), credentials))
                self._accounts[place.account] = found
            return found

    def client(self, service: str, place: Place = HOME, lane: str = "") -> Any:
        """Return the shared client. Call it in a lane's threads only: building one loads a model from disk."""
        return self.client_of(self.account(place), place.region, service, lane)

    def client_of(self, account: Account, region: str, service: str, lane: str) -> Any:
        """Return the client of an account that was looked up already."""
        return self._client(account, region or self.region, service, lane)

    def threads(self, lane: str = "") -> ThreadPoolExecutor:
        """Return the threads of a lane: a call in one lane never waits for calls in another."""
        with self._lock:
            if lane not in self._lanes:
                self._lanes[lane] = ThreadPoolExecutor(threads_of(lane), f"aws {lane}".strip())
            return self._lanes[lane]

    def entered(self) -> set[str]:
        """Return the accounts that were entered by a role."""
        with self._lock:
            return self._accounts.keys() - {""}

    def drop_left_accounts(self) -> None:
        """Close the clients of accounts that the policy has dropped, or enters by another role."""
        with self._lock:
            for name, account in list(self._accounts.items()):
                if name and (self._roles is None or self._roles.access(name) != account.access):
                    self._drop(name)

    def close(self) -> None:
        for threads in self._lanes.values():
            threads.shutdown(wait=False, cancel_futures=True)

    def _drop(self, name: str) -> None:
        dropped = self._accounts.pop(name, None)
        for client in dropped.clients.values() if dropped else ():
            client.close()

    def _client(self, account: Account, region: str, service: str, lane: str) -> Any:
        key = (region, service, lane)
        with self._lock:
            if key not in account.clients:
                self._check_region(account, region)
                client = account.session.client(
                    service, region_name=region, config=self._entering if lane == ENTERING else self._config
                )
                client.meta.events.register("request-created", name_caller)
                if lane != ENTERING:
                    client.meta.events.register("before-send", check_right)
                self._prepare(client)
                account.clients[key] = client
            return account.clients[key]

    def _check_region(self, account: Account, region: str) -> None:
        """Raise ``UnknownRegion`` where clients for a region would be one invented region too many."""
        if region in _known_regions():
            return
        listed = {target.region for target in self._roles.all()} if self._roles else set()
        invented = {met for met, _, _ in account.clients} - _known_regions() - listed - {self.region}
        if region not in invented | listed | {self.region} and len(invented) >= MOST_UNKNOWN_REGIONS:
            raise UnknownRegion(region)

    def _prepare(self, client: Any) -> None:
        """Prepare a new client further; a subclass may need to."""

    def _assume(self, region: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Assume a role at the STS endpoint of a region, or of this process's own region where that does not answer.

        The tokens of both are valid in every region. The call needs no lease of the job that waits for the credentials:
        other callers wait for them, too.
        """
        try:
            return self._assume_at(region, parameters)
        except NoCredentials:
            raise
        except BotoCoreError:
            if region == self.region:
                raise
            return self._assume_at(self.region, parameters)

    def _assume_at(self, region: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        sts = self._client(self._accounts[""], region, "sts", ENTERING)
        before = self.own.held
        try:
            answer: Mapping[str, Any] = sts.assume_role(**parameters)
        except ClientError as error:
            if error.response["Error"]["Code"] not in EXPIRED or not self.own.renew_refused(before):
                raise
            answer = sts.assume_role(**parameters)
        return answer

    def _new_session(self) -> BotocoreSession:
        session = get_session()
        session.register_component("data_loader", _MODELS)
        session.set_config_variable("sts_regional_endpoints", "regional")
        return session

    def _boto3(self, session: BotocoreSession, credentials: Credentials) -> Any:
        session.register_component("credential_provider", CredentialResolver([_GivenCredentials(credentials)]))
        return boto3.Session(botocore_session=session, region_name=self.region)


class _GivenCredentials(CredentialProvider):
    METHOD = "surefoot"

    def __init__(self, credentials: Credentials) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> Credentials:
        return self._credentials
