"""Bus in, bus out: each command becomes a job or an answer, and each job ends in the answer of its command."""

import structlog

from contracts.base import Target, caused_id
from contracts.deployment import Cause
from contracts.envelope import Meta
from contracts.gates import Gate
from contracts.health import StartHealthChecks, WatchDeployment
from contracts.policy import Health
from contracts.recovery import RollbackStarted
from services._chassis.clock import Clock
from services._chassis.commands import Command
from services._chassis.jobs import FailedJob
from services._chassis.policies import Policies
from services._chassis.transition import Decision, Emit, Job, Timer, Transition
from services.health.domain.continuous import Checking, checks_key
from services.health.domain.waiting import Waiting, watch_key
from services.health.jobs.check import CHECK
from services.health.jobs.watch import WATCH

log = structlog.get_logger()


async def watch_deployment(command: WatchDeployment, meta: Meta) -> Transition:
    """Begin a watch, unless its run is being rolled back already."""

    def decide(state: bytes | None) -> Decision:
        waiting = Waiting.from_bytes(state)
        if waiting.rolled_back == command.run_id:
            return Decision(emit=(_rolled_back(Command.of(command, meta)),))
        job = Command.of(command, meta).job(WATCH, command.model_dump_json().encode())
        return Decision(state=waiting.begins(command.run_id, meta.id).to_bytes(), jobs=(job,), expires=True)

    return Transition(watch_key(command.target), decide)


async def rollback_started(event: RollbackStarted, _meta: Meta) -> Transition | None:
    """End the watch of the run that is rolled back: the deployment that it waits for will not become healthy."""
    run_id = event.run_id
    if run_id is None:
        return None

    def decide(state: bytes | None) -> Decision:
        waiting = Waiting.from_bytes(state)
        after = waiting.rolls_back(run_id).to_bytes()
        command_id = waiting.commands.get(run_id)
        if command_id is None:
            return Decision(state=after, expires=True)
        answer = _rolled_back(Command.to(WatchDeployment, event.target, run_id, command_id))
        return Decision(state=after, emit=(answer,), cancel_jobs=(command_id,), expires=True)

    return Transition(watch_key(event.target), decide)


def watch_failed(job: FailedJob) -> Transition:
    """Forget the command, which the executor has answered, so that a rollback of its run does not answer it again."""
    command = WatchDeployment.model_validate_json(job.payload)

    def decide(state: bytes | None) -> Decision:
        return Decision(state=Waiting.from_bytes(state).ends(command.run_id).to_bytes(), expires=True)

    return Transition(watch_key(command.target), decide)


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

    return Transition(checks_key(command.target), decide)


async def check_due(timer: Timer, *, clock: Clock, policies: Policies) -> Transition:
    """Begin a look, unless the last one has not ended yet, and set the next timer by the interval in force now."""
    target = Target.parse(timer.payload.decode())
    interval, allowed = _interval(target, policies)

    def decide(state: bytes | None) -> Decision:
        checking, now = Checking.from_bytes(state), clock.now()
        if not checking.enabled:
            return Decision()
        again = (_timer(target, now + interval),)
        if not allowed or not checking.may_look(now, interval):
            return Decision(timers=again)
        look = Job(caused_id(timer.id, repr(timer.due)), CHECK, timer.payload)
        return Decision(state=checking.looks(now).to_bytes(), timers=again, jobs=(look,))

    return Transition(checks_key(target), decide)


def _interval(target: Target, policies: Policies) -> tuple[float, bool]:
    """Return the product seconds between two looks, and whether the policy allows them."""
    try:
        return policies.of(target).health.interval_seconds, True
    except LookupError as error:
        log.info("a service is not checked", target=str(target), why=str(error))
        return Health().interval_seconds, False


def _timer(target: Target, due: float) -> Timer:
    return Timer(f"check:{target}", "check", due, str(target).encode())
