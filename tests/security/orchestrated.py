"""The orchestrator with its consumer, which demands signatures, on a Redis in memory."""

from dataclasses import replace
from typing import Any

from contracts.base import Target
from contracts.deployment import DeploymentStarted, DeployRequested
from contracts.envelope import Envelope, Meta
from contracts.policy import ServicePolicy
from contracts.topics import Party
from services._chassis.catch_up import CatchUp
from services._chassis.consumer import Consumer
from services._chassis.service import Platform
from services.orchestrator.app import create_app
from services.orchestrator.domain.course import Course, course_key
from services.orchestrator.domain.request_name import RequestName
from services.orchestrator.settings import Settings
from tests.kit import FakeClock, ScriptedAws, memory_store, published, refusal
from tests.security.keys import Keys, record_of, source_of
from tests.services.orchestrator.harness import SERVICE_POLICY, START, TARGET, FixedPolicies, asked, at

KEYS = Keys()


class Reading(CatchUp):
    """Says what the test says about where a message comes from."""

    after_a_restoration = False

    def is_read_again(self, *_: object) -> bool:
        return self.after_a_restoration


class Orchestrator:
    """The orchestrator as it is, which demands signatures, on a Redis in memory."""

    def __init__(self, policy: ServicePolicy = SERVICE_POLICY) -> None:
        self.clock = FakeClock(START)
        self.store = memory_store("orchestrator", self.clock)
        settings = Settings(aws_account=TARGET.account, aws_region=TARGET.region)
        denied = ScriptedAws(describe_services=refusal("AccessDeniedException"))
        self.service = create_app(settings, Platform(self.store, self.clock, denied, policies=FixedPolicies(policy)))
        self.progress = Reading(self.store)
        self.consumer = Consumer(self.service, self.store, self.progress, trust=KEYS.trust())
        self._offset = 0

    async def takes(
        self, event: Any, source: str = "", id_: str = "1", *, by: Party = Party.CI, value: bytes | None = None
    ) -> None:
        """Read a message that ``by`` has signed; ``value`` replaces its body, ``source`` what it calls itself."""
        self._offset += 1
        message = Envelope(Meta(id_, source or source_of(by), at(self.clock.now())), event).to_message()
        signed = KEYS.signed(message if value is None else replace(message, value=value), by)
        await self.consumer.consume(record_of(signed, self._offset))

    async def began_before(self, name: RequestName) -> str:
        """Begin a run as the version before did."""
        handlers: Any = self.service.handlers[DeployRequested]
        event = asked(target=name.target)
        transition = await handlers.__self__.deploy(event, name.run_id_before, at(START), by_ci=True)
        await self.store.apply(transition, cause=f"{name.source}#{name.id}")
        return name.run_id_before

    def forget_what_was_handled(self) -> None:
        """Empty the inbox."""
        held: dict[bytes, Any] = self.store.redis._held
        for key in [key for key in held if b":inbox:" in key]:
            del held[key]

    async def course(self, target: Target = TARGET) -> Course:
        return await self.store.read(course_key(target), Course)

    def events(self, kind: type[Any]) -> list[Any]:
        return [found.event for found in published(self.store) if isinstance(found.event, kind)]

    @property
    def started(self) -> list[tuple[Target, str]]:
        return [(event.target, event.run_id) for event in self.events(DeploymentStarted)]
