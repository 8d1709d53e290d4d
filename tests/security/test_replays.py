"""What was signed once can be sent again by whoever may write to Kafka: at any time, and as often as Kafka takes it."""

from typing import Any

from contracts.base import Event
from contracts.dead_letter import DeadLettered
from contracts.envelope import Envelope, Message, Meta
from contracts.recovery import Disarm
from contracts.results import StepFinished
from contracts.topics import Party
from services._chassis.assembly import create_service, load_settings
from services._chassis.catch_up import CatchUp
from services._chassis.consumer import Consumer
from services._chassis.service import Platform
from services._chassis.store import AGAIN_SECONDS
from services._chassis.unhandled import HOUR, MOST_REPEATED
from tests.kit import FakeClock, FakePolicies, ScriptedAws, memory_store, published, refusal
from tests.security.access import OURS
from tests.security.keys import record_of
from tests.security.orchestrated import KEYS, Orchestrator
from tests.services.orchestrator.harness import START, asked, at


class Recovery:
    """Recovery as it is, which demands signatures, on a Redis in memory."""

    def __init__(self) -> None:
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
        self.consumer = Consumer(service, self.store, self.progress, trust=KEYS.trust())
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
