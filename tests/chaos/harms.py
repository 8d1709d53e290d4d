"""How each harm is done, and undone when its time is over."""

import shutil
import signal
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from redis.exceptions import RedisError

from contracts.topics import SERVICES
from sandbox.child import NotStarted
from tests.chaos.bad import bad_message
from tests.chaos.fleet import signalled
from tests.chaos.forger import forged
from tests.chaos.kinds import RECREATED, STANDING
from tests.chaos.plan import Harm
from tests.chaos.requests import CLUSTER
from tests.chaos.rival import Rival
from tests.chaos.stack import Stack

Later = Callable[[float, Callable[[], object]], None]
"""``(real seconds from now, what to do then)``."""
UPGRADE_SECONDS = 2.0
"""Real seconds between two services of a rolling upgrade."""


class Harms:
    """Does harm to a stack. ``later`` is the campaign's agenda."""

    def __init__(self, stack: Stack, later: Later, seed: int) -> None:
        self._stack = stack
        self._later = later
        self._random = Random(f"details {seed}")
        self._bad = 0
        self._at_rollback: list[Callable[[str], None]] = []
        self._rollbacks = 0
        self.rivals: list[Rival] = []
        self.touched: set[str] = set()
        """Services that somebody else has updated: a person, or another Surefoot."""
        self.done: dict[str, int] = {}

    def do(self, harm: Harm) -> None:
        """Do it, and put its end on the agenda."""
        self.done[harm.kind] = self.done.get(harm.kind, 0) + 1
        if harm.kind.startswith("aws "):
            self._aws(harm)
        else:
            _DO[harm.kind](self, harm)

    def watch(self) -> None:
        """Do the harm that waits for a rollback."""
        rollbacks = self._stack.observer.seen.rollbacks
        for rollback in rollbacks[self._rollbacks :]:
            if self._at_rollback:
                self._at_rollback.pop(0)(rollback.target.service)
        self._rollbacks = len(rollbacks)

    def kill(self, harm: Harm) -> None:
        for name in harm.aimed_at:
            self._stack.fleet.kill(name)

    def pause(self, harm: Harm) -> None:
        self._later(harm.seconds, partial(signalled, self._stack.fleet.pause(harm.aimed_at[0]), signal.SIGCONT))

    def restart_server(self, harm: Harm) -> None:
        if harm.aimed_at[0] == "kafka":
            self._stack.kafka.kill()
            self._later(harm.seconds, self._stack.kafka.start)
        else:
            self._stack.valkey.kill()
            self._later(harm.seconds, self._start_redis)

    def _start_redis(self) -> None:
        if self._stack.valkey.pid is not None:
            return  # another harm that was to end has started it
        try:
            self._stack.valkey.start()
        except NotStarted:
            self._stack.valkey.kill()
            self._later(0.5, self._start_redis)  # its port is not free yet

    def pause_server(self, harm: Harm) -> None:
        pid = self._stack.kafka.pid if harm.aimed_at[0] == "kafka" else self._stack.valkey.pid
        if pid is not None:
            signalled(pid, signal.SIGSTOP)
            self._later(harm.seconds, partial(signalled, pid, signal.SIGCONT))

    def _redis(self, *command: str) -> None:
        try:
            self._stack.redis.execute_command(*command)
        except RedisError:
            self._later(0.5, partial(self._redis, *command))  # it is away just now

    def full_redis(self, harm: Harm) -> None:
        self._redis("CONFIG", "SET", "maxmemory", "1")
        self._later(harm.seconds, partial(self._redis, "CONFIG", "SET", "maxmemory", "0"))

    def readonly_redis(self, harm: Harm) -> None:
        self._redis("REPLICAOF", "127.0.0.1", "1")
        self._later(harm.seconds, partial(self._redis, "REPLICAOF", "NO", "ONE"))

    def restore_redis(self, harm: Harm) -> None:
        """Copy its files now, and put the copy in their place some seconds later."""
        data, copy = self._stack.directory / "valkey" / "appendonlydir", self._stack.directory / "valkey-copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(data, copy)

        def restore() -> None:
            self._stack.valkey.kill()
            shutil.rmtree(data)
            shutil.copytree(copy, data)
            self._start_redis()

        self._later(harm.seconds, restore)

    def hold_connections(self, harm: Harm) -> None:
        wire = self._stack.wires[harm.aimed_at[0]]
        wire.hold()

        def end() -> None:
            if self._random.random() < 0.5:
                wire.reset()
            wire.release()

        self._later(harm.seconds, end)

    def slow_connections(self, harm: Harm) -> None:
        wire = self._stack.wires[harm.aimed_at[0]]
        wire.delay(harm.amount)
        self._later(harm.seconds, partial(wire.delay, 0.0))

    def reset_connections(self, harm: Harm) -> None:
        self._stack.wires[harm.aimed_at[0]].reset()

    def _aws(self, harm: Harm) -> None:
        service, operation = harm.aimed_at
        rule: dict[str, Any] = {"kind": harm.kind.removeprefix("aws "), "service": service, "operation": operation}
        rule["agent"] = "surefoot/"
        if operation:
            rule |= {"calls": int(harm.amount), "seconds": 20, "delay": harm.seconds}
        else:
            rule |= {"seconds": harm.seconds, "share": harm.amount, "delay": min(harm.seconds, 1.5)}
        self._stack.control_aws("POST", "harm", rule)

    def s3_down(self, harm: Harm) -> None:
        rule = {"kind": "error-before", "service": "s3", "seconds": 3 + harm.seconds, "agent": "surefoot/"}
        self._at_rollback.append(lambda _: self._stack.control_aws("POST", "harm", rule))

    def role_gone(self, harm: Harm) -> None:
        def do(_: str) -> None:
            self._stack.control_aws("POST", "roles/gone", {"role": "court-case-execution"})
            self._later(
                10 + harm.seconds,
                lambda: self._stack.control_aws("POST", "roles/back", {"role": "court-case-execution"}),
            )

        self._at_rollback.append(do)

    def image_deleted(self, harm: Harm) -> None:
        def do(service: str) -> None:
            images = self._images_of(service)
            self._stack.control_aws("POST", "images/gone", {"images": images})
            self._later(10 + harm.seconds, lambda: self._stack.control_aws("POST", "images/back", {"images": images}))

        self._at_rollback.append(do)

    def _images_of(self, service: str) -> list[str]:
        """Return the images that the service ran before the deployment that is rolled back."""
        ecs = self._stack.aws("ecs")
        deployments = ecs.describe_services(cluster=CLUSTER, services=[service])["services"][0]["deployments"]
        definitions = [
            ecs.describe_task_definition(taskDefinition=deployment["taskDefinition"]) for deployment in deployments[1:]
        ]
        return [c["image"] for definition in definitions for c in definition["taskDefinition"]["containerDefinitions"]]

    def person(self, harm: Harm) -> None:
        """Somebody updates a service: with a new deployment of what is there, or with another version."""
        ecs, service = self._stack.aws("ecs"), self._random.choice(self._services())
        self.touched.add(service)
        try:
            if harm.amount > 0:
                ecs.update_service(cluster=CLUSTER, service=service, forceNewDeployment=True)
            else:
                listed = ecs.list_task_definitions(sort="DESC", maxResults=100)["taskDefinitionArns"]
                ecs.update_service(cluster=CLUSTER, service=service, taskDefinition=self._random.choice(listed))
        except (ClientError, BotoCoreError):
            return  # AWS refused a person as well

    def _services(self) -> list[str]:
        """Return whom a person or another Surefoot may deploy to: all but the service that is deleted meanwhile."""
        listed = self._stack.aws("ecs").list_services(cluster=CLUSTER)["serviceArns"]
        names = (arn.rpartition("/")[2] for arn in listed)
        return [name for name in names if self._stack.kinds.get(name) != STANDING[RECREATED]]

    def clock_wrong(self, harm: Harm) -> None:
        name = harm.aimed_at[0]
        self._stack.fleet.option(name, "--skew", str(harm.amount))
        self._stack.fleet.kill(name)
        self._later(20, partial(self._stack.fleet.option, name))

    def upgrade(self, harm: Harm) -> None:
        newer = ("--newer",) if self._random.random() < 0.5 else ()
        order = self._random.sample(sorted(SERVICES), len(SERVICES))
        for place, name in enumerate(order):
            self._stack.fleet.option(name, *newer)
            self._later(place * UPGRADE_SECONDS, partial(self._stack.fleet.end, name))

    def forget(self, harm: Harm) -> None:
        """A service's inbox is emptied, and Kafka forgets how far its group has read."""
        name = harm.aimed_at[0]
        self._stack.fleet.hold_back(name)
        try:
            for key in self._stack.redis.scan_iter(f"{{{name}}}:inbox:*", count=1000):
                self._stack.redis.delete(key)
        except RedisError:
            pass  # it is away just now; what is gone is gone
        self._stack.observer.reset_offsets(name).add_done_callback(lambda _: self._stack.fleet.let_go(name))

    def bad_messages(self, harm: Harm) -> None:
        for _ in range(5):
            self._bad += 1
            self._stack.observer.send(*bad_message(self._random, self._bad))

    def forged_messages(self, harm: Harm) -> None:
        for _ in range(3):
            self._bad += 1
            seen = list(self._stack.observer.seen.events.values())
            if lie := forged(self._random, self._bad, seen, self._stack.environment):
                self._stack.observer.send(lie.topic, lie.key, [*lie.headers], lie.value)

    def rival(self, harm: Harm) -> None:
        """Start another Surefoot, if none runs: it costs as much as all of ours."""
        if any(task.is_alive() for task in self.rivals):
            return
        number = len(self.rivals) + 1
        service, tag = self._random.choice(self._services()), f"healthy-rival-{number}"
        self._stack.push(tag, self._stack.kinds[service].image_of("healthy"))
        rival = Rival(self._stack.directory / f"rival-{number}", self._stack.environment, service, tag)
        self.rivals.append(rival)
        self.touched.add(service)
        rival.start()


_DO: dict[str, Callable[[Harms, Harm], None]] = {
    "kill services": Harms.kill,
    "pause service": Harms.pause,
    "restart server": Harms.restart_server,
    "pause server": Harms.pause_server,
    "full redis": Harms.full_redis,
    "readonly redis": Harms.readonly_redis,
    "restore redis from an older copy": Harms.restore_redis,
    "hold connections half-open": Harms.hold_connections,
    "slow connections": Harms.slow_connections,
    "reset connections": Harms.reset_connections,
    "s3 down at a rollback": Harms.s3_down,
    "role gone at a rollback": Harms.role_gone,
    "image deleted at a rollback": Harms.image_deleted,
    "person updates a service": Harms.person,
    "clock wrong": Harms.clock_wrong,
    "upgrade services one by one": Harms.upgrade,
    "forget the inbox and read from the earliest offset": Harms.forget,
    "bad messages": Harms.bad_messages,
    "forged messages": Harms.forged_messages,
    "another surefoot deploys": Harms.rival,
}
