"""What a person asks of one target: it is looked at once, begun once, and answered alike however often it is sent."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from contracts.access import Role
from contracts.base import Target
from contracts.operations import Operation
from services._chassis.access.permit import needs
from services._chassis.http import Problem
from services._chassis.operations import Accepted, Operations, Requested, find_operation, refuse_another, what_was_asked
from services._chassis.store import Store
from services._chassis.transition import Decision, Transition
from services.recovery.domain.protection import Protection, key_of


def begins(accepted: type[Accepted], dry_run: str) -> dict[str, Any]:
    """Return how a route is declared by which operators begin something, or are told what that would do.

    ``dry_run``: what it answers then, as a sentence.
    """
    return {
        "response_model": None,
        "responses": {
            200: {"description": dry_run},
            202: {"model": accepted, "description": "It has begun."},
        },
        "dependencies": [needs(Role.OPERATOR)],
    }


@dataclass(frozen=True, slots=True)
class Refused:
    """Why it is not begun, and what is recorded of that."""

    problem: Problem
    decision: Decision = field(default_factory=Decision)


BEGUN_BEFORE = Decision()
"""The decision where the same request has begun it at the same time: nothing changes."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The course of every request that begins something."""

    store: Store
    operations: Operations

    async def protection(self, target: Target) -> Protection:
        return await self.store.read(key_of(target), Protection)

    async def before(self, id_: str, body: Requested, key: str | None) -> Operation | None:
        """Return the operation of the first request with this ``Idempotency-Key``; None where there was none.

        Raise ``Problem`` where that came with another body.
        """
        found = await find_operation(self.store, id_) if key else None
        if found is not None:
            await refuse_another(self.store, id_, body, key)
        return found

    async def begin(
        self,
        target: Target,
        id_: str,
        body: Requested,
        key: str | None,
        decide: Callable[[Protection], Decision | Refused],
        *,
        intake: bool = True,
    ) -> Decision:
        """Begin what is asked for, together with the record of what was asked; return the decision.

        ``intake``: whether it is refused while Redis is full. Raise the ``Problem`` with which it is refused.
        """

        def with_record(protection: Protection) -> Decision | Refused:
            answer = decide(protection)
            if isinstance(answer, Refused) or answer == BEGUN_BEFORE:
                return answer
            return replace(answer, records={**answer.records, **what_was_asked(id_, body, key)})

        return await self.apply(target, with_record, intake=intake)

    async def apply(
        self, target: Target, decide: Callable[[Protection], Decision | Refused], *, intake: bool = False
    ) -> Decision:
        """Apply a decision, and return it. Raise the ``Problem`` with which it is refused."""
        refused: list[Problem] = []

        def on(state: bytes | None) -> Decision:
            answer = decide(Protection.from_bytes(state))
            refused[:] = [answer.problem] if isinstance(answer, Refused) else []
            return answer.decision if isinstance(answer, Refused) else answer

        written = await self.store.apply(Transition(key_of(target), on), cause="", intake=intake)
        if refused:
            raise refused[0]
        return written.decision
