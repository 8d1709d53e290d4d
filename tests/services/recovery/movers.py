"""What shows who has changed a service, as a test sets it."""

from dataclasses import dataclass, field

from contracts.base import Target
from services._aws.errors import AwsError
from services.recovery.domain.change import Body
from services.recovery.domain.moves.facts import Activity, Deployed
from services.recovery.domain.moves.trail import Trail


@dataclass
class FakeMovers:
    deployments: list[Deployed] = field(default_factory=list)
    scaled: list[Activity] = field(default_factory=list)
    told: Trail = field(default_factory=Trail)
    bounds: tuple[int, int] | None = None
    stack_status: str = ""
    failing: dict[str, AwsError] = field(default_factory=dict)
    """Name of a method → the error that it raises."""
    asked: list[str] = field(default_factory=list)
    """The methods that were called."""

    def _asked(self, name: str) -> None:
        self.asked.append(name)
        if name in self.failing:
            raise self.failing[name]

    async def deployed(self, target: Target, service: Body, since: float) -> tuple[Deployed, ...]:
        del target, service
        self._asked("deployed")
        return tuple(each for each in self.deployments if each.at >= since)

    async def activities(self, target: Target, since: float) -> tuple[Activity, ...]:
        del target
        self._asked("activities")
        return tuple(each for each in self.scaled if each.at >= since)

    async def limits(self, target: Target) -> tuple[int, int] | None:
        del target
        self._asked("limits")
        return self.bounds

    async def trail(self, target: Target, service: Body, since: float) -> Trail:
        del target, service, since
        self._asked("trail")
        return self.told

    async def stack(self, target: Target, name: str) -> str:
        del target, name
        self._asked("stack")
        return self.stack_status
