"""Whatever happens, in whatever order, lost or twice: each run ends exactly once."""

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from contracts.catalogue import entry_of
from contracts.deployment import (
    Cause,
    DeploymentConfig,
    DeploymentFinished,
    DeploymentStarted,
    ImageChange,
    Observe,
    Override,
    PhaseFinished,
    PhaseStarted,
)
from contracts.gates import Gate, Verdict
from contracts.monitor import CriticalAlert
from contracts.recovery import RollBack
from contracts.results import DisarmOutput
from contracts.run_verbs import VerbAnswered
from contracts.topics import COMMAND_TOPICS
from services._chassis.transition import Emit, Timer
from tests.services.orchestrator.harness import START, TARGET, World, asked, at, run_of

CONFIG = DeploymentConfig(deployment_timeout_minutes=2, validation_timeout_minutes=2, baking_minutes=2)
verdicts = st.sampled_from(Verdict)
causes = st.one_of(st.none(), st.sampled_from(Cause))
mostly_pass = st.sampled_from([Verdict.PASS] * 6 + [Verdict.FAIL, Verdict.INCONCLUSIVE])
gate_sets = st.lists(
    st.builds(
        Gate.measured,
        st.sampled_from(["health_score", "error_rate", "cpu"]),
        st.one_of(st.none(), st.floats(0, 100)),
        st.just(">="),
        st.just(50.0),
    ),
    max_size=3,
)


def _refusal(emit: Emit) -> bool:
    """Return whether it answers a request that came too late."""
    return isinstance(emit.event, VerbAnswered) and not emit.event.accepted


class Courses(RuleBasedStateMachine):
    """A target, and a world that does what it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.asked: list[str] = []

    @rule(
        observe=st.booleans(),
        way=st.sampled_from([None, "queue", "refuse", "supersede"]),
        recover=st.booleans(),
        lifetime=st.sampled_from([-1.0, 60.0, 86400.0]),
        override=st.booleans(),
    )
    def request(self, observe: bool, way: str | None, recover: bool, lifetime: float, override: bool) -> None:
        event = asked(
            Observe() if observe else ImageChange(reference="web:2"),
            **({} if way is None else {"on_conflict": way}),
            config=CONFIG.model_copy(update={"enable_auto_recovery": recover}),
            expires_at=at(self.world.now + lifetime),
            overrides=(Override(gate="health_score", reason="so be it"),) if override else (),
        )
        self.asked.append(self.world.request(str(len(self.asked)), event))

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def request_again(self, data: st.DataObject) -> None:
        again = data.draw(st.integers(0, len(self.asked) - 1))
        if f"run:{self.asked[again]}" not in self.world.records or self.world.course.knows(self.asked[again]):
            self.world.request(str(again))  # the handler asks the records first

    @precondition(lambda self: self.world.active)
    @rule(verdict=mostly_pass, cause=causes)
    def answer_all(self, verdict: Verdict, cause: Cause | None) -> None:
        """The way on: everything that is waited for is answered."""
        for step in self.world.run.open_steps:
            sent = next(emit for emit in self.world.sent if emit.id == step.id)
            passed = verdict is Verdict.PASS
            self.world.answer(step.name, verdict, cause=None if passed else cause, command=sent)

    @precondition(lambda self: self.world.sent)
    @rule(data=st.data(), verdict=verdicts, cause=causes, gates=gate_sets, late=st.booleans())
    def answer(self, data: st.DataObject, verdict: Verdict, cause: Cause | None, gates: list[Gate], late: bool) -> None:
        """Any command that was ever sent is answered, perhaps again, perhaps otherwise."""
        sent = self.world.sent if late else self.world.sent[-5:]
        command = data.draw(st.sampled_from(sent))
        name = entry_of(type(command.event)).name
        output = None
        if name == "disarm":
            output = data.draw(
                st.sampled_from([None, DisarmOutput(answer="disarmed"), DisarmOutput(answer="rollback-started")])
            )
        self.world.answer(name, verdict, cause=cause, gates=gates, output=output, command=command)

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def abort(self, data: st.DataObject) -> None:
        self.world.abort(data.draw(st.sampled_from([*self.asked, "unknown"])))

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def rollback_starts(self, data: st.DataObject) -> None:
        self.world.rollback_starts(data.draw(st.sampled_from([*self.asked, None])))

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), result=st.sampled_from(["restored", "failed", "superseded"]))
    def rollback_ends(self, data: st.DataObject, result: str) -> None:
        self.world.rollback_ends(data.draw(st.sampled_from([*self.asked, None])), result)

    @rule()
    def alert(self) -> None:
        self.world.happens(
            CriticalAlert(
                target=TARGET,
                alert_id="a",
                rule="error_rate",
                state="raised",
                value=30,
                comparison=">",
                threshold=10,
                samples=40,
                began_at=at(START),
                detail="much fails",
            )
        )

    @rule(seconds=st.sampled_from([1.0, 29.0, 31.0, 130.0, 700.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.passes(seconds)

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), kind=st.sampled_from(["phase", "run", "reconcile"]))
    def stray_timer(self, data: st.DataObject, kind: str) -> None:
        """One that fires too early, twice, or after the end."""
        run_id = data.draw(st.sampled_from(self.asked))
        firing = Timer(f"{kind}:{run_id}", kind, self.world.now, str(TARGET).encode())
        kept = self.world.timers.get(firing.id)
        self.world.fire(firing)
        if kept is not None and self.world.active is not None and self.world.active.run_id == run_id:
            self.world.timers.setdefault(kept.id, kept)

    @rule()
    def orchestrator_sleeps(self) -> None:
        """It is dead for an hour: nothing fires meanwhile."""
        self.world.now += 3600

    @invariant()
    def no_run_ends_twice(self) -> None:
        ends = [end.run_id for end in self.world.told(DeploymentFinished)]
        assert len(ends) == len(set(ends))

    @invariant()
    def every_active_run_has_a_way_to_end(self) -> None:
        run = self.world.active
        if run is None:
            assert self.world.timers == {}
            assert self.world.course.queue == ()
        else:
            assert f"phase:{run.run_id}" in self.world.timers
            assert {id_.partition(":")[2] for id_ in self.world.timers} == {run.run_id}
            assert run.outcome is None

    def teardown(self) -> None:
        self.world.passes(len(self.asked) * 4 * 3600 + 3600)
        world = self.world
        assert world.active is None
        assert world.course.queue == ()
        assert world.timers == {}
        for run_id in self.asked:
            assert len(world.ends(run_id)) == 1, "each run ends exactly once"
            assert world.view(run_id).outcome == world.ends(run_id)[0].outcome
            mine = [emit for emit in world.emitted if run_of(emit) == run_id and not _refusal(emit)]
            assert isinstance(mine[-1].event, DeploymentFinished), "nothing is said or sent after the end"
            aborts = [emit for emit in mine if isinstance(emit.event, VerbAnswered)]
            assert len(aborts) <= 1, "what ends already is not aborted"
            rollbacks = {emit.id for emit in mine if isinstance(emit.event, RollBack)}
            assert len(rollbacks) <= 1
            started = [emit.event.phase for emit in mine if isinstance(emit.event, PhaseStarted)]
            finished = [emit.event.phase for emit in mine if isinstance(emit.event, PhaseFinished)]
            assert started == finished, "each phase that started has finished, in order, once"
            assert sum(isinstance(emit.event, DeploymentStarted) for emit in mine) <= 1
        said = [emit for emit in world.emitted if entry_of(type(emit.event)).topic not in COMMAND_TOPICS]
        assert len({emit.id for emit in said}) == len(said), "every fact is told once"


Courses.TestCase.settings = settings(
    max_examples=150,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestCourses = Courses.TestCase
