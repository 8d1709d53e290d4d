"""The emergency scalings of a campaign: one after another, of a service to which nothing is deployed."""

import threading
from dataclasses import dataclass
from typing import Any

import httpx2

from contracts.base import Target
from contracts.scaling import ScalingFinished, ScalingStarted
from tests.chaos.observer import Seen

TASKS = 5
MINUTES = 2.0
"""Product minutes for which each stands."""
ANSWER_SECONDS = 3.0
"""Real seconds for which the person waits for an answer, and then asks for the same once more."""
AGAIN_SECONDS = 1.5
"""Real seconds between two requests: while one stands, the next one is refused."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What ECS and Application Auto Scaling have of the service."""

    desired: int
    low: int
    high: int
    suspended: tuple[str, ...] = ()
    """The kinds of scaling that are suspended."""


def standing(ecs: Any, autoscaling: Any, target: Target) -> Standing:
    """Return what stands at AWS, as a person sees it."""
    [service] = ecs.describe_services(cluster=target.cluster, services=[target.service])["services"]
    resource = f"service/{target.cluster}/{target.service}"
    asked = {"ServiceNamespace": "ecs", "ResourceIds": [resource]}
    [scaled] = autoscaling.describe_scalable_targets(**asked)["ScalableTargets"]
    suspended = sorted(name for name, holds in (scaled.get("SuspendedState") or {}).items() if holds)
    return Standing(service["desiredCount"], scaled["MinCapacity"], scaled["MaxCapacity"], tuple(suspended))


class Scalings:
    """Asks in a thread of its own, since an answer may be long in coming."""

    def __init__(self, url: str, target: Target, seen: Seen) -> None:
        """``url``: of recovery's API."""
        self._url = f"{url}/api/v1/disaster-recovery/emergency-scale/{target.cluster}/{target.service}"
        self._seen = seen
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, name="scalings", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask for no more; those that stand end by themselves."""
        self._over.set()
        self._thread.join(ANSWER_SECONDS * 2)

    @property
    def under_way(self) -> bool:
        """Return whether one has begun of which no end was seen."""
        ended = {event.scaling_id for event in self._seen.of(ScalingFinished)}
        return any(event.scaling_id not in ended for event in self._seen.of(ScalingStarted))

    def _ask(self) -> None:
        accepted = 0
        while not self._over.wait(AGAIN_SECONDS):
            body = {"target_count": TASKS, "minutes": MINUTES, "actor": "chaos", "reason": "more users come"}
            try:
                key = {"Idempotency-Key": f"scaling-{accepted}"}
                answer = httpx2.post(self._url, json=body, headers=key, timeout=ANSWER_SECONDS)
            except httpx2.HTTPError:
                continue  # it may have begun: the next request is the same
            accepted += answer.status_code == httpx2.codes.ACCEPTED
