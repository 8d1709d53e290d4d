"""The orchestrator's decision, for any sequence of inputs: it never fails, and an ended run stays ended."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import hypothesis.strategies as st
from hypothesis import given

from contracts.deployment import (
    Cause,
    CheckUp,
    DeploymentConfig,
    DeploymentFinished,
    DeployRequested,
    ImageChange,
    Observe,
    Rollback,
    run_id_of,
)
from contracts.envelope import Meta
from contracts.gates import Gate, Verdict
from contracts.monitor import CriticalAlert
from contracts.persons import person_of
from contracts.policy import ServicePolicy
from contracts.policy_holds import Approval, Pause
from contracts.recovery import RollbackFinished, RollbackStarted
from contracts.results import (
    ArmedOutput,
    ChangeOutput,
    DisarmOutput,
    PreflightOutput,
    SnapshotOutput,
    StepFinished,
    StepProgressed,
)
from contracts.rollout_pace import RolloutPace
from contracts.run_verbs import ApprovalGate, Verb, VerbAnswered
from sandbox.virtual.redis import MemoryRedis
from services._chassis.clock import Pace
from services._chassis.policies import BuiltInPolicies
from services._chassis.store import Applied, RedisStore
from services.orchestrator.domain.course import Course
from services.orchestrator.domain.decide import Input, TimerFired, decide
from services.orchestrator.domain.effects import Publish
from services.orchestrator.domain.holding import held_until, lacking, why_held
from services.orchestrator.domain.policy import Policy
from services.orchestrator.domain.requests import request_of
from services.orchestrator.domain.run_parts import Request
from services.orchestrator.domain.verbs import VerbAsked
from services.orchestrator.handlers import Handlers
from tests.kit import FakeClock
from tests.properties.profiles import PROFILE
from tests.properties.world import START, TARGET, finished

POLICY = Policy.of(
    ServicePolicy(
        target=TARGET,
        approval_before_change=Approval(needed=2, minutes=20),
        approval_before_success=Approval(needed=1, minutes=20),
        pause=Pause(maximum_minutes=20),
    ),
    progress_every=300,
)
"""Approvals are wanted by every second history (``History.policy``)."""
FREE = Policy.of(ServicePolicy(target=TARGET), progress_every=300)
SHORT = DeploymentConfig(deployment_timeout_minutes=2, validation_timeout_minutes=2, baking_minutes=2)
AT_ITS_PACE = DeploymentConfig(validation_timeout_minutes=2, baking_minutes=2)
SLOW = RolloutPace(tasks=20, maximum_percent=105, draining=330)
RUNS = tuple(run_id_of(TARGET, "ci", id_) for id_ in "ab")
PASSED = [Verdict.PASS] * 4


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


runs = st.sampled_from(RUNS)
outputs: Any = st.one_of(
    st.none(),
    st.just(SnapshotOutput(snapshot_id="s")),
    st.builds(PreflightOutput, images=st.sampled_from([{}, {"web": "shop/web@sha256:2"}])),
    st.just(ArmedOutput(expires_at=at(START + 7200), snapshot_id="s")),
    st.just(ChangeOutput(deployment_id="d", task_definition="t", applied_at=at(START))),
    st.builds(DisarmOutput, answer=st.sampled_from(["disarmed", "rollback-started"])),
)
OUTPUTS: dict[str, Any] = {
    "capture-snapshot": SnapshotOutput(snapshot_id="s"),
    "run-preflight": PreflightOutput(images={"web": "shop/web@sha256:2"}, pace=SLOW),
    "apply-change": ChangeOutput(deployment_id="d", task_definition="t", applied_at=at(START)),
    "disarm": DisarmOutput(answer="disarmed"),
}
gates = st.builds(Gate.true, st.sampled_from(["score", "alarms"]), st.none() | st.booleans())


def _requests(event: DeployRequested, id_: str, lifetime: float) -> Request:
    return request_of(
        event.model_copy(update={"expires_at": at(START + lifetime)}),
        run_id_of(TARGET, "ci", id_),
        START,
        by_ci=True,
    )


requests = st.builds(
    _requests,
    st.builds(
        DeployRequested,
        target=st.just(TARGET),
        change=st.sampled_from([ImageChange(reference="web:2"), Observe(), CheckUp()]),
        actor=st.just("ada"),
        on_conflict=st.sampled_from(["queue", "refuse", "supersede", "supersede"]),
        config=st.sampled_from([SHORT, AT_ITS_PACE, SHORT.model_copy(update={"enable_auto_recovery": False})]),
    ),
    st.sampled_from("ab"),
    st.sampled_from([60.0, 1e6]),
)
KINDS = [*["answers"] * 4, *["verb"] * 3, "progress", "other", "request", "alert", "wake"]
verbs = st.sampled_from([*[Verb.APPROVE] * 3, *Verb])
persons = st.sampled_from(["ada", "bob", "eve", "key:lead for ann", "key:lead for ben"])
others: st.SearchStrategy[Input] = st.one_of(
    st.builds(
        RollbackStarted,
        target=st.just(TARGET),
        run_id=st.none() | runs,
        rollback_id=st.just("r"),
        trigger=st.just("alert"),
        snapshot_id=st.just("s"),
    ),
    st.builds(
        RollbackFinished,
        target=st.just(TARGET),
        run_id=st.none() | runs,
        rollback_id=st.just("r"),
        result=st.sampled_from(["restored", "superseded", "failed"]),
        rollback=st.just(Rollback(trigger="alert", by="surefoot", snapshot_id="s", seconds=4)),
        detail=st.just("Over."),
    ),
)
alert = CriticalAlert(
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


class History:
    """A course, with its inputs and the events that it published."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.course, self.now = Course(), START
        self.published: dict[str, Any] = {}
        self.over: set[str] = set()

    def take(self, event: Input) -> set[str]:
        """Decide on an input; return the ids of the events that are published."""
        self.course, effects = decide(self.course, event, self.policy, self.now)
        assert Course.from_bytes(self.course.to_bytes()) == self.course
        emissions = [effect for effect in effects if isinstance(effect, Publish)]
        for emission in emissions:
            assert self.published.setdefault(emission.id, emission.event) == emission.event, "one id, one content"
        self.over |= {emission.event.run_id for emission in emissions if isinstance(emission.event, DeploymentFinished)}
        return {emission.id for emission in emissions}

    def ask(self, verb: Verb, run_id: str, actor: str, minutes: float | None) -> None:
        """Ask something of a run: there is one answer, and what is not accepted changes nothing."""
        before, number = self.course, len(self.published)
        active = before.active
        plan = active.hold.plan if active is not None and active.hold is not None else ""
        asked = VerbAsked(f"verb-{number}", TARGET, run_id, verb, actor, "", self.now, minutes, plan)
        events = [self.published[id_] for id_ in self.take(asked)]
        (answer,) = (event for event in events if isinstance(event, VerbAnswered))
        assert answer.sentence
        if not answer.accepted:
            assert (len(events), self.course) == (1, before)
        self.check()

    def check(self) -> None:
        """Check what holds of every hold: it has a reason and an end, and one person counts once."""
        run = self.course.active
        if run is None:
            return
        if run.hold is not None:
            assert run.ending is None
            assert run.stage is None
            assert run.pause is not None or lacking(run)
            assert held_until(run) >= run.hold.since
            assert why_held(run)
        for gate in ApprovalGate:
            persons = [person_of(held.actor) for held in run.approvals if held.gate is gate]
            assert len(persons) == len(set(persons))
            assert "ada" not in persons

    def repeat(self, event: Input) -> None:
        """Check that a repeated input publishes nothing new."""
        if isinstance(event, Request) and event.run_id in self.over:
            return  # the handler keeps records of ended runs, and does not let it through
        over_before = set(self.over)
        published = self.take(event)
        if getattr(event, "run_id", None) in over_before:
            assert not published, "what is over stays over"
        course = self.course
        assert self.take(event) <= published
        assert self.course == course


@PROFILE
@given(st.data())
def test_whatever_comes_twice_changes_nothing_the_second_time(data: st.DataObject) -> None:
    history = History(data.draw(st.sampled_from([POLICY, FREE])))
    history.repeat(data.draw(requests))
    for _ in range(data.draw(st.integers(0, 25))):
        kind = data.draw(st.sampled_from(KINDS))
        history.now += data.draw(st.sampled_from([1.0, 1.0, 1.0, 31.0, 700.0]))
        run = history.course.active
        if kind == "answers" and run is not None:
            for step in run.open_steps:
                history.repeat(data.draw(_answer(run.run_id, step.id, step.name)))
        elif kind == "progress" and run is not None:
            for step in run.open_steps:
                history.take(data.draw(_progress(run.run_id, step.id, step.name, history.now)))
            assert history.course.active is not None
            assert history.course.active.deadline == run.deadline, "no progress extends a run"
        elif kind == "verb":
            run_id = run.run_id if run is not None and data.draw(st.booleans()) else data.draw(runs)
            history.ask(data.draw(verbs), run_id, data.draw(persons), data.draw(st.none() | st.just(10.0)))
        elif kind == "request":
            history.repeat(data.draw(requests))
        elif kind == "alert":
            history.take(alert)
        elif kind == "wake":
            history.take(TimerFired(data.draw(runs)))
            history.check()
        else:
            history.repeat(data.draw(others))


def _progress(run_id: str, command_id: str, name: str, now: float) -> st.SearchStrategy[StepProgressed]:
    return st.builds(
        StepProgressed,
        target=st.just(TARGET),
        run_id=st.just(run_id),
        command_id=st.just(command_id),
        step=st.just(name),
        message=st.just("So far."),
        silent_until=st.none() | st.floats(-600, 1e7).map(lambda seconds: at(now + seconds)),
    )


def _answer(run_id: str, command_id: str, name: str) -> st.SearchStrategy[StepFinished]:
    def answer(verdict: Verdict, cause: Cause | None, some: list[Gate], output: Any) -> StepFinished:
        passed = verdict is Verdict.PASS
        return StepFinished(
            target=TARGET,
            run_id=run_id,
            command_id=command_id,
            step=name,
            verdict=verdict,
            gates=() if passed else tuple(some),
            cause=None if passed else cause,
            summary="So it is.",
            output=OUTPUTS.get(name) if passed else output,
        )

    verdicts = st.sampled_from([*PASSED, Verdict.FAIL, Verdict.INCONCLUSIVE])
    return st.builds(answer, verdicts, st.none() | st.sampled_from(Cause), st.lists(gates, max_size=2), outputs)


zones = st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours)))
never = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
moments = st.datetimes(timezones=zones) | st.just(never)


@PROFILE
@given(moments, st.none() | moments, st.sampled_from([1.0, 20.0]))
def test_a_request_of_any_time_is_answered(asked: datetime, expires: datetime | None, rate: float) -> None:
    """Outsiders write what they like, as long as it is a time: "never" is the year 9999 to many."""
    clock = FakeClock(START, Pace(rate, START))
    store = RedisStore(MemoryRedis(clock.now), "orchestrator", clock)
    event = DeployRequested(target=TARGET, change=Observe(), actor="ada", expires_at=expires)
    transition = finished(Handlers(store, clock, BuiltInPolicies(), 300).on_request(event, Meta("1", "ci", asked)))
    assert finished(store.apply(transition, cause="ci#1")).applied is Applied.APPLIED
