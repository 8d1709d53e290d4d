"""How long things may take, in seconds of product time.

The requirements (docs/requirements.md) give the phases 2-5, 5-15, 3-10, 1-3 and 2-5 minutes; a request may set its own
limits for those that depend on the service. How long a rollout may take: ``rollout_bound.py``.
"""

from datetime import UTC, datetime

from contracts.deployment import DeploymentConfig, Phase

MINUTE = 60.0

BEFORE_THE_CHANGE = 10 * MINUTE
"""All of pre-deployment validation."""
CHECKS_HOLD = 10 * MINUTE
"""Checks that are older, since the run was held after them, are made once more before the change."""
APPLYING = 5 * MINUTE
"""Arming, and applying the change, before the watch begins."""
QUIET_WITHIN = 10 * MINUTE
"""After a migration, for an alarm that fires to be quiet again before the change: one that is evaluated over five
minutes takes five good ones, and points come up to two minutes late."""
ADVISORY = 5 * MINUTE
"""Each of monitoring set-up and optimisation analysis."""
EVIDENCE = 5 * MINUTE
"""After the change, until two whole minutes of the new version are known from CloudWatch, which may be two minutes
late: baking lasts as long at least, whatever maximum it is given."""
GRACE = 2 * MINUTE
"""Between the deadline that a step was given and ours: its answer has to travel."""
ROLLBACK = 15 * MINUTE
"""From the command, or from ``rollback-started``, to its end, as long as recovery reports no progress: each progress
extends it (``steps.pass_on``). The requirements' objective is 5 minutes."""
ARM_MARGIN = 15 * MINUTE
"""How much longer than the run the target stays armed: a rollback may begin in the run's last moment."""
EXPIRY_MARGIN = 2 * MINUTE
"""After an arm's expiry, before a silent recovery is no longer waited for: clocks and queues differ a little."""
REQUEST_LIFETIME = 15 * MINUTE
"""A request that comes later than this after its own time is refused, unless it says otherwise."""
LONGEST_LIFETIME = 30 * 24 * 60 * MINUTE
"""No request is of use for longer, whatever it says: a repetition would be taken for it once its run is forgotten."""
RECONCILE = 30.0
"""How often what is unanswered is sent again."""
QUEUE = 20
"""How many runs may wait on one target."""


def phase_limit(phase: Phase, config: DeploymentConfig, rollout: float) -> float:
    """Return the longest that a phase may take, where the rollout may take ``rollout`` seconds."""
    match phase:
        case Phase.PRE_DEPLOYMENT_VALIDATION:
            return BEFORE_THE_CHANGE
        case Phase.DEPLOYMENT_MONITORING:
            return APPLYING + rollout + GRACE
        case Phase.POST_DEPLOYMENT_VALIDATION:
            return config.validation_timeout_minutes * MINUTE + GRACE
        case Phase.BAKING:
            return max(config.baking_minutes * MINUTE, EVIDENCE) + GRACE
        case _:
            return ADVISORY


def run_limit(config: DeploymentConfig, rollout: float) -> float:
    """Return the longest that a run may take until it begins to end: every phase at its limit."""
    return sum(phase_limit(phase, config, rollout) for phase in Phase) + GRACE


def moment(seconds: float) -> datetime:
    """Epoch seconds as the datetime that events carry."""
    return datetime.fromtimestamp(seconds, UTC)
