"""Bus in, bus out: each command becomes a job or an answer, and each job ends in the answer of its command."""

import structlog

from contracts.base import Target, caused_id
from contracts.deployment import Cause
from contracts.envelope import Meta
from contracts.gates import Gate, Verdict
from contracts.health import AssessHealth, CheckFailed, HealthScored, StartHealthChecks, WatchDeployment
from contracts.recovery import RollbackStarted
from services._aws.errors import AwsError
from services._chassis.clock import Clock
from services._chassis.commands import Command
from services._chassis.jobs import FailedJob, Running
from services._chassis.transition import Decision, Emit, Job, Timer, Transition, decided
from services.health.domain.checks import Check, Finding, Limits, checks
from services.health.domain.continuous import Checking
from services.health.domain.score import Score, score
from services.health.domain.waiting import Waiting
from services.health.domain.watch import (
    Expected,
    Failed,
    Healthy,
    Judgement,
    Memory,
    Observed,
    Unknown,
    Watching,
    judge,
    remember,
)
from services.health.ports import Examiner, Observer

WATCH_SECONDS = 5.0
"""Product seconds between two looks at a deployment."""

log = structlog.get_logger()


async def assess_health(command: AssessHealth, meta: Meta) -> Transition:
    return decided(jobs=(Command.of(command, meta).job("assess", command.model_dump_json().encode()),))


async def assess(running: Running, *, examiner: Examiner, limits: Limits) -> Transition:
    """Job: score the service once."""
    command = AssessHealth.model_validate_json(running.payload)
    evidence = await examiner.examine(command.target)
    found = checks(evidence, limits)
    total = score(found)
    seen = sum(check.finding is not Finding.UNKNOWN for check in found)
    gate = Gate.between(
        "health_score", total.low, total.high, command.minimum_score, samples=seen, detail=_told(total, found)
    )
    answer = Command.of(command, running).from_gates((gate,), f"The health score is {gate.detail}.")
    return decided(Emit(_scored(command.target, total), caused_id(running.id, "scored")), answer)


async def watch_deployment(command: WatchDeployment, meta: Meta) -> Transition:
    """Begin a watch, unless its run is being rolled back already."""

    def decide(state: bytes | None) -> Decision:
        waiting = Waiting.from_bytes(state)
        if waiting.rolled_back == command.run_id:
            return Decision(emit=(_rolled_back(Command.of(command, meta)),))
        job = Command.of(command, meta).job("watch", command.model_dump_json().encode())
        return Decision(state=waiting.begins(command.run_id, meta.id).to_bytes(), jobs=(job,))

    return Transition(_watch_key(command.target), decide)


async def rollback_started(event: RollbackStarted, _meta: Meta) -> Transition | None:
    """End the watch of the run that is rolled back: what it waits for will not come."""
    run_id = event.run_id
    if run_id is None:
        return None

    def decide(state: bytes | None) -> Decision:
        waiting = Waiting.from_bytes(state)
        after = waiting.rolls_back(run_id).to_bytes()
        command_id = waiting.commands.get(run_id)
        if command_id is None:
            return Decision(state=after)
        answer = _rolled_back(Command.to(WatchDeployment, event.target, run_id, command_id))
        return Decision(state=after, emit=(answer,), cancel_jobs=(command_id,))

    return Transition(_watch_key(event.target), decide)


async def watch(running: Running, *, observer: Observer, clock: Clock) -> Transition:
    """Job: look every ``WATCH_SECONDS`` until there is a judgement."""
    command = WatchDeployment.model_validate_json(running.payload)
    expected = Expected(command.deployment_id, command.task_definition, command.deadline.timestamp())
    memory = Memory.from_bytes(running.saved, began_at=clock.now())
    while True:
        observed = await _look(observer, command.target, memory, clock)
        now = clock.now()
        if observed is not None:
            memory = remember(memory, observed, expected, now)
        judgement = judge(observed, expected, memory, now)
        if not isinstance(judgement, Watching):
            return _watched(Command.of(command, running), judgement)
        if judgement.message != memory.message:
            memory = memory.tells(judgement.message)
            await running.emit(Command.of(command, running).progressed(memory.message, str(memory.told)))
        await running.checkpoint(memory.to_bytes())
        await clock.sleep(min(WATCH_SECONDS, max(0.0, expected.deadline - now)))


def watch_failed(job: FailedJob) -> Transition:
    """The executor has answered the command: a rollback of its run need not."""
    command = WatchDeployment.model_validate_json(job.payload)

    def decide(state: bytes | None) -> Decision:
        return Decision(state=Waiting.from_bytes(state).ends(command.run_id).to_bytes())

    return Transition(_watch_key(command.target), decide)


async def _look(observer: Observer, target: Target, memory: Memory, clock: Clock) -> Observed | None:
    try:
        return await observer.observe(target, memory, clock.now())
    except AwsError as error:
        log.warning("AWS could not be asked", target=str(target), why=str(error))
        return None


def _watched(command: Command, judgement: Healthy | Failed | Unknown) -> Transition:
    """End a watch; nothing is published when a rollback has answered for it meanwhile."""
    cause = None if isinstance(judgement, Healthy) else judgement.cause
    answer = command.answer(_verdict(judgement), judgement.detail, judgement.gates, cause)

    def decide(state: bytes | None) -> Decision:
        waiting = Waiting.from_bytes(state)
        if waiting.commands.get(command.run_id) != command.id:
            return Decision()
        return Decision(state=waiting.ends(command.run_id).to_bytes(), emit=(answer,))

    return Transition(_watch_key(command.target), decide)


def _verdict(judgement: Judgement) -> Verdict:
    match judgement:
        case Healthy():
            return Verdict.PASS
        case Failed():
            return Verdict.FAIL
        case _:
            return Verdict.INCONCLUSIVE


def _rolled_back(command: Command) -> Emit:
    return command.inconclusive("The watch ended: a rollback of this deployment has begun.", Cause.SUPERSEDED)


async def start_health_checks(command: StartHealthChecks, meta: Meta, *, clock: Clock) -> Transition:
    """Answer at once; the first check is due now."""
    answer = Command.of(command, meta).passed(
        "The target is checked continuously from now on.", Gate.true("health_checks_enabled", True)
    )

    def decide(state: bytes | None) -> Decision:
        return Decision(
            state=Checking.from_bytes(state).starts().to_bytes(),
            timers=(_timer(command.target, clock.now()),),
            emit=(answer,),
        )

    return Transition(_checks_key(command.target), decide)


async def check_due(timer: Timer, *, clock: Clock, interval: float) -> Transition:
    """Timer: begin one look and set the timer for the next; a look under way is waited for."""
    target = Target.parse(timer.payload.decode())

    def decide(state: bytes | None) -> Decision:
        checking, now = Checking.from_bytes(state), clock.now()
        if not checking.enabled:
            return Decision()
        again = (_timer(target, now + interval),)
        if not checking.may_look(now, interval):
            return Decision(timers=again)
        look = Job(caused_id(timer.id, repr(timer.due)), "check", timer.payload)
        return Decision(state=checking.looks(now).to_bytes(), timers=again, jobs=(look,))

    return Transition(_checks_key(target), decide)


async def check(running: Running, *, examiner: Examiner, limits: Limits) -> Transition:
    """Job: one look, and what is worth telling of it."""
    target = Target.parse(running.payload.decode())
    evidence = await examiner.examine(target)
    found = checks(evidence, limits)
    total = score(found)

    def decide(state: bytes | None) -> Decision:
        before = Checking.from_bytes(state)
        failed = [
            Emit(_failed(target, one), caused_id(running.id, f"failed:{one.name}")) for one in before.turned_bad(found)
        ]
        scored = [Emit(_scored(target, total), caused_id(running.id, "scored"))] if before.differs(total) else []
        after = before.after(total, found, exists=evidence.service is not None)
        return Decision(state=after.to_bytes(), emit=(*scored, *failed))

    return Transition(_checks_key(target), decide)


def _told(total: Score, found: tuple[Check, ...]) -> str:
    """``between 55 and 60 (tasks: 1 of 3 tasks running)``: the score and what is wrong or unknown."""
    wrong = "; ".join(f"{one.name}: {one.detail}" for one in found if one.finding is not Finding.GOOD)
    ends = f"{total.low:g}" if total.low == total.high else f"between {total.low:g} and {total.high:g}"
    return f"{ends} ({wrong})" if wrong else ends


def _scored(target: Target, total: Score) -> HealthScored:
    return HealthScored(target=target, low=total.low, high=total.high, rating=total.rating, levels=total.levels)


def _failed(target: Target, one: Check) -> CheckFailed:
    return CheckFailed(target=target, check=one.name, level=one.level, critical=one.critical, detail=one.detail)


def _timer(target: Target, due: float) -> Timer:
    return Timer(f"check:{target}", "check", due, str(target).encode())


def _watch_key(target: Target) -> str:
    return f"watch:{target}"


def _checks_key(target: Target) -> str:
    return f"checks:{target}"
