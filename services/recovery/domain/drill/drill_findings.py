"""What a drill has shown, in sentences."""

from collections.abc import Sequence

from contracts.rollout_pace import RolloutPace, duration
from services.recovery.domain.drill.drill import PROMISED, Drill, PastDrill


def exact(seconds: float) -> str:
    """Return measured seconds as a person says them: ``45 s``, ``4 min 10 s``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def costs(pace: RolloutPace) -> str:
    """Return which setting costs how much of a rollout, the dearest first; empty where nothing does."""
    times = f"{pace.batches} times, since {pace.minimum_percent:g} and {pace.maximum_percent:g} % replace {pace.batch}"
    each = f" ({times} of {pace.tasks} tasks at a time)" if pace.batches > 1 else ""
    parts = {
        f"starting tasks{each}": pace.start * pace.batches,
        f"the health check grace period{each}": min(pace.grace, pace.per_batch) * pace.batches,
        f"interval and threshold of health checks{each}": pace.registration * pace.batches,
        f"deregistration delay and stopTimeout, {pace.drains} times": pace.draining * pace.drains,
        "the bake time": pace.bake,
    }
    dearest = sorted(((seconds, name) for name, seconds in parts.items() if seconds >= 1), reverse=True)
    return ", ".join(f"{name} {duration(seconds)}" for seconds, name in dearest)


def measured_sentence(drill: Drill) -> str:
    """Return what a drill that is over has measured. ``drill`` has served."""
    rto = drill.rto_seconds or 0.0
    promised = PROMISED[drill.plan]
    beyond = "within" if rto <= promised else "longer than"
    took = f"It took {exact(rto)} until every task served, {beyond} the {duration(promised)} of the plan"
    if drill.rpo_seconds is None:
        return f"{took}; how much configuration would be lost is not known, since no good snapshot was compared."
    if drill.rpo_seconds == 0:
        return f"{took}; no configuration would be lost."
    return f"{took}; configuration of the last {duration(drill.rpo_seconds)} would be lost."


def slowness(drill: Drill, past: Sequence[PastDrill]) -> str:
    """Return that the plan takes longer than promised, and why; empty where it does not, or where that was told.

    It was told where the last drill of the plan that was measured was too slow as well.
    """
    rto = drill.rto_seconds
    if rto is None or rto <= PROMISED[drill.plan]:
        return ""
    last = next((known for known in reversed(past) if known.plan == drill.plan and known.result == "measured"), None)
    if last is not None and last.slow:
        return ""
    found = f"The plan {drill.plan} takes {exact(rto)}, longer than the {duration(PROMISED[drill.plan])} that it has"
    why = costs(drill.pace) if drill.pace is not None else ""
    return f"{found}; expected by its settings: {why}." if why else f"{found}."
