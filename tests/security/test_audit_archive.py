"""The audit in S3: written once, by its service alone, late but whole where S3 refuses."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.audit import Act
from contracts.audit_chain import Line, read_record, verify
from contracts.envelope import Message
from contracts.topics import Party
from sandbox.virtual.redis import MemoryRedis, give_way
from services._chassis.audit.archive import Archive, ArchiveBucket
from services._chassis.audit.loops import Unpublished
from services._chassis.audit.sealer import OUTBOX, UNARCHIVED, Sealer
from services._chassis.audit.turn import SETTLED, TURN_MS
from services._chassis.audit.verify import check_with
from services._chassis.aws import Aws
from services._chassis.readiness import Readiness
from services._chassis.relay import Relay
from services._chassis.signatures import UNSIGNED
from services._chassis.store import RedisStore
from tests.chassis.harness import until
from tests.kit import FakeClock, refusal
from tests.security.audit import NOW, Audit

ACTS = (Act.TARGET_ARMED, Act.CHANGE_APPLIED, Act.RUN_FINISHED)


@dataclass
class FakeS3(Aws):
    """Objects by their keys; ``away`` is raised."""

    objects: dict[str, bytes] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    away: Exception | None = None
    dies: bool = False

    async def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        assert (service, operation, parameters["IfNoneMatch"]) == ("s3", "put_object", "*")
        self.asked.append(parameters)
        if self.away is not None:
            raise self.away
        if parameters["Key"] in self.objects:
            raise refusal("PreconditionFailed")
        self.objects[parameters["Key"]] = parameters["Body"]
        if self.dies:
            raise KeyboardInterrupt
        return {}

    @property
    def lines(self) -> list[Line]:
        return [
            Line(line, f"{key}:{number}", key)
            for key, body in sorted(self.objects.items())
            for number, line in enumerate(body.splitlines(), 1)
        ]


def archive_of(audit: Audit, s3: FakeS3, **given: Any) -> Archive:
    return Archive(audit.store, ArchiveBucket(s3, "records", "123456789012", **given), audit.readiness)


def faults(s3: FakeS3) -> list[str]:
    return verify(s3.lines, check_with(UNSIGNED.trust), whole=True).faults


async def test_the_chain_lies_in_s3_line_by_line_as_it_was_published() -> None:
    audit, s3 = Audit(archived=True), FakeS3()
    lines = await audit.sealed(*ACTS)
    await archive_of(audit, s3, kms_key="alias/audit").write()
    ((key, body),) = s3.objects.items()
    assert body == b"".join(line + b"\n" for line in lines)
    assert key.startswith("audit/recovery/2026/11/27/000000000001-000000000004-")
    (asked,) = s3.asked
    assert (asked["ExpectedBucketOwner"], asked["SSEKMSKeyId"]) == ("123456789012", "alias/audit")
    assert faults(s3) == []
    assert audit.redis.stream(audit.store.key(UNARCHIVED)) == []
    await archive_of(audit, s3).write()
    assert len(s3.asked) == 1, "there was nothing to write"


async def test_a_writer_that_dies_after_the_object_neither_loses_nor_doubles() -> None:
    audit, s3 = Audit(archived=True), FakeS3(dies=True)
    await audit.sealed(*ACTS)
    with pytest.raises(KeyboardInterrupt):
        await archive_of(audit, s3).write()
    s3.dies = False
    await audit.sealed(Act.ROLLBACK_STARTED)
    await archive_of(audit, s3).write()
    assert faults(s3) == []
    assert {read_record(line.data).sequence for line in s3.lines} == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    "away", [refusal("AccessDenied"), refusal("SlowDown"), EndpointConnectionError(endpoint_url="s3"), TimeoutError()]
)
async def test_an_s3_that_refuses_is_told_and_caught_up_with(away: Exception) -> None:
    audit, s3 = Audit(archived=True), FakeS3(away=away)
    archive = archive_of(audit, s3)
    for act in ACTS:
        await audit.sealed(act)
        await archive.write()
    (sentence,) = audit.readiness.degraded
    assert "recovery's audit does not reach s3://records" in sentence
    assert "4 records wait" in sentence
    s3.away = None
    await archive.write()
    assert (audit.readiness.degraded, faults(s3)) == ([], [])


async def test_nobody_can_take_the_place_of_an_object_that_is_not_written_yet() -> None:
    """A planted object under a guessed name would have records be given up as written."""
    audit, s3 = Audit(archived=True), FakeS3()
    await audit.sealed(*ACTS)
    await archive_of(audit, s3).write()
    (known,) = s3.objects
    await audit.sealed(Act.ROLLBACK_STARTED)
    for name in (known, known.replace("000000000001-000000000004", "000000000005-000000000005")):
        s3.objects.setdefault(name, b"planted\n")
    await archive_of(audit, s3).write()
    assert 5 in {read_record(line.data).sequence for line in s3.lines if line.data != b"planted"}
    assert any("is no audit record" in fault for fault in faults(s3))


async def test_another_day_and_another_chain_have_objects_of_their_own() -> None:
    audit, s3 = Audit(archived=True), FakeS3()
    await audit.sealed(Act.TARGET_ARMED)
    audit.clock.time += 24 * 3600
    await audit.sealed(Act.CHANGE_APPLIED)
    audit.redis.run_id = "another"
    await audit.sealed(Act.RUN_FINISHED)
    await archive_of(audit, s3).write()
    assert [key.rpartition("-")[0].removeprefix("audit/recovery/2026/11/") for key in sorted(s3.objects)] == [
        "27/000000000001-000000000002",
        "28/000000000003-000000000003",
        "28/000000000004-000000000005",
    ]
    assert faults(s3) == []


async def test_no_object_is_larger_than_what_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services._chassis.audit.archive.LARGEST_OBJECT", 1_200)
    audit, s3 = Audit(archived=True), FakeS3()
    await audit.sealed(*ACTS)
    await archive_of(audit, s3).write()
    assert len(s3.objects) > 1
    assert max(map(len, s3.objects.values())) <= 1_200
    assert faults(s3) == []


async def test_other_replicas_leave_the_writing_to_one() -> None:
    audit, s3 = Audit(archived=True), FakeS3()
    await audit.sealed(*ACTS)
    await audit.store.write_although_full("SET", audit.store.key("audit-archiving"), "1")
    await archive_of(audit, s3).write()
    assert s3.asked == []


async def test_sealing_and_archiving_in_a_real_redis(redis: Any) -> None:
    clock = FakeClock(NOW.timestamp())
    audit, s3 = Audit(Party.HEALTH, archived=True), FakeS3()
    audit.store = RedisStore(redis, Party.HEALTH, clock)
    for act in ACTS:
        await audit.act(act)
    sealer = Sealer(audit.store, UNSIGNED, Readiness(), archived=True)
    assert await sealer.seal() == 3
    assert await sealer.seal() == 0
    await archive_of(audit, s3).write()
    assert faults(s3) == []
    assert [read_record(line.data).act for line in s3.lines] == [Act.CHAIN_BEGUN, *ACTS]
    outbox = await redis.xrange(audit.store.key(OUTBOX))
    assert [fields[b"value"] for _, fields in outbox] == [line.data for line in s3.lines]
    assert await redis.xlen(audit.store.key(UNARCHIVED)) == 0


async def test_what_a_real_redis_keeps_for_s3_is_bounded(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services._chassis.audit.sealer.MOST_WAITING", 2)
    audit = Audit(Party.HEALTH)
    audit.store = RedisStore(redis, Party.HEALTH, FakeClock(NOW.timestamp()))
    for act in ACTS:
        await audit.act(act)
    await Sealer(audit.store, UNSIGNED, Readiness(), archived=True).seal()
    assert await redis.xlen(audit.store.key(UNARCHIVED)) == 2
    assert await redis.xlen(audit.store.key(OUTBOX)) == 2
    lost = [await redis.hget(audit.store.key("counters"), f"audit-not-{way}") for way in ("archived", "published")]
    assert lost == [b"2", b"2"]


async def test_what_was_given_up_stops_no_relay(redis: Any) -> None:
    """It is claimed, and then gone: Redis gives its id without its fields."""
    outbox, published = "{health}:audit-outbox", list[bytes]()

    async def publish(message: Message) -> None:
        published.append(message.value)
        if message.value == b"1":
            raise ConnectionError("Kafka is away")

    fields = {"topic": "audit.v1", "key": "health", "headers": "[]"}
    for value in ("1", "2"):
        await redis.xadd(outbox, {**fields, "value": value})
    relay = Relay(redis, outbox, "replica", publish)
    with pytest.raises(ConnectionError):
        await relay.run()
    await redis.xtrim(outbox, maxlen=1, approximate=False)
    running = asyncio.ensure_future(relay.run())
    await until(lambda: b"2" in published)
    running.cancel()
    assert published == [b"1", b"2"]


def test_an_audit_that_kafka_does_not_take_is_reported_and_keeps_nothing_else_waiting() -> None:
    class Waiting(Relay):
        waits = 61.0

    readiness = Readiness()
    relay = Waiting(MemoryRedis(), "{health}:audit-outbox", "replica", FakeS3)  # type: ignore[arg-type]
    unpublished = Unpublished(relay, "health", 60.0, readiness)
    unpublished.look()
    assert "ealth's audit has not reached Kafka for 61 s" in readiness.degraded[0]
    Waiting.waits = 0.0
    unpublished.look()
    assert readiness.degraded == []


async def test_a_line_that_was_spoilt_keeps_no_other_from_s3() -> None:
    audit, s3 = Audit(archived=True), FakeS3()
    await audit.redis.xadd(audit.store.key(UNARCHIVED), {b"line": b"spoilt"})
    await audit.sealed(*ACTS)
    await archive_of(audit, s3).write()
    assert (len(s3.lines), faults(s3)) == (4, [])


def test_what_is_raised_is_what_botocore_raises() -> None:
    assert isinstance(refusal("AccessDenied"), ClientError)


class SlowS3(FakeS3):
    """Each object takes some round trips until it is there, and some more until that is known."""

    async def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        for _ in range(2):
            await give_way()
        answer = await super().call(service, operation, **parameters)
        for _ in range(2):
            await give_way()
        return answer


def finished(work: Coroutine[Any, Any, object]) -> None:
    while is_under_way(work):
        pass


def is_under_way(work: Coroutine[Any, Any, object]) -> bool:
    """Let work go on until its next round trip, in which others get in; return whether there is one."""
    try:
        work.send(None)
    except StopIteration:
        return False
    return True


happenings = st.one_of(
    st.tuples(st.just("goes on"), st.integers(0, 2), st.integers(1, 15)),
    st.tuples(st.just("goes on"), st.integers(0, 2), st.integers(1, 15)),
    st.tuples(st.just("dies"), st.integers(0, 2), st.just(0)),
    st.tuples(st.just("turn is over"), st.just(0), st.just(0)),
    st.tuples(st.just("acts"), st.just(0), st.integers(1, 3)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(happenings, max_size=25))
def test_replicas_that_die_and_lose_their_turn_write_each_record_into_one_object(
    course: list[tuple[str, int, int]],
) -> None:
    now, s3 = FakeClock(NOW.timestamp()), SlowS3()
    audit = Audit(redis=MemoryRedis(now.now), archived=True)
    finished(audit.sealed(*ACTS))
    replicas = [archive_of(audit, s3).write() for _ in range(3)]
    dead = []
    for what, which, number in course:
        match what:
            case "acts":
                finished(audit.sealed(*[Act.ROLLBACK_STARTED] * number))
            case "turn is over":
                now.time += TURN_MS / 1000 + 1
            case "dies":
                dead.append(replicas[which])
                replicas[which] = archive_of(audit, s3).write()
            case "goes on":
                for _ in range(number):
                    if not is_under_way(replicas[which]):
                        replicas[which] = archive_of(audit, s3).write()
    for replica in replicas:
        finished(replica)
    now.time += TURN_MS / 1000 + 1
    finished(archive_of(audit, s3).write())
    for each in dead:
        with suppress(RuntimeError):  # it would still end its turn
            each.close()
    archived = [read_record(line.data).sequence for line in s3.lines]
    assert sorted(archived) == list(range(1, len(archived) + 1)), "none twice, and none is missing"
    assert faults(s3) == []
    assert audit.redis.stream(audit.store.key(UNARCHIVED)) == []
    assert audit.redis._get(audit.store.key(SETTLED).encode()) is None
