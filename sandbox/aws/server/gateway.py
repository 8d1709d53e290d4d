"""The one HTTP port of the simulated AWS, as a WSGI application.

ECS, ECR, Cloud Map, CloudTrail, stacks of CloudFormation, the price list, Cost Explorer and the STS of roles are
answered here, everything else by moto, in the account of the principal that signed; each call is logged, and fails
where a fault rule says so. ``/_sandbox/…`` is the sandbox's control API (``control_api.py``).
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from sandbox.aws.accounts import HOME, OPT_IN_REGIONS, Place
from sandbox.aws.call_log import Call, CallLog, changes
from sandbox.aws.costs import cost_explorer as costs
from sandbox.aws.costs import pricing_api as prices
from sandbox.aws.ecr import api as ecr
from sandbox.aws.ecs import api as ecs
from sandbox.aws.errors import AwsFault
from sandbox.aws.faults.injection import (
    AMZ_JSON,
    Environ,
    FaultInjection,
    StartResponse,
    answer_fault,
    respond,
    speaks_query,
)
from sandbox.aws.faults.rules import Asked, FaultRules, fault_of, invalid_token
from sandbox.aws.faults.throttling import LIMITED
from sandbox.aws.moto.iam import user_of
from sandbox.aws.server import wire
from sandbox.aws.server.control_api import ControlApi
from sandbox.aws.server.region import Region
from sandbox.aws.servicediscovery import api as cloud_map
from sandbox.aws.stacks import api as stacks
from sandbox.aws.sts import api as sts
from sandbox.aws.sts.sessions import Identity, Sessions
from sandbox.aws.trail import activities
from sandbox.aws.trail import api as cloudtrail
from sandbox.aws.trail.events import Caller
from sandbox.scenarios.harm import Kind

log = logging.getLogger(__name__)

ANYWHERE = frozenset({costs.TARGET, prices.TARGET})
"""``X-Amz-Target`` prefixes of services without regions: their few endpoints answer for all."""
OWN = frozenset({ecs.TARGET, ecr.TARGET, cloudtrail.TARGET, cloud_map.TARGET, *ANYWHERE})
"""``X-Amz-Target`` prefixes of the services that are answered here."""
MOTO_ACCOUNT = "HTTP_X_MOTO_ACCOUNT_ID"
"""The WSGI header that gives moto the account in which it answers."""


@dataclass(frozen=True, slots=True)
class _Request:
    """A call with its caller and its place."""

    environ: Environ
    signature: wire.Signature
    asked: Asked
    place: Place
    """Account and region of the signature; the first region where it has none."""
    parameters: dict[str, Any]
    identity: Identity


class Gateway:
    """The WSGI application. ``now`` is product time; a world is stepped to it before each call on it."""

    def __init__(
        self,
        regions: Mapping[Place, Region],
        sessions: Sessions,
        sts_api: sts.Sts,
        calls: CallLog,
        fault_rules: FaultRules,
        now: Callable[[], float],
    ) -> None:
        self._regions = regions
        self._sessions = sessions
        self._sts = sts_api
        self._calls = calls
        self._now = now
        self._moto = DomainDispatcherApplication(create_backend_app)
        self.fault_rules = fault_rules
        self._injection = FaultInjection(self.fault_rules)
        worlds = {place: region.world for place, region in regions.items()}
        self._control_api = ControlApi(worlds, calls, self.fault_rules, sessions)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if str(environ.get("PATH_INFO", "")).startswith("/_sandbox/"):
            for region in self._regions.values():
                region.world.step(self._now())
            return self._control_api.answer(environ, start_response)
        request = self._read(environ)
        refused = self._refused(request)
        if refused is not None:
            return answer_fault(environ, start_response, refused)

        def handle(environ: Environ, start: StartResponse) -> Iterable[bytes]:
            return self._handle(request, environ, start)

        if self.fault_rules.any:
            return self._injection(handle, request.asked, environ, start_response)
        return handle(environ, start_response)

    def _read(self, environ: Environ) -> _Request:
        signature = wire.signature_of(environ)
        session = self._sessions.of(signature.access_key)
        if session is None:
            identity = user_of(signature.access_key)
        else:
            identity = Identity(session.account, session.arn, f"{session.role_id}:{session.name}", session)
        parameters = wire.parameters_of(environ)
        place = Place(identity.account, signature.region or HOME.region)
        asked = Asked(
            service=signature.service,
            operation=wire.operation_of(signature.service, environ, parameters),
            agent=str(environ.get("HTTP_USER_AGENT", "")),
            caller=identity.arn,
            resource=wire.resource_named(signature.service, environ, parameters),
            account=place.account,
            region=place.region,
        )
        return _Request(environ, signature, asked, place, parameters, identity)

    def _refused(self, request: _Request) -> AwsFault | None:
        """Return why AWS refuses the call at once: invalid credentials, or too many calls; None if it does not."""
        query = speaks_query(request.environ)
        signature, session = request.signature, request.identity.session
        if session is None and signature.access_key.startswith("ASIA"):
            return invalid_token(request.asked, query=query)
        if session is not None:
            shut_out = not session.everywhere and request.place.region in OPT_IN_REGIONS
            if signature.token != session.token or shut_out:
                return invalid_token(request.asked, query=query)
            if self._sessions.is_over(session):
                return fault_of(Kind.EXPIRE, request.asked, query=query)
        region = self._regions.get(request.place) if request.asked.service in LIMITED else None
        throttling = region.throttling if region is not None else None
        if throttling is None or throttling.lets_through(request.asked.service, request.asked.operation):
            return None
        return fault_of(Kind.THROTTLE, request.asked, query=query)

    def _handle(self, request: _Request, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        prefix = str(environ.get("HTTP_X_AMZ_TARGET", "")).rpartition(".")[0]
        if prefix in OWN or request.asked.operation == activities.OPERATION:
            return self._answer(prefix, request, start)
        if (request.asked.service, request.asked.operation) == ("cloudformation", stacks.OPERATION):
            return self._answer_stacks(request, start)
        if request.asked.service == "sts" and request.asked.operation in sts.OPERATIONS:
            return self._answer_sts(request, start)
        return self._pass_on(request, start)

    def _answer(self, prefix: str, request: _Request, start: StartResponse) -> Iterable[bytes]:
        """Answer a call of the JSON 1.1 protocol from the world where it acts."""
        environ, status, effect, error = request.environ, 200, "", ""
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) or b"{}"
        try:
            region = self._region(prefix, request.place)
            body, effect = region.answer(prefix, request.asked.operation, orjson.loads(body), self._now())
        except AwsFault as fault:
            status, error = fault.status, fault.code
            body = orjson.dumps({"__type": fault.code, "message": fault.message})
        self._log(request, status, effect, error)
        return respond(start, status, body, AMZ_JSON)

    def _region(self, prefix: str, place: Place) -> Region:
        found = self._regions.get(Place(place.account, HOME.region) if prefix in ANYWHERE else place)
        if found is None:
            there = ", ".join(f"{known.account}/{known.region}" for known in self._regions)
            raise AwsFault(
                "ClientException", f"The simulated AWS has {there} only, not {place.account}/{place.region}."
            )
        return found

    def _answer_stacks(self, request: _Request, start: StartResponse) -> Iterable[bytes]:
        try:
            world = self._region("", request.place).world
            with world.lock:
                world.step(self._now())
                body = stacks.describe(world.stacks, request.place, request.parameters)
        except AwsFault as fault:
            self._log(request, fault.status)
            return answer_fault(request.environ, start, fault)
        self._log(request, 200)
        return respond(start, 200, body, "text/xml")

    def _answer_sts(self, request: _Request, start: StartResponse) -> Iterable[bytes]:
        regional = wire.is_regional_sts(request.environ, request.place.region)
        try:
            body = self._sts.call(request.asked.operation, request.parameters, request.identity, regional=regional)
        except AwsFault as fault:
            self._log(request, fault.status)
            return answer_fault(request.environ, start, fault)
        self._log(request, 200)
        return respond(start, 200, body, "text/xml")

    def _pass_on(self, request: _Request, start_response: StartResponse) -> Iterable[bytes]:
        """Let moto answer. What moto lacks is answered with an error of status 400: clients would retry a 500."""
        seen: list[int] = []

        def start(status: str, headers: list[tuple[str, str]], *rest: object) -> object:
            seen.append(int(status.split(" ", 1)[0]))
            return start_response(status, headers, *rest)

        request.environ[MOTO_ACCOUNT] = request.place.account
        try:
            answer: Iterable[bytes] = self._moto(request.environ, start)
        except NotImplementedError as missing:
            service, operation = request.asked.service, request.asked.operation
            log.warning("not simulated: %s %s (%s)", service, operation, missing)
            fault = AwsFault("NotImplemented", f"The simulated AWS has no {operation} of {service}.")
            return answer_fault(request.environ, start, fault)
        finally:
            self._log(request, seen[-1] if seen else 501)
        return answer

    def _log(self, request: _Request, status: int, effect: str = "", error: str = "") -> None:
        asked, region = request.asked, self._regions.get(request.place)
        if region is not None and changes(asked.operation):
            refused = error or (str(status) if status >= 400 else "")
            caller = Caller(asked.caller, asked.agent)
            region.world.trail.add(
                self._now(), asked.service, asked.operation, request.parameters, caller, effect, refused
            )
        self._calls.add(
            Call(
                time=self._now(),
                service=asked.service,
                operation=asked.operation,
                user_agent=asked.agent,
                caller=asked.caller,
                changed=changes(asked.operation),
                resource=asked.resource,
                status=status,
                effect=effect,
                account=asked.account,
                region=asked.region,
            )
        )
