"""The simulated AWS as a whole: world, HTTP port, application, and the thread that lets time pass."""

import asyncio
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Self

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import make_server

from sandbox.aws.accounts import Place
from sandbox.aws.server.certificates import context_for
from sandbox.aws.server.gateway import Gateway
from sandbox.aws.server.in_process import InProcessAws
from sandbox.aws.workloads import COURT, Workload
from sandbox.child import claim_port
from sandbox.scenarios.balancing import Listener, LoadBalancer
from sandbox.scenarios.model import Scenario
from services._chassis.clock import Pace

TICK = 0.1
"""Real seconds between two steps of the world."""
log = logging.getLogger(__name__)


def product_clock() -> Callable[[], float]:
    """Product time as ``SUREFOOT_CLOCK`` sets it. Raise ``ValueError`` when that cannot be read."""
    pace = Pace.parse(os.environ.get("SUREFOOT_CLOCK") or "1@0")
    return lambda: pace.at(time.time())


class _Handler(MotoRequestHandler):
    """Sends head and body together, since they would wait for one another, and logs nothing."""

    disable_nagle_algorithm = True
    timeout = 120

    def log_request(self, *_: object) -> None:
        pass


class SimulatedAws(InProcessAws):
    """The simulated AWS, served: ``with SimulatedAws() as aws:``; ``aws.endpoint`` is the ``AWS_ENDPOINT_URL``.

    With another ``clock`` (epoch seconds), or by ``aws.step(seconds)``, a test decides how time passes.
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
        throttles: bool = False,
        lags: bool = False,
        workloads: Sequence[Workload] = (COURT,),
        other_ports: Sequence[int] = (),
        session_seconds: float | None = None,
        scenario: Scenario | None = None,
    ) -> None:
        """``application_port`` is the first workload's, ``other_ports`` are those of the others; 0 chooses a free port.

        ``services``: how many of the first kind there are. ``scenario`` says what stands in the first workload's place
        instead, which then has a free port for each further listener. The rest is as for ``InProcessAws``.
        """
        super().__init__(
            clock or product_clock(), seed=seed, history_days=history_days, throttles=throttles, lags=lags,
            workloads=workloads, session_seconds=session_seconds, scenario=scenario,
        )  # fmt: skip
        self.host = host
        self.advertise = advertise or ("127.0.0.1" if host == "0.0.0.0" else host)  # noqa: S104  a comparison
        self._port = port
        others = [*other_ports, *[0] * len(workloads)][: len(workloads) - 1]
        doors = [None] * services if scenario is None else [*scenario.world.listeners]
        self._ports = [application_port, *[0] * (len(doors) - 1), *others]
        self._doors = [*doors, *[None] * len(others)]
        self._services = len(doors)
        self._serving = ExitStack()
        self._stopping = threading.Event()

    def _harm_clock(self) -> Callable[[], float]:
        return time.monotonic

    @property
    def endpoint(self) -> str:
        return f"http://{self.advertise}:{self._port}"

    @property
    def application_url(self) -> str:
        """Return the URL of the load balancer."""
        return f"http://{self.advertise}:{self._ports[0]}"

    @property
    def application_urls(self) -> dict[Place, str]:
        """Return place → URL of the workload's load balancer; for the first place that of its first service."""
        ports = [self._ports[0], *self._ports[self._services :]]
        return {place: f"http://{self.advertise}:{port}" for place, port in zip(self.worlds, ports, strict=True)}

    def start(self) -> Self:
        """Listen on both ports and fill the account. Raise ``OSError`` when a port is taken."""
        try:
            # a socket of our own, since werkzeug would end the process when the port is taken
            listener = self._serving.enter_context(socket.create_server((self.host, self._port), backlog=128))
            self._port = int(listener.getsockname()[1])
            self._serve_applications()
            gateway = self.open(self.endpoint, self.advertise, self._ports)
            self._serving.callback(self.close)
            self._serve(gateway, listener)
            ticker = threading.Thread(target=self._tick, name="simulated-aws-time", daemon=True)
            ticker.start()
            self._serving.callback(ticker.join, 5)
            self._serving.callback(self._stopping.set)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        self._serving.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _serve(self, gateway: Gateway, listener: socket.socket) -> None:
        server = make_server(
            self.host, self._port, gateway, threaded=True, request_handler=_Handler, fd=listener.fileno()
        )
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="simulated-aws", daemon=True)
        thread.start()
        self._serving.callback(server.server_close)
        self._serving.callback(thread.join, 5)
        self._serving.callback(server.shutdown)

    def _serve_applications(self) -> None:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="simulated-application", daemon=True)
        thread.start()
        self._serving.callback(loop.close)
        self._serving.callback(thread.join, 5)
        self._serving.callback(lambda: loop.call_soon_threadsafe(loop.stop))
        self._ports = [self._serve_application(loop, number, port) for number, port in enumerate(self._ports)]

    def _serve_application(self, loop: asyncio.AbstractEventLoop, number: int, port: int) -> int:
        balancer, listener = self._doors[number] or (LoadBalancer(), Listener())
        if balancer.scheme == "internal":
            return claim_port(0)  # nothing listens there
        application = self.listeners.application(number)
        tls = context_for(listener.certificate) if listener.certificate is not None else None
        starting = asyncio.run_coroutine_threadsafe(application.start(self.host, port, tls), loop)
        bound = starting.result(10)
        self._serving.callback(lambda: asyncio.run_coroutine_threadsafe(application.stop(), loop).result(5))
        return bound

    def _tick(self) -> None:
        while not self._stopping.wait(TICK):
            try:
                self._step_to(self._clock())
            except Exception:
                log.exception("the simulated AWS stumbled; time goes on")
