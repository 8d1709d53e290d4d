"""A service that is gone, once in a campaign: its plan is tried, a snapshot taken, all deleted, and made again."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from itertools import count
from typing import Any

import httpx2

from contracts.base import Target
from contracts.drills import DrillStarted
from contracts.recovery import SnapshotCaptured
from contracts.recreation import RecreationFinished, RecreationStarted
from tests.chaos.observer import Seen
from tests.chaos.person import WISHES, Api, under_way
from tests.chaos.verbs import DRILL_ROLLBACK

AGAIN_SECONDS = 1.0
DRILL_SECONDS, SNAPSHOT_SECONDS = 60.0, 60.0
MAKING_SECONDS = 300.0
"""Real seconds for which it is asked for: more than an approved one may take at this speed, and another after it."""


@dataclass
class Recreation:
    """Goes on in a thread of its own, while harm is done."""

    api: Api
    seen: Seen
    aws: Callable[[str], Any]
    """Makes a client that calls AWS as a person."""

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._live, name="recreation", daemon=True)
        self._keys = count()
        self._is_whole = False
        """Whether recovery has said that nothing is missing, after it had begun to make what was."""

    def start(self) -> None:
        self._thread.start()

    @property
    def busy(self) -> bool:
        return self._thread.is_alive() or bool(under_way(self.seen, self.api.target))

    def _live(self) -> None:
        for _ in self._until(self._is_tried, DRILL_SECONDS):
            self.api.post(WISHES[DRILL_ROLLBACK].path, WISHES[DRILL_ROLLBACK].body, self._key)
        for _ in self._until(lambda: not under_way(self.seen, self.api.target), DRILL_SECONDS):
            pass
        for _ in self._until(lambda: bool(self._snapshots), SNAPSHOT_SECONDS):
            self.api.post("snapshot", {}, self._key)
        if not self._snapshots:
            return  # the campaign tells that nothing was made again
        delete(self.aws, self.api.target)
        for _ in self._until(self._is_made, MAKING_SECONDS):
            self._ask()

    @property
    def _key(self) -> str:
        return f"recreation-{next(self._keys)}"

    def _until(self, over: Callable[[], bool], seconds: float) -> Iterator[None]:
        until = time.monotonic() + seconds
        while not over() and time.monotonic() < until:
            yield
            time.sleep(AGAIN_SECONDS)

    def _is_tried(self) -> bool:
        return any(event.target == self.api.target for event in self.seen.of(DrillStarted))

    @property
    def _snapshots(self) -> list[str]:
        return [event.snapshot_id for event in self.seen.of(SnapshotCaptured) if event.target == self.api.target]

    def _is_made(self) -> bool:
        ends = (end for end in self.seen.of(RecreationFinished) if end.target == self.api.target)
        return self._is_whole or any(end.result == "recreated" for end in ends)

    def _ask(self) -> None:
        """Ask for it unless it stands, and let somebody else approve what waits."""
        # another snapshot that was asked for may have been taken in the middle of the deletion
        answer = self.api.post("recreate", {"reason": "it is gone", "snapshot_id": self._snapshots[0]}, self._key)
        begun = any(event.target == self.api.target for event in self.seen.of(RecreationStarted))
        self._is_whole = begun and answer is not None and answer.status_code == HTTPStatus.OK
        with contextlib.suppress(httpx2.HTTPError):
            waits = self.api.shown("recreate")["recreation"]
            if waits is not None and not waits["approved_by"]:
                self.api.post("recreate", {"actor": "ann", "plan": waits["plan"]}, then="/approve")


def delete(aws: Callable[[str], Any], target: Target) -> None:
    """Delete the service, what scales it, and how requests come to it, as a person with a console does."""
    ecs, balancing = aws("ecs"), aws("elbv2")
    [service] = ecs.describe_services(cluster=target.cluster, services=[target.service])["services"]
    aws("application-autoscaling").deregister_scalable_target(
        ServiceNamespace="ecs",
        ResourceId=f"service/{target.cluster}/{target.service}",
        ScalableDimension="ecs:service:DesiredCount",
    )
    ecs.delete_service(cluster=target.cluster, service=target.service, force=True)
    for group in (attached["targetGroupArn"] for attached in service["loadBalancers"]):
        [described] = balancing.describe_target_groups(TargetGroupArns=[group])["TargetGroups"]
        for balancer in described["LoadBalancerArns"]:
            for listener in balancing.describe_listeners(LoadBalancerArn=balancer)["Listeners"]:
                balancing.delete_listener(ListenerArn=listener["ListenerArn"])
        balancing.delete_target_group(TargetGroupArn=group)
