"""What a caller may do: each route declares the role that it needs, and one place decides.

A route stands as ``@router.post(path, dependencies=[needs(Role.DEPLOYER)])``. One that is about a single service then
names it by ``Asking.about``, which ``Targets`` does; ``INSTALLATION`` and ``SOME_SERVICE`` are said where it is about
none.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request
from fastapi.params import Depends as Dependency
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.types import Scope

from contracts.access import Role
from contracts.base import Target
from services._chassis.access.caller import Caller, Decision
from services._chassis.access.refusals import NOT_ALLOWED, Refused
from services._chassis.audit.acts import note_body
from services._chassis.policies import Policies

ASKING = "surefoot.asking"
"""Where a request's scope has its ``Asking``."""
B = TypeVar("B", bound=BaseModel)


class About(Enum):
    """What a route is about, and so whose roles count."""

    ONE_SERVICE = auto()
    """The service that the request names."""
    SOME_SERVICE = auto()
    """Whatever the caller may see: a role for any service will do, and the answer leaves out the others."""
    INSTALLATION = auto()
    """All of it: the roles of the policy's defaults count."""


class Asking:
    """A request by a caller, and what is decided about it."""

    def __init__(
        self, caller: Caller, policies: Policies, scope: Scope, address: str, report: Callable[[Decision], None]
    ) -> None:
        self.caller = caller
        self.needs: Role | None = None
        """The role that the route has declared."""
        self._policies = policies
        self._scope = scope
        self._address = address
        self._report = report

    def enter(self, role: Role, about: About) -> None:
        """Begin a route that needs ``role``. Raise ``Refused`` for a caller who has it nowhere."""
        self.needs = role
        if about is About.INSTALLATION:
            self._decide(role, None, allowed=self._may(role, None))
        elif about is About.SOME_SERVICE or not self._may_somewhere(role):
            self._decide(role, None, allowed=self._may_somewhere(role))

    def about(self, target: Target, role: Role | None = None) -> None:
        """Go on if the caller has the role for this service; by default the route's. Raise ``Refused`` if not."""
        if self.needs is None:
            raise AssertionError("the route has declared no role: add dependencies=[needs(…)]")
        needed = role or self.needs
        self._decide(needed, target, allowed=self._may(needed, target))

    def shows(self, target: Target) -> bool:
        """Return whether the caller has the route's role for a service, where a refusal would tell what there is.

        It is decided, and so reported, as by ``about``.
        """
        try:
            self.about(target)
        except Refused:
            return False
        return True

    @property
    def has_role(self) -> bool:
        """Whether the caller may look at anything at all."""
        return self._may_somewhere(Role.VIEWER)

    def sees(self, target: Target | None) -> bool:
        """Return whether the caller may look at a service, or (None) at the installation.

        For lists that leave out the others.
        """
        return self._may(Role.VIEWER, target)

    def has(self, role: Role, target: Target) -> bool:
        """Return whether the caller has a role for a service, where that decides no more than how a request counts."""
        return self._may(role, target)

    def by(self, body: B) -> B:
        """Return a request's body with the proven caller as its ``actor``."""
        actor = self.caller.acting(getattr(body, "actor"))  # noqa: B009  of any body
        note_body(actor, getattr(body, "reason", ""))
        return body.model_copy(update={"actor": actor})

    def _may(self, role: Role, target: Target | None) -> bool:
        return self.caller.may(role, self._policies.callers(target))

    def _may_somewhere(self, role: Role) -> bool:
        held = (self.caller.role, self._policies.highest_role(self.caller.name))
        return any(highest is not None and highest.includes(role) for highest in held)

    def _decide(self, role: Role, target: Target | None, *, allowed: bool) -> None:
        where = f"on {target}" if target else "here"
        why = "" if allowed else f"{self.caller.name} is no {role} {where}"
        act = act_of(self._scope)
        self._report(Decision(self.caller, act, allowed, why, role, target, self._address))
        if not allowed:
            detail = f"This needs the role {role}, and {why}: the policy gives roles under `access`, a key has one of "
            raise Refused(NOT_ALLOWED, f"{detail}`surefoot keys create --role`.", needs=role)


def act_of(scope: Scope) -> str:
    """Return what a request asks for: its method, and the route's path or, before a route is found, its own."""
    return f"{scope['method']} {getattr(scope.get('route'), 'path', scope['path'][:200])}"


def asking(request: Request) -> Asking:
    found: Asking = request.scope[ASKING]
    return found


NowAsking = Annotated[Asking, Depends(asking)]


@dataclass(frozen=True, slots=True)
class Need:
    """The declaration of a route; FastAPI calls it before anything else of the route."""

    role: Role
    about: About

    async def __call__(self, request: Request) -> None:
        asking(request).enter(self.role, self.about)


def needs(role: Role, about: About = About.ONE_SERVICE) -> Any:
    """Return the dependency by which a route declares the role that it needs."""
    return Depends(Need(role, about))


def require_roles(router: APIRouter) -> APIRouter:
    """Return the router. Raise ``AssertionError`` for a route that declares no role: every caller could use it."""
    for route, need in declared(router):
        if need is None:
            raise AssertionError(f"{route.path} declares no role: add dependencies=[needs(…)]")
    return router


def declared(router: APIRouter) -> Iterator[tuple[APIRoute, Need | None]]:
    """Yield each route of a router with what it has declared."""
    for route in router.routes:
        if isinstance(inner := getattr(route, "original_router", None), APIRouter):
            yield from declared(inner)
        elif isinstance(route, APIRoute):
            found = (held.dependency for held in route.dependencies if isinstance(held, Dependency))
            yield route, next((need for need in found if isinstance(need, Need)), None)
