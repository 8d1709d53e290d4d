"""The policy as the chassis and the services use it: on which services they may act, and with which values."""

from dataclasses import dataclass
from typing import Protocol, TypeVar

from contracts.access import Role
from contracts.base import Event, Target
from contracts.policy import Access, Callers, Part, ServicePolicy
from services._policy.callers import Identities
from services._policy.in_force import Listener

C = TypeVar("C", bound=Event)
"""The type of a command with a field ``policy``."""


class Policies(Protocol):
    """The policies in force; a reload changes the answers."""

    def of(self, target: Target) -> ServicePolicy:
        """Return the policy of a target. Raise ``LookupError``, with a sentence, where Surefoot may not act on it."""
        ...

    def find(self, cluster: str, service: str, account: str | None = None, region: str | None = None) -> Target:
        """Return the one target of these names.

        Raise ``LookupError``, with a sentence that lists the choices, where there are several, or where Surefoot may
        not act; raise pydantic's ``ValidationError`` for what cannot be a name, an account or a region.
        """
        ...

    def named(self, cluster: str, service: str, account: str | None = None, region: str | None = None) -> Target:
        """Return the one target of these names, even where Surefoot may not act on it; else raise as ``find``."""
        ...

    def all(self) -> tuple[Target, ...]:
        """Return every service that is listed."""
        ...

    def access(self, account: str) -> Access | None:
        """Return how to act in an account; None for that of Surefoot's own credentials."""
        ...

    @property
    def identities(self) -> Identities:
        """Return who is recognised by a token."""
        ...

    def callers(self, target: Target | None) -> Callers:
        """Return who may do what with a service; None stands for the installation as a whole."""
        ...

    def highest_role(self, name: str) -> Role | None:
        """Return the highest role that a caller has for any service; None where there is none."""
        ...

    def listen(self, listener: Listener) -> None:
        """Call ``listener`` after each change with the targets whose policy was changed or removed."""
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

    def named(self, cluster: str, service: str, account: str | None = None, region: str | None = None) -> Target:
        return self.find(cluster, service, account, region)

    def all(self) -> tuple[Target, ...]:
        return ()

    def access(self, account: str) -> Access | None:  # noqa: ARG002  the protocol's signature
        return None

    @property
    def identities(self) -> Identities:
        return Identities()

    def callers(self, target: Target | None) -> Callers:  # noqa: ARG002  the protocol's signature
        return Callers()

    def highest_role(self, name: str) -> Role | None:  # noqa: ARG002  the protocol's signature
        return None

    def listen(self, listener: Listener) -> None:
        """Do nothing: these never change."""


def governed(command: C, kind: type[Part], policies: Policies) -> tuple[C, Part]:
    """Return the command with the policy that holds for it, and that policy.

    It is the policy that the command carries, with which its run began. A command of the previous version carries none:
    then the policy in force holds. Raise ``LookupError``, with a sentence, where Surefoot may not act on the target.
    """
    held: Part | None = getattr(command, "policy", None)
    if held is not None:
        return command, held
    in_force = policies.of(command.target).part(kind)
    return command.model_copy(update={"policy": in_force}), in_force


def why_not_governed(policies: Policies, target: Target) -> str:
    """Return why Surefoot may not act on a service, a sentence; empty where the policy in force lets it."""
    try:
        policies.of(target)
    except LookupError as why:
        return f"{str(why).rstrip('.')}."
    return ""
