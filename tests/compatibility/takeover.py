"""Today's version on what a version before has left behind, in memory and under a virtual clock (``recorder.py``)."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from aiokafka.structs import ConsumerRecord
from werkzeug.test import EnvironBuilder, run_wsgi_app

from contracts.base import Event
from contracts.envelope import Envelope, Message, Meta
from contracts.topics import SERVICES, Party
from sandbox.aws.accounts import ACCOUNT, REGION
from sandbox.scenarios.load import load
from sandbox.virtual.bus import MemoryBus, MemoryTransport, record_of
from sandbox.virtual.redis import MemoryRedis
from services._chassis.accounts import AccountWatch
from services._chassis.assembly import Pauses, assemble, create_service, load_settings
from services._chassis.aws import Aws
from services._chassis.clock import moment
from services._chassis.http import PREFIX, create_http
from services._chassis.policies import BuiltInPolicies
from services._chassis.readiness import Readiness
from services._chassis.service import Platform
from services._chassis.signatures import Identity, Signatures
from services._chassis.store import RedisStore
from services._chassis.tasks import end
from surefoot.rehearsal.rehearse import SETTINGS
from surefoot.rehearsal.stage import Stage, staged
from tests.compatibility.recorder import SOURCE, WORLD, began, names, push_images
from tests.security.keys import Keys


@dataclass(frozen=True)
class Recording:
    """What the version before has left behind."""

    killed_at: float
    aws: list[dict[str, Any]]
    """The requests that changed something at AWS, the oldest first."""
    names: list[str]
    """What AWS called the networks and target groups."""
    deployments: list[str]
    """What ECS called the deployments that it began, and which task definitions it registered."""
    redis: dict[str, Any]
    expires: dict[str, float]
    topics: dict[str, list[tuple[str, dict[str, str], str]]]
    """Topic → key, headers and value of each message."""
    read: dict[str, dict[str, int]]
    """Service → topic → how many messages it had handled."""

    @classmethod
    def load(cls, path: Path) -> "Recording":
        return cls(**json.loads(gzip.decompress(path.read_bytes())))

    def renamed(self, before: Sequence[str], now: Sequence[str]) -> "Recording":
        """Return the same with other names, each as long as the one before."""
        text = json.dumps(self.__dict__)
        for old, new in zip(before, now, strict=True):
            assert len(old) == len(new), "what has a length stays right"
            text = text.replace(old, new)
        return Recording(**json.loads(text))


@dataclass
class Installation:
    """The seven services, their Redis and their Kafka; what stops and what starts again, as they are told to."""

    stage: Stage
    redis: MemoryRedis
    bus: MemoryBus
    read: dict[Party, dict[str, int]]
    keys: Keys = field(default_factory=Keys)
    running: dict[Party, list[asyncio.Task[None]]] = field(default_factory=dict)
    http: dict[Party, httpx2.AsyncClient] = field(default_factory=dict)

    def start(self, party: Party, mode: Signatures, again: int) -> None:
        """Start a service, which reads so many messages of each topic again."""
        stage, readiness, identity = self.stage, Readiness(), Identity(self.keys.trust(mode), self.keys.signers[party])
        settings, store = load_settings(party, **SETTINGS), RedisStore(self.redis, party, stage.clock)
        policies = BuiltInPolicies(ACCOUNT, REGION)
        platform = Platform(
            store,
            stage.clock,
            Aws(stage.connection, party),
            settings.straggler_window,
            stage.transport,
            readiness,
            policies=policies,
            identity=identity,
        )
        service = create_service(party, settings, platform)
        transport = FromOffsets(self.bus, party, self.read[party], again)
        assembled = assemble(service, store, transport, settings, readiness, Pauses(1.0, 1.0), identity)
        accounts = AccountWatch(stage.connection, policies, ACCOUNT, readiness)
        loops = [*assembled.loops.values(), *service.background.values(), accounts.run]
        self.running[party] = [asyncio.create_task(loop()) for loop in loops]
        self.http[party] = client_of(service.router)

    async def kill(self, *parties: Party) -> None:
        """End services wherever they are."""
        for party in parties:
            await end(self.running.pop(party))
            await self.http.pop(party).aclose()

    async def become(self, mode: Signatures, seconds: float = 0.0, again: int = 0) -> None:
        """Kill the services and start them with this mode, one after another within so many product seconds.

        Each reads the last ``again`` messages of each topic again, as where a kill has kept offsets from Kafka.
        """
        for party in SERVICES:
            await self.kill(*{party} & self.running.keys())
            self.start(party, mode, again)
            await self.stage.clock.sleep(seconds / len(SERVICES))

    async def ask(self, id_: str, event: Event, *, signed: bool) -> None:
        """Publish a request of CI, which has the key for it or does not know of keys yet."""
        message = Envelope(Meta(id_, SOURCE, moment(self.stage.clock.now())), event).to_message()
        await self.bus.publish(self.keys.signed(message, Party.CI) if signed else message)


class FromOffsets(MemoryTransport):
    """Reads on from where the service was, and some of the messages before that again."""

    def __init__(self, bus: MemoryBus, name: str, read: dict[str, int], again: int) -> None:
        super().__init__(bus, name)
        self._read = read
        self._first = {topic: max(0, offset - again) for topic, offset in read.items()}

    def read(self, group: str, topics: Any, consume: Any) -> Any:
        async def unless_committed(record: ConsumerRecord[Any, Any]) -> None:
            if record.offset >= self._first.get(record.topic, 0):
                await consume(record)

        return super().read(group, topics, unless_committed)

    def handled(self, topic: str, partition: int, offset: int, reading: Any) -> None:
        self._read[topic] = max(offset + 1, self._read.get(topic, 0))


def client_of(router: Any) -> httpx2.AsyncClient:
    async def ready() -> dict[str, str]:
        return {}

    app = create_http(ready)
    app.include_router(router, prefix=PREFIX)
    transport = httpx2.ASGITransport(app=app, client=("127.0.0.1", 1))
    return httpx2.AsyncClient(transport=transport, base_url=f"http://localhost{PREFIX}")


@contextmanager
def world() -> Iterator[Stage]:
    """Yield the world of the recording, from its beginning."""
    with staged(load(WORLD), seed=1) as stage:
        push_images(stage)
        yield stage


@asynccontextmanager
async def left_behind(stage: Stage, recording: Recording) -> AsyncIterator[Installation]:
    """Let AWS do again what the version before made it do, and yield the installation in which nothing runs any more.

    It calls things otherwise than then: the names of now replace the ones that were recorded.
    """
    async with stage.under_way():
        recording = recording.renamed(recording.names, names(stage))
        for request in recording.aws:
            await stage.clock.sleep(request["time"] - stage.clock.now())
            send(stage, request)
        await stage.clock.sleep(recording.killed_at - stage.clock.now())
        known = recording.renamed(recording.deployments, began(stage))
        redis, bus = MemoryRedis(stage.clock.now), MemoryBus()
        redis.restore(
            (
                {encoded(key): held(value) for key, value in known.redis.items()},
                {encoded(key): value for key, value in known.expires.items()},
            )
        )
        for topic, messages in known.topics.items():
            bus.topics[topic] = [record_of(message_of(topic, *each), offset) for offset, each in enumerate(messages)]
        installation = Installation(stage, redis, bus, {Party(party): dict(of) for party, of in known.read.items()})
        yield installation
        await installation.kill(*list(installation.running))


def send(stage: Stage, request: Mapping[str, Any]) -> None:
    environ = EnvironBuilder(
        path=request["path"],
        query_string=request["query"],
        base_url=f"http://{request['host']}",
        method=request["method"],
        headers=list(request["headers"].items()),
        data=encoded(request["body"]),
    ).get_environ()
    _, status, _ = run_wsgi_app(stage.gateway, environ, buffered=True)
    assert status.startswith("2"), f"AWS answers as it did then, not {status}"


def message_of(topic: str, key: str, headers: Mapping[str, str], value: str) -> Message:
    return Message(topic, encoded(key), tuple((name, text.encode()) for name, text in headers.items()), encoded(value))


def encoded(text: str) -> bytes:
    return text.encode("latin-1")


def held(value: Any) -> Any:
    """Return what Redis holds under a key, from what ``recorder.py`` made of it."""
    match value:
        case str():
            return encoded(value)
        case list():
            return [(encoded(id_), held(fields)) for id_, fields in value]
        case dict():
            return {encoded(key): held(inner) for key, inner in value.items()}
        case _:
            return value
