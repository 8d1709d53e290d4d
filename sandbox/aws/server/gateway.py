"""The one HTTP port of the simulated AWS, as a WSGI application.

ECS, ECR, the price list and Cost Explorer are answered here, everything else by moto; each call is logged,
and fails where a fault rule says so. ``/_sandbox/…`` is the sandbox's control API (``control_api.py``).
"""

import io
import logging
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl

import orjson
from moto.core.request import Request
from moto.core.routing import get_service_router
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from sandbox.aws.accounts import REGION
from sandbox.aws.call_log import Call, CallLog, changes, resource_of
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
from sandbox.aws.faults.rules import Asked, FaultRules, Kind, fault_of
from sandbox.aws.faults.staleness import Staleness
from sandbox.aws.faults.throttling import LIMITED, Throttling
from sandbox.aws.moto.callers import caller_of
from sandbox.aws.server.control_api import ControlApi
from sandbox.aws.world.world import World

log = logging.getLogger(__name__)

EVERYWHERE = frozenset({costs.TARGET, prices.TARGET})
"""The targets of what doesn't belong to a region: its few endpoints answer for all."""
READABLE_BYTES = 1_000_000
"""Bodies above this aren't searched for the resource that they name."""


class Gateway:
    """The WSGI application. ``now`` is product time; the world is stepped to it before each call on it."""

    def __init__(
        self,
        world: World,
        registry_api: ecr.Ecr,
        cost_explorer: costs.CostExplorer,
        calls: CallLog,
        now: Callable[[], float],
        throttling: Throttling | None = None,
        staleness: Staleness | None = None,
    ) -> None:
        """``throttling`` may refuse a call for its rate, ``staleness`` may answer a read as before the last change."""
        self._world = world
        self._calls = calls
        self._now = now
        self._throttling = throttling
        self._staleness = staleness
        self._moto = DomainDispatcherApplication(create_backend_app)
        self.fault_rules = FaultRules()
        self._injection = FaultInjection(self.fault_rules)
        self._control_api = ControlApi(world, calls, self.fault_rules)
        self._own: dict[str, Callable[[str, dict[str, Any], float], dict[str, Any]]] = {
            ecs.TARGET: lambda operation, request, at: ecs.call(world.ecs, operation, request, at),
            ecr.TARGET: registry_api.call,
            costs.TARGET: cost_explorer.call,
            prices.TARGET: prices.call,
        }

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if str(environ.get("PATH_INFO", "")).startswith("/_sandbox/"):
            self._world.step(self._now())
            return self._control_api.answer(environ, start_response)
        throttling = self._throttling if _scope(environ)[0] in LIMITED else None
        if throttling is None and not self.fault_rules.any:
            return self._handle(environ, start_response)
        call = _asked(environ)
        if throttling is not None and not throttling.lets_through(call.service, call.operation):
            return answer_fault(environ, start_response, fault_of(Kind.THROTTLE, call, query=speaks_query(environ)))
        return self._injection(self._handle, call, environ, start_response)

    def _handle(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        prefix, _, operation = str(environ.get("HTTP_X_AMZ_TARGET", "")).partition(".")
        if prefix in self._own:
            return self._answer(prefix, operation, environ, start_response)
        return self._pass_on(environ, start_response)

    def _answer(self, prefix: str, operation: str, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a call of the JSON 1.1 protocol from the world."""
        service, region = _scope(environ)
        request = orjson.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) or b"{}")
        status, effect = 200, ""
        try:
            if prefix not in EVERYWHERE:
                _check_region(region)
            with self._world.lock:
                self._world.step(self._now())
                self._world.ecs.begun.clear()
                answer = self._own[prefix](operation, request, self._world.now)
                effect = _effect(self._world, answer, operation)
                body = orjson.dumps(answer)
                if self._staleness is not None and prefix == ecs.TARGET:
                    body = self._staleness.seen(operation, request, body, self._world.now)
        except AwsFault as fault:
            status = fault.status
            body = orjson.dumps({"__type": fault.code, "message": fault.message})
        self._log(environ, service, operation, resource_of(request), status, effect)
        return respond(start_response, status, body, AMZ_JSON)

    def _pass_on(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Let moto answer; what moto hasn't got is a plain refusal rather than a 500, which clients retry."""
        service, _ = _scope(environ)
        parameters = _parameters(environ)
        operation = _operation(service, environ, parameters)
        seen: list[int] = []

        def start(status: str, headers: list[tuple[str, str]], *rest: object) -> object:
            seen.append(int(status.split(" ", 1)[0]))
            return start_response(status, headers, *rest)

        try:
            answer: Iterable[bytes] = self._moto(environ, start)
        except NotImplementedError as missing:
            log.warning("not simulated: %s %s (%s)", service, operation, missing)
            return self._refuse(environ, start, f"The simulated AWS has no {operation} of {service}.")
        finally:
            resource = _resource(service, environ, parameters)
            self._log(environ, service, operation, resource, seen[-1] if seen else 501)
        return answer

    def _refuse(self, environ: Environ, start: StartResponse, why: str) -> Iterable[bytes]:
        return answer_fault(environ, start, AwsFault("NotImplemented", why))

    def _log(
        self, environ: Environ, service: str, operation: str, resource: str, status: int, effect: str = ""
    ) -> None:
        agent = str(environ.get("HTTP_USER_AGENT", ""))
        caller = caller_of(_access_key(environ))
        self._calls.add(
            Call(self._now(), service, operation, agent, caller, changes(operation), resource, status, effect)
        )


def _asked(environ: Environ) -> Asked:
    service, _ = _scope(environ)
    parameters = _parameters(environ)
    return Asked(
        service,
        _operation(service, environ, parameters),
        str(environ.get("HTTP_USER_AGENT", "")),
        caller_of(_access_key(environ)),
        _resource(service, environ, parameters),
    )


def _effect(world: World, answer: dict[str, Any], operation: str) -> str:
    """What the call brought about, as the log has it."""
    if operation == "RegisterTaskDefinition":
        return str(answer["taskDefinition"]["taskDefinitionArn"]).rpartition("/")[2]
    return ", ".join(world.ecs.begun)


def _resource(service: str, environ: Environ, parameters: dict[str, Any]) -> str:
    return resource_of(parameters) or (str(environ.get("PATH_INFO")) if service == "s3" else "")


def _credential(environ: Environ) -> list[str]:
    """Access key, day, region, service and version of a signature; empty for an unsigned call."""
    parts = str(environ.get("HTTP_AUTHORIZATION", "")).partition("Credential=")[2].split(",", 1)[0].split("/")
    return parts if len(parts) == 5 else [""] * 5


def _access_key(environ: Environ) -> str:
    return _credential(environ)[0]


def _scope(environ: Environ) -> tuple[str, str]:
    """Service and region, as the signature names them."""
    _, _, region, service, _ = _credential(environ)
    return service, region


def _check_region(region: str) -> None:
    if region != REGION:
        raise AwsFault("ClientException", f"The simulated AWS has the region {REGION} only, not {region!r}.")


def _parameters(environ: Environ) -> dict[str, Any]:
    """What a JSON or form body says; empty for any other. The body can be read again."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    content_type = str(environ.get("CONTENT_TYPE", ""))
    form = "x-www-form-urlencoded" in content_type
    if not (form or "json" in content_type) or not 0 < length <= READABLE_BYTES:
        return {}
    body = environ["wsgi.input"].read(length)
    environ["wsgi.input"] = io.BytesIO(body)
    if form:
        return dict(parse_qsl(body.decode(errors="replace")))
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _operation(service: str, environ: Environ, parameters: dict[str, Any]) -> str:
    """The operation's name, wherever its protocol puts it."""
    target = str(environ.get("HTTP_X_AMZ_TARGET", ""))
    path = str(environ.get("PATH_INFO", ""))
    if target:
        return target.rsplit(".", 1)[-1]
    if "/operation/" in path:
        return path.rsplit("/", 1)[-1]
    if "Action" in parameters:
        return str(parameters["Action"])
    if service == "s3":
        try:
            return str(get_service_router("s3").match(Request(environ, populate_request=False))[0].name)
        except Exception:  # noqa: BLE001  the log must not stop the call; moto answers what it can
            log.debug("no operation known for %s %s", environ.get("REQUEST_METHOD"), path)
    return f"{environ.get('REQUEST_METHOD')} {path}"
