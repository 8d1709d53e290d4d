"""Runs a migration's task, once: plan, remember, start, follow to its end, and read its log."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from math import inf

from contracts.policy import ServicePolicy
from contracts.prose import prose
from services._aws.errors import AwsError
from services._chassis.clock import Clock, moment
from services._chassis.jobs import Running
from services._chassis.policies import Policies
from services._chassis.store import Store
from services._chassis.transition import Transition, decided
from services.recovery.decisions.migrate import end_migration, note, note_plan
from services.recovery.domain.change import content_hash
from services.recovery.domain.migration.database import WAIT
from services.recovery.domain.migration.effect import believed, remark
from services.recovery.domain.migration.migration import MigrateWork, Migration, MigrationPlan, OneOff
from services.recovery.domain.migration.migration_end import (
    Ended,
    Task,
    did_not_start,
    explained,
    judge,
    not_known,
)
from services.recovery.domain.migration.migration_plan import NotPrepared, Prepared
from services.recovery.domain.protection import Protection, key_of
from services.recovery.jobs.migration_bounds import REFUSED_SECONDS, MigrationBounds
from services.recovery.jobs.read_log import ReadLog
from services.recovery.jobs.read_schema import ReadSchema
from services.recovery.ports.migration import NotPlaced, OneOffTasks
from services.recovery.ports.service import Ecs
from services.recovery.prepare import MigrationPlanner
from services.recovery.take_turns import TakeTurns

POLL_SECONDS = 5.0
"""Product seconds between two looks."""
MINUTE = timedelta(minutes=1)
PLACE_SECONDS = 300.0
"""Product seconds for which ECS may have no room for the task."""
TOKEN = timedelta(minutes=30)
"""So long after the first call a task may be asked for again with the same token. ECS keeps to a token for a day, and
lists tasks that have stopped for an hour (Amazon ECS API reference, "Ensuring idempotency" and ListTasks)."""
FOLLOWED = timedelta(hours=24)
"""For so long a task is followed; then what becomes of it is for people."""
THROTTLED = frozenset({"Throttling", "ThrottlingException", "ThrottledException", "TooManyRequestsException"})
"""Codes with which AWS has done nothing."""


@dataclass(frozen=True, slots=True)
class MigrateJob:
    ecs: Ecs
    tasks: OneOffTasks
    schema: ReadSchema
    log: ReadLog
    planner: MigrationPlanner
    turns: TakeTurns
    policies: Policies
    store: Store
    clock: Clock

    async def __call__(self, running: Running) -> Transition:
        """Return the end of the migration."""
        execution = _Execution(self, running, MigrateWork.from_bytes(running.payload))
        while True:
            protection = await self.store.read(key_of(execution.work.target), Protection)
            migration = protection.migration
            if migration is None or migration.migration_id != execution.work.migration_id:
                return decided()
            end = await execution.step(migration)
            if end is not None:
                return end
            await self.clock.sleep(POLL_SECONDS)


@dataclass(slots=True)
class _Execution:
    job: MigrateJob
    running: Running
    work: MigrateWork
    called: bool = False
    """Whether this execution has asked for the task, so that it knows the answers."""
    failing_since: float = field(default=inf)
    """Since when AWS has not answered."""
    placing_since: float = field(default=inf)
    """Since when ECS has had no room for the task."""
    missing_since: float = field(default=inf)
    """Since when ECS has not known the task."""

    async def step(self, migration: Migration) -> Transition | None:
        """Make one step; return the end, if it is over."""
        now = self.job.clock.now()
        try:
            end = await self._next(migration)
        except NotPlaced as refused:
            self.failing_since, self.placing_since = inf, min(self.placing_since, now)
            if now < self.placing_since + PLACE_SECONDS:
                return None
            return self._ended(did_not_start(f"ECS has started no task: {refused}"))
        except AwsError as failed:
            return await self._failed(migration, failed, now)
        self.failing_since = inf
        return end

    async def _next(self, migration: Migration) -> Transition | None:
        if migration.plan is None:
            return await self._prepare(migration)
        if not migration.task_arn:
            return await self._start(migration, migration.plan.task)
        task = await self.job.tasks.task(self.work.target, migration.task_arn)
        if task is None:
            return self._missing()
        return await self._follow(migration, migration.plan, task)

    async def _failed(self, migration: Migration, failed: AwsError, now: float) -> Transition | None:
        """Wait for AWS to answer. A task that runs is followed for as long as any is."""
        why = str(failed).rstrip(".")
        if migration.task_arn:
            return await self._unseen(migration, why)
        self.failing_since = min(self.failing_since, now)
        asked = self.called or migration.called_at is not None
        maybe = migration.maybe_started or (asked and _unclear(failed))
        if maybe != migration.maybe_started:
            await self._apply(note(self.work, maybe_started=True))
        may_pass = failed.temporary or maybe or not asked
        if may_pass and now < self.failing_since + REFUSED_SECONDS:
            return None
        return self._ended(
            not_known(f"whether its task was started was not told: {why}") if maybe else did_not_start(why)
        )

    async def _unseen(self, migration: Migration, why: str) -> Transition | None:
        """Follow a task that ECS does not describe; once its time is over, tell that, too."""
        if self._followed_for_too_long(migration):
            return self._ended(not_known(why))
        if self.job.clock.now() >= migration.limit:
            took = f"It takes longer than {migration.minutes:g} minutes, or is over"
            await self._bounds.goes_on(migration, f"{took}, and that cannot be seen: {why}")
        return None

    async def _prepare(self, migration: Migration) -> Transition | None:
        try:
            policy: ServicePolicy = self.job.policies.of(self.work.target)
        except LookupError as error:
            return self._ended(did_not_start(str(error)))
        now, database = moment(self.job.clock.now()), policy.monitoring.database or ""
        if now >= migration.asked_at + TOKEN:
            return self._ended(did_not_start("it could not begin in time"))
        if busy := await self._busy(migration, database):
            if now >= migration.asked_at + WAIT:
                return self._ended(did_not_start(f"{busy}, and has not ended within {WAIT // MINUTE} minutes"))
            await self._apply(note(self.work, remark=prose(f"It waits, since {busy}.")))
            return None
        return await self._plan(migration, policy, database)

    async def _busy(self, migration: Migration, database: str) -> str:
        """Return why it waits for another migration of the database, as a clause; empty where it has it, or none is
        named. One whose task may have been asked for before waits for nobody.
        """
        if not database or migration.called_at is not None:
            return ""
        return await self.job.turns.take(self.work, database)

    async def _plan(self, migration: Migration, policy: ServicePolicy, database: str) -> Transition | None:
        if migration.run_id is not None and not await self._armed(migration.run_id):
            return self._ended(did_not_start(f"run {migration.run_id} is over"))
        prepared = await self.job.planner.plan(self.work.target, migration, policy)
        if isinstance(prepared, NotPrepared):
            return self._ended(did_not_start(prepared.because))
        arn = await self._registered(prepared)
        task = prepared.plan.task.model_copy(update={"task_definition": arn})
        asked_before = migration.called_at is not None
        schema = migration.schema_before if asked_before else await self.job.schema.now(self.work.target)
        plan = prepared.plan.model_copy(update={"task": task})
        await self._apply(note_plan(self.work, plan, schema, database))
        return None

    async def _armed(self, run_id: str) -> bool:
        """Return whether recovery is armed for the run still, which may have ended while it was waited for."""
        protection = await self.job.store.read(key_of(self.work.target), Protection)
        return protection.armed_for(run_id, moment(self.job.clock.now())) is not None

    async def _registered(self, prepared: Prepared) -> str:
        """Find the task definition by its content before registering it: an answer may have been lost."""
        wanted = content_hash(prepared.definition)
        known = await self.job.ecs.revisions(self.work.target, prepared.plan.task.family)
        found = next((body for body in known if content_hash(body) == wanted), None)
        if found is not None:
            return str(found["taskDefinitionArn"])
        await self.running.check()
        return await self.job.ecs.register(self.work.target, prepared.definition)

    async def _start(self, migration: Migration, task: OneOff) -> Transition | None:
        """Ask for the task; where it may have been asked for before, look for it first, also among stopped ones."""
        now = moment(self.job.clock.now())
        if migration.called_at is None:
            await self._apply(note(self.work, called_at=now))
        elif not self.called and not migration.maybe_started:
            await self._apply(note(self.work, maybe_started=True))  # by whoever had this job before
        if migration.called_at is not None:
            found = await self.job.tasks.find(self.work.target, task.family, migration.token)
            if found is not None:
                await self._apply(note(self.work, task_arn=found.arn))
                return None
            if migration.restored or now >= migration.called_at + TOKEN:
                return self._ended(not_known("a task may have been asked for, and ECS does not list it any more"))
        self.called = True
        await self.running.check()
        arn = await self.job.tasks.run(self.work.target, task, migration.command, migration.token)
        await self._apply(note(self.work, task_arn=arn))
        return None

    async def _follow(self, migration: Migration, plan: MigrationPlan, task: Task) -> Transition | None:
        self.missing_since = inf
        if migration.running_since is None and task.started_at is not None:
            ran = moment(task.started_at)
            await self._apply(note(self.work, running_since=ran))
            migration = migration.model_copy(update={"running_since": ran})
        if task.stopped:
            return None if await self._bounds.waits(migration, plan, task) else await self._end(migration, plan, task)
        if self._followed_for_too_long(migration):
            return self._ended(not_known("it has run for more than a day; look at its task"))
        await self._bounds.keep(migration, task)
        return None

    async def _end(self, migration: Migration, plan: MigrationPlan, task: Task) -> Transition:
        ended = judge(task, plan.task, stopped_since=migration.stopped_since)
        if ended.result == "did_not_start":
            return self._ended(ended)
        lines, unread = await self.job.log.end_of(self.work.target, plan, task)
        if ended.result == "succeeded":
            ended = await self._proven(migration, ended, lines)
        else:
            schema = await self.job.schema.now(self.work.target)
            report = remark(migration.schema_before, schema)
            meaning = " ".join(filter(None, (ended.sentence, explained(lines), report)))
            ended = replace(ended, sentence=meaning, schema=schema)
        return self._ended(replace(ended, sentence=" ".join(filter(None, (ended.sentence, unread)))), lines)

    async def _proven(self, migration: Migration, ended: Ended, lines: tuple[str, ...]) -> Ended:
        """Return the end by what the application tells of it: exit code 0 alone is not believed."""
        protection = await self.job.store.read(key_of(self.work.target), Protection)
        schema, proof = await self.job.schema.proof(self.work.target, migration, lines, protection)
        return believed(replace(ended, schema=schema), proof, migration.overridden)

    def _missing(self) -> Transition | None:
        """ECS may not know at once what it has just started."""
        now = self.job.clock.now()
        self.missing_since = min(self.missing_since, now)
        if now < self.missing_since + REFUSED_SECONDS:
            return None
        return self._ended(not_known("ECS does not list its task any more"))

    def _ended(self, ended: Ended, lines: tuple[str, ...] = ()) -> Transition:
        clean = replace(ended, sentence=prose(ended.sentence))
        return end_migration(self.work, clean, moment(self.job.clock.now()), lines)

    def _followed_for_too_long(self, migration: Migration) -> bool:
        return self.job.clock.now() >= migration.counts_from.timestamp() + FOLLOWED.total_seconds()

    @property
    def _bounds(self) -> MigrationBounds:
        return MigrationBounds(self.job.tasks, self.job.store, self.job.clock, self.running, self.work)

    async def _apply(self, transition: Transition) -> None:
        await self.job.store.apply(transition, cause="")


def _unclear(failed: AwsError) -> bool:
    """Return whether a call that failed so may have taken effect all the same."""
    return failed.sent_before or (failed.temporary and failed.code not in THROTTLED)
