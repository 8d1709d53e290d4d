"""Callers and decisions about them. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from contracts.access import PROVEN_NAMES, Role
from contracts.base import Target
from contracts.bounds import LONGEST_ACTOR
from contracts.policy import Callers

NOBODY_IN_PARTICULAR = "api"
"""What a request's body says of its actor where it says nothing."""


class Proof(StrEnum):
    """How a caller was proven."""

    KEY = "key"
    TOKEN = "token"  # noqa: S105  the word
    LOOPBACK = "loopback"
    """It is on this machine, and nobody can be proven otherwise yet."""
    NONE = "none"
    """Not at all: everybody is served (``SUREFOOT_ACCESS=open``)."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request, as it was proven."""

    name: str
    """``key:NAME``, ``pipeline:NAME``, ``loopback``, ``anybody``. It has no spaces."""
    proof: Proof
    role: Role | None = None
    """The role that the caller has for every service, whatever the policy says."""
    credential: str = ""
    """Which of the caller's credentials it was: a key's id, the number of a pipeline's run. No secret."""

    @property
    def is_proven(self) -> bool:
        return self.proof in {Proof.KEY, Proof.TOKEN}

    def may(self, role: Role, callers: Callers) -> bool:
        """Return whether the caller may do what needs ``role``, where the policy gives roles to ``callers``."""
        given = callers.role_of(self.name)
        return any(held is not None and held.includes(role) for held in (self.role, given))

    def acting(self, named: str) -> str:
        """Return the actor of an act: who was proven; ``named``, a body's word, follows as whom it was done for."""
        if not self.is_proven and not named.startswith(PROVEN_NAMES):
            return named
        if named in {self.name, NOBODY_IN_PARTICULAR}:
            return self.name
        return f"{self.name} for {named}"[:LONGEST_ACTOR]


LOOPBACK = Caller("loopback", Proof.LOOPBACK, Role.ADMIN)
ANYBODY = Caller("anybody", Proof.NONE, Role.ADMIN)


@dataclass(frozen=True, slots=True)
class Decision:
    """A request was allowed or refused; this is reported of it."""

    caller: Caller | None
    """None: nobody was proven."""
    act: str
    """``POST /api/v1/…``: the route, or the path where no route was reached."""
    allowed: bool
    why: str = ""
    """Why it was refused; empty where it was not."""
    needs: Role | None = None
    target: Target | None = None
    """None: it is about the installation, or several services, or was refused before it was known."""
    address: str = ""
    """Where the request came from, as far as that is known (``callers.address_of``)."""
