"""Until when a watch waits: what moves extends it, and silence ends it (ADR 23)."""

from contracts.rollout_pace import RolloutPace, duration
from services.health.domain.observed import Service
from services.health.domain.watch.gates import healthy_targets
from services.health.domain.watch.memory import Expected, Memory, Observed


def note_progress(memory: Memory, observed: Observed, service: Service, now: float) -> Memory:
    """Return what is known of the rollout's progress after a look.

    Only what stands further than ever before is progress: tasks that start and stop again are none.
    """
    wanted = max(memory.wanted, service.desired)
    standing = _standing(memory, observed, service)
    if standing is None or (memory.standing is not None and standing <= memory.standing):
        return memory.replace(wanted=wanted)
    return memory.replace(wanted=wanted, standing=standing, moved_at=now)


def _standing(memory: Memory, observed: Observed, service: Service) -> int | None:
    """Return how far the rollout has come: it grows with each task and target of it, and each other that stops.

    None while the deployment is not listed.
    """
    ours = service.deployment(memory.deployment_id)
    if ours is None:
        return None
    targets = observed.targets if isinstance(observed.targets, tuple) else ()
    return ours.running + healthy_targets(targets, service, memory) - service.others(ours.id)


def pace_of(expected: Expected, memory: Memory) -> RolloutPace | None:
    """Return the pace of the service with as many tasks as it has wanted at most; None where the time is fixed."""
    return expected.pace.grown(memory.wanted) if expected.pace else None


def deadline_of(expected: Expected, memory: Memory) -> float:
    """Return until when the deployment is waited for (product time, epoch seconds)."""
    pace = pace_of(expected, memory)
    if pace is None or memory.moved_at is None:
        return expected.deadline
    moving = min(memory.moved_at + pace.silence, memory.began_at + pace.longest)
    return max(expected.deadline, moving)


def why_over(expected: Expected, memory: Memory, now: float) -> str:
    """Return why the deployment is not waited for any longer, as the beginning of a sentence."""
    pace = pace_of(expected, memory)
    if pace is None or memory.moved_at is None:
        return "The time for the rollout is over"
    if now - memory.moved_at >= pace.silence:
        return f"Nothing of the rollout has moved for {duration(now - memory.moved_at)}; {pace.sentence}"
    return f"The rollout is not over {duration(now - memory.began_at)} after it began; {pace.sentence}"
