"""The simulated AWS without its ports: worlds, metrics, logs, and the WSGI application that answers for AWS."""

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from random import Random

from moto.cloudwatch.models import cloudwatch_backends
from moto.logs.models import logs_backends

from sandbox.aws.accounts import HOME, Place
from sandbox.aws.call_log import CallLog
from sandbox.aws.cloudwatch import api as cloudwatch
from sandbox.aws.cloudwatch.alarms import firing
from sandbox.aws.cloudwatch.metric_store import MetricStore
from sandbox.aws.costs import cost_explorer as costs
from sandbox.aws.costs import pricing_api as prices
from sandbox.aws.costs.fargate import Meter
from sandbox.aws.ecr import api as ecr
from sandbox.aws.ecr.registry import Registry, split
from sandbox.aws.ecs.state_changes import StateChanges
from sandbox.aws.faults.rules import FaultRules
from sandbox.aws.faults.staleness import Staleness
from sandbox.aws.faults.throttling import Throttling
from sandbox.aws.logs import api as logs
from sandbox.aws.logs.write import write
from sandbox.aws.moto import eventbridge
from sandbox.aws.moto.iam import role_of
from sandbox.aws.moto.neighbours import MotoNeighbours
from sandbox.aws.moto.patches import forget_everything, patched
from sandbox.aws.server import seed, services
from sandbox.aws.server.gateway import Gateway
from sandbox.aws.server.incidents import bring_about, bring_back
from sandbox.aws.server.listeners import Listeners
from sandbox.aws.server.minute import Telemetry
from sandbox.aws.server.region import Api, Region
from sandbox.aws.servicediscovery import api as cloud_map
from sandbox.aws.sts.api import Sts
from sandbox.aws.sts.sessions import Sessions
from sandbox.aws.trail import activities
from sandbox.aws.trail import api as cloudtrail
from sandbox.aws.workloads import COURT, Workload
from sandbox.aws.world.conditions import METRICS_LATE, Conditions
from sandbox.aws.world.world import World
from sandbox.scenarios.behaviour import RUNNING_TAG, Behaviour
from sandbox.scenarios.incident import Incident
from sandbox.scenarios.load import images
from sandbox.scenarios.model import Scenario
from sandbox.scenarios.service import Service
from sandbox.scenarios.world import OtherImage

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
        scenario: Scenario | None = None,
    ) -> None:
        """Each repository has an image for each scenario that the sandbox comes with.

        ``scenario`` says what stands in the first workload's place, with which images, which users and which clock; by
        default there is the workload's own service, behind a load balancer on each port, with a healthy version.

        ``throttles``: calls are limited as AWS limits them. ``lags``: a read of ECS may not know of what was just
        changed, and metrics are late. ``workloads``: in which accounts and regions something runs; ``conditions`` are
        those of the first. ``session_seconds``: no credentials of a role last longer, in real time.
        """
        self._scenario = scenario
        self._clock = clock if scenario is None else ahead(clock, scenario.world.clock_ahead)
        self._seed = seed
        self._history_days = history_days
        self._throttles = throttles
        self._lags = lags
        if scenario is not None:
            workloads = [_named(workloads[0], scenario.world.service), *workloads[1:]]
            conditions = conditions or Conditions(scenario.world.traffic)
        self.calls = CallLog()
        self.sessions = Sessions()
        self._session_seconds = session_seconds
        self.worlds = {
            workload.place: self._new_world(workload, seed + number, None if number else conditions)
            for number, workload in enumerate(workloads)
        }
        self.world = self.worlds[workloads[0].place]
        """The world of the first workload."""
        if scenario is not None:
            self._add_images(scenario)
        self._stores: defaultdict[Place, MetricStore] = defaultdict(MetricStore)
        self.listeners = Listeners()
        self._stack = ExitStack()

    def alarms_firing(self) -> set[str]:
        """Return the names of the alarms that are in ALARM, in the place of the first workload."""
        account, region = self.world.workload.place
        alarms = cloudwatch_backends[account][region].alarms
        return set(firing(alarms, list(alarms)))

    def balancer_dimensions(self) -> dict[str, str]:
        """Return the dimensions of the load balancer's metrics for the first service; none where it has no balancer."""
        groups = self.world.views()[0].groups
        return {"LoadBalancer": groups[0].load_balancer, "TargetGroup": groups[0].target_group} if groups else {}

    def hinder(self, alarm: str, state: str) -> None:
        """Set the EvaluationState of an alarm in the place of the first workload."""
        account, region = self.world.workload.place
        cloudwatch_backends[account][region].alarms[alarm].evaluation_state = state  # type: ignore[attr-defined]  # moto lacks it

    def _new_world(self, workload: Workload, seed: int, conditions: Conditions | None) -> World:
        world = World(self._clock() - BORN, seed=seed, conditions=conditions, workload=workload)
        if self._lags:
            world.conditions.metrics_late = METRICS_LATE
        for tag, behaviour in images().items():
            world.registry.push(tag, behaviour)
        return world

    def _add_images(self, scenario: Scenario) -> None:
        """Push the scenario's images: its own, the version that runs, and others by tag or reference."""
        registry = self.world.registry
        for reference, image in scenario.world.images.items():
            _add(registry, reference, image)
        registry.push(scenario.name, scenario.image)
        if scenario.running is not None:
            registry.push(RUNNING_TAG, scenario.running)

    def _harm_clock(self) -> Callable[[], float]:
        """Return the time in which rules of harm last."""
        return self.now

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

    def open(self, endpoint: str, host: str, ports: Sequence[int]) -> Gateway:
        """Fill the accounts, and return what answers for AWS.

        Load balancers listen at ``host``, on ``ports``: the last ones for the other workloads, one for each, and all
        before for the first, which has a service for each of them, or a listener of its infrastructure. ``endpoint`` is
        where layers of images can be fetched.
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
            roles = Sts(self.sessions, role_of, self._session_seconds)
            rules = FaultRules(clock=self._harm_clock())
            gateway = Gateway(regions, self.sessions, roles, self.calls, rules, self.now)
            first = len(ports) - len(self.worlds) + 1
            shares = [ports[:first], *([port] for port in ports[first:])]
            for world, share in zip(self.worlds.values(), shares, strict=True):
                self._fill(world, gateway, host, share)
        except BaseException:
            self.close()
            raise
        self.calls.clear()
        for world in self.worlds.values():
            world.trail.events.clear()  # whoever set the account up did that long ago
        return gateway

    def close(self) -> None:
        self._stack.close()

    def _region(self, place: Place, endpoint: str) -> Region:
        world = self.worlds[place]
        trail = cloudtrail.CloudTrail(world.trail, lambda: world.conditions.trail_late)
        apis: dict[str, Api] = {
            ecr.TARGET: ecr.Ecr(world.registry, *place, endpoint).call,
            prices.TARGET: prices.call,
            cloudtrail.TARGET: trail.call,
            cloud_map.TARGET: cloud_map.ServiceDiscovery(world.ecs.cloud_map, place.account).call,
            activities.TARGET: world.activities.call,
        }
        if place.region == HOME.region:
            apis[costs.TARGET] = costs.CostExplorer(Meter(world.ecs, place)).call
        throttling = Throttling(self.now) if self._throttles else None
        staleness = Staleness(Random(self._seed + 1)) if self._lags else None  # noqa: S311  repeatable
        return Region(world, apis, throttling=throttling, staleness=staleness)

    def _fill(self, world: World, gateway: Gateway, host: str, ports: Sequence[int]) -> None:
        """Seed the account, with the services deployed ``BORN`` seconds ago, and live up to the present."""
        place, wanted = world.workload.place, seed.usual(world.workload, ports)
        if world is self.world and self._scenario is not None:
            wanted = self._scenario.world.infrastructure.listening_on(tuple(ports))
        administrator = None
        if place.account != HOME.account:
            administrator = self.sessions.begin(place.account, seed.ADMINISTRATOR, "AROASEED", "seed", SEED_SECONDS)
        records = seed.Records(gateway, world.workload, administrator)
        network, made = records.network_and_entrances(wanted)
        records.task_roles()
        self.listeners.add(world, wanted, made, host)
        if len(self.worlds) > 1 and place.region == HOME.region:
            records.roles()
        backend = logs_backends[place.account][place.region]
        world.ecs.neighbours = MotoNeighbours(place)
        world.ecs.on_lines = lambda task, lines, at: write(backend, task, lines, at)
        world.stacks.bring = partial(bring_back, world)
        world.ecs.on_moment = partial(eventbridge.publish, place, StateChanges(), world.ecs, world.loses_event)
        with world.lock:
            services.create(world, network, made, wanted)
        world.step(self._clock())
        random = Random(2)  # noqa: S311  a simulation wants to be repeatable
        telemetry = Telemetry(world, self._stores[place], random)
        telemetry.remember(self.now(), self._history_days)
        world.each_minute.append(telemetry.minute)
        records.scaling(wanted)


def ahead(clock: Callable[[], float], seconds: float) -> Callable[[], float]:
    """Return a clock that is ahead of another."""
    return lambda: clock() + seconds


def _named(workload: Workload, service: Service) -> Workload:
    """Return the workload with the names of this service."""
    return replace(workload, cluster=service.cluster, service=service.service_name)


def _add(registry: Registry, reference: str, image: OtherImage) -> None:
    """Add an image: by tag to the sandbox's repository, by a whole reference to any other."""
    behaviour = Behaviour(**image.model_dump(include=set(Behaviour.model_fields), exclude_unset=True))
    if split(reference)[0] == reference and "/" not in reference:
        registry.push(reference, behaviour)
    else:
        registry.add(reference, behaviour, listed=not image.pull_through, readable=image.readable)
