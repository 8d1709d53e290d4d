"""One region of one account, as the gateway calls it."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from sandbox.aws.ecs import api as ecs
from sandbox.aws.faults.staleness import Staleness
from sandbox.aws.faults.throttling import Throttling
from sandbox.aws.world.world import World

Api = Callable[[str, dict[str, Any], float], dict[str, Any]]
"""Answers an operation's request at a moment in product time. Raises ``AwsFault``."""


class Region:
    """The region's world, and the APIs that answer there in AWS's JSON protocol."""

    def __init__(
        self,
        world: World,
        apis: Mapping[str, Api],
        *,
        throttling: Throttling | None = None,
        staleness: Staleness | None = None,
    ) -> None:
        """``apis`` by the prefix of ``X-Amz-Target``, beside ECS's.

        ``throttling`` may refuse a call for its rate, ``staleness`` may answer a read as before the last change.
        """
        self.world = world
        self.throttling = throttling
        self._staleness = staleness
        self._apis: dict[str, Api] = {
            ecs.TARGET: lambda operation, request, at: ecs.call(world.ecs, operation, request, at),
            **apis,
        }

    def answer(self, prefix: str, operation: str, request: dict[str, Any], now: float) -> tuple[bytes, str]:
        """Return the answer as JSON, and what the call brought about, as the log has it. Raise ``AwsFault``."""
        with self.world.lock:
            self.world.step(now)
            self.world.ecs.begun.clear()
            answer = self._apis[prefix](operation, request, self.world.now)
            effect = self._effect(answer, operation)
            body = orjson.dumps(answer)
            if self._staleness is not None and prefix == ecs.TARGET:
                body = self._staleness.seen(operation, request, body, self.world.now)
        return body, effect

    def _effect(self, answer: dict[str, Any], operation: str) -> str:
        if operation == "RegisterTaskDefinition":
            return str(answer["taskDefinition"]["taskDefinitionArn"]).rpartition("/")[2]
        if operation == "RunTask":
            started = ((task["taskArn"].rpartition("/")[2], task.get("startedBy", "")) for task in answer["tasks"])
            return ", ".join(f"{task} {starter}" for task, starter in started)
        return ", ".join(self.world.ecs.begun)
