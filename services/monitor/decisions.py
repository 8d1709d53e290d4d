"""What handlers and jobs decide alike: when to look again, and how commands are answered. No I/O in here."""

from collections.abc import Collection, Mapping

from contracts.audit import Act
from contracts.base import Target, caused_id
from contracts.deployment import Cause
from contracts.gates import Gate, Verdict
from contracts.monitor import EvaluateRules
from contracts.policy_parts import MonitoringPolicy
from contracts.results import MonitoringOutput
from services._aws.errors import AwsError
from services._chassis.audit.acts import Audited
from services._chassis.commands import Command
from services._chassis.transition import Decision, Emit, Timer
from services.monitor.domain.alerts import Alert
from services.monitor.domain.answers import cause_of_silence, summary
from services.monitor.domain.look import Look
from services.monitor.domain.pending import PendingEvaluation
from services.monitor.domain.watch import Watch
from services.monitor.ports import NotFound

COLLECT = "collect"
SHOW = "show-policy"
"""The kinds of the jobs that decisions begin; each begins with a timer of the same kind."""
AGAIN_SECONDS = 1.0
"""Product seconds until the next look where a run has begun while the metrics were read."""
UNGOVERNED_SECONDS = 60.0
"""Product seconds until the next look at a target on which the policy lets nobody act at present."""


def look_at(target: Target, due: float) -> Timer:
    """Return the timer of the next look at a target; there is one."""
    return Timer(look_id(target), COLLECT, due, str(target).encode())


def look_id(target: Target) -> str:
    return f"collect:{target}"


def show_at(target: Target, due: float) -> Timer:
    """Return the timer at which a target's alarms and dashboard go on being written; there is one."""
    return Timer(show_id(target), SHOW, due, str(target).encode())


def show_id(target: Target) -> str:
    return f"show:{target}"


def deadline(command_id: str, target: Target, due: float) -> Timer:
    """Return the timer of the look at which an evaluation is answered, whatever is known by then."""
    return Timer(deadline_id(command_id), COLLECT, due, str(target).encode())


def deadline_id(command_id: str) -> str:
    return f"deadline:{command_id}"


def evaluation(watch: Watch, waiting: PendingEvaluation, in_force: MonitoringPolicy | None) -> Command:
    """Return the command of an evaluation that waits."""
    policy = watch.policy_of(waiting.run_id, in_force)
    digest = policy.digest if policy else ""
    return Command.to(EvaluateRules, watch.target, waiting.run_id, waiting.command_id, digest)


def from_gates(command: Command, gates: tuple[Gate, ...], output: MonitoringOutput | None = None) -> Emit:
    return command.from_gates(gates, summary(gates), inconclusive=Cause.GATE, output=output)


def set_up_act(id_: str, target: Target, text: str, verdict: Verdict) -> Audited:
    """Return what the audit records of what was written at CloudWatch for no command of a run."""
    return Audited(Act.MONITORING_SET_UP, id_, target, why=text, outcome=verdict)


def run_is_over(command: Command) -> Emit:
    return command.inconclusive("The run is over, or is being rolled back: its evidence is not needed.", Cause.REFUSED)


def refused_by_policy(command: Command, error: LookupError) -> Emit:
    """Answer that the policy in force lets nobody act on the service, so that no evidence will come."""
    return command.inconclusive(f"{error}.", Cause.REFUSED)


def not_reached(command: Command, error: NotFound | AwsError) -> Emit:
    """Answer that there is no such service (fail), or that AWS could not be asked (inconclusive)."""
    if isinstance(error, NotFound):
        return command.failed(str(error), Cause.USAGE)
    return command.inconclusive(str(error), Cause.ERROR)


def looked(
    watch: Watch,
    looks: Mapping[MonitoringPolicy, Look],
    in_force: MonitoringPolicy | None,
    known: Collection[str],
    now: float,
    *,
    gone: bool = False,
) -> Decision:
    """Return what follows from the looks at a target, one by each policy.

    ``known`` are the evaluations that were known when the metrics were read; one that has come since waits for the
    next look. So does everything where a run with another policy has begun since. ``gone`` says that there is no such
    service any more.
    """
    policy = watch.governing(in_force, now)
    look = looks.get(policy) if policy else None
    if gone:
        watch, alerts = watch.stopped(policy.digest if policy else "")
    else:
        watch, alerts = watch.with_look(look) if look else (watch, ())
    answers: dict[str, Emit] = {}
    for waiting in watch.pending:
        held = watch.policy_of(waiting.run_id, in_force)
        if held is None:
            refusal = LookupError(f"The policy in force lets nobody act on {watch.target}")
            answers[waiting.command_id] = refused_by_policy(evaluation(watch, waiting, None), refusal)
            continue
        of_run = looks.get(held) if waiting.command_id in known else None
        if of_run and (gates := of_run.judge(waiting, watch.collected_at)) is not None:
            answers[waiting.command_id] = evaluation(watch, waiting, in_force).from_gates(
                gates, summary(gates), inconclusive=cause_of_silence(gates, of_run.troubles)
            )
    watch = watch.answered(set(answers))
    shows = None if watch.showing else watch.should_show(in_force, now)
    watch = watch.replace(showing=shows) if shows else watch
    next_look = (look_at(watch.target, now + _pause(watch, look, in_force, now)),) if watch.wanted(now) else ()
    return Decision(
        watch.to_bytes(),
        emit=(*map(_published, alerts), *answers.values()),
        timers=(*next_look, *((show_at(watch.target, now),) if shows else ())),
        cancel_timers=(*map(deadline_id, answers), *(() if next_look else (look_id(watch.target),))),
    )


def _published(alert: Alert) -> Emit:
    """Return the alert with its id; that which is raised again, for another window, is another event."""
    window = alert.window_from.isoformat() if alert.window_from else ""
    return Emit(alert, caused_id(alert.alert_id, ":".join(filter(None, (alert.state, window)))))


def _pause(watch: Watch, look: Look | None, in_force: MonitoringPolicy | None, now: float) -> float:
    """Return the product seconds until the next look."""
    policy = watch.governing(in_force, now)
    if policy is None:
        return UNGOVERNED_SECONDS
    if look is None:
        return AGAIN_SECONDS
    monitoring = policy.monitoring
    return monitoring.close_interval_seconds if watch.wanted_closely(now) else monitoring.interval_seconds
