"""Records what a version leaves behind when it is killed while runs are under way (``tests/data/recorded``).

In a checkout of that version, into which this file and ``world.yaml`` are copied, and with its environment:
``python -m tests.compatibility.recorder FILE.json.gz``. So this uses nothing that only today's version has.
"""

import asyncio
import gzip
import io
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aiokafka.structs import ConsumerRecord

from contracts.base import Target
from contracts.deployment import DeploymentConfig, DeployRequested, ImageChange
from contracts.envelope import Envelope, Message, Meta
from contracts.topics import RECOVERY_COMMANDS, SERVICES, Party
from sandbox.aws.accounts import ACCOUNT, REGION
from sandbox.scenarios.load import load, shipped
from sandbox.virtual.aws import InProcessConnection
from sandbox.virtual.bus import MemoryBus, MemoryTransport
from sandbox.virtual.redis import MemoryRedis
from services._chassis.accounts import AccountWatch
from services._chassis.assembly import Pauses, assemble, create_service, load_settings
from services._chassis.aws import Aws
from services._chassis.clock import moment
from services._chassis.policies import BuiltInPolicies
from services._chassis.readiness import Readiness
from services._chassis.service import Platform
from services._chassis.store import RedisStore
from services._chassis.tasks import end
from surefoot.rehearsal.rehearse import SETTINGS
from surefoot.rehearsal.stage import Stage, staged

WORLD = Path(__file__).parents[1] / "data" / "recorded" / "takeover" / "world.yaml"
SOURCE = "ci"
CLUSTER = "CourtCaseCluster"
BAKING_MINUTES = 3
ASKED = (
    # seconds after the start, service, image; where it is when all are killed
    (0.0, "worker", "healthy"),  # it has succeeded
    (60.0, "late", "crash-loop"),  # it was rolled back
    (450.0, "usual", "healthy"),  # it bakes
    (500.0, "internal", "healthy"),  # it bakes
    (590.0, "path-rule", "crash-loop"),  # it is being rolled back
    (595.0, "watched", "slow"),  # it is rolled out, and found to be bad
    (605.0, "daemon", "crash-loop"),  # it is rolled out, and fails
    (610.0, "usual", "healthy"),  # it waits for its turn
    (620.0, "stop-before-start", "healthy"),  # it is being rolled out
    (637.0, "worker", "healthy"),  # its snapshot is asked for, and nobody has read that
)
DAMAGED = (100.0, 636.0)
"""When a message comes that recovery cannot read."""
DEAF = {Party.RECOVERY: 630.0, Party.HEALTH: 636.0}
"""Services that are killed earlier than the others, so that what is meant for them stays unread."""
KILLED = 640.0


@dataclass
class Journal:
    """Everything that AWS was asked to change, as requests came, and what ECS called the deployments that it began."""

    stage: Stage
    requests: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        before = len(self.stage.aws.calls.calls(changing=True))
        request = {
            "time": self.stage.clock.now(),
            "method": environ["REQUEST_METHOD"],
            "host": environ["HTTP_HOST"],
            "path": environ["PATH_INFO"],
            "query": environ.get("QUERY_STRING", ""),
            "headers": {
                name.removeprefix("HTTP_").replace("_", "-").title(): value
                for name, value in environ.items()
                if name in {"CONTENT_TYPE", "CONTENT_LENGTH"} or (name.startswith("HTTP_") and name != "HTTP_HOST")
            },
            "body": body.decode("latin-1"),
        }
        answer = self.stage.gateway(environ, start_response)
        if len(self.stage.aws.calls.calls(changing=True)) > before:
            self.requests.append(request)
        return answer


class Recorder:
    """The seven services in memory, each of which can be killed by itself."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.bus = MemoryBus()
        self.redis = MemoryRedis(stage.clock.now)
        self.names: list[str] = []
        self.read: dict[Party, dict[str, int]] = {party: {} for party in SERVICES}
        """Service → topic → how many messages it has handled."""
        self._running: dict[Party, list[asyncio.Task[None]]] = {}

    async def start(self) -> None:
        stage, readiness = self._stage, Readiness()
        policies = BuiltInPolicies(ACCOUNT, REGION)
        accounts = AccountWatch(stage.connection, policies, ACCOUNT, readiness)
        self._running[Party.CI] = [asyncio.create_task(accounts.run())]
        for party in SERVICES:
            settings = load_settings(party, **SETTINGS)
            store = RedisStore(self.redis, party, stage.clock)
            platform = Platform(
                store,
                stage.clock,
                Aws(stage.connection, party),
                settings.straggler_window,
                stage.transport,
                readiness,
                policies=policies,
            )
            service = create_service(party, settings, platform)
            transport = _Noting(self.bus, party, self.read[party])
            loops = assemble(service, store, transport, settings, readiness, Pauses(1.0, 1.0)).loops.values()
            self._running[party] = [asyncio.create_task(loop()) for loop in loops]

    async def kill(self, *parties: Party) -> None:
        for party in parties:
            await end(self._running.pop(party))

    async def kill_all(self) -> None:
        await self.kill(*self._running)

    def unpublished(self) -> None:
        """Let the outboxes hold what Kafka has not, as a Redis does from which published entries are deleted."""
        known = {headers_of(record).get("ce_id") for topic in self.bus.topics.values() for record in topic}
        for key, value in self.redis._held.items():
            if key.endswith(b":outbox"):
                value[:] = [entry for entry in value if dict(json.loads(entry[1][b"headers"]))["ce_id"] not in known]


class _Noting(MemoryTransport):
    def __init__(self, bus: MemoryBus, name: str, read: dict[str, int]) -> None:
        super().__init__(bus, name)
        self._read = read

    def handled(self, topic: str, partition: int, offset: int, reading: Any) -> None:
        self._read[topic] = offset + 1


def headers_of(record: ConsumerRecord[Any, Any]) -> Mapping[str, str]:
    return {name: value.decode() for name, value in record.headers}


def push_images(stage: Stage) -> None:
    """Push an image of its own for each run, so that each change is one."""
    for number, (_, _, image) in enumerate(ASKED):
        stage.aws.world.registry.push(f"{image}-{number}", shipped()[image].image)


def names(stage: Stage) -> list[str]:
    """Return what AWS calls the networks and target groups: each time that the world is made it has other names."""
    ecs, found = stage.connection.client("ecs"), []
    services = sorted({service for _, service, _ in ASKED})
    for service in ecs.describe_services(cluster=CLUSTER, services=services)["services"]:
        network = service.get("networkConfiguration", {}).get("awsvpcConfiguration", {})
        found += [*network.get("subnets", ()), *network.get("securityGroups", ())]
        found += [balancer["targetGroupArn"] for balancer in service["loadBalancers"]]
    return found


def began(stage: Stage) -> list[str]:
    """Return what ECS calls the deployments that it has begun, and the task definitions that were registered."""
    return [call.effect.split()[0] for call in stage.aws.calls.calls(changing=True) if call.effect]


def request(service: str, tag: str) -> DeployRequested:
    target = Target(account=ACCOUNT, region=REGION, cluster=CLUSTER, service=service)
    reference = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/backend:{tag}"
    config = DeploymentConfig(baking_minutes=BAKING_MINUTES)
    return DeployRequested(target=target, change=ImageChange(reference=reference), actor="ada", config=config)


def damaged() -> Message:
    message = Envelope(Meta("damaged", SOURCE, moment(0.0)), request("usual", "healthy")).to_message()
    return Message(RECOVERY_COMMANDS.name, message.key, (("ce_type", b"apply-change.v1"),), b"{")


async def play(stage: Stage, recorder: Recorder) -> None:
    """Ask for the runs at their times, and kill the services at theirs."""
    async with stage.under_way() as begun:
        recorder.names = names(stage)
        await recorder.start()
        acts: list[tuple[float, Any]] = [
            (at, Envelope(Meta(f"build-{number}", SOURCE, moment(begun + at)), request(service, f"{image}-{number}")))
            for number, (at, service, image) in enumerate(ASKED)
        ]
        acts += [(at, party) for party, at in DEAF.items()]
        acts += [(at, damaged()) for at in DAMAGED]
        for at, act in sorted(acts, key=lambda pair: pair[0]):
            await stage.clock.sleep(begun + at - stage.clock.now())
            match act:
                case Party():
                    await recorder.kill(act)
                case Envelope():
                    await recorder.bus.publish(act.to_message())
                case _:
                    await recorder.bus.publish(act)
        await stage.clock.sleep(begun + KILLED - stage.clock.now())
        await recorder.kill_all()


def record() -> dict[str, Any]:
    """Play the runs, and return what is left behind as JSON has it; bytes are texts of Latin-1."""
    with staged(load(WORLD), seed=1) as stage:
        push_images(stage)
        journal = Journal(stage)
        noted = replace(stage, connection=InProcessConnection(REGION, journal, loop=stage.loop))
        recorder = Recorder(noted)
        noted.run(play(noted, recorder))
        recorder.unpublished()
        held, ends = recorder.redis.copy()
        return {
            "killed_at": stage.clock.now(),
            "aws": journal.requests,
            "names": recorder.names,
            "deployments": began(stage),
            "redis": {_text(key): _plain(value) for key, value in held.items()},
            "expires": {_text(key): value for key, value in ends.items()},
            "topics": {
                name: [[_text(message.key), headers_of(message), _text(message.value)] for message in topic]
                for name, topic in recorder.bus.topics.items()
            },
            "read": recorder.read,
        }


def _text(value: bytes | None) -> str:
    return (value or b"").decode("latin-1")


def _plain(value: Any) -> Any:
    """Return what Redis holds under a key as JSON has it: a text, a hash, a sorted set, or the entries of a stream."""
    match value:
        case bytes():
            return _text(value)
        case list():
            return [[_text(id_), _plain(fields)] for id_, fields in value]
        case dict():
            return {_text(key): _plain(inner) for key, inner in value.items()}
        case _:
            return value


def main(path: str) -> None:
    text = json.dumps(record(), sort_keys=True)
    Path(path).write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    main(*sys.argv[1:])
