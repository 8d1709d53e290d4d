"""Makes again what is gone of a service: look, make, remember, part after part, until its tasks serve."""

from collections.abc import Callable
from dataclasses import dataclass, field

from contracts.rollout_pace import duration
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError
from services._chassis.clock import Clock, moment
from services._chassis.jobs import Running
from services._chassis.reasons import Impossible
from services._chassis.store import Store
from services._chassis.transition import Transition, decided
from services.recovery.decisions.recreate import deadline, end, note
from services.recovery.domain.change import Body
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.recreation.move import moved
from services.recovery.domain.recreation.recreate_discovery import Registry, map_services, registered, unregistered
from services.recovery.domain.recreation.recreate_parts import OF_OTHERS, Kind, Part, new_names
from services.recovery.domain.recreation.recreate_plan import Found, parts_of, rules_of_others
from services.recovery.domain.recreation.recreation import Recreation, RecreationWork
from services.recovery.domain.scaling.scale_plan import unplaced
from services.recovery.domain.snapshots.snapshot import Snapshot
from services.recovery.ports.recreation import Discovery
from services.recovery.ports.service import Balancers, Ecs
from services.recovery.recreate import Recreate, Wish

SEVERAL_CALLS = frozenset({Kind.LOG_GROUP, Kind.SECURITY_RULES, Kind.TARGET_GROUP})
"""The kinds that one call alone does not make; making them again does no harm."""
REGISTER_SECONDS = 300.0
"""Product seconds for which tasks that serve otherwise are waited for in Cloud Map: ECS registers within seconds."""
POLL_SECONDS = 10.0
"""Product seconds between two tries, and between two looks at the tasks."""


@dataclass(frozen=True, slots=True)
class RecreateJob:
    recreate: Recreate
    ecs: Ecs
    balancers: Balancers
    discovery: Discovery
    store: Store
    clock: Clock

    async def __call__(self, running: Running) -> Transition:
        """Return the end of what was approved."""
        work = RecreationWork.from_bytes(running.payload)
        execution = _Execution(self, running, work)
        while True:
            recreation = (await self.store.read(key_of(work.target), Protection)).recreation
            if recreation is None or recreation.recreation_id != work.recreation_id or not recreation.approved_by:
                return decided()
            over = await execution.step(recreation)
            if over is not None:
                return over
            await self.clock.sleep(POLL_SECONDS)


@dataclass(slots=True)
class _Execution:
    job: RecreateJob
    running: Running
    work: RecreationWork
    ids: dict[str, str] = field(default_factory=dict)
    """What the snapshot names → what AWS names now."""
    taken: Snapshot | None = None
    """The snapshot as it was taken."""
    snapshot: Snapshot | None = None
    """The same as of the place where it is made."""
    registries: tuple[Registry, ...] = ()
    """Where its tasks are registered in Cloud Map, by the last look."""
    unregistered_since: float | None = None
    """Since when they serve, but for being found there, in product time; None: they are found, or do not serve."""

    async def step(self, recreation: Recreation) -> Transition | None:
        """Go as far as AWS lets it; return the end, if it is over."""
        now = moment(self.job.clock.now())
        try:
            snapshot = await self._snapshot_of(recreation)
            waits = await self._go_on(recreation, snapshot)
            if not waits:
                now, known = moment(self.job.clock.now()), (await self._kept()) or recreation
                return end(self.work, "recreated", self._serves(known, snapshot), now)
            if self._is_not_registered():
                now = moment(self.job.clock.now())
                return end(self.work, "failed", self._not_found(recreation, waits), now)
        except Impossible as why:
            return end(self.work, "failed", f"Nothing more was made: {why}", now)
        except AwsError as failed:
            waits = f"{str(failed).rstrip('.')}."
            if failed.denied:
                waits = f"{waits} Recovery's role needs the rights of `surefoot iam --recreate`."
        if now >= deadline(recreation):
            return end(self.work, "failed", self._too_late(recreation, waits), now)
        await self._note(lambda known: known.model_copy(update={"waits": waits}))
        return None

    async def _snapshot_of(self, recreation: Recreation) -> Snapshot:
        if self.snapshot is None:
            move = Wish.of(self.work.target, recreation).move
            self.taken = await self.job.recreate.snapshot(move.source, recreation.snapshot_id)
            self.snapshot = moved(self.taken, move)
        return self.snapshot

    async def _go_on(self, recreation: Recreation, snapshot: Snapshot) -> str:
        """Make what is missing; return what is waited for, empty where the service serves. Raise ``Impossible``."""
        if not recreation.begun and self.taken is not None:
            plan = await self.job.recreate.plan(self.taken, Wish.of(self.work.target, recreation))
            unread = [line.sentence for line in plan.lines if line.state == "unknown"]
            if plan.unread or (unread and plan.digest != recreation.plan):
                return " ".join(unread)
            if plan.digest != recreation.plan:
                raise Impossible(
                    "what is there has changed since the plan was shown. Ask again, and look at the new one."
                )
        for part in parts_of(snapshot, recreation.asked_at, recreation.count):
            waits = await self._part(snapshot, part)
            if waits:
                return waits
        return await self._tasks()

    async def _kept(self) -> Recreation | None:
        """Return what was noted so far; None where it was ended."""
        return (await self.job.store.read(key_of(self.work.target), Protection)).recreation

    async def _part(self, snapshot: Snapshot, part: Part) -> str:
        """Make a part unless it is there; return what is waited for before it can be made."""
        recreation = await self._kept()
        if recreation is None:
            return "it was ended."
        now = part.with_ids(self.ids)
        try:
            found = await self.job.recreate.infrastructure.find(self.work.target, snapshot, now)
        except AwsError:
            if part.kind in OF_OTHERS:
                return ""  # AWS refuses what names it, where it is not there
            raise
        if found is None or found.anew or found.in_the_way:
            return await self._missing(recreation, part, now, found)
        made = found.id
        if self._is_half_made(recreation, part):
            made = await self._make(part, now)
        elif part.key in recreation.begun and part.key not in recreation.made:
            await self._is_made(part.key, made)  # the answer to our call was lost, or its executor has died
        self.ids |= new_names(part.ref, made)
        return ""

    async def _missing(self, recreation: Recreation, part: Part, now: Part, found: Found | None) -> str:
        if part.key not in recreation.makes:
            return f"{part.called} was there when the plan was approved, and is gone now: ask again."
        if found is not None and found.in_the_way:
            return f"{part.called} cannot be made: {found.in_the_way}."
        if found is not None and part.kind is Kind.SERVICE:
            return f"{part.called} {found.anew}."
        self.ids |= new_names(part.ref, await self._make(part, now))
        return ""

    def _is_half_made(self, recreation: Recreation, part: Part) -> bool:
        """Return whether we have begun a part that takes several calls, and not ended it.

        A security group that we have made has only AWS's own rules until we have set the snapshot's.
        """
        if part.kind not in SEVERAL_CALLS or part.key not in recreation.makes or part.key in recreation.made:
            return False
        group = f"{Kind.SECURITY_GROUP}:{part.name}"
        return part.key in recreation.begun or (part.kind is Kind.SECURITY_RULES and group in recreation.made)

    async def _make(self, part: Part, now: Part) -> str:
        key = part.key
        await self._note(lambda known: known.model_copy(update={"begun": tuple(dict.fromkeys((*known.begun, key)))}))
        await self.running.check()
        made = await self.job.recreate.infrastructure.make(self.work.target, now, self.work.recreation_id)
        await self._is_made(key, made)
        return made

    async def _is_made(self, key: str, id_: str) -> None:
        await self._note(lambda known: known.model_copy(update={"made": {**known.made, key: id_}, "waits": ""}))

    async def _tasks(self) -> str:
        """Return what is missing for as many tasks to serve as are wanted; empty where they do."""
        body = await self.job.ecs.service(self.work.target)
        if body is None:
            return "ECS does not show the service yet."
        service = EcsService(body)
        targets = await self.job.balancers.targets(self.work.target, body)
        healthy = service.running if targets is None else targets.healthy
        if service.running >= service.desired and healthy >= service.desired and not service.pending:
            return await self._names(body, service.running)
        why = unplaced(tuple(event.message for event in service.events[:5]))
        self.unregistered_since = None
        seen = f"{service.running} of {service.desired} tasks run, and {healthy} of their targets are healthy"
        return f"{seen}{f'; {why}' if why else ''}."

    async def _names(self, body: Body, running: int) -> str:
        """Return what is missing for others to find its tasks by name. What cannot be read is not waited for."""
        parts = map_services(self.snapshot) if self.snapshot is not None else ()
        known = {self.ids.get(part.ref, part.ref): part.name for part in parts}
        self.registries = await self.job.discovery.registries(self.work.target, body, known)
        missing = unregistered(self.registries, running, self.work.target)
        since = self.unregistered_since
        self.unregistered_since = (self.job.clock.now() if since is None else since) if missing else None
        return missing

    def _is_not_registered(self) -> bool:
        """Return whether its tasks have served for so long that ECS would have registered them."""
        since = self.unregistered_since
        return since is not None and self.job.clock.now() - since >= REGISTER_SECONDS

    def _serves(self, recreation: Recreation, snapshot: Snapshot) -> str:
        since = recreation.approved_at or recreation.asked_at
        took = duration(self.job.clock.now() - since.timestamp())
        made = len(recreation.made)
        names = registered(self.registries)
        found = f" {names}" if names else ""
        return f"It serves again after {took}; {made} parts were made.{found}{self._by_hand(recreation, snapshot)}"

    def _not_found(self, recreation: Recreation, waits: str) -> str:
        by_hand = self._by_hand(recreation, self.snapshot) if self.snapshot is not None else ""
        return f"As many tasks run as are wanted, but others do not find them by name. {waits}{by_hand}"

    def _too_late(self, recreation: Recreation, waits: str) -> str:
        made = f"{len(recreation.made)} of {len(recreation.makes)} parts were made, and stay."
        by_hand = self._by_hand(recreation, self.snapshot) if self.snapshot is not None else ""
        return f"It does not serve in time. {made} It waited for this: {waits}{by_hand}"

    def _by_hand(self, recreation: Recreation, snapshot: Snapshot) -> str:
        """Return the rules that owners of other security groups have to add, after a space."""
        parts = parts_of(snapshot, recreation.asked_at, recreation.count)
        gone = {part.ref for part in parts if part.kind is Kind.SECURITY_GROUP and part.key in recreation.makes}
        commands = list(rules_of_others(snapshot, gone, self.ids))
        text = f" Other groups let its old security group in; their owners add: {'; '.join(commands)}"
        return text if commands else ""

    async def _note(self, change: Callable[[Recreation], Recreation]) -> None:
        await self.job.store.apply(note(self.work, change), cause="")
