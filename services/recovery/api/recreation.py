"""HTTP in, HTTP out: what of a service is missing, asking for it to be made again, and approving that."""

from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from contracts.access import Role
from contracts.base import Name, Region, Target
from contracts.policy_elsewhere import MOST_NAMES
from contracts.policy_elsewhere import Elsewhere as ElsewherePolicy
from contracts.prose import Plain
from services._chassis.access.permit import NowAsking, needs
from services._chassis.http import Problem
from services._chassis.operations import (
    Accepted,
    IdempotencyKey,
    Operations,
    Requested,
    request_id,
)
from services._chassis.policies import Policies, why_not_governed
from services._chassis.reasons import Impossible
from services._chassis.shared_reads import SharedReads
from services._chassis.targets import Targets
from services._chassis.transition import Decision
from services.recovery.api.asked import BEGUN_BEFORE, Asked, Refused
from services.recovery.api.scaling import MOST_TASKS
from services.recovery.decisions.drill import goes_first
from services.recovery.decisions.recreate import (
    PlanDecision,
    approve,
    ask,
    reject,
    why_not_approve,
    why_not_ask,
    why_not_reject,
)
from services.recovery.domain.protection import Protection
from services.recovery.domain.recreation.elsewhere import Elsewhere, view
from services.recovery.domain.recreation.move import Move
from services.recovery.domain.recreation.recreate_plan import RecreationPlan
from services.recovery.domain.recreation.recreation import APPROVAL_TIME, Recreation
from services.recovery.domain.snapshots.snapshot import Snapshot, SnapshotId
from services.recovery.recreate import Recreate, Wish

_PATH = "/recreate/{cluster_name}/{service_name}"
MOST_PLACES = 2
"""How many looks at other places are under way at a time: each is some fifty reads."""
_Name = Annotated[Plain, Field(min_length=5, max_length=512)]
"""No shorter than any id of AWS: it is replaced wherever it stands."""


class RecreateRequest(Requested):
    """From what a service is to be made again, and who asks for it."""

    snapshot_id: SnapshotId | None = None
    """Which snapshot; None: the newest proven one, or the newest where none is proven."""
    count: Annotated[int, Field(ge=0, le=MOST_TASKS)] | None = None
    """The tasks that are wanted; by default as many as when the snapshot was taken."""
    from_cluster: Name | None = None
    """The cluster of the snapshot; by default the one in which it is made."""
    from_region: Region | None = None
    """The region of the snapshot; by default the one in which it is made."""
    names: dict[_Name, _Name] = Field(default_factory=dict, max_length=MOST_NAMES)
    """Id, ARN or name in the snapshot → that of what stands in its place where it is made."""
    dry_run: bool = False
    """Show the plan, and ask nobody to approve it."""

    def source(self, target: Target) -> Target:
        """Return the service that the snapshot is of."""
        named = {"cluster": self.from_cluster, "region": self.from_region}
        return target.model_copy(update={name: value for name, value in named.items() if value is not None})


class Decided(Requested):
    """Who approves or rejects what waits."""

    plan: Annotated[Plain, Field(pattern=r"^[0-9a-f]{64}$")]
    """The digest of the plan that was looked at."""


class RecreationAccepted(Accepted):
    recreation_id: str
    plan: Plain
    """What somebody else has to approve."""


@dataclass(frozen=True, slots=True)
class RecreationEndpoints:
    """Does the work of the routes."""

    asked: Asked
    recreate: Recreate
    policies: Policies
    elsewhere: SharedReads[Elsewhere] = field(default_factory=lambda: SharedReads("other places", MOST_PLACES))

    @property
    def operations(self) -> Operations:
        return self.asked.operations

    async def ask(self, target: Target, body: RecreateRequest, key: str | None, response: Response) -> dict[str, Any]:
        """Wait for an approval of the plan; for a dry run, and where nothing is missing, return the plan alone."""
        name = f"recreation:{request_id(target, 'recreation', key)}"
        if not body.dry_run and (before := await self.asked.before(name, body, key)) is not None:
            digest = str(before.model_dump().get("plan", ""))
            return {"target": str(target)} | self._accepted(response, name, digest)
        source, now = body.source(target), self.operations.now
        try:
            snapshot = await self.recreate.snapshot(source, body.snapshot_id)
        except Impossible as why:
            raise Problem(409, "There is nothing to make it again from", str(why)) from None
        move = Move(source, target, body.names)
        plan = await self.recreate.plan(snapshot, Wish(move, now, body.count))
        view = shown(snapshot, move, plan)
        if body.dry_run or not plan.makes:
            return view
        if plan.blocked:
            raise Problem(409, "The service cannot be made again yet", plan.sentence)
        recreation = Recreation(
            recreation_id=name,
            snapshot_id=snapshot.snapshot_id,
            count=body.count,
            source=source if move.elsewhere else None,
            names=body.names,
            plan=plan.digest,
            makes=plan.makes,
            asked_at=now,
            until=now + APPROVAL_TIME,
            actor=body.actor,
            reason=body.reason,
        )

        def decide(protection: Protection) -> Decision | Refused:
            if protection.recreation is not None and protection.recreation.recreation_id == name:
                return BEGUN_BEFORE
            if why := why_not_ask(protection, now):
                return _refused(why)
            why = f"{body.actor} wants the service made again"
            return goes_first(protection, target, why, now, lambda after: ask(after, target, recreation))

        await self.asked.begin(target, name, body, key, decide)
        return view | self._accepted(response, name, plan.digest)

    def _accepted(self, response: Response, name: str, plan: str) -> dict[str, Any]:
        accepted = self.operations.accepted(response, name)
        return RecreationAccepted(**accepted.model_dump(), recreation_id=name, plan=plan).model_dump()

    async def decide(self, target: Target, body: Decided, response: Response, *, approves: bool) -> dict[str, Any]:
        """Take an approval, from which on it is made, or a rejection."""
        decided, names = PlanDecision(body.plan, body.actor, body.reason, self.operations.now), list[str]()

        def decide(protection: Protection) -> Decision | Refused:
            names[:] = [protection.recreation.recreation_id] if protection.recreation else []
            why = (why_not_approve if approves else why_not_reject)(protection, decided)
            return _refused(why) if why else (approve if approves else reject)(protection, target, decided)

        await self.asked.apply(target, decide, intake=True)
        return self._accepted(response, names[0], body.plan)

    async def could(self, target: Target, body: ElsewherePolicy) -> dict[str, Any]:
        """Return whether it could be made in another place; what the request leaves out, the policy says."""
        asked = {name: getattr(body, name) for name in body.model_fields_set}
        wanted = self.policies.of(target).elsewhere.model_copy(update=asked)
        there = wanted.place(target)
        if there is None:
            why = "Neither the request nor the policy (`elsewhere`) names another region or cluster."
            raise Problem(422, "Which other place?", why)
        move, governed = Move(target, there, wanted.stand_ins), why_not_governed(self.policies, there)
        found = await self.elsewhere.read(
            (target, there, wanted.names), lambda: self.recreate.elsewhere(move, self.operations.now, governed)
        )
        return view(str(target), found, self.operations.now)

    async def show(self, target: Target) -> dict[str, Any]:
        """Return what waits or is being made, or None, and what is over, the newest first."""
        protection = await self.asked.protection(target)
        standing = protection.recreation
        return {
            "target": str(target),
            "recreation": standing.model_dump(exclude={"begun"}) if standing else None,
            "past": [past.model_dump() for past in reversed(protection.past_recreations)],
        }


def _refused(why: str) -> Refused:
    return Refused(Problem(409, "That is not possible now", why))


def shown(snapshot: Snapshot, move: Move, plan: RecreationPlan) -> dict[str, Any]:
    """Return what the API shows of a plan: names and sentences, so that no secret is shown by accident."""
    return {
        "target": str(move.target),
        "source": str(move.source),
        "names": dict(move.names),
        "snapshot_id": snapshot.snapshot_id,
        "taken_at": snapshot.taken_at,
        "plan": plan.digest,
        "possible": not plan.blocked and bool(plan.makes),
        "sentence": plan.sentence,
        "desired_count": plan.tasks,
        "parts": [
            {
                "kind": line.part.kind,
                "name": line.part.name,
                "state": line.state,
                "made": line.made,
                "sentence": line.sentence,
            }
            for line in plan.lines
        ],
        "blocked": plan.blocked,
        "warnings": plan.warnings,
        "by_hand": plan.by_hand,
    }


def add_recreation_routes(router: APIRouter, endpoints: RecreationEndpoints, targets: Targets) -> None:
    """Add the routes of making a service again."""
    InPath = Annotated[Target, Depends(targets.in_path)]  # noqa: N806  a type
    NamedInPath = Annotated[Target, Depends(targets.named_in_path)]  # noqa: N806  a type
    waits: Any = {
        200: {"description": "The plan: for a dry run, and where nothing is missing."},
        202: {"model": RecreationAccepted, "description": "It waits for an approval."},
    }

    @router.post(_PATH, response_model=None, responses=waits, dependencies=[needs(Role.OPERATOR)])
    async def asked(
        asking: NowAsking,
        target: InPath,
        response: Response,
        request: RecreateRequest | None = None,
        idempotency_key: IdempotencyKey = None,
    ) -> dict[str, Any]:
        """Show what of a service is missing, and wait for somebody else to approve that it is made again."""
        body = asking.by(request or RecreateRequest())
        if body.source(target) != target:
            asking.about(body.source(target))  # what is secret in its snapshot goes where the caller wants it
        return await endpoints.ask(target, body, idempotency_key, response)

    @router.post(f"{_PATH}/approve", response_model=RecreationAccepted, dependencies=[needs(Role.APPROVER)])
    async def approved(asking: NowAsking, target: InPath, body: Decided, response: Response) -> dict[str, Any]:
        """Approve a plan: from now on what is missing is made. Whoever has asked for it may not."""
        return await endpoints.decide(target, asking.by(body), response, approves=True)

    @router.post(f"{_PATH}/reject", response_model=RecreationAccepted, dependencies=[needs(Role.APPROVER)])
    async def rejected(asking: NowAsking, target: NamedInPath, body: Decided, response: Response) -> dict[str, Any]:
        """Reject a plan that waits. Nothing is made."""
        return await endpoints.decide(target, asking.by(body), response, approves=False)

    @router.post("/readiness/{cluster_name}/{service_name}/elsewhere", dependencies=[needs(Role.OPERATOR)])
    async def could(target: InPath, body: ElsewherePolicy | None = None) -> dict[str, Any]:
        """Look whether the service could be made in another place, were its own lost. Nothing is made."""
        return await endpoints.could(target, body or ElsewherePolicy())

    @router.get(_PATH, dependencies=[needs(Role.VIEWER)])
    async def shows(target: NamedInPath) -> dict[str, Any]:
        """Show what waits for an approval or is being made again, and what is over."""
        return await endpoints.show(target)
