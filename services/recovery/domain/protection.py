"""The state of one target: its arm, its rollbacks, the alerts that fire and the index of its snapshots."""

from datetime import datetime
from typing import Literal, Self

from pydantic import Field

from contracts.base import Contract, Target
from contracts.deployment import Rollback
from contracts.policy_parts import RecoveryPolicy
from contracts.prose import Plain, Prose
from contracts.recovery import AlertTrigger, Trigger
from services.recovery.domain.drill.drill import Drill, KnownScore, PastDrill
from services.recovery.domain.migration.migration import Migration, PastMigration, SchemaChanged
from services.recovery.domain.outside.remembered import Deployed, Firing, PastAlert, Settled, Unattended
from services.recovery.domain.recreation.recreation import PastRecreation, Recreation
from services.recovery.domain.scaling.scaling import EmergencyScaling, PastScaling
from services.recovery.domain.snapshots.snapshot_index import SnapshotIndex

MOST_FIRING = 200
"""How many firing alerts of a target are kept; beyond it the oldest are dropped."""
MOST_RESOLVED = 200
"""How many resolved alerts of a target are kept: an alert may be delivered after its own resolution."""
MOST_STOOD_DOWN = 50
"""How many runs are kept for which an alert begins no rollback any more."""
MOST_PAST = 50
"""How many ended rollbacks of a target are kept."""
MOST_SETTLED = 50
"""How many deployments are kept that no alert outside a run rolls back any more; ECS names each only once."""
MOST_PAST_ALERTS = 50
"""How many alerts that are over are remembered with their times."""
MOST_UNATTENDED = 20
"""How many times are remembered in which a run may have deployed that was to roll nothing back by itself."""
MOST_RECORDED = 50
"""How many decisions are remembered, so that the same one is recorded once."""


def key_of(target: Target) -> str:
    return f"protection:{target}"


class OurChange(Contract):
    """The one change of a run: what was asked for and, once its job has ended, the result."""

    job: str
    """The id of the command, which is the id of its job."""
    begun_at: datetime
    images: dict[str, str] = Field(default_factory=dict)
    asked: str | None = None
    """The task definition, as the command named it."""
    deployment_id: str | None = None
    task_definition: str | None = None
    content: str = ""
    """The fingerprint of what it has deployed (``content.py``); empty where that is not known."""
    ended: bool = False
    """Whether its job has ended; until then one of its calls to AWS may be under way."""
    ended_at: datetime | None = None


class Armed(Contract):
    """Recovery stands ready to bring ``snapshot_id`` back for ``run_id``."""

    run_id: str
    snapshot_id: str
    armed_at: datetime
    expires_at: datetime
    auto_recovery: bool
    already_firing: frozenset[str] = frozenset()
    """Ids of the alerts that fired before the change, which therefore has not caused them."""
    change: OurChange | None = None
    policy: RecoveryPolicy | None = None
    """The policy with which the run began; None in a state of the previous version: then each critical rule triggers a
    rollback."""

    def active(self, now: datetime) -> bool:
        return now < self.expires_at

    def triggered_by(self, rule: str) -> bool:
        """Return whether a critical alert of this rule rolls back by itself."""
        triggers = self.policy.recovery.triggers if self.policy else None
        return self.auto_recovery and (triggers is None or rule in triggers)


class RollingBack(Contract):
    """The rollback under way. ``run_id`` is None when a person asked for it over the API."""

    rollback_id: str
    run_id: str | None
    trigger: Prose
    """``triggered_by`` in one phrase."""
    triggered_by: Trigger | None = None
    """The alert, command or person that caused it; None in a state of the previous version."""
    snapshot_id: str
    started_at: datetime
    commands: tuple[str, ...] = ()
    """The ``roll-back`` commands that wait for its result."""
    judged: str | None = None
    """The task definition (ARN) that is to be taken back where the run has made no change; None: what is live."""
    deployment_id: str = ""
    """The deployment that an alert outside a run accuses; empty for a run's rollback and a person's."""
    content: str = ""
    """The fingerprint of what an alert outside a run accuses; empty where that is not known, and for all others."""
    revisions: tuple[str, str] | None = None
    """The service revisions (ARNs) before and after the deployment that an alert outside a run accuses. What differs
    between them goes back with the version. None for all others, and in a state of the previous version."""
    safety: Prose = ""
    """What was found of the snapshot before a person's rollback began: whether what it needs is there."""

    @property
    def by_a_person(self) -> bool:
        """Return whether a person asked for it; a state of the previous version knows no other one outside a run."""
        return self.run_id is None and not isinstance(self.triggered_by, AlertTrigger)

    @classmethod
    def begun(
        cls,
        trigger: Trigger,
        *,
        rollback_id: str,
        run_id: str | None,
        snapshot_id: str,
        started_at: datetime,
        commands: tuple[str, ...] = (),
        judged: str | None = None,
        deployment_id: str = "",
        content: str = "",
        revisions: tuple[str, str] | None = None,
    ) -> Self:
        return cls(
            rollback_id=rollback_id,
            run_id=run_id,
            trigger=trigger.summary,
            triggered_by=trigger,
            snapshot_id=snapshot_id,
            started_at=started_at,
            commands=commands,
            judged=judged,
            deployment_id=deployment_id,
            content=content,
            revisions=revisions,
        )


class PastRollback(Contract):
    rollback_id: str
    run_id: str | None
    result: Literal["restored", "superseded", "failed"]
    rollback: Rollback
    detail: Prose
    taken_back: Plain = ""
    """The task definition (ARN) that it has replaced, where it is known; empty in a state of the previous version."""
    brought_back: Plain = ""
    """The one that it has brought back, alike."""
    ended_at: datetime | None = None
    """None in a state of the previous version."""


class Protection(SnapshotIndex):
    """Everything about one target that has to change together. Only ``apply`` writes it."""

    epoch: int = 0
    """Grows with every arming and every rollback: work of an older epoch must not change anything."""
    arm: Armed | None = None
    rollback: RollingBack | None = None
    past: tuple[PastRollback, ...] = ()
    firing: dict[str, Firing] = Field(default_factory=dict)
    resolved: tuple[str, ...] = ()
    """Ids of the alerts that are over, the newest last."""
    past_alerts: tuple[PastAlert, ...] = ()
    """The alerts that were over last, the newest last."""
    unattended: tuple[Unattended, ...] = ()
    """When runs may have deployed of which it is not known which deployment is theirs; the newest last."""
    stood_down: tuple[str, ...] = ()
    """Runs of which recovery had published that it stands down, before Redis was restored from an older copy."""
    settled: tuple[Settled, ...] = ()
    """The newest last."""
    deployed: Deployed | None = None
    recorded: tuple[str, ...] = ()
    """Ids of the decisions that were recorded last."""
    decisions: int = 0
    """How many decisions were recorded; each has its place among the records (``decision_record.py``)."""
    scaling: EmergencyScaling | None = None
    """The emergency scaling that is under way or stands."""
    past_scalings: tuple[PastScaling, ...] = ()
    """The newest last."""
    recreation: Recreation | None = None
    """What waits for an approval to be made again, or is being made."""
    past_recreations: tuple[PastRecreation, ...] = ()
    """The newest last."""
    migration: Migration | None = None
    """The migration whose task is about to run, or runs."""
    past_migrations: tuple[PastMigration, ...] = ()
    """The newest last."""
    schema_changed: SchemaChanged | None = None
    """None: one can go back over every migration that is known."""
    drill: Drill | None = None
    """The drill that is under way."""
    past_drills: tuple[PastDrill, ...] = ()
    """The newest last."""
    score: KnownScore | None = None

    def why_not_over_schema(self, taken_at: datetime) -> str:
        """Return why one cannot go back to what was live at ``taken_at``, as a clause; empty where one can."""
        changed = self.schema_changed
        return changed.clause if changed is not None and taken_at <= changed.asked_at else ""

    @property
    def schema_left(self) -> str:
        """Return why it is not known what the last migration has left of the schema, as a clause; empty where it is."""
        ran = (past for past in reversed(self.past_migrations) if past.result != "did_not_start")
        last = next(ran, None)
        if last is None or last.result == "succeeded":
            return ""
        return (
            f"what the migration of {last.asked_at:%Y-%m-%d %H:%M} UTC has left of the schema only a person can say "
            f"({last.sentence.rstrip('.')}); look whether some of it is done, and whether it still holds a lock"
        )

    @property
    def schema_once(self) -> frozenset[str]:
        """Return the revisions that the database is known to have been at."""
        both = (status for past in self.past_migrations for status in (past.schema_before, past.schema_after))
        reports = filter(None, both)
        by_snapshots = (revision for entry in self.snapshots for revision in entry.schema_revisions)
        return frozenset((*(revision for status in reports for revision in status.revisions), *by_snapshots))

    def armed_for(self, run_id: str, now: datetime) -> Armed | None:
        """Return the arm of this run while it holds: it has not expired, and no rollback has used it up."""
        arm = self.arm
        return arm if arm is not None and arm.run_id == run_id and arm.active(now) else None

    def rollback_of(self, run_id: str) -> RollingBack | PastRollback | None:
        """Return the one rollback of a run, under way or over; None if it has had none."""
        if self.rollback is not None and self.rollback.run_id == run_id:
            return self.rollback
        return next((past for past in self.past if past.run_id == run_id), None)

    def rollback_named(self, rollback_id: str) -> RollingBack | PastRollback | None:
        if self.rollback is not None and self.rollback.rollback_id == rollback_id:
            return self.rollback
        return next((past for past in self.past if past.rollback_id == rollback_id), None)

    def settled_as(self, deployment_id: str) -> Settled | None:
        """Return why no alert outside a run rolls this deployment back any more; None where one may."""
        return next((known for known in self.settled if known.deployment_id == deployment_id), None)

    def settle(self, deployment_id: str, why: Literal["brought-back", "not-asked-for"], by: str) -> Self:
        """Return the protection with a deployment settled; what was known of it before stays."""
        return self._settled(Settled(deployment_id=deployment_id, why=why, by=by))

    def settle_taken_back(
        self,
        deployment_id: str,
        by: str,
        task_definition: str,
        outside_since: datetime | None = None,
        content: str = "",
    ) -> Self:
        """Return the protection with the deployment, and its version, that a rollback begins to take back."""
        known = Settled(
            deployment_id=deployment_id,
            why="taken-back",
            by=by,
            task_definition=task_definition,
            content=content,
            outside_since=outside_since,
        )
        return self._settled(known)

    def _settled(self, settled: Settled) -> Self:
        if settled.deployment_id:
            known = self.settled_as(settled.deployment_id) is not None
        else:
            known = not settled.task_definition or self.taken_back(None, settled.task_definition) is not None
        if known:
            return self
        return self.replace(settled=(*self.settled, settled)[-MOST_SETTLED:])

    def taken_back(self, deployment_id: str | None, task_definition: str, content: str = "") -> Settled | None:
        """Return which rollback has begun to take back this deployment, or another one of its version.

        The version is known again by its task definition, and by its content where it was registered anew.
        """
        known = [settled for settled in self.settled if settled.why == "taken-back"]
        by_deployment = (settled for settled in known if deployment_id and settled.deployment_id == deployment_id)
        by_version = (settled for settled in known if task_definition and settled.task_definition == task_definition)
        by_content = (settled for settled in known if content and settled.content == content)
        return next(by_deployment, None) or next(by_version, None) or next(by_content, None)

    def unattended_of(self, run_id: str) -> Unattended | None:
        return next((known for known in self.unattended if known.run_id == run_id), None)

    def leave_unattended(self, run_id: str, begins: datetime, ends: datetime) -> Self:
        """Return the protection that knows when a run may have deployed that was to roll nothing back by itself."""
        others = (known for known in self.unattended if known.run_id != run_id)
        kept = (*others, Unattended(run_id=run_id, begins=begins, ends=ends))[-MOST_UNATTENDED:]
        return self.replace(unattended=kept)

    def outside_since(self, when: datetime) -> Settled | None:
        """Return the rollback that an alert outside a run has begun later than this; None where none was."""
        return next((known for known in self.settled if known.outside_since and known.outside_since > when), None)

    def version_of(self, armed: Armed) -> str | None:
        """Return the task definition of the snapshot that the arm would bring back; None where the index lacks it."""
        entries = (entry for entry in self.snapshots if entry.snapshot_id == armed.snapshot_id)
        return next((entry.task_definition for entry in entries), None)
