"""The way of a request through a listener: to the tasks of a target group, or to an answer of the load balancer."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from sandbox.aws.http_answers import Request, Response
from sandbox.aws.moto import listeners
from sandbox.aws.moto.listeners import ListenerRecord, groups_of
from sandbox.aws.world.world import World
from sandbox.scenarios.behaviour import Behaviour

Behind = Sequence[tuple[Behaviour, bool]]
"""The behaviours that a request may meet, and whether their container listens yet."""
_LOGIN = "https://login.example.com/authorize"
_PORTS = {"HTTP": 80, "HTTPS": 443}


def route(world: World, balancer: str, port: int, request: Request, random: Random) -> Response | Behind:
    """Return which tasks a request to a load balancer's port may meet, or what the load balancer itself answers."""
    record = listeners.listener(world.workload.place, balancer, port)
    if record is None:
        return ()
    for action in record.actions(request):
        match action["Type"]:
            case "forward":
                return _forward(world, action, random)
            case "fixed-response":
                return _fixed(action["FixedResponseConfig"])
            case "redirect":
                return _redirect(action["RedirectConfig"], request, record)
            case "authenticate-oidc" | "authenticate-cognito":
                return Response(302, b"", "text/html", location=_LOGIN)  # a test has no session
    return ()


def _forward(world: World, action: Mapping[str, Any], random: Random) -> Response | Behind:
    groups = groups_of(action)
    weights = [weight for _, weight in groups]
    if not any(weights):
        return Response(503, b"<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>", "text/html")
    chosen = groups[0] if len(groups) == 1 else random.choices(groups, weights)[0]
    return world.behind(chosen[0])


def _fixed(config: Mapping[str, Any]) -> Response:
    body = str(config.get("MessageBody") or "").encode()
    return Response(int(config["StatusCode"]), body, str(config.get("ContentType") or "text/plain"))


def _redirect(config: Mapping[str, Any], request: Request, record: ListenerRecord) -> Response:
    own = {
        "#{protocol}": record.protocol.lower(),
        "#{host}": request.headers.get("host", "").partition(":")[0],
        "#{port}": str(record.port),
        "#{path}": request.path.removeprefix("/"),
        "#{query}": request.query,
    }

    def part(name: str, default: str) -> str:
        text = str(config.get(name) or default)
        for placeholder, value in own.items():
            text = text.replace(placeholder, value)
        return text

    scheme, port = part("Protocol", "#{protocol}").lower(), part("Port", "#{port}")
    shown = "" if port == str(_PORTS.get(scheme.upper())) else f":{port}"
    query = part("Query", "#{query}")
    location = f"{scheme}://{part('Host', '#{host}')}{shown}{part('Path', '/#{path}')}{f'?{query}' if query else ''}"
    return Response(int(str(config["StatusCode"]).removeprefix("HTTP_")), b"", "text/html", location=location)
