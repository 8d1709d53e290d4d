"""AWS by a script: each operation has its answer, and what was asked is kept."""

from typing import Any

from botocore.exceptions import ClientError

from contracts.base import Target
from services._aws.ecs_views import EcsService
from services._chassis.aws import Aws


def refusal(code: str, status: int = 400) -> ClientError:
    """AWS's refusal, whose text quotes what nobody may read."""
    answer: Any = {
        "Error": {"Code": code, "Message": "with a secret in it"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "Operation")


class ScriptedAws(Aws):
    """Answers by operation: a body, a function of the parameters, or an exception that is raised."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.targets: list[Target] = []

    @property
    def asked(self) -> dict[str, dict[str, Any]]:
        """The parameters of each operation's last call."""
        return dict(self.calls)

    def at(self, target: Target) -> Aws:
        self.targets.append(target)
        return self

    def apart(self) -> Aws:
        return self

    def ahead(self) -> Aws:
        return self

    async def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        assert self.targets, "every call is made by its target's connection"
        self.calls.append((operation, parameters))
        answer = self.answers[operation]
        if isinstance(answer, Exception):
            raise answer
        return dict(answer(parameters) if callable(answer) else answer)

    async def pages(self, service: str, operation: str, key: str, /, **parameters: Any) -> list[Any]:
        return list((await self.call(service, operation, **parameters)).get(key, ()))


async def there(target: Target) -> EcsService:
    """As ``existing`` does for a service that is there."""
    return EcsService({"serviceName": target.service, "status": "ACTIVE"})
