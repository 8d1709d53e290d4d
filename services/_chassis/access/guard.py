"""Stands before every route: which requests are served at all, and who sends them."""

import time
from collections.abc import Callable, Iterable

import structlog
from redis.exceptions import RedisError
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services._chassis.access import tokens
from services._chassis.access.api_keys import PREFIX, ApiKey
from services._chassis.access.caller import ANYBODY, LOOPBACK, Caller, Decision, Proof
from services._chassis.access.decision_log import SAFE
from services._chassis.access.hosts import Hosts, is_local
from services._chassis.access.key_ring import KeyRing
from services._chassis.access.key_sets import KeySets, NoKeysNow
from services._chassis.access.permit import ASKING, Asking, act_of
from services._chassis.access.refusals import (
    INVALID_CREDENTIAL,
    MALFORMED_CREDENTIAL,
    NO_CREDENTIAL,
    NO_JSON,
    ONLY_LOOPBACK,
    OTHER_HOST,
    TRY_AGAIN,
    Refused,
)
from services._chassis.access.served import Served
from services._chassis.access.tokens import Disbelieved
from services._chassis.admission import LIVENESS, PROBES
from services._chassis.audit.requests import RequestAudit
from services._chassis.callers import PROVEN, address_of
from services._chassis.policies import BuiltInPolicies, Policies

HOW_TO = "send an API key (`surefoot keys create` makes one) or a pipeline's token, as a bearer's"
NONE_YET = "there is no API key and no issuer yet: `surefoot keys create NAME --role admin` makes the first key"
ALL_GONE = (
    "there were API keys or an issuer, and there are none any more, as where Redis was lost: `surefoot keys create` "
    "makes a key; where none is wanted, a restart serves callers on this machine again"
)
SECURITY_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-store",
}

log = structlog.get_logger()


class Access:
    """Who may use the API of one process."""

    def __init__(
        self,
        served: Served = Served.LOOPBACK,
        hosts: Iterable[str] = (),
        keys: KeyRing | None = None,
        issuers: KeySets | None = None,
        now: Callable[[], float] = time.time,
        report: Callable[[Decision], None] | None = None,
        proxies: int = 0,
    ) -> None:
        """``report`` is called with every decision, once; by default it is logged and audited. ``now``: epoch seconds.
        ``proxies``: how many in front are trusted to say where a request came from.
        """
        self.served = served
        self.hosts = Hosts.of(hosts)
        self.keys = keys or KeyRing()
        self.issuers = issuers or KeySets()
        self._now = now
        self.proxies = proxies
        self.policies: Policies = BuiltInPolicies()
        """Those in force, from the moment at which they are known."""
        self.audit = RequestAudit()
        self.report = report or self.audit
        self._in_use = False
        """Whether there was a key or an issuer since the start: that they are gone lets nobody in."""
        self._gone = False
        """Whether they are gone."""

    async def caller(self, scope: Scope) -> Caller:
        """Return who sends the request. Raise ``Refused``; raise ``RedisError`` where that cannot be known now."""
        credential = _credential(scope)
        if credential is not None:
            return await self._proven(credential)
        if self.served is Served.OPEN:
            return ANYBODY
        if await self.demands_credentials():
            raise Refused(
                NO_CREDENTIAL, f"Nobody is served without a credential: {ALL_GONE if self._gone else HOW_TO}."
            )
        if is_local(scope):
            return LOOPBACK
        raise Refused(
            ONLY_LOOPBACK,
            "There is no API key yet, and until then only callers on the machine itself are served: make one with "
            "`surefoot keys create`, or open the API to everybody by SUREFOOT_ACCESS=open.",
        )

    async def demands_credentials(self) -> bool:
        """Return whether nobody is served without one. Raise ``RedisError`` where that cannot be known."""
        if self.served is not Served.LOOPBACK:
            return self.served is Served.DEMANDED
        in_use = await self._has_credentials()
        gone = self._in_use and not in_use
        if gone and not self._gone:
            log.warning("there is no API key and no issuer any more", what_to_do=ALL_GONE)
        self._in_use, self._gone = self._in_use or in_use, gone
        return self._in_use

    async def _has_credentials(self) -> bool:
        """Return whether there is any key or issuer. Raise ``RedisError`` where that cannot be known."""
        return bool(self.policies.identities.issuers) or await self.keys.has_keys()

    async def _proven(self, credential: str) -> Caller:
        if not credential.startswith(f"{PREFIX}_"):
            return await self._pipeline(credential)
        key = ApiKey.read(credential)
        record = await self.keys.find(key) if key else None
        if record is None:
            raise Refused(INVALID_CREDENTIAL, "There is no such API key: `surefoot keys list` shows those that are.")
        if why := self.keys.why_not(record):
            raise Refused(
                INVALID_CREDENTIAL, f"{why.capitalize()} ({record.id}): `surefoot keys create {record.name}` makes one."
            )
        return Caller(f"key:{record.name}", Proof.KEY, record.role, record.id)

    async def _pipeline(self, credential: str) -> Caller:
        known = self.policies.identities
        try:
            token = tokens.read(credential, known)
            key = await self.issuers.find(token.issuer.keys_url, token.key_id)
            claims = tokens.verified(token, key, self._now())
            name = tokens.pipeline_of(token, claims, known)
        except Disbelieved as error:
            raise Refused(INVALID_CREDENTIAL, _sentence(error)) from None
        except NoKeysNow as error:
            raise Refused(TRY_AGAIN, _sentence(error)) from None
        return Caller(f"pipeline:{name}", Proof.TOKEN, credential=tokens.run_of(claims))

    def faults(self) -> list[str]:
        """Return what is wrong with proving callers now, as sentences."""
        return self.issuers.faults({issuer.keys_url for issuer in self.policies.identities.issuers.values()})

    async def facts(self) -> str:
        """Return who is served, for ``/readyz``."""
        if self.served is Served.OPEN:
            return "open: everybody is served, without a credential"
        try:
            demanded, in_use = await self.demands_credentials(), await self._has_credentials()
        except RedisError:
            return "not known while Redis does not answer"
        if not demanded:
            return "loopback only: there is no API key and no issuer yet"
        why = ALL_GONE if self._gone else "" if in_use else NONE_YET
        return f"credentials: {why}" if why else "credentials"


def _sentence(error: Exception) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


def _credential(scope: Scope) -> str | None:
    """Return the bearer's credential, None without one. Raise ``Refused`` for a header that cannot be read."""
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(given) > 1:
        raise Refused(MALFORMED_CREDENTIAL, "There may be one `Authorization` header.")
    scheme, _, credential = given[0].decode("latin-1").partition(" ") if given else ("", "", "")
    if scheme.lower() != "bearer":
        return None
    if not credential.strip():
        raise Refused(MALFORMED_CREDENTIAL, "Behind `Bearer` there is no credential.")
    return credential.strip()


class Guard:
    """Lets a request pass to its route with the caller that it is from, or answers it."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # nothing here speaks WebSocket
        try:
            caller = await self._enter(scope)
        except Refused as refusal:
            self._report(scope, refusal)
            await _ended(scope, refusal.response())(scope, receive, send)
            return
        except RedisError as error:
            log.warning("who calls cannot be known now", why=type(error).__name__)
            unknown = Refused(TRY_AGAIN, "Redis cannot be reached, and has the keys by which callers are known.")
            await _ended(scope, unknown.response())(scope, receive, send)
            return
        if caller is None:
            await self._app(scope, receive, send)
            return
        address = address_of(scope, self._access.proxies)
        scope[ASKING] = Asking(caller, self._access.policies, scope, address, self._access.report)
        if caller.is_proven:
            scope[PROVEN] = caller.name
        await self._access.audit.serve(self._app, scope, receive, send, caller, address)

    async def _enter(self, scope: Scope) -> Caller | None:
        """Return the caller; None for a stranger at a probe. Raise ``Refused`` or ``RedisError``."""
        if scope["path"] == LIVENESS:
            return None  # it shows nothing, and whether the process lives does not depend on Redis
        if scope["path"] in PROBES:
            try:
                return await self._access.caller(scope)
            except (Refused, RedisError):
                return None
        if not self._access.hosts.allow(scope):
            raise Refused(
                OTHER_HOST, "The request names a host that this is not: SUREFOOT_ALLOWED_HOSTS lists its names."
            )
        caller = await self._access.caller(scope)
        if scope["method"] not in SAFE and not _is_json(scope):
            raise Refused(NO_JSON, "Send it with `Content-Type: application/json`, also where it has no body.")
        return caller

    def _report(self, scope: Scope, refusal: Refused) -> None:
        address = address_of(scope, self._access.proxies)
        self._access.report(Decision(None, act_of(scope), allowed=False, why=refusal.detail, address=address))


class Hardened:
    """Adds headers by which a browser does no more with an answer than read it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                more = [(name, value) for name, value in SECURITY_HEADERS.items() if name not in given]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        await self._app(scope, receive, hardened)


def _is_json(scope: Scope) -> bool:
    given = [value for name, value in scope["headers"] if name == b"content-type"]
    return len(given) == 1 and given[0].partition(b";")[0].strip().lower() == b"application/json"


def _ended(scope: Scope, answer: Response) -> Response:
    """Return the answer as the last one of its connection where the request has a body, which is not read."""
    if scope["method"] not in SAFE:
        answer.headers["Connection"] = "close"
    return answer
