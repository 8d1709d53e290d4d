"""What holds a run: a person's pause, or approvals that are yet to come. Frozen; times are epoch seconds."""

from contracts.prose import Plain, Prose
from contracts.run_verbs import ApprovalGate
from services.orchestrator.domain.run_parts import Frozen


class Pause(Frozen):
    """A person wants no further phase to begin until then."""

    actor: Plain
    reason: Prose = ""
    until: float


class Approved(Frozen):
    """One person's approval of what was shown."""

    gate: ApprovalGate
    plan: str
    """The digest of what was shown (``plan.plan_of``): it counts for nothing else."""
    actor: Plain


class Hold(Frozen):
    """A phase has passed, and the next one does not begin."""

    since: float
    gate: ApprovalGate | None = None
    """Where approvals are waited for, or were; None: for none."""
    plan: str = ""
    """The digest of what waits for them."""
    approve_until: float = 0
