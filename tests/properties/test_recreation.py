"""A service that is made again, and all that people, AWS, deaths and restored Redis may do meanwhile."""

import asyncio
import copy
from collections import Counter
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from contracts.base import Target as Place
from contracts.recreation import RecreationFinished, RecreationStarted
from services._aws.errors import AwsError
from services._chassis.transition import Transition
from services.recovery.decisions.recreate import (
    RECREATE,
    PlanDecision,
    approve,
    ask,
    reject,
    why_not_approve,
    why_not_ask,
    why_not_reject,
)
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.recreation.move import Move
from services.recovery.domain.recreation.recreate_discovery import Registry
from services.recovery.domain.recreation.recreate_parts import OF_OTHERS
from services.recovery.domain.recreation.recreate_plan import parts_of
from services.recovery.domain.recreation.recreation import APPROVAL_TIME, Recreation
from services.recovery.domain.rollback.observed import Targets
from services.recovery.jobs.recreate import SEVERAL_CALLS, RecreateJob
from services.recovery.recreate import Wish
from tests.properties.profiles import PROFILE
from tests.services.recovery.harness import TARGET, Crash, Recovery, Work
from tests.services.recovery.recreations import NOW, snapshot

WHOLE = snapshot()
KEYS = [part.key for part in parts_of(WHOLE, NOW)]
LOST = AwsError("AWS did not answer", code="RequestTimeout", temporary=True, sent_before=True)
DENIED = AwsError("AWS refused it", code="AccessDenied")
persons = st.sampled_from(["ann", "bob", "eve"])
parts = st.sampled_from(KEYS)


class Recreations(RuleBasedStateMachine):
    """One service, of which parts are gone. Whatever happens, what is missing is made once, and only as approved."""

    def __init__(self) -> None:
        super().__init__()
        self.recovery = Recovery()
        assert asyncio.run(self.recovery.snapshots.put(WHOLE)) is not None
        self.number = 0
        self.copy: dict[str, Any] = {}
        self.restored = False
        self.patience = 0
        self.recovery.clock.while_asleep.append(self._have_waited)
        self.keep()

    # the ports beside the infrastructure

    async def service(self, _target: Place) -> dict[str, Any] | None:
        if f"service:{TARGET.service}" not in self.recovery.infrastructure.present:
            return None
        counts = {"desiredCount": 6, "runningCount": 6, "pendingCount": 0}
        return {"serviceName": TARGET.service, "status": "ACTIVE", **counts, "events": []}

    async def targets(self, _target: Place, _service: dict[str, Any]) -> Targets | None:
        return Targets(healthy=6, waiting=0, draining=0)

    async def registries(self, _target: Place, _service: dict[str, Any], _names: Any) -> tuple[Registry, ...]:
        return (Registry("backend", 6),)

    def _have_waited(self) -> None:
        self.patience -= 1
        if self.patience == 0:
            raise Crash

    # people

    @rule(by=persons)
    def ask(self, by: str) -> None:
        self.number += 1
        now = self.recovery.now
        plan = asyncio.run(self.recovery.recreate.plan(WHOLE, Wish(Move(TARGET, TARGET), now)))
        if plan.blocked or not plan.makes or why_not_ask(self.recovery.protection, now):
            return
        wanted = Recreation(
            recreation_id=f"recreation:{self.number}",
            snapshot_id=WHOLE.snapshot_id,
            plan=plan.digest,
            makes=plan.makes,
            asked_at=now,
            until=now + APPROVAL_TIME,
            actor=by,
        )
        self._write(lambda protection: ask(protection, TARGET, wanted))

    @rule(by=persons, rightly=st.sampled_from([True, True, True, False]))
    def approve(self, by: str, rightly: bool) -> None:
        """Approve what waits, or a plan of yesterday."""
        decided = self._decision(by, rightly=rightly)
        if not why_not_approve(self.recovery.protection, decided):
            assert rightly
            waits = self.recovery.protection.recreation
            assert waits is not None
            assert waits.actor != by, "nobody approves what he has asked for"
            self._write(lambda protection: approve(protection, TARGET, decided))

    @rule(by=persons)
    def reject(self, by: str) -> None:
        decided = self._decision(by)
        if not why_not_reject(self.recovery.protection, decided):
            self._write(lambda protection: reject(protection, TARGET, decided))

    def _decision(self, by: str, *, rightly: bool = True) -> PlanDecision:
        waits = self.recovery.protection.recreation
        return PlanDecision(waits.plan if waits is not None and rightly else "0" * 64, by, "", self.recovery.now)

    def _write(self, decide: Any) -> None:
        self.recovery.store.write(Transition(key_of(TARGET), lambda state: decide(Protection.from_bytes(state))))

    # AWS, deaths, time and Redis

    @rule(key=parts, how=st.sampled_from([LOST, LOST, Crash()]))
    def lose_an_answer(self, key: str, how: BaseException) -> None:
        """The next call that makes this part takes effect, and nobody hears of it."""
        self.recovery.infrastructure.after[key] = how

    @rule(key=parts)
    def cannot_be_read(self, key: str) -> None:
        self.recovery.infrastructure.unread[key] = LOST

    @rule(key=parts, refused=st.booleans())
    def refuse(self, key: str, refused: bool) -> None:
        self.recovery.infrastructure.refusing = {key: DENIED} if refused else {}

    @rule(die_at=st.none() | st.integers(1, len(KEYS)))
    def work(self, die_at: int | None) -> None:
        job = RecreateJob(self.recovery.recreate, self, self, self, self.recovery.store, self.recovery.clock)  # type: ignore[arg-type]
        queued = [held for held in self.recovery.store.jobs.values() if held.state == "queued" and not held.cancelled]
        for held in (held for held in queued if held.job.kind == RECREATE):
            self.patience, held.attempts = 3, held.attempts + 1
            try:
                end = asyncio.run(job(Work(held, self.recovery.store, die_at=die_at)))
            except Crash:
                continue
            self.recovery.store.write(end)
            held.state = "done"

    @rule(seconds=st.sampled_from([1.0, 600.0, 4000.0]))
    def pass_time(self, seconds: float) -> None:
        self.recovery.clock.time += seconds
        asyncio.run(self.recovery.fire())

    @rule()
    def keep(self) -> None:
        store = self.recovery.store
        self.copy = {name: copy.deepcopy(getattr(store, name)) for name in ("states", "timers", "jobs", "records")}

    @rule()
    def restore(self) -> None:
        """Put the copy back, and read again what was published."""
        self.restored = True
        for name, value in copy.deepcopy(self.copy).items():
            setattr(self.recovery.store, name, value)
        for event in (emission.event for emission in list(self.recovery.store.emitted)):
            if isinstance(event, RecreationStarted | RecreationFinished):
                self.number += 1
                asyncio.run(self.recovery.send(event, f"again-{self.number}", again=True))

    # promises

    @invariant()
    def each_part_is_made_once(self) -> None:
        made = Counter(part.key for part in self.recovery.infrastructure.made if part.kind not in SEVERAL_CALLS)
        assert set(made.values()) <= {1}, made

    @invariant()
    def nothing_is_made_that_nobody_has_approved(self) -> None:
        approved = {key for event in self.recovery.published(RecreationStarted) for key in event.makes}
        assert {part.key for part in self.recovery.infrastructure.made} <= approved

    @invariant()
    def none_ends_twice(self) -> None:
        ends = Counter(event.recreation_id for event in self.recovery.published(RecreationFinished))
        assert set(ends.values()) <= {1}, ends

    def teardown(self) -> None:
        """Once there is peace it can be made again, by whoever asks, and it serves."""
        infrastructure = self.recovery.infrastructure
        infrastructure.refusing, infrastructure.after, infrastructure.unread = {}, {}, {}
        for _ in range(5):
            self.work(die_at=None)
            self.pass_time(4000)
        assert self.recovery.protection.recreation is None
        ends = {event.recreation_id for event in self.recovery.published(RecreationFinished)}
        assert {event.recreation_id for event in self.recovery.published(RecreationStarted)} <= ends
        self.ask(by="ann")
        self.approve(by="bob", rightly=True)
        self.work(die_at=None)
        assert self.recovery.protection.recreation is None
        made = {part.key for part in parts_of(WHOLE, NOW) if part.kind not in OF_OTHERS}
        assert made <= infrastructure.present.keys()
        recreated = any(end.result == "recreated" for end in self.recovery.published(RecreationFinished))
        assert recreated or self.restored, "who asks for what a restored Redis has forgotten finds it made"
        self.each_part_is_made_once()


TestRecreations = Recreations.TestCase
TestRecreations.settings = settings(PROFILE, max_examples=25, stateful_step_count=15)
