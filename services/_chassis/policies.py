"""What the chassis and the services ask of the policy: who may be acted on, and by which values."""

from dataclasses import dataclass
from typing import Protocol

from contracts.base import Target
from contracts.policy import ServicePolicy


class Policies(Protocol):
    """What holds right now; a reload changes the answers."""

    def of(self, target: Target) -> ServicePolicy:
        """Return the policy of a target. Raise ``LookupError``, with a sentence, where nobody may act on it."""
        ...

    def find(self, cluster: str, service: str, account: str | None = None, region: str | None = None) -> Target:
        """Return the one target of these names.

        Raise ``LookupError``, with a sentence that lists the choices, where there are several, or where nobody may
        act; raise pydantic's ``ValidationError`` for what cannot be a name, an account or a region.
        """
        ...

    def all(self) -> tuple[Target, ...]:
        """Return every service that is listed."""
        ...


@dataclass(frozen=True, slots=True)
class BuiltInPolicies:
    """The built-in defaults for every service of one account and region, without any file or setting."""

    account: str = "000000000000"
    region: str = "us-west-2"

    def of(self, target: Target) -> ServicePolicy:
        return ServicePolicy(target=target)

    def find(self, cluster: str, service: str, account: str | None = None, region: str | None = None) -> Target:
        return Target(account=account or self.account, region=region or self.region, cluster=cluster, service=service)

    def all(self) -> tuple[Target, ...]:
        return ()
