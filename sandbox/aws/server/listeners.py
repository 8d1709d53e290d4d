"""The listeners of all load balancers: under which name each is reached, and what answers there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from random import Random

from sandbox.aws.http_answers import Request, Response
from sandbox.aws.moto.patches import advertise_load_balancer
from sandbox.aws.server.application import Application
from sandbox.aws.server.entrances import Entrances
from sandbox.aws.server.routing import Behind, route
from sandbox.aws.world.world import World
from sandbox.scenarios.infrastructure import Infrastructure


@dataclass(frozen=True, slots=True)
class Listening:
    """A listener of a load balancer, which tests reach by host and port."""

    world: World
    balancer: str
    """The load balancer's ARN: a listener that is deleted and made again has another one itself."""
    host: str
    port: int
    certificate: str | None = None
    """The domain name in its certificate; None where it speaks no TLS."""
    names: tuple[str, ...] = ()
    """Names of its owner's domain that resolve to it, beside ``host``."""
    internal: bool = False
    """Whether it is to be reached from inside of the network only: not by tests."""


@dataclass(frozen=True, slots=True)
class Listeners:
    """Every listener, numbered in the order of the workloads and of their load balancers."""

    all: list[Listening] = field(default_factory=list)

    def add(self, world: World, wanted: Infrastructure, made: Entrances, host: str) -> None:
        """Give each load balancer the name under which it is reached: ``host``, while its ports are free there."""
        for balancer, arn in zip(wanted.load_balancers, made.balancers, strict=True):
            taken = {listening.port for listening in self.all if listening.host == host}
            own = host if not taken & {listener.port for listener in balancer.listeners} else f"{balancer.name}.{host}"
            advertise_load_balancer(world.workload.place, arn, own)
            self.all.extend(
                Listening(
                    world, arn, own, listener.port,
                    certificate=listener.certificate, names=balancer.names, internal=balancer.scheme == "internal",
                )
                for listener in balancer.listeners
            )  # fmt: skip

    def way(self, number: int, random: Random, request: Request) -> Response | Behind:
        """Return which tasks a request to the listener of this number may meet, or what its load balancer answers."""
        if not self.all:
            return ()
        found = self.all[number]
        return route(found.world, found.balancer, found.port, request, random)

    def demanded(self, number: int) -> Mapping[str, str]:
        """Return the headers that a request to the listener of this number must carry."""
        return self.all[number].world.conditions.demanded_headers if self.all else {}

    def application(self, number: int) -> Application:
        """Return what is behind the listener of this number."""
        random = Random(number + 1)  # noqa: S311  repeatable
        return Application(partial(self.way, number, random), random, partial(self.demanded, number))
