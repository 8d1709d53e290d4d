"""The simulated AWS as a whole: world, HTTP port, application, and the thread that lets time pass."""

import asyncio
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from random import Random
from typing import Self

from moto.logs.models import logs_backends
from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import make_server

from sandbox.aws import cloudwatch, logs, seed
from sandbox.aws.application import Application
from sandbox.aws.calls import CallLog
from sandbox.aws.ecr import Ecr
from sandbox.aws.front import Front
from sandbox.aws.images import Behaviour
from sandbox.aws.metrics import MetricStore
from sandbox.aws.moto_patches import advertise_load_balancer, forget_everything, load_balancer_of, patched
from sandbox.aws.seed import Entrance
from sandbox.aws.telemetry import Telemetry, firing
from sandbox.aws.world import ACCOUNT, REGION, World
from services._chassis.clock import Pace

TICK = 0.1
"""Real seconds between two steps of the world."""
BORN = 3 * 86400.0
"""How long ago, in product seconds, the seeded service was deployed."""

log = logging.getLogger(__name__)

_one_at_a_time = threading.Lock()


def product_clock() -> Callable[[], float]:
    """Product time as ``SUREFOOT_CLOCK`` sets it. Raise ``ValueError`` when that cannot be read."""
    pace = Pace.parse(os.environ.get("SUREFOOT_CLOCK") or "1@0")
    return lambda: pace.at(time.time())


class _Handler(MotoRequestHandler):
    """Answers at once (head and body would wait for one another) and says nothing about it."""

    disable_nagle_algorithm = True
    timeout = 120

    def log_request(self, *_: object) -> None:
        pass


class SimulatedAws:
    """Start with ``with SimulatedAws() as aws:``; ``aws.endpoint`` is the ``AWS_ENDPOINT_URL``.

    One at a time in a process, since moto keeps its state in globals. With a ``clock`` of one's own
    (epoch seconds), or by ``aws.step(seconds)``, time passes as a test wants it.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        application_port: int = 0,
        advertise: str | None = None,
        clock: Callable[[], float] | None = None,
        seed: int = 0,
        history_days: int = 0,
        services: int = 1,
    ) -> None:
        self.host = host
        self._reachable = "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104  a comparison
        self.advertise = advertise or self._reachable
        self.calls = CallLog()
        self._port = port
        self._application_port = application_port
        self._clock = clock or product_clock()
        self.world = World(self._clock() - BORN, seed=seed)
        self._stack = ExitStack()
        self._history_days = history_days
        self._store = MetricStore()
        self._stopping = threading.Event()
        self._entrances: list[Entrance] = []
        self._services = services

    def now(self) -> float:
        """Product time; a world that was stepped ahead of its clock has the later say."""
        return max(self.world.now, self._clock())

    def step(self, seconds: float) -> None:
        """Let ``seconds`` of product time pass at once."""
        self.world.step(self.now() + seconds)

    @property
    def endpoint(self) -> str:
        return f"http://{self.advertise}:{self._port}"

    @property
    def application_url(self) -> str:
        """Where the load balancer listens."""
        return f"http://{self.advertise}:{self._application_port}"

    def start(self) -> Self:
        """Listen on both ports and fill the account. Raise ``OSError`` when a port is taken."""
        if not _one_at_a_time.acquire(blocking=False):
            raise RuntimeError("a simulated AWS runs in this process already; stop it first")
        self._stack.callback(_one_at_a_time.release)
        try:
            forget_everything()
            self._stack.enter_context(patched(self.world, self.now))
            self._stack.callback(cloudwatch.install(self._store, self.now))
            front = self._serve()
            self._serve_application()
            self._fill()
            self.calls.clear()
            front.ready.set()
            ticker = threading.Thread(target=self._tick, name="simulated-aws-time", daemon=True)
            ticker.start()
            self._stack.callback(ticker.join, 5)
            self._stack.callback(self._stopping.set)
        except BaseException:
            self._stack.close()
            raise
        return self

    def stop(self) -> None:
        self._stack.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _serve(self) -> Front:
        # A socket of our own, since werkzeug would end the process when the port is taken.
        with socket.create_server((self.host, self._port), backlog=128) as listener:
            self._port = int(listener.getsockname()[1])
            images = Ecr(self.world.registry, ACCOUNT, REGION, self.endpoint)
            front = Front(self.world, images, self.calls, self.now)
            server = make_server(
                self.host, self._port, front, threaded=True, request_handler=_Handler, fd=listener.fileno()
            )
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="simulated-aws", daemon=True)
        thread.start()
        self._stack.callback(server.server_close)
        self._stack.callback(thread.join, 5)
        self._stack.callback(server.shutdown)
        return front

    def _serve_application(self) -> None:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="simulated-application", daemon=True)
        thread.start()
        self._stack.callback(loop.close)
        self._stack.callback(thread.join, 5)
        self._stack.callback(lambda: loop.call_soon_threadsafe(loop.stop))
        self._application_ports = [
            self._start_application(loop, number, self._application_port if number == 0 else 0)
            for number in range(self._services)
        ]
        self._application_port = self._application_ports[0]

    def _start_application(self, loop: asyncio.AbstractEventLoop, number: int, port: int) -> int:
        behind = partial(self._behind, number)
        application = Application(behind, Random(number + 1))  # noqa: S311  a simulation wants to be repeatable
        starting = asyncio.run_coroutine_threadsafe(application.start(self.host, port), loop)
        bound = starting.result(10)
        self._stack.callback(lambda: asyncio.run_coroutine_threadsafe(application.stop(), loop).result(5))
        return bound

    def _fill(self) -> None:
        """Seed the account, with the service deployed ``BORN`` seconds ago, and live up to the present."""
        local = f"http://{self._reachable}:{self._port}"  # what is advertised may resolve for others only
        network, self._entrances = seed.seed_records(local, self._application_ports)
        for entrance in self._entrances:
            advertise_load_balancer(entrance.balancer, self.advertise)
        backend = logs_backends[ACCOUNT][REGION]
        self.world.load_balancer_of = load_balancer_of
        self.world.ecs.on_lines = lambda task, lines, at: logs.write(backend, task, lines, at)
        with self.world.lock:
            seed.seed_services(self.world, network, self._entrances)
        self.world.step(self.now())
        telemetry = Telemetry(self.world, self._store, Random(2))  # noqa: S311  repeatable as well
        telemetry.remember(self.now(), self._history_days)
        self.world.each_minute.append(telemetry.minute)
        self.world.ecs.alarms_firing = firing
        seed.seed_scaling(local)

    def _behind(self, number: int) -> Sequence[tuple[Behaviour, bool]]:
        return self.world.behind(self._entrances[number].group) if self._entrances else ()

    def _tick(self) -> None:
        while not self._stopping.wait(TICK):
            try:
                self.world.step(self._clock())
            except Exception:
                log.exception("the simulated AWS stumbled; time goes on")
