"""The simulated account without its ports: world, metrics, logs, and the WSGI application that answers for AWS."""

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from random import Random

from moto.logs.models import logs_backends

from sandbox.aws.accounts import ACCOUNT, REGION
from sandbox.aws.call_log import CallLog
from sandbox.aws.cloudwatch import api as cloudwatch
from sandbox.aws.cloudwatch.metric_store import MetricStore
from sandbox.aws.costs.cost_explorer import CostExplorer
from sandbox.aws.costs.fargate import Meter
from sandbox.aws.ecr.api import Ecr
from sandbox.aws.ecs.state_changes import StateChanges
from sandbox.aws.faults.staleness import Staleness
from sandbox.aws.faults.throttling import Throttling
from sandbox.aws.logs import api as logs
from sandbox.aws.logs.write import write
from sandbox.aws.moto import eventbridge
from sandbox.aws.moto.neighbours import MotoNeighbours
from sandbox.aws.moto.patches import advertise_load_balancer, forget_everything, patched
from sandbox.aws.server import seed
from sandbox.aws.server.application import Application
from sandbox.aws.server.gateway import Gateway
from sandbox.aws.server.incidents import bring_about
from sandbox.aws.server.minute import Telemetry
from sandbox.aws.server.seed import Entrance
from sandbox.aws.world.conditions import METRICS_LATE, Conditions
from sandbox.aws.world.world import World
from sandbox.scenarios.behaviour import Behaviour
from sandbox.scenarios.incident import Incident
from sandbox.scenarios.load import images

BORN = 3 * 86400.0
"""How long ago, in product seconds, the seeded service was deployed."""

_one_at_a_time = threading.Lock()


class Account:
    """Time passes as ``clock`` (epoch seconds) has it, or by ``step``; whoever serves it lets it pass.

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
    ) -> None:
        """The repository has an image for each scenario that the sandbox comes with.

        ``throttles``: calls are limited as AWS limits them. ``lags``: a read of ECS may not know of what was just
        changed, and metrics are late.
        """
        self._clock = clock
        self._staleness = Staleness(Random(seed + 1)) if lags else None  # noqa: S311  a simulation wants to be repeatable
        self._history_days = history_days
        self.calls = CallLog()
        self.world = World(clock() - BORN, seed=seed, conditions=conditions)
        if lags:
            self.world.conditions.metrics_late = METRICS_LATE
        self._throttling = Throttling(self.now) if throttles else None
        for tag, behaviour in images().items():
            self.world.registry.push(tag, behaviour)
        self._store = MetricStore()
        self._entrances: list[Entrance] = []
        self._stack = ExitStack()

    def now(self) -> float:
        """Product time; a world that was stepped ahead of its clock has the later say."""
        return max(self.world.now, self._clock())

    def step(self, seconds: float) -> None:
        """Let ``seconds`` of product time pass at once."""
        self.world.step(self.now() + seconds)

    def happen(self, incident: Incident) -> None:
        """Let something happen now. Raise ``Impossible``."""
        with self.world.lock:
            self.world.step(self.now())
            bring_about(self.world, incident)

    def behind(self, number: int) -> Sequence[tuple[Behaviour, bool]]:
        """What a request to the load balancer of this number may meet."""
        return self.world.behind(self._entrances[number].group) if self._entrances else ()

    def open(self, endpoint: str, host: str, ports: Sequence[int]) -> Gateway:
        """Fill the account, and return what answers for AWS.

        A service for each of ``ports``, on which its load balancer listens at ``host``; ``endpoint`` is where layers
        of images can be fetched. Raise ``RuntimeError`` while another account is open in this process.
        """
        if not _one_at_a_time.acquire(blocking=False):
            raise RuntimeError("a simulated AWS runs in this process already; stop it first")
        self._stack.callback(_one_at_a_time.release)
        try:
            forget_everything()
            self._stack.enter_context(patched(self.world, self.now))
            self._stack.callback(cloudwatch.install(self._store, self.now))
            self._stack.callback(logs.install(self.now))
            registry_api = Ecr(self.world.registry, ACCOUNT, REGION, endpoint)
            cost_explorer = CostExplorer(Meter(self.world.ecs, REGION))
            gateway = Gateway(
                self.world, registry_api, cost_explorer, self.calls, self.now,
                throttling=self._throttling, staleness=self._staleness,
            )  # fmt: skip
            self._fill(gateway, host, ports)
        except BaseException:
            self.close()
            raise
        self.calls.clear()
        return gateway

    def close(self) -> None:
        self._stack.close()

    def _fill(self, gateway: Gateway, host: str, ports: Sequence[int]) -> None:
        """Seed the account, with the services deployed ``BORN`` seconds ago, and live up to the present."""
        records = seed.Records(gateway)
        network, self._entrances = records.network_and_entrances(ports)
        for entrance in self._entrances:
            advertise_load_balancer(entrance.balancer, host)
        backend = logs_backends[ACCOUNT][REGION]
        self.world.ecs.neighbours = MotoNeighbours()
        self.world.ecs.on_lines = lambda task, lines, at: write(backend, task, lines, at)
        self.world.ecs.on_moment = partial(eventbridge.publish, StateChanges(), self.world.ecs, self.world.loses_event)
        with self.world.lock:
            seed.seed_services(self.world, network, self._entrances)
        self.world.step(self.now())
        telemetry = Telemetry(self.world, self._store, Random(2))  # noqa: S311  a simulation wants to be repeatable
        telemetry.remember(self.now(), self._history_days)
        self.world.each_minute.append(telemetry.minute)
        records.scaling()


def application_of(account: Account, number: int) -> Application:
    """What answers behind the load balancer of this number."""
    return Application(partial(account.behind, number), Random(number + 1))  # noqa: S311  repeatable
