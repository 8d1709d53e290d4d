"""Strategies for everything that a rollback may observe, and for everything that it may have started with."""

from hypothesis import strategies as st

from services.recovery.domain.roll_back import DEADLINE_SECONDS, MOST_RESTORES, Observed, Plan

_SECONDS = st.floats(0, 2 * DEADLINE_SECONDS)

LOOKS = st.builds(
    Observed,
    now=_SECONDS,
    live=st.sampled_from(["goal", "judged", "foreign"]),
    rollout=st.sampled_from(["IN_PROGRESS", "COMPLETED", "FAILED"]),
    running=st.integers(0, 4),
    desired=st.integers(0, 4),
    healthy_targets=st.none() | st.integers(0, 4),
    ecs=st.sampled_from(["idle", "rolling-back", "rolled-back"]),
    moved=st.booleans(),
    differs=st.booleans(),
)
PLANS = st.builds(
    Plan,
    started_at=st.just(0.0),
    ordered=st.booleans(),
    change=st.sampled_from(["none", "in-flight", "landed"]),
    no_straggler_after=st.floats(0, 200),
    restored_at=st.lists(_SECONDS, max_size=MOST_RESTORES).map(sorted).map(tuple),
)
