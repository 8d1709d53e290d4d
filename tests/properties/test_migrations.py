"""Migrations of runs and by hand, and all that people, AWS, deaths and restored Redis may do to them."""

import asyncio
import copy
from collections import defaultdict
from collections.abc import Coroutine
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from contracts.base import caused_id
from contracts.migration import Migrate, MigrationFinished, MigrationStarted
from contracts.migration_asked import MigrationAsked
from contracts.policy import Monitoring, ServicePolicy
from contracts.policy import Recovery as RecoverySection
from contracts.policy_parts import RecoveryPolicy
from contracts.recovery import Disarm, ManualTrigger, TargetArmed, TargetDisarmed
from services._aws.errors import AwsError
from services._chassis.transition import Decision, Transition
from services.recovery.decisions.migrate import begin_migration, why_not_migrate
from services.recovery.domain.migration.migration import MigrateWork, Migration
from services.recovery.domain.protection import Protection, key_of
from services.recovery.jobs.migrate import TOKEN
from services.recovery.take_turns import TakeTurns
from tests.properties.profiles import PROFILE
from tests.services.recovery.application import SILENT, at
from tests.services.recovery.deaths import Deaths
from tests.services.recovery.harness import OTHER, TARGET, Recovery

DENIED = AwsError("ECS refused RunTask: AccessDeniedException", code="AccessDeniedException")
LOST = AwsError("ECS did not answer RunTask: ReadTimeoutError", temporary=True, sent_before=True)
DATABASE = "court-cases"
BESIDE = TARGET.model_copy(update={"service": "Worker"})
"""Another service, whose policy names the same database."""
OWN = MigrationStarted | MigrationFinished | TargetArmed | TargetDisarmed


class Migrations(RuleBasedStateMachine):
    """A service, and another one with its database. Whatever happens, a run has one migration at most, a migration one
    task at most, and the database one migration at a time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.recovery = Recovery()
        self.number = 0
        self.deaths = Deaths()
        self.section = RecoverySection()
        self.copy: dict[str, Any] = {}
        self.heard = 0
        self.may_stop = False
        """Whether a task may be stopped: the policy says so, and an alert was raised."""
        self.beside = False
        """Whether the other service has a migration of the database under way."""
        self.calls: dict[str, list[float]] = defaultdict(list)
        """Token → the times at which RunTask was called with it, or was about to be."""
        self.deaths.count(self.recovery.store, "read", "apply")
        self.deaths.count(self.recovery.ecs, "register")
        self.deaths.count(self.recovery.one_off, "run", "find", "task")
        self._watch(self.recovery.one_off)

    def _watch(self, tasks: Any) -> None:
        run = tasks.run

        async def watched(*given: Any) -> str:
            assert given[-1] in self.calls or not self.beside, "the other service migrates the database"
            self.calls[given[-1]].append(self.recovery.clock.now())
            arn: str = await run(*given)
            return arn

        tasks.run = watched

    def _calmly(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do something that the process does not die of."""
        with self.deaths.put_off():
            asyncio.run(work)

    @initialize(
        seconds=st.sampled_from([10.0, 600.0, 7200.0]),
        told=st.booleans(),
        by_run=st.booleans(),
        dies_at=st.integers(0, 12),
        later=st.sampled_from([0.0, 61.0, 1900.0]),
        on_alert=st.sampled_from(["follow", "stop"]),
        beside=st.booleans(),
    )
    def begin(
        self, seconds: float, told: bool, by_run: bool, dies_at: int, later: float, on_alert: Any, beside: bool
    ) -> None:
        """A migration was asked for, whose process may have died since, and some time may have passed."""
        self.section = RecoverySection(migration_on_alert=on_alert)
        for target in (TARGET, BESIDE):
            named = ServicePolicy(target=target, monitoring=Monitoring(database=DATABASE), recovery=self.section)
            self.recovery.policies.held[target] = named
        if beside:
            self.another_service_migrates()
        self.recovery.one_off.seconds = seconds
        self.recovery.application.before = at("a1e0") if told else SILENT
        self.recovery.application.after = [at("b2f1")] if told else []
        self.keep()
        if by_run:
            self.arm()
            self.run_asks(compatible=True, again=False)
        else:
            self.person_asks()
        self.work(dies_at=dies_at, after=False, goes_on=False)
        self.pass_time(later)

    # runs and people

    @precondition(lambda self: self.recovery.protection.arm is None)
    @rule()
    def arm(self) -> None:
        self.number += 1
        self._calmly(self.recovery.arm(f"run-{self.number}", minutes=300))

    @rule(compatible=st.booleans(), again=st.booleans())
    def run_asks(self, compatible: bool, again: bool) -> None:
        """The run that is armed asks for its migration, perhaps by another command than before."""
        held = self.recovery.protection.arm
        if held is None:
            return
        asked = MigrationAsked(timeout_minutes=5, compatible=compatible)
        command = Migrate(
            target=TARGET,
            run_id=held.run_id,
            migration=asked,
            images={"backend": OTHER},
            policy=RecoveryPolicy(recovery=self.section),
        )
        self._calmly(self.recovery.send(command, f"{held.run_id}:migrate{':again' if again else ''}"))

    @rule()
    def person_asks(self) -> None:
        self.number += 1
        now = self.recovery.now
        migration = Migration(
            migration_id=f"migration:{self.number}",
            trigger=ManualTrigger(actor="ada"),
            command=("alembic", "upgrade", "head"),
            minutes=5,
            on_alert=self.section.migration_on_alert,
            asked_at=now,
        )

        def decide(state: bytes | None) -> Decision:
            held = Protection.from_bytes(state)
            return Decision() if why_not_migrate(held, now) else begin_migration(held, TARGET, migration)

        self.recovery.store.write(Transition(key_of(TARGET), decide))

    @rule()
    def run_ends(self) -> None:
        """The run is aborted, superseded or over: recovery stands down, whatever its migration does."""
        held = self.recovery.protection.arm
        if held is not None:
            self._calmly(self.recovery.send(Disarm(target=TARGET, run_id=held.run_id), f"disarm:{held.run_id}"))

    # alerts, and another service with the same database

    @rule(state=st.sampled_from(["raised", "raised", "resolved"]), ago=st.sampled_from([0.0, 3600.0]))
    def alert(self, state: str, ago: float) -> None:
        self.number += 1
        self.may_stop |= state == "raised" and self.section.migration_on_alert == "stop"
        event = self.recovery.alert(alert_id=f"alert-{self.number // 3}", began=ago, state=state)
        self._calmly(self.recovery.send(event, f"alert:{self.number}"))

    @precondition(lambda self: not self.beside)
    @rule()
    def another_service_migrates(self) -> None:
        self.number += 1
        recovery, now = self.recovery, self.recovery.now
        work = MigrateWork(target=BESIDE, migration_id=f"beside:{self.number}")
        asked = Migration(
            migration_id=work.migration_id, trigger=ManualTrigger(), command=("x",), minutes=5, asked_at=now
        )
        begun = Protection(migration=asked)
        recovery.store.states[key_of(BESIDE)] = begun.to_bytes()
        with self.deaths.put_off():
            busy = asyncio.run(TakeTurns(recovery.store, recovery.policies, recovery.clock).take(work, DATABASE))
        ours = recovery.protection.migration
        assert busy or ours is None or ours.called_at is None, "this service migrates the database"
        self.beside = not busy
        given = begun.replace(migration=asked.model_copy(update={"database": DATABASE})) if not busy else Protection()
        recovery.store.states[key_of(BESIDE)] = given.to_bytes()

    @rule()
    def the_other_migration_ends(self) -> None:
        """It ends by one write in the state of its service; nothing is given back."""
        self.beside = False
        self.recovery.store.states[key_of(BESIDE)] = Protection().to_bytes()

    # time, AWS, deaths and Redis

    @rule(code=st.sampled_from([0, 0, 1, None]), denies=st.booleans(), loses=st.booleans(), blind=st.integers(0, 2))
    def aws_changes(self, code: int | None, denies: bool, loses: bool, blind: int) -> None:
        tasks = self.recovery.one_off
        tasks.code, tasks.blind = code, blind
        tasks.failing = [DENIED] if denies else []
        tasks.lost = [LOST] if loses else []

    @rule(seconds=st.sampled_from([1.0, 61.0, 1900.0, 90_000.0]))
    def pass_time(self, seconds: float) -> None:
        self.recovery.clock.time += seconds
        self._calmly(self.recovery.fire())

    @rule(dies_at=st.integers(0, 16), after=st.booleans(), goes_on=st.booleans())
    def work(self, dies_at: int, after: bool, goes_on: bool) -> None:
        """Work on the jobs; whoever dies leaves the rest to the next, who may not be there yet."""
        self.deaths.at(dies_at, after=after)
        if goes_on or not dies_at:
            asyncio.run(self.recovery.work())
        for held in [held for held in self.recovery.store.jobs.values() if held.state == "queued"][:1]:
            asyncio.run(self.recovery.attempt(held))
        self.deaths.at(0)

    @rule()
    def keep(self) -> None:
        store = self.recovery.store
        names = ("states", "timers", "jobs", "records", "seen")
        self.copy = {name: copy.deepcopy(getattr(store, name)) for name in names}
        self.heard = len(store.emitted)

    @rule()
    def restore(self) -> None:
        """Redis is restored from the copy, and what Kafka has of recovery's own events is read again."""
        store, beside = self.recovery.store, self.recovery.store.states.get(key_of(BESIDE))
        for name, value in copy.deepcopy(self.copy).items():
            setattr(store, name, value)
        for emission in store.emitted[self.heard :]:
            if isinstance(emission.event, OWN):
                self.number += 1
                self._calmly(self.recovery.send(emission.event, f"again-{self.number}", again=True))
        if beside is not None:  # what is published of the other service is heard as well
            store.states[key_of(BESIDE)] = beside
        self._calmly(self.recovery.fire())

    # promises

    @invariant()
    def nothing_is_stopped_without_an_alert_and_a_policy(self) -> None:
        assert self.may_stop or not self.recovery.one_off.stopped

    @invariant()
    def a_migration_that_stands_is_followed(self) -> None:
        migration, store = self.recovery.protection.migration, self.recovery.store
        if migration is not None:
            jobs = [held for held in store.jobs.values() if held.state == "queued" and held.job.kind == "migrate"]
            assert jobs or f"follow:{migration.migration_id}" in store.timers

    @invariant()
    def a_run_migrates_once(self) -> None:
        ids = defaultdict(set)
        for started in self.recovery.published(MigrationStarted):
            ids[started.run_id or started.migration_id].add(started.migration_id)
        assert {len(found) for found in ids.values()} <= {1}

    @invariant()
    def nothing_is_started_that_was_not_published_and_nothing_late(self) -> None:
        tokens = {caused_id(started.migration_id, "task") for started in self.recovery.published(MigrationStarted)}
        assert self.calls.keys() <= tokens
        assert all(times[-1] - times[0] <= TOKEN.total_seconds() for times in self.calls.values())

    def teardown(self) -> None:
        """Once there is peace, each migration has ended, and ends tell of tasks what is true."""
        self.aws_changes(0, denies=False, loses=False, blind=0)
        self.run_ends()
        self.the_other_migration_ends()
        for _ in range(30):
            self.work(dies_at=0, after=False, goes_on=True)
            self.pass_time(3600)
        assert self.recovery.protection.migration is None
        begun = {started.migration_id for started in self.recovery.published(MigrationStarted)}
        finished = self.recovery.published(MigrationFinished)
        assert begun <= {event.migration_id for event in finished}
        ran = self.recovery.one_off.started.keys()
        untouched = {event.migration_id for event in finished if event.result == "did_not_start"}
        assert not {caused_id(id_, "task") for id_ in untouched} & ran, "it is called untouched, and a task has run"


TestMigrations = Migrations.TestCase
TestMigrations.settings = settings(PROFILE, max_examples=20, stateful_step_count=12)
