"""Strategies for everything that a rollback may observe, and for everything that it may have started with."""

from hypothesis import strategies as st

from contracts.rollout_pace import LEAST_SILENCE, RolloutPace
from services.recovery.domain.rollback.observed import Observed, Targets
from services.recovery.domain.rollback.roll_back import MOST_RESTORES, Plan
from services.recovery.domain.rollback.stack import GOING_BACK, StackSeen

_SECONDS = st.floats(0, 2 * LEAST_SILENCE)

LOOKS = st.builds(
    Observed,
    now=_SECONDS,
    live=st.sampled_from(["goal", "judged", "foreign"]),
    rollout=st.sampled_from(["IN_PROGRESS", "COMPLETED", "FAILED"]),
    running=st.integers(0, 4),
    desired=st.integers(0, 4),
    targets=st.none() | st.builds(Targets, st.integers(0, 5), st.integers(0, 2), st.integers(0, 3)),
    others=st.integers(0, 3),
    ecs=st.sampled_from(["idle", "rolling-back", "rolled-back"]),
    moved=st.booleans(),
    differs=st.booleans(),
    stack=st.none() | st.builds(StackSeen, st.just("web"), st.sampled_from(["", GOING_BACK, "UPDATE_IN_PROGRESS"])),
)
PLANS = st.builds(
    Plan,
    started_at=st.just(0.0),
    ordered=st.booleans(),
    change=st.sampled_from(["none", "unchanged", "in-flight", "landed"]),
    no_straggler_after=st.floats(0, 200),
    called=st.booleans(),
    moved_at=_SECONDS,
    pace=st.builds(
        RolloutPace,
        tasks=st.integers(0, 40),
        minimum_percent=st.just(100.0),
        maximum_percent=st.sampled_from([105.0, 150.0, 200.0]),
        draining=st.sampled_from([30.0, 3600.0]),
    ),
    unseen=st.floats(300, 600),
    unseen_since=st.floats(0, 300),
    watched_from=st.just(0.0) | _SECONDS,
    restored_at=st.lists(_SECONDS, max_size=MOST_RESTORES).map(sorted).map(tuple),
)
