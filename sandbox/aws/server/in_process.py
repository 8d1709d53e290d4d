"""The simulated AWS without its ports: worlds, metrics, logs, and the WSGI application that answers for AWS."""

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from random import Random

from moto.logs.models import logs_backends

from sandbox.aws.accounts import HOME, Place
from sandbox.aws.call_log import CallLog
from sandbox.aws.cloudwatch import api as cloudwatch
from sandbox.aws.cloudwatch.metric_store import MetricStore
from sandbox.aws.costs import cost_explorer as costs
from sandbox.aws.costs import pricing_api as prices
from sandbox.aws.costs.fargate import Meter
from sandbox.aws.ecr import api as ecr
from sandbox.aws.ecs.state_changes import StateChanges
from sandbox.aws.faults.staleness import Staleness
from sandbox.aws.faults.throttling import Throttling
from sandbox.aws.logs import api as logs
from sandbox.aws.logs.write import write
from sandbox.aws.moto import eventbridge
from sandbox.aws.moto.iam import role_of
from sandbox.aws.moto.neighbours import MotoNeighbours
from sandbox.aws.moto.patches import advertise_load_balancer, forget_everything, patched
from sandbox.aws.server import seed
from sandbox.aws.server.application import Application
from sandbox.aws.server.gateway import Gateway
from sandbox.aws.server.incidents import bring_about
from sandbox.aws.server.minute import Telemetry
from sandbox.aws.server.region import Api, Region
from sandbox.aws.server.seed import Entrance
from sandbox.aws.sts.api import Sts
from sandbox.aws.sts.sessions import Sessions
from sandbox.aws.workloads import COURT, Workload
from sandbox.aws.world.conditions import METRICS_LATE, Conditions
from sandbox.aws.world.world import World
from sandbox.scenarios.behaviour import Behaviour
from sandbox.scenarios.incident import Incident
from sandbox.scenarios.load import images

BORN = 3 * 86400.0
"""Product seconds since the seeded service was deployed."""
SEED_SECONDS = 60.0

_one_at_a_time = threading.Lock()


class InProcessAws:
    """Every account and region in which something runs.

    Time passes as ``clock`` (epoch seconds) has it, or by ``step``; the server that uses it advances it.

    One at a time in a process, since moto keeps its state in globals.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        seed: int = 0,
        history_days: int = 0,
        conditions: Conditions | None = None,
        throttles: bool = False,
        lags: bool = False,
        workloads: Sequence[Workload] = (COURT,),
        session_seconds: float | None = None,
    ) -> None:
        """Each repository has an image for each scenario that the sandbox comes with.

        ``throttles``: calls are limited as AWS limits them. ``lags``: a read of ECS may not know of what was just
        changed, and metrics are late. ``workloads``: in which accounts and regions something runs; ``conditions`` are
        those of the first. ``session_seconds``: no credentials of a role last longer, in real time.
        """
        self._clock = clock
        self._seed = seed
        self._history_days = history_days
        self._throttles = throttles
        self._lags = lags
        self.calls = CallLog()
        self.sessions = Sessions()
        self._session_seconds = session_seconds
        self.worlds = {
            workload.place: self._new_world(workload, seed + number, None if number else conditions)
            for number, workload in enumerate(workloads)
        }
        self.world = self.worlds[workloads[0].place]
        """The world of the first workload."""
        self._stores: defaultdict[Place, MetricStore] = defaultdict(MetricStore)
        self._entrances: list[tuple[World, Entrance]] = []
        self._stack = ExitStack()

    def _new_world(self, workload: Workload, seed: int, conditions: Conditions | None) -> World:
        world = World(self._clock() - BORN, seed=seed, conditions=conditions, workload=workload)
        if self._lags:
            world.conditions.metrics_late = METRICS_LATE
        for tag, behaviour in images().items():
            world.registry.push(tag, behaviour)
        return world

    def now(self) -> float:
        """Return product time; if the world was stepped ahead of the clock, the world's time."""
        return max(self._clock(), *(world.now for world in self.worlds.values()))

    def step(self, seconds: float) -> None:
        """Let ``seconds`` of product time pass at once."""
        self._step_to(self.now() + seconds)

    def _step_to(self, now: float) -> None:
        for world in self.worlds.values():
            world.step(now)

    def happen(self, incident: Incident) -> None:
        """Let something happen now to the first workload. Raise ``Impossible``."""
        with self.world.lock:
            self.world.step(self.now())
            bring_about(self.world, incident)

    def behind(self, number: int) -> Sequence[tuple[Behaviour, bool]]:
        """Return the behaviours that a request to the load balancer of this number may meet."""
        if not self._entrances:
            return ()
        world, entrance = self._entrances[number]
        return world.behind(entrance.group)

    def demanded(self, number: int) -> Mapping[str, str]:
        """Return the headers that a request to the load balancer of this number must carry."""
        return self._entrances[number][0].conditions.demanded_headers if self._entrances else {}

    def open(self, endpoint: str, host: str, ports: Sequence[int]) -> Gateway:
        """Fill the accounts, and return what answers for AWS.

        A service for each of ``ports``, on which its load balancer listens at ``host``: the last ones for the other
        workloads, one for each, and all before for the first; ``endpoint`` is where layers of images can be fetched.
        Raise ``RuntimeError`` while another simulated AWS is open in this process.
        """
        if not _one_at_a_time.acquire(blocking=False):
            raise RuntimeError("a simulated AWS runs in this process already; stop it first")
        self._stack.callback(_one_at_a_time.release)
        try:
            forget_everything()
            self._stack.enter_context(patched(self.worlds, self.now))
            self._stack.callback(
                cloudwatch.install(lambda account, region: self._stores[Place(account, region)], self.now)
            )
            self._stack.callback(logs.install(self.now))
            regions = {place: self._region(place, endpoint) for place in self.worlds}
            gateway = Gateway(
                regions, self.sessions, Sts(self.sessions, role_of, self._session_seconds), self.calls, self.now
            )
            first = len(ports) - len(self.worlds) + 1
            shares = [ports[:first], *([port] for port in ports[first:])]
            for world, share in zip(self.worlds.values(), shares, strict=True):
                self._fill(world, gateway, host, share)
        except BaseException:
            self.close()
            raise
        self.calls.clear()
        return gateway

    def close(self) -> None:
        self._stack.close()

    def _region(self, place: Place, endpoint: str) -> Region:
        world = self.worlds[place]
        apis: dict[str, Api] = {ecr.TARGET: ecr.Ecr(world.registry, *place, endpoint).call, prices.TARGET: prices.call}
        if place.region == HOME.region:
            apis[costs.TARGET] = costs.CostExplorer(Meter(world.ecs, place)).call
        throttling = Throttling(self.now) if self._throttles else None
        staleness = Staleness(Random(self._seed + 1)) if self._lags else None  # noqa: S311  repeatable
        return Region(world, apis, throttling=throttling, staleness=staleness)

    def _fill(self, world: World, gateway: Gateway, host: str, ports: Sequence[int]) -> None:
        """Seed the account, with the services deployed ``BORN`` seconds ago, and live up to the present."""
        place = world.workload.place
        administrator = None
        if place.account != HOME.account:
            administrator = self.sessions.begin(place.account, seed.ADMINISTRATOR, "AROASEED", "seed", SEED_SECONDS)
        records = seed.Records(gateway, world.workload, administrator)
        network, entrances = records.network_and_entrances(ports)
        for entrance in entrances:
            advertise_load_balancer(place, entrance.balancer, host)
        if len(self.worlds) > 1 and place.region == HOME.region:
            records.roles()
        self._entrances += [(world, entrance) for entrance in entrances]
        backend = logs_backends[place.account][place.region]
        world.ecs.neighbours = MotoNeighbours(place)
        world.ecs.on_lines = lambda task, lines, at: write(backend, task, lines, at)
        world.ecs.on_moment = partial(eventbridge.publish, place, StateChanges(), world.ecs, world.loses_event)
        with world.lock:
            seed.seed_services(world, network, entrances)
        world.step(self._clock())
        random = Random(2)  # noqa: S311  a simulation wants to be repeatable
        telemetry = Telemetry(world, self._stores[place], random)
        telemetry.remember(self.now(), self._history_days)
        world.each_minute.append(telemetry.minute)
        records.scaling()


def application_of(aws: InProcessAws, number: int) -> Application:
    """Return the application behind the load balancer of this number."""
    random = Random(number + 1)  # noqa: S311  repeatable
    return Application(partial(aws.behind, number), random, partial(aws.demanded, number))
