"""What was signed once can be sent again by whoever may write to Kafka: at any time, and as often as Kafka takes it."""

from dataclasses import replace
from typing import Any

import pytest

from contracts.base import Event
from contracts.dead_letter import DeadLettered
from contracts.deployment import AbortRequested, DeploymentFinished, Outcome
from contracts.envelope import Envelope, Message, Meta
from contracts.recovery import CaptureSnapshot, Disarm
from contracts.results import StepFinished
from contracts.signatures import OPERATORS_SOURCE
from contracts.topics import DEPLOYMENT_EVENTS, Party
from services._chassis.assembly import create_service, load_settings
from services._chassis.catch_up import CatchUp
from services._chassis.clock import Pace, PacedClock
from services._chassis.consumer import Consumer
from services._chassis.message_age import check_age
from services._chassis.redis_keys import COUNTERS, REMEMBER_SECONDS
from services._chassis.service import Platform
from services._chassis.signatures import Signatures, Untrusted
from services._chassis.store import AGAIN_SECONDS
from services._chassis.unhandled import HOUR, MOST_REPEATED
from tests.kit import FakeClock, FakePolicies, ScriptedAws, memory_store, published, refusal
from tests.security.access import OURS
from tests.security.keys import record_of
from tests.security.orchestrated import KEYS, Orchestrator
from tests.services.orchestrator.harness import START, TARGET, asked, at


class Recovery:
    """Recovery as it is, which demands signatures, on a Redis in memory."""

    def __init__(self, mode: Signatures = Signatures.DEMANDED) -> None:
        self.clock = FakeClock(START)
        self.store = memory_store("recovery", self.clock)
        settings = load_settings(
            Party.RECOVERY,
            aws_account=OURS.account,
            aws_region=OURS.region,
            backup_bucket="snapshots",
            _env_file=None,
        )
        denied = ScriptedAws(describe_services=refusal("AccessDeniedException"))
        service = create_service(
            Party.RECOVERY, settings, Platform(self.store, self.clock, denied, policies=FakePolicies())
        )
        self.progress = CatchUp(self.store)
        self.consumer = Consumer(service, self.store, self.progress, trust=KEYS.trust(mode))
        self._offset = 0

    async def takes(self, message: Message, times: int = 1) -> None:
        for _ in range(times):
            self._offset += 1
            await self.consumer.consume(record_of(message, self._offset))

    def events(self, kind: type[Any]) -> list[Any]:
        return [found.event for found in published(self.store) if isinstance(found.event, kind)]

    @property
    def jobs(self) -> list[bytes]:
        return [key for key in self.store.redis._held if b":job:" in key]


def command(event: Event, written_at: float = START) -> Message:
    meta = Meta("command-9", "surefoot/orchestrator", at(written_at), run_id="r")
    return KEYS.signed(Envelope(meta, event).to_message(), Party.ORCHESTRATOR)


DISARM = command(Disarm(target=OURS, run_id="r"))


async def test_a_recorded_command_is_answered_once_in_some_seconds_however_often_it_comes() -> None:
    recovery = Recovery()
    await recovery.takes(DISARM, times=50)
    assert len(recovery.events(StepFinished)) == 2, "its answer, and once more"
    recovery.clock.time += AGAIN_SECONDS + 1
    await recovery.takes(DISARM, times=50)
    assert len(recovery.events(StepFinished)) == 3
    assert recovery.events(DeadLettered) == []


async def test_a_recorded_command_that_is_unknown_here_is_answered_and_kept_some_times_an_hour() -> None:
    recovery = Recovery()
    unknown = KEYS.signed(_of_type(DISARM, b"levitate.v1"), Party.ORCHESTRATOR)
    await recovery.takes(unknown, times=30)
    assert len(recovery.events(StepFinished)) == len(recovery.events(DeadLettered)) == MOST_REPEATED
    recovery.clock.time += HOUR + 1
    await recovery.takes(unknown)
    assert len(recovery.events(DeadLettered)) == MOST_REPEATED + 1


async def test_a_recorded_request_that_cannot_be_read_is_kept_some_times_an_hour() -> None:
    orchestrator = Orchestrator()
    for _ in range(30):
        await orchestrator.takes(asked(), value=b"{}")
    assert len(orchestrator.events(DeadLettered)) == MOST_REPEATED
    await orchestrator.takes(asked(), id_="2", value=b"{}")
    assert len(orchestrator.events(DeadLettered)) == MOST_REPEATED + 1


def _of_type(message: Message, type_: bytes) -> Message:
    headers = tuple((name, type_ if name == "ce_type" else value) for name, value in message.headers)
    return Message(message.topic, message.key, headers, message.value)


DAY = 86400.0
CAPTURE = CaptureSnapshot(target=OURS, run_id="r", purpose="after-change")


def request(id_: str = "1", written_at: float = START, **changed: Any) -> Message:
    return KEYS.signed(Envelope(Meta(id_, "ci", at(written_at)), asked(**changed)).to_message(), Party.CI)


@pytest.mark.parametrize("days", [0, 1, 30, 31, 32, 400, 4000])
async def test_a_recorded_command_has_no_effect_at_any_later_time(days: int) -> None:
    """Not even once the inbox has forgotten it."""
    recovery = Recovery()
    await recovery.takes(command(CAPTURE))
    (job,) = recovery.jobs
    del recovery.store.redis._held[job]  # it has ended, and what is left of it is forgotten
    recovery.clock.time += days * DAY
    await recovery.takes(command(CAPTURE), times=3)
    assert recovery.jobs == []


@pytest.mark.parametrize("days", [1, 30.9, 31, 32, 400])
async def test_a_recorded_request_deploys_nothing_again_though_it_never_expires(days: float) -> None:
    orchestrator = Orchestrator()
    recorded = request(expires_at=at(START + 3650 * DAY))
    await orchestrator.consumer.consume(record_of(recorded, 1))
    run = (await orchestrator.course()).active
    assert run is not None
    await orchestrator.takes(AbortRequested(target=TARGET, run_id=run.run_id, actor="x"), id_="2")
    orchestrator.clock.time += days * DAY
    await orchestrator.consumer.consume(record_of(recorded, 3))
    assert len(orchestrator.started) == 1
    assert (await orchestrator.course()).active is None


async def test_a_request_waits_for_thirty_days_at_most_whatever_it_says() -> None:
    orchestrator = Orchestrator()
    await orchestrator.consumer.consume(record_of(request(), 1))
    await orchestrator.consumer.consume(record_of(request("2", expires_at=at(START + 3650 * DAY)), 2))
    (waiting,) = (await orchestrator.course()).queue
    assert waiting.expires_at == START + 30 * DAY


@pytest.mark.parametrize("ahead", [301, 3600, DAY, 20 * DAY])
async def test_a_time_to_come_is_refused_and_its_writer_told_and_it_begins_nothing_then_either(ahead: float) -> None:
    orchestrator = Orchestrator()
    early = request(written_at=START + ahead)
    await orchestrator.consumer.consume(record_of(early, 1))
    (end,) = orchestrator.events(DeploymentFinished)
    assert f"{ahead:.0f} seconds ahead of the clock here" in end.reason
    orchestrator.clock.time += ahead
    await orchestrator.consumer.consume(record_of(early, 2))
    assert (orchestrator.started, len(orchestrator.events(DeploymentFinished))) == ([], 1)


@pytest.mark.parametrize("ahead", [40 * DAY, 170 * 365 * DAY])
async def test_a_time_that_is_further_ahead_than_the_inbox_remembers_is_not_believed(ahead: float) -> None:
    orchestrator = Orchestrator()
    await orchestrator.consumer.consume(record_of(request(written_at=START + ahead), 1))
    assert [letter.reason for letter in orchestrator.events(DeadLettered)] == ["untrusted"]
    assert orchestrator.events(DeploymentFinished) == []


async def test_clocks_may_differ_and_a_queue_may_have_waited() -> None:
    recovery = Recovery()
    await recovery.takes(command(CAPTURE, START + 299))
    assert len(recovery.jobs) == 1
    waited = Recovery()
    waited.clock.time += 30 * DAY
    await waited.takes(command(CAPTURE))
    assert len(waited.jobs) == 1


async def test_an_outside_writer_s_time_is_that_of_the_clock_on_the_wall() -> None:
    """Where product time runs ahead, as in the sandbox, a pipeline does not know it."""
    clock = PacedClock(Pace(20, 1000))
    clock.set(1000 + 3 * DAY)
    asked_now = Meta("1", "ci", at(1000 + 3 * DAY))
    check_age(asked_now, clock)
    check_age(replace(asked_now, source=OPERATORS_SOURCE), clock)
    check_age(replace(asked_now, source="surefoot/monitor", time=at(1000 + 60 * DAY)), clock)
    with pytest.raises(Untrusted, match="31 days ago"):
        check_age(replace(asked_now, source="surefoot/monitor"), clock)


async def test_what_is_too_old_is_history_where_all_is_read_again_after_a_restoration() -> None:
    recovery = Recovery()
    recovery.progress.is_read_again = lambda *_: True  # type: ignore[method-assign]
    recovery.clock.time += 32 * DAY
    await recovery.takes(command(CAPTURE))
    assert (recovery.jobs, recovery.events(DeadLettered)) == ([], [])


def in_flight(ahead: float, unsigned: bool) -> Message:
    """Return a command that was published before Redis failed over to a clock that is behind by so many seconds."""
    meta = Meta("command-9", "surefoot/orchestrator", at(START + ahead), run_id="r")
    message = Envelope(meta, CAPTURE).to_message()
    return message if unsigned else KEYS.signed(message, Party.ORCHESTRATOR)


@pytest.mark.parametrize(
    ("mode", "ahead"),
    [
        *((Signatures.OFF, ahead) for ahead in (301, 3601, 30 * DAY)),
        *((Signatures.DEMANDED, ahead) for ahead in (301, 3599, 3601, DAY, 30 * DAY, 40 * DAY, 57 * 365 * DAY)),
    ],
)
async def test_our_own_message_in_flight_is_handled_once_on_a_redis_whose_clock_is_behind(
    mode: Signatures, ahead: float
) -> None:
    recovery = Recovery(mode)
    message = in_flight(ahead, unsigned=mode is Signatures.OFF)
    await recovery.takes(message, times=3)
    assert recovery.events(DeadLettered) == []
    (job,) = recovery.jobs
    del recovery.store.redis._held[job]
    for later in (ahead, REMEMBER_SECONDS - ahead - 1, 1, 1, 3600, ahead - 7200, 3599, 1, 3600, 400 * DAY):
        recovery.clock.time += max(0.0, later)
        await recovery.takes(message)
        assert recovery.jobs == [], "a stranger who sends it again, at whatever time, does nothing"


async def test_nobody_else_s_message_may_be_ahead_of_a_redis_whose_clock_went_back() -> None:
    orchestrator, recovery = Orchestrator(), Recovery()
    await orchestrator.consumer.consume(record_of(request(written_at=START + 600), 1))
    assert (orchestrator.started, len(orchestrator.events(DeploymentFinished))) == ([], 1)
    forged = Envelope(Meta("command-9", "surefoot/orchestrator", at(START + 600), run_id="r"), CAPTURE).to_message()
    await recovery.takes(forged)
    await recovery.takes(KEYS.signed(forged, Party.CI))
    assert (recovery.jobs, [letter.reason for letter in recovery.events(DeadLettered)]) == ([], ["untrusted"] * 2)


async def test_old_events_that_ask_for_nothing_are_no_dead_letters_to_a_new_group() -> None:
    recovery = Recovery()
    ended = DeploymentFinished(target=OURS, run_id="r", outcome=Outcome.SUCCEEDED, reason="", request_id="1", seconds=1)
    event = Envelope(Meta("1", "surefoot/orchestrator", at(START - 32 * DAY), run_id="r"), ended).to_message()
    await recovery.takes(KEYS.signed(event, Party.ORCHESTRATOR), times=500)
    assert recovery.events(DeadLettered) == []
    await recovery.consumer._unhandled.tally.flush()
    counted = await recovery.store.redis.hget(recovery.store.key(COUNTERS), f"too-old:{DEPLOYMENT_EVENTS.name}")
    assert counted == b"500"
    await recovery.takes(command(CAPTURE, START - 32 * DAY))
    assert [letter.reason for letter in recovery.events(DeadLettered)] == ["untrusted"], "a command is kept"
