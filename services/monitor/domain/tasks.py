"""Do the tasks of the new version stay up? ECS says what became of each, without users and without metrics."""

from math import floor

from contracts.gates import Gate, Verdict
from services.monitor.domain.metrics import MINUTE, StoppedTask
from services.monitor.domain.rollout import Rollout
from services.monitor.domain.watched_service import WatchedService

GATE = "tasks_stay_up"
TOLERATED_SHARE = 0.05
"""Some of many tasks may end for reasons of their hosts: up to this share of the wanted ones fails no deployment."""
SETTLED = 2 * MINUTE
"""For so long the tasks must have stayed up, where users' requests are evidence as well."""
ALONE = 10 * MINUTE
"""For so long they must have stayed up where nothing counts requests, as with a worker; or until the deadline."""
REMEMBERED = 50 * MINUTE
"""ECS forgets a stopped task after an hour or so."""


def stay_up(
    service: WatchedService,
    stopped: tuple[StoppedTask, ...] | None,
    since: float,
    deadline: float,
    now: float,
    *,
    asked_at: float | None = None,
) -> Gate:
    """Judge the tasks of the newest deployment that stopped after ``since``, once it had taken over.

    Until then those who watch the deployment judge its failures. It has taken over by ``asked_at`` at the latest, also
    while old tasks still drain, for which ECS calls it under way. What the version before did as well, in an equal time
    before the deployment, is a finding and fails nothing. ``stopped`` is None where ECS did not list the tasks.
    """
    rollout = service.rollout
    if service.wanted == 0:
        return Gate.does_not_apply(GATE, "the service wants no task")
    if rollout is None:
        return Gate.does_not_apply(GATE, "ECS lists no deployment of this service")
    if stopped is None:
        return _unread(service)
    taken_over = min((known for known in (rollout.settled_at, asked_at) if known is not None), default=since)
    return _judged(service, rollout, stopped, max(since, taken_over), deadline, now)


def _judged(
    service: WatchedService,
    rollout: Rollout,
    stopped: tuple[StoppedTask, ...],
    since: float,
    deadline: float,
    now: float,
) -> Gate:
    ours = [
        task for task in stopped if task.by_itself and task.deployment_id in rollout.ids and task.stopped_at > since
    ]
    tolerated = floor(service.wanted * TOLERATED_SHARE)
    span = min(now - since, REMEMBERED)
    before = sum(
        task.by_itself and _of_version_before(task, rollout) and rollout.began_at - span < task.stopped_at
        for task in stopped
        if task.stopped_at <= rollout.began_at
    )
    which = f" of deployment {rollout.id} since the change"
    if len(ours) > max(tolerated, before):
        count = f"{len(ours)} {'task' if len(ours) == 1 else 'tasks'}{which} ended: {ours[-1].why}"
        return _gate(Verdict.FAIL, len(ours), tolerated, service.wanted, count)
    if len(ours) > tolerated:
        why = f"{len(ours)} tasks{which} ended, and {before} of the version before in an equal time: it is no worse"
        return Gate.does_not_apply(GATE, why).model_copy(update={"found": why})
    due = min(since + (SETTLED if service.balanced else ALONE), deadline)
    if now < due:
        waits = f"looked at for another {due - now:.0f} s"
        return _gate(Verdict.INCONCLUSIVE, len(ours), tolerated, service.wanted, waits, needs=1)
    stayed = f"{service.counted}; {len(ours)}{which} ended by themselves"
    return _gate(Verdict.PASS, len(ours), tolerated, service.wanted, stayed)


def _of_version_before(task: StoppedTask, rollout: Rollout) -> bool:
    """Return whether a task is of the version before; those of a deployment that was rolled back earlier are not."""
    if rollout.earlier or rollout.replaces:
        return task.deployment_id in rollout.ids_before
    return task.deployment_id not in rollout.ids


def _unread(service: WatchedService) -> Gate:
    """What users get decides without it; of a worker it is the evidence."""
    why = "ECS did not list the tasks that have stopped"
    if service.balanced:
        return Gate.does_not_apply(GATE, f"{why}, and users' requests are evidence without it")
    return _gate(Verdict.INCONCLUSIVE, None, 0, 0, why, needs=1)


def _gate(verdict: Verdict, value: int | None, tolerated: int, samples: int, detail: str, needs: int = 0) -> Gate:
    return Gate(
        name=GATE,
        verdict=verdict,
        value=value,
        comparison="<=",
        threshold=tolerated,
        samples=samples,
        needs=needs,
        detail=detail,
    )
