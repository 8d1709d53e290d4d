"""The sandbox's control endpoints under ``/_sandbox/``."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs

import orjson
from pydantic import ValidationError

from sandbox.aws.accounts import HOME, Place
from sandbox.aws.call_log import CallLog
from sandbox.aws.faults.injection import Environ, StartResponse, respond
from sandbox.aws.faults.rules import FaultRules
from sandbox.aws.server.incidents import Impossible, bring_about
from sandbox.aws.sts.sessions import Sessions
from sandbox.aws.world.world import World
from sandbox.scenarios.behaviour import Behaviour
from sandbox.scenarios.harm import Rule
from sandbox.scenarios.incident import Incident
from sandbox.scenarios.load import images


class Unclear(ValueError):
    """The request cannot be carried out as it stands; the text says why."""


class ControlApi:
    """Answers the sandbox's own requests, beside AWS.

    ``GET calls?changing=1&after=N``: the log of calls. ``GET``, ``POST`` and ``DELETE harm``, ``DELETE harm/N``: the
    fault rules in force. ``POST happenings {…}``: an incident happens now. ``POST images {tag, behaviour}``: one more
    image, whose behaviour is described, or named after a scenario; ``images/gone`` and ``images/back {images}`` delete
    images and bring them back, ``roles/gone`` and ``roles/back {role}`` a role. These act in the first account and
    region, or in those that ``account`` and ``region`` name. ``POST sessions/expire {account}`` ends the credentials of
    roles, in all accounts by default. ``GET blobs/…``: layers.
    """

    def __init__(
        self, worlds: Mapping[Place, World], calls: CallLog, fault_rules: FaultRules, sessions: Sessions
    ) -> None:
        self._worlds = worlds
        self._sessions = sessions
        self._calls = calls
        self._fault_rules = fault_rules

    def answer(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        path = str(environ.get("PATH_INFO", "")).removeprefix("/_sandbox/")
        method = str(environ.get("REQUEST_METHOD"))
        for world in self._worlds.values():
            if blob := world.registry.blobs.get(path.removeprefix("blobs/")):
                return respond(start, 200, blob, "application/octet-stream")
        try:
            found = self._get(path, environ) if method == "GET" else self._do(method, path, environ)
        except ValidationError as error:
            faults = (f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}" for wrong in error.errors())
            return _respond(start, 400, {"message": "; ".join(faults).replace("Value error, ", "")})
        except (Unclear, Impossible, orjson.JSONDecodeError) as error:
            return _respond(start, 400, {"message": str(error)})
        if found is None:
            return _respond(start, 404, {"message": "there is nothing here"})
        return _respond(start, 200, found)

    def _get(self, path: str, environ: Environ) -> Any:
        query = parse_qs(str(environ.get("QUERY_STRING", "")))
        if path == "calls":
            changing = query.get("changing", ["0"])[-1] not in {"0", ""}
            after = query.get("after", ["0"])[-1]
            if not after.isdigit():
                raise Unclear("after is the number of a call")
            return self._calls.as_json(changing=changing, after=int(after))
        return self._fault_rules.rules() if path == "harm" else None

    def _do(self, method: str, path: str, environ: Environ) -> Any:
        first, _, rest = path.partition("/")
        if first == "harm" and method == "DELETE" and (not rest or rest.isdigit()):
            ended = self._fault_rules.end(int(rest) if rest else None)
            return {"ended": ended} if ended or not rest else None
        if method != "POST":
            return None
        body = orjson.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) or b"{}")
        if not isinstance(body, dict):
            raise Unclear("a JSON object is expected")
        if path == "harm":
            return {"id": self._fault_rules.add(Rule.model_validate(body))}
        if path == "sessions/expire":
            return {"expired": self._sessions.expire(str(body.get("account", "")))}
        world = self._world(body.pop("account", None), body.pop("region", None))
        with world.lock:
            if path == "happenings":
                bring_about(world, Incident.model_validate(body))
                return body
            return self._change(world, path, body)

    def _world(self, account: Any, region: Any) -> World:
        place = Place(str(account or HOME.account), str(region or HOME.region))
        if place not in self._worlds:
            there = ", ".join(f"{known.account}/{known.region}" for known in self._worlds)
            raise Unclear(f"nothing runs in {place.account}/{place.region}; there is {there}")
        return self._worlds[place]

    def _change(self, world: World, path: str, body: dict[str, Any]) -> Any:
        registry, near = world.registry, world.ecs.neighbours
        match path:
            case "images":
                return {"digest": registry.push(_tag(body.get("tag")), _behaviour(body.get("behaviour")))}
            case "images/gone" | "images/back":
                digests = {
                    str(image).partition("@")[2] or registry.tags.get(str(image), "")
                    for image in body.get("images", ())
                }
                registry.gone = registry.gone | digests if path.endswith("gone") else registry.gone - digests
                return {"gone": sorted(registry.gone)}
            case "roles/gone" | "roles/back":
                role = {str(body.get("role", "")).rpartition("/")[2]}
                near.roles_gone = near.roles_gone | role if path.endswith("gone") else near.roles_gone - role
                return {"gone": sorted(near.roles_gone)}
        return None


def _tag(tag: Any) -> str:
    if not tag:
        raise Unclear("an image has a tag")
    return str(tag)


def _behaviour(described: Any) -> Behaviour:
    """Return what an image does: described as in a scenario's ``image``, or as in a shipped scenario of that name."""
    if isinstance(described, dict):
        return Behaviour.model_validate(described)
    if described not in (known := images()):
        raise Unclear(f"behaviour is what a container does, as in a scenario's image, or one of {', '.join(known)}")
    return known[described]


def _respond(start: StartResponse, status: int, document: Any) -> Iterable[bytes]:
    return respond(start, status, orjson.dumps(document), "application/json")
