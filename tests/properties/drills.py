"""Drills among all that may happen to a service: each that has begun ends once, and changes nothing."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from contracts.drills import DrillFinished, DrillPlan, DrillStarted
from contracts.health import HealthScored
from contracts.recovery import ManualTrigger
from services._chassis.transition import Decision, Transition
from services.recovery.decisions.drill import LOOKS, begin_drill, stop_drill
from services.recovery.domain.drill.drill import Drill
from services.recovery.domain.drill.drill_plan import OVERRIDABLE, why_not_now
from services.recovery.domain.protection import Protection, key_of
from tests.services.recovery.deaths import Deaths
from tests.services.recovery.harness import TARGET, Recovery


class Drilled(RuleBasedStateMachine):
    """A service on which plans are tried; what else happens is its subclass's."""

    def __init__(self) -> None:
        super().__init__()
        self.recovery = Recovery()
        self.number = 0
        self.deaths = Deaths()

    @rule(plan=st.sampled_from(["rollback", "scaling"]))
    def try_out(self, plan: DrillPlan) -> None:
        self.number += 1
        now, policy = self.recovery.now, self.recovery.policies.of(TARGET)
        drill = Drill(
            drill_id=f"drill:{self.number}",
            plan=plan,
            trigger=ManualTrigger(actor="ada"),
            asked_at=now,
            until=now + LOOKS,
            minimum_health_score=70,
        )

        def decide(state: bytes | None) -> Decision:
            protection = Protection.from_bytes(state)
            refused = why_not_now(protection, policy, now, frozenset(OVERRIDABLE))
            return Decision() if refused else begin_drill(protection, TARGET, drill)

        self.recovery.store.write(Transition(key_of(TARGET), decide))

    @rule()
    def stop_trying(self) -> None:
        now = self.recovery.now
        self.recovery.store.write(
            Transition(
                key_of(TARGET), lambda state: stop_drill(Protection.from_bytes(state), TARGET, "ada says so", now)
            )
        )

    @rule()
    def score_is_low(self) -> None:
        self.number += 1
        event = HealthScored(target=TARGET, low=10, high=20, rating="critical", levels=())
        self.calmly(self.recovery.send(event, f"score-{self.number}"))

    def calmly(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do something that the process does not die of."""
        refusing, self.recovery.ecs.refusing = self.recovery.ecs.refusing, {}
        with self.deaths.put_off():
            asyncio.run(work)
        self.recovery.ecs.refusing = refusing

    @invariant()
    def a_drill_that_is_under_way_has_an_end_and_nothing_goes_on_beside_it(self) -> None:
        protection, store = self.recovery.protection, self.recovery.store
        drill, scaling = protection.drill, protection.scaling
        if drill is not None and not drill.restored:
            assert f"drill-over:{drill.drill_id}" in store.timers
            assert protection.arm is None or not protection.arm.active(self.recovery.now)
            assert scaling is None or scaling.scaling_id == drill.scaling_id

    def check_drills(self) -> None:
        """Check, once all is over, that each drill that was begun has ended, and that the version is the same."""
        begun = {event.drill_id for event in self.recovery.published(DrillStarted)}
        assert self.recovery.protection.drill is None
        assert begun == {event.drill_id for event in self.recovery.published(DrillFinished)}
        assert self.recovery.ecs.live.endswith(":1")
