"""A target's course with everything around it: time, timers, and services that answer when they are told to.

It drives ``turn``, the same pure function that the handlers hand to the store, and applies each decision as the
store does.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar

from contracts import deployment
from contracts.base import Event, Target
from contracts.catalogue import entry_of
from contracts.deployment import (
    Cause,
    Change,
    DeploymentFinished,
    DeployRequested,
    GateEvaluated,
    ImageChange,
    Phase,
    PhaseFinished,
    PhaseProgressed,
    Rollback,
)
from contracts.gates import Gate, Verdict
from contracts.policy import ServicePolicy
from contracts.recovery import Arm, RollbackFinished, RollbackStarted
from contracts.results import (
    ArmedOutput,
    ChangeOutput,
    DisarmOutput,
    MonitoringOutput,
    Output,
    PreflightOutput,
    ProbesOutput,
    SnapshotOutput,
    StepFinished,
    StepProgressed,
)
from contracts.run_verbs import Verb, VerbAnswered
from contracts.topics import COMMAND_TOPICS
from services._chassis.transition import Decision, Emit, Timer
from services.orchestrator.decisions import turn
from services.orchestrator.domain.course import Course, course_key
from services.orchestrator.domain.decide import Input, TimerFired
from services.orchestrator.domain.policy import Policy
from services.orchestrator.domain.requests import request_of
from services.orchestrator.domain.run import Run
from services.orchestrator.domain.verbs import VerbAsked
from services.orchestrator.domain.view import RunView
from tests.kit import FakeClock, FakePolicies, FakeStore

TARGET = Target(account="123456789012", region="eu-central-1", cluster="shop", service="web")
SERVICE_POLICY = ServicePolicy(target=TARGET, digest="d" * 64)
POLICY = Policy.of(SERVICE_POLICY, progress_every=300)
START = 1_764_000_000.0
COURSE = course_key(TARGET)
SNAPSHOT = "snapshot-1"
IMAGE = ImageChange(reference="shop/web:2")
RESOLVED = {"web": "shop/web@sha256:" + "2" * 64}

OneEvent = TypeVar("OneEvent", bound=Event)


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def asked(change: Change = IMAGE, **fields: Any) -> DeployRequested:
    return DeployRequested(**{"target": TARGET, "change": change, "actor": "ada", **fields})


def run_id_of(request: str) -> str:
    return deployment.run_id_of(TARGET, "ci", request)


def run_of(emit: Emit) -> str:
    """Return the run that something was said or sent for."""
    return str(getattr(emit.event, "run_id", None))


class FixedPolicies(FakePolicies):
    """One policy for every service of the tests' account and region, and none for others."""

    def __init__(self, policy: ServicePolicy = SERVICE_POLICY) -> None:
        super().__init__(policy)
        self.policy = policy

    def of(self, target: Target) -> ServicePolicy:
        if (target.account, target.region) != (TARGET.account, TARGET.region):
            raise LookupError(f"{target} is not listed in the policy")
        return self.policy.model_copy(update={"target": target})

    def named(self, cluster: str, service: str, account: str | None = None, region: str | None = None) -> Target:
        return super().named(cluster, service, account or TARGET.account, region or TARGET.region)

    def find(self, cluster: str, service: str, account: str | None = None, region: str | None = None) -> Target:
        return self.named(cluster, service, account, region)


class World(FakeStore):
    """One target, and the store of its course. ``sent`` and ``told`` are all commands and all other events so far."""

    def __init__(self, policy: Policy = POLICY) -> None:
        super().__init__()
        self.policy = policy
        self.clock = FakeClock(START)

    @property
    def state(self) -> bytes | None:
        return self.states.get(COURSE)

    @state.setter
    def state(self, state: bytes) -> None:
        self.states[COURSE] = state

    @property
    def now(self) -> float:
        return self.clock.time

    @now.setter
    def now(self, seconds: float) -> None:
        self.clock.time = seconds

    # in

    def happens(self, event: Input, firing: Timer | None = None) -> Decision:
        decision = turn(self.state, TARGET, event, self.policy, self.now, at(self.now))
        again = turn(self.state, TARGET, event, self.policy, self.now, at(self.now))
        assert again == decision, "the same decision on the same state"
        if firing is not None:
            self.timers.pop(firing.id, None)
        self.follow(COURSE, decision)
        return decision

    def request(
        self,
        id_: str = "1",
        event: DeployRequested | None = None,
        time: float | None = None,
        *,
        by_ci: bool = True,
    ) -> str:
        asked_at = self.now if time is None else time
        request = request_of(event or asked(), run_id_of(id_), asked_at, by_ci=by_ci)
        self.happens(request)
        return request.run_id

    def answer(
        self,
        step: str,
        verdict: Verdict = Verdict.PASS,
        *,
        cause: Cause | None = None,
        gates: Iterable[Gate] = (),
        output: Output | None = None,
        summary: str = "Done.",
        command: Emit | None = None,
    ) -> Decision:
        """Answer the last command of this name, by default as a service does that is content."""
        emit = command or self.last(step)
        if output is None and verdict is Verdict.PASS:
            output = self.usual_output(step)
        return self.happens(
            StepFinished(
                target=TARGET,
                run_id=run_of(emit),
                command_id=emit.id,
                step=step,
                verdict=verdict,
                gates=tuple(gates),
                cause=cause,
                summary=summary,
                output=output,
            )
        )

    def answer_others(self, *but: str) -> None:
        """Answer what the phase has asked for by now and nobody has answered, except the steps named in ``but``."""
        for step in self.run.open_steps:
            if step.answer is None and step.name not in but:
                self.answer(step.name)

    def usual_output(self, step: str) -> Output | None:
        outputs: dict[str, Output] = {
            "capture-snapshot": SnapshotOutput(snapshot_id=SNAPSHOT),
            "run-preflight": PreflightOutput(images=RESOLVED),
            "arm": ArmedOutput(expires_at=self._armed_until, snapshot_id=SNAPSHOT),
            "apply-change": ChangeOutput(deployment_id="ecs-svc/1", task_definition="web:2", applied_at=at(self.now)),
            "validate-deployment": ProbesOutput(requests=20, failures=0, p95_seconds=0.1),
            "set-up-monitoring": MonitoringOutput(dashboard="web", alarms=("web-errors",)),
            "disarm": DisarmOutput(answer="disarmed"),
        }
        return outputs.get(step)

    @property
    def _armed_until(self) -> datetime:
        """Return when the arm expires that was asked for last."""
        arms = [emit.event for emit in self.sent if isinstance(emit.event, Arm)]
        return arms[-1].expires_at if arms else at(START)

    def progresses(self, step: str, message: str, silent_for: float | None = None) -> Decision:
        emit = self.last(step)
        return self.happens(
            StepProgressed(
                target=TARGET,
                run_id=run_of(emit),
                command_id=emit.id,
                step=step,
                message=message,
                silent_until=None if silent_for is None else at(self.now + silent_for),
            )
        )

    def rollback_progresses(self, run_id: str, message: str, silent_for: float | None = None) -> Decision:
        """Report a rollback's progress as recovery does: under the rollback's own id."""
        until = None if silent_for is None else at(self.now + silent_for)
        event = StepProgressed(
            target=TARGET,
            run_id=run_id,
            command_id=f"rollback:{run_id}",
            step="roll-back",
            message=message,
            silent_until=until,
        )
        return self.happens(event)

    def abort(self, run_id: str, reason: str = "") -> Decision:
        asked = VerbAsked(f"abort-{len(self.told(VerbAnswered))}", TARGET, run_id, Verb.ABORT, "bob", reason, self.now)
        return self.happens(asked)

    def rollback_starts(self, run_id: str | None, trigger: str = "error_rate", detail: str = "") -> Decision:
        return self.happens(
            RollbackStarted(
                target=TARGET,
                run_id=run_id,
                rollback_id=f"rb-{run_id}",
                trigger=trigger,
                snapshot_id=SNAPSHOT,
                detail=detail,
            )
        )

    def rollback_ends(self, run_id: str | None, result: Any = "restored", *, untouched: bool = False) -> Decision:
        rollback = Rollback(trigger="error_rate", by="surefoot", snapshot_id=SNAPSHOT, seconds=42)
        return self.happens(
            RollbackFinished(
                target=TARGET,
                run_id=run_id,
                rollback_id=f"rb-{run_id}",
                result=result,
                rollback=rollback,
                detail=f"Recovery says {result}.",
                untouched=untouched,
            )
        )

    def fire(self, timer: Timer) -> Decision:
        return self.happens(TimerFired(timer.id.partition(":")[2]), firing=timer)

    def passes(self, seconds: float) -> None:
        """Let time pass; every timer fires when it is due."""
        end = self.now + seconds
        for _ in range(100_000):
            due = min(self.timers.values(), key=lambda timer: timer.due, default=None)
            if due is None or due.due > end:
                self.now = end
                return
            self.now = max(self.now, due.due)
            self.fire(due)
        raise AssertionError("timers fire without an end")

    # the happy course

    def through(self, phase: Phase) -> None:
        """Answer everything that is asked, in the order in which it was sent, until ``phase`` is over."""
        order = tuple(Phase)
        while (stage := self.run.stage) is not None and order.index(stage.phase) <= order.index(phase):
            self.now += 1
            self.answer(next(step.name for step in stage.steps if step.answer is None))

    def to_the_end(self) -> DeploymentFinished:
        self.through(Phase.BAKING)
        self.answer("disarm")
        return self.end

    # out

    @property
    def course(self) -> Course:
        return Course.from_bytes(self.state)

    @property
    def active(self) -> Run | None:
        return self.course.active

    @property
    def run(self) -> Run:
        assert self.active is not None
        return self.active

    @property
    def sent(self) -> list[Emit]:
        return [emit for emit in self.emitted if entry_of(type(emit.event)).topic in COMMAND_TOPICS]

    def names(self) -> list[str]:
        """The names of all commands, without repetitions of the same command."""
        return [entry_of(type(event)).name for event in {emit.id: emit.event for emit in self.sent}.values()]

    def last(self, step: str) -> Emit:
        return next(emit for emit in reversed(self.sent) if entry_of(type(emit.event)).name == step)

    def told(self, kind: type[OneEvent]) -> list[OneEvent]:
        return [emit.event for emit in self.emitted if isinstance(emit.event, kind)]

    def ends(self, run_id: str) -> list[DeploymentFinished]:
        return [end for end in self.told(DeploymentFinished) if end.run_id == run_id]

    @property
    def end(self) -> DeploymentFinished:
        """The last end; the only one of its run."""
        end = self.told(DeploymentFinished)[-1]
        assert len(self.ends(end.run_id)) == 1
        return end

    def verdicts(self) -> dict[Phase, Verdict]:
        return {event.phase: event.verdict for event in self.told(PhaseFinished)}

    def gates(self) -> dict[str, Gate]:
        return {event.gate.name: event.gate for event in self.told(GateEvaluated)}

    def messages(self) -> list[str]:
        return [event.message for event in self.told(PhaseProgressed)]

    def view(self, run_id: str) -> RunView:
        return RunView.model_validate_json(self.records[f"run:{run_id}"])
