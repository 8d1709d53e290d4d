"""Emergency scalings and drills, and all that people, schedules, AWS, deaths and restored Redis may do to them."""

import asyncio
import copy
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any, get_args

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import initialize, invariant, precondition, rule

from contracts.drills import DrillFinished, DrillStarted
from contracts.policy import Recovery as RecoverySection
from contracts.policy import ServicePolicy
from contracts.policy_drills import Day
from contracts.policy_drills import Drills as DrillPolicy
from contracts.policy_rules import BUILT_IN_RULES, RuleMetric, RulePolicy
from contracts.recovery import Disarm, ManualTrigger
from contracts.scaling import ScalingDecided, ScalingFinished, ScalingStarted
from services._aws.errors import AwsError
from services._chassis.transition import Decision, Transition
from services.recovery.decisions.raise_again import consider_fall
from services.recovery.decisions.scale import begin_scaling, why_not_scale
from services.recovery.decisions.unscale import begin_restoring
from services.recovery.domain.moves.mover import By, Sure
from services.recovery.domain.moves.remembered import Change
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.scaling.scale_plan import Autoscaler
from services.recovery.domain.scaling.scale_work import ScaleWork
from services.recovery.domain.scaling.scaling import EmergencyScaling
from services.recovery.domain.scaling.set_back import Live
from tests.properties.drills import Drilled
from tests.properties.profiles import PROFILE
from tests.services.recovery.deaths import die
from tests.services.recovery.harness import TARGET

DENIED = AwsError("AWS refused it: AccessDeniedException", code="AccessDeniedException")
LOST = AwsError("AWS did not answer: ReadTimeoutError", temporary=True, sent_before=True)
CPU = RulePolicy(
    name="cpu_exhausted", metric=RuleMetric.CPU, comparison=">", threshold=95, minutes=3, severity="critical"
)
TURNS, PATIENCE = 4, 60
"""How often each job has its turn, and how often it may wait within one."""
RAISED_AGAIN = ("acted", "set-back")
READ_AGAIN = ScalingStarted | ScalingDecided | ScalingFinished | DrillStarted | DrillFinished
LONGEST_HOURS = 60
"""Enough for a scaling that was asked for a day, and for a restoration that AWS refuses for another."""


class Scalings(Drilled):
    """One service. Whatever happens, each scaling that has begun to set something ends once, and so does each drill."""

    def __init__(self) -> None:
        super().__init__()
        self.recovery.policies.reload(
            ServicePolicy(
                target=TARGET,
                recovery=RecoverySection(scaling_by_itself=True, scaling_above_maximum=True, scaling_reapply="once"),
                rules=(*BUILT_IN_RULES, CPU),
                drills=DrillPolicy(enabled=True, hours="00-24", days=get_args(Day)),
            )
        )
        self.touched = False
        """Whether anybody else has set a count or a limit."""
        self.patience = 0
        """How often a job may still wait before another one has its turn."""
        self.recovery.clock.while_asleep.append(self._have_waited)
        self.copy: dict[str, Any] = {}
        self.heard = 0
        """How many events were published when the copy was made."""
        self.deaths.count(self.recovery.store, "read", "apply")
        self.deaths.count(self.recovery.ecs, "service", "update")
        self.deaths.count(self.recovery.scaler, "autoscaler", "limit")

    def _have_waited(self) -> None:
        self.patience -= 1
        if self.patience == 0:
            die()

    @initialize(
        scaler=st.sampled_from([None, Autoscaler(2, 6), Autoscaler(3, 3), Autoscaler(2, 6, policies=False)]),
        moves_at_once=st.booleans(),
        begins=st.sampled_from(["scaling", "scaling", "nothing", "drill of rollback", "drill of scaling"]),
        loses=st.sampled_from(["nothing", "its policies", "its target", "nothing"]),
        dies_at=st.integers(1, 12),
    )
    def begin(self, scaler: Autoscaler | None, moves_at_once: bool, begins: str, loses: str, dies_at: int) -> None:
        """Often a scaling stands at once, so that its end is tried as often as its begin, or a drill is under way.

        Half of the scalings lose what scales the service right afterwards: nothing but the restoration takes the tasks
        back.
        """
        self.scaler = scaler
        self.recovery.scaler.target, self.recovery.scaler.moves_at_once = scaler, moves_at_once
        self.keep()
        if begins.startswith("drill"):
            self.try_out("rollback" if begins.endswith("rollback") else "scaling")
            self.work(dies_at=dies_at, after=True)
        if begins == "scaling":
            self.ask(5, 10)
            self.work(dies_at=0, after=False)
            if scaler is not None and loses != "nothing":
                self.nothing_scales_it_any_more(all_of_it=loses == "its target")

    # people and alerts

    @rule(count=st.integers(1, 9), minutes=st.sampled_from([1, 10, 1440]))
    def ask(self, count: int, minutes: int) -> None:
        self.number += 1
        now = self.recovery.now
        scaling = EmergencyScaling(
            scaling_id=f"scaling:{self.number}",
            trigger=ManualTrigger(actor="ada"),
            target_count=count,
            asked_at=now,
            until=now + timedelta(minutes=minutes),
        )

        def decide(state: bytes | None) -> Decision:
            protection = Protection.from_bytes(state)
            return Decision() if why_not_scale(protection, now) else begin_scaling(protection, TARGET, scaling)

        self.stop_trying()
        self.recovery.store.write(Transition(key_of(TARGET), decide))

    @rule()
    def end(self) -> None:
        now, by = self.recovery.now, ManualTrigger(actor="bob")
        self.recovery.store.write(
            Transition(key_of(TARGET), lambda state: begin_restoring(Protection.from_bytes(state), TARGET, now, by))
        )

    @rule(alert_id=st.sampled_from(["a", "b"]), over=st.booleans())
    def alert(self, alert_id: str, over: bool) -> None:
        self.number += 1
        alert = self.recovery.alert(rule=CPU.name, alert_id=alert_id, state="resolved" if over else "raised")
        self.calmly(self.recovery.send(alert, f"alert-{self.number}"))

    @rule(count=st.integers(1, 9))
    def person_wants(self, count: int) -> None:
        self.touched = True
        self.recovery.ecs.desired = count

    @rule(count=st.integers(1, 9))
    def tool_sets_back(self, count: int) -> None:
        """An infrastructure tool sets the count of its template, and a look tells who it was."""
        self.touched = True
        before, self.recovery.ecs.desired = self.recovery.ecs.desired, count
        scaling, now = self.recovery.protection.scaling, self.recovery.now
        if scaling is None:
            return
        fall = Change(what="count", before=str(before), after=str(count), since=now, at=now)
        by = fall.model_copy(update={"by": By.TOOL, "who": "Terraform", "sure": Sure.CERTAIN})
        work, policy = ScaleWork(target=TARGET, scaling_id=scaling.scaling_id), self.recovery.policies.of(TARGET)
        self.recovery.store.write(consider_fall(work, by, Live(count), policy, now))

    @rule(low=st.integers(1, 4), more=st.integers(0, 6))
    def schedule_sets(self, low: int, more: int) -> None:
        self.touched = True
        if self.recovery.scaler.target is not None:
            self.recovery.scaler.target = replace(self.recovery.scaler.target, low=low, high=low + more)

    @precondition(lambda self: self.recovery.scaler.target is not None and self.first_stands)
    @rule(all_of_it=st.booleans())
    def nothing_scales_it_any_more(self, all_of_it: bool) -> None:
        """Somebody deletes the scalable target, or its policies alone, before the first scaling is over."""
        assert self.recovery.scaler.target is not None
        self.recovery.scaler.target = None if all_of_it else replace(self.recovery.scaler.target, policies=False)
        self.scaler = None if all_of_it or self.scaler is None else replace(self.scaler, policies=False)

    @property
    def first_stands(self) -> bool:
        """Whether no scaling is over, or has left the count to policies."""
        protection = self.recovery.protection
        standing = protection.scaling
        return not protection.past_scalings and standing is not None and not standing.count_restored

    @precondition(lambda self: self.recovery.protection.arm is None)
    @rule()
    def arm(self) -> None:
        self.number += 1
        self.calmly(self.recovery.arm(f"run-{self.number}", minutes=120))

    @rule()
    def disarm(self) -> None:
        held = self.recovery.protection.arm
        if held is not None:
            self.calmly(self.recovery.send(Disarm(target=TARGET, run_id=held.run_id), f"disarm:{held.run_id}"))

    # time, AWS, deaths and Redis

    @rule(seconds=st.sampled_from([1.0, 61.0, 700.0, 90_000.0]))
    def pass_time(self, seconds: float) -> None:
        self.recovery.clock.time += seconds
        self.calmly(self.recovery.fire())

    @rule(dies_at=st.integers(0, 12), after=st.booleans())
    def work(self, dies_at: int, after: bool) -> None:
        self.deaths.at(dies_at, after=after)
        asyncio.run(self._work())
        self.deaths.at(0)
        self.patience = 0

    async def _work(self) -> None:
        """Let the jobs work by turns: one that waits for another's gives way, as if its process had died."""
        for _ in range(TURNS):
            for held in [held for held in self.recovery.store.jobs.values() if held.state == "queued"]:
                self.patience = PATIENCE
                await self.recovery.attempt(held)

    @rule(update=st.booleans(), limit=st.booleans())
    def refuse(self, update: bool, limit: bool) -> None:
        self.recovery.ecs.refusing = {"update": DENIED} if update else {}
        self.recovery.scaler.refusing = DENIED if limit else None

    @rule()
    def lose_an_answer(self) -> None:
        self.recovery.scaler.lost.append(LOST)

    @rule()
    def keep(self) -> None:
        store = self.recovery.store
        self.copy = {
            name: copy.deepcopy(getattr(store, name)) for name in ("states", "timers", "jobs", "records", "seen")
        }
        self.heard = len(store.emitted)

    @rule()
    def restore(self) -> None:
        """Redis is restored from the copy, and what Kafka has of recovery's own events is read again."""
        store = self.recovery.store
        for name, value in copy.deepcopy(self.copy).items():
            setattr(store, name, value)
        for emission in store.emitted[self.heard :]:
            if isinstance(emission.event, READ_AGAIN):
                self.number += 1
                self.calmly(self.recovery.send(emission.event, f"again-{self.number}", again=True))

    # promises

    @invariant()
    def a_scaling_that_stands_has_a_way_to_its_end(self) -> None:
        scaling, store = self.recovery.protection.scaling, self.recovery.store
        if scaling is not None:
            jobs = [held for held in store.jobs.values() if held.state == "queued" and held.job.kind == "unscale"]
            assert jobs or f"unscale:{scaling.scaling_id}" in store.timers

    @invariant()
    def a_count_that_was_set_back_is_raised_again_once(self) -> None:
        decided = self.recovery.published(ScalingDecided)
        again = Counter(event.scaling_id for event in decided if (event.decision, event.reason) == RAISED_AGAIN)
        assert set(again.values()) <= {1}

    @invariant()
    def what_is_over_is_told_once(self) -> None:
        told = Counter(event.scaling_id for event in self.recovery.published(ScalingFinished))
        told.update(event.drill_id for event in self.recovery.published(DrillFinished))
        assert set(told.values()) <= {1}

    def teardown(self) -> None:
        """Once there is peace, all that has begun ends, and what nobody else has touched is as it was."""
        self.refuse(update=False, limit=False)
        self.recovery.scaler.lost.clear()
        self.disarm()
        for _ in range(LONGEST_HOURS):
            self.work(dies_at=0, after=False)
            self.pass_time(3600)
        assert self.recovery.protection.scaling is None
        begun = {event.scaling_id for event in self.recovery.published(ScalingStarted)}
        assert begun == {event.scaling_id for event in self.recovery.published(ScalingFinished)} & begun
        self.check_drills()
        if not self.touched:
            assert self.recovery.scaler.target == self.scaler
            if self.scaler is None or not self.scaler.policies:
                assert self.recovery.ecs.desired == 3


TestScalings = Scalings.TestCase
TestScalings.settings = settings(PROFILE, max_examples=40, stateful_step_count=12)
