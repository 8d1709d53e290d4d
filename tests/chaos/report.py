"""What a campaign has shown: the table of its figures, and a sentence for each broken promise."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class Report:
    """The table. Every figure but the first three and ``late_calls_corrected`` has a value that it must have."""

    seed: int
    runs: int = 0
    harm: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)
    """Kind of service → its runs."""
    terminal_states: dict[str, int] = field(default_factory=dict)
    outcomes_wrong: int = 0
    """Runs whose outcome is not among those that are right for their version on their kind of service."""
    runs_without_one: int = 0
    runs_with_two: int = 0
    changes_intended: int = 0
    """Runs whose change recovery published as applied."""
    effective_deployments: int = 0
    """Deployments that ECS began for changes of runs, late calls not counted."""
    late_calls_corrected: int = 0
    """Deployments by changes that were stopped or rolled back already, and were taken back."""
    rollbacks_per_run: int = 0
    """The maximum; a correction of a late call is not another rollback."""
    rollbacks_outside: int = 0
    """Deployments that an alert outside a run rolled back; each once at most."""
    deployments_of_others: int = 0
    """Runs of another Surefoot on the same targets."""
    events_lost: int = 0
    services_checked: int = 0
    """Services that were changed by Surefoot only: they must run what the last run's outcome says."""
    services_wrong: int = 0
    dead_letters_expected: int = 0
    dead_letters_found: int = 0
    copies_on_the_bus: int = 0
    audit_records: int = 0
    approvals: int = 0
    """Approvals that counted; of each plan one is wanted, and three are sent."""
    pauses: int = 0
    scalings: int = 0
    """Emergency scalings that began to set something."""
    scalings_restored: int = 0
    superseded: int = 0
    """Runs whose place a newer one took."""
    holds: int = 0
    """Versions that are held after a rollback."""
    held_again: int = 0
    """Runs of a version that was held when they were asked for; none changes anything."""
    releases: int = 0
    """Holds that a person has released; each is wanted once, and three requests are sent."""
    migrations: int = 0
    """Migrations, in runs and alone, that were published as started."""
    migration_tasks: int = 0
    """Tasks that ECS began for them: one for each at most."""
    migrations_answered: int = 0
    drills: int = 0
    """Recovery plans that were tried: each has one end, and leaves nothing behind."""
    drills_ended: int = 0
    drills_measured: int = 0
    """Those that nothing went before."""
    recreations: int = 0
    """Services that were made again, and that serve."""
    parts_made: int = 0
    """What AWS was asked to make for them: each part once."""
    verbs: dict[str, int] = field(default_factory=dict)
    """What people can ask for → how often it was seen to be done; each is wanted once at least."""
    acts_without_one_record: int = 0
    """Changes, rollbacks and ends of runs that have none, or several, where Redis was never restored."""
    seconds: float = 0
    faults: list[str] = field(default_factory=list)
    """A sentence for each broken promise; empty when all promises held."""

    @property
    def held(self) -> bool:
        return not self.faults

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "held": self.held}
