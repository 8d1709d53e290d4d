"""The events that were published so far, and the promises that must hold at every moment of every run."""

from collections import defaultdict
from dataclasses import dataclass, field

from contracts.dead_letter import DeadLettered
from contracts.deployment import DeploymentFinished, DeploymentStarted, Outcome
from contracts.envelope import Headers, from_message
from contracts.migration import Migrate, MigrationFinished, MigrationStarted
from contracts.recovery import (
    ApplyChange,
    ChangeApplied,
    KnownVersion,
    RollbackFinished,
    RollbackStarted,
    TargetArmed,
    TargetDisarmed,
)
from contracts.results import DisarmOutput, StepFinished
from contracts.run_verbs import HoldBegan, ReleaseAnswered, RunHeld, Verb, VerbAnswered


@dataclass
class Ledger:
    """Notes each event when it gets into an outbox; raises ``AssertionError`` where a promise is broken."""

    published: dict[str, tuple[object, bytes]] = field(default_factory=dict)
    """Event id → the first event that was published under it."""
    active: str | None = None
    """The run that has started and not ended."""
    ends: dict[str, DeploymentFinished] = field(default_factory=dict)
    changes: dict[str, str] = field(default_factory=dict)
    """Run → id of its one change."""
    applied: set[str] = field(default_factory=set)
    """Runs whose change has taken effect."""
    begun: dict[str, RollbackStarted] = field(default_factory=dict)
    """Run → its one rollback."""
    over: dict[str, RollbackFinished] = field(default_factory=dict)
    outside: dict[str, RollbackStarted] = field(default_factory=dict)
    """Deployment → its one rollback outside a run."""
    outside_over: dict[str, RollbackFinished] = field(default_factory=dict)
    """Id of such a rollback → its end."""
    armed: str | None = None
    """The run for which recovery stands ready, by what it has published."""
    stood_down: set[str] = field(default_factory=set)
    """Runs for which recovery has published that it will not act any more."""

    to_migrate: set[str] = field(default_factory=set)
    """Runs that have asked for their migration."""
    migrating: dict[str, MigrationStarted] = field(default_factory=dict)
    """Run → its one migration."""
    migrated: dict[str, MigrationFinished] = field(default_factory=dict)
    """Run → how its migration ended."""

    held: dict[str, RunHeld] = field(default_factory=dict)
    """Run → what it was held for last."""
    approvals: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Run → the persons whose approval was accepted, in order."""
    wanted: tuple[int, int] = (0, 0)
    """How many approvals the policy in force wants before the change and before success."""
    needed: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Run → how many approvals it took before the change and before success, where persons are waited for."""

    holds: dict[str, KnownVersion] = field(default_factory=dict)
    """Id of each hold that stands → the version that it holds."""
    released: set[str] = field(default_factory=set)

    broken: bool = False
    """Whether a promise was broken; later violations are not reported."""

    def note(self, id_: str, headers: Headers, value: bytes) -> None:
        envelope = from_message(headers, value)
        event = envelope.event
        self.broken = True
        known, as_written = self.published.setdefault(id_, (event, value))
        assert (type(event), value) == (type(known), as_written), f"two contents under one id: {known} and {event}"
        if known is event:
            ours = envelope.meta.source == "surefoot/orchestrator"
            late = isinstance(event, VerbAnswered) and not event.accepted
            assert late or not (ours and envelope.meta.run_id in self.ends), (
                "something new is published of a run that is over"
            )
            self._hear(id_, event)
        self.broken = False

    def _hear(self, id_: str, event: object) -> None:
        match event:
            case DeploymentStarted():
                assert self.active is None, f"{event.run_id} starts while {self.active} is active"
                self.active = event.run_id
                self.needed[event.run_id] = self.wanted
            case DeploymentFinished():
                self._end(event)
            case ApplyChange() | ChangeApplied():
                self._note_change(id_, event)
            case Migrate() | MigrationStarted() | MigrationFinished():
                self._note_migration(event)
            case RollbackStarted() | RollbackFinished() | TargetArmed() | TargetDisarmed():
                self._note_recovery(event)
            case StepFinished(output=DisarmOutput(answer=answer)):
                assert (answer == "rollback-started") == (event.run_id in self.begun), f"recovery says {answer}"
                self.stood_down |= {event.run_id} if answer == "disarmed" else set()
            case RunHeld() | VerbAnswered() | HoldBegan() | ReleaseAnswered():
                self._note_people(event)
            case DeadLettered():
                raise AssertionError(f"a dead letter: {event.detail}")
            case _:
                pass

    def _note_people(self, event: RunHeld | VerbAnswered | HoldBegan | ReleaseAnswered) -> None:
        match event:
            case RunHeld():
                assert event.run_id not in self.stood_down, "it is held after recovery stood down"
                assert len(set(event.given)) == len(event.given) < max(event.needed, 1)
                self.held[event.run_id] = event
            case VerbAnswered(verb=Verb.APPROVE, accepted=True):
                self.approvals[event.run_id].append(event.actor)
            case HoldBegan():
                assert event.hold_id not in self.released, "what was released is held again"
                others = {id_: held for id_, held in self.holds.items() if held != event.version}
                self.holds = {**others, event.hold_id: event.version}
            case ReleaseAnswered():
                assert set(event.released) <= self.holds.keys(), "what is released twice, or was not held"
                self.released |= {*event.released}
                self.holds = {id_: held for id_, held in self.holds.items() if id_ not in self.released}

    def _note_change(self, id_: str, event: ApplyChange | ChangeApplied) -> None:
        run = event.run_id
        if isinstance(event, ChangeApplied):
            end = self.ends.get(run)
            assert end is None or end.outcome is not Outcome.BLOCKED, "it is changed after it was blocked"
            self.applied.add(run)
            return
        over = self.migrated.get(run)
        done = over is not None and over.result == "succeeded"
        assert done or run not in self.to_migrate, "it is changed before its migration has succeeded"
        assert run not in self.changes, "a second change is sent"
        persons = self.approvals[run]
        assert len(set(persons)) == len(persons) == self.needed[run][0], f"approved by {persons}"
        assert not [held for held in self.holds.values() if held.matches(_version(event))], "it is held"
        self.changes[run] = id_

    def _note_migration(self, event: Migrate | MigrationStarted | MigrationFinished) -> None:
        run = event.run_id
        assert run is not None
        match event:
            case Migrate():
                assert run not in self.changes, "it is migrated after its change"
                self.to_migrate.add(run)
            case MigrationStarted():
                assert run not in self.migrating, "a second migration starts"
                assert self.armed == run, "it is migrated although recovery does not stand ready for it"
                self.migrating[run] = event
            case _:
                assert run not in self.migrated, "a migration ends twice"
                self.migrated[run] = event

    def _note_recovery(self, event: RollbackStarted | RollbackFinished | TargetArmed | TargetDisarmed) -> None:
        match event:
            case TargetArmed():
                self.armed = event.run_id
            case TargetDisarmed():
                self.armed = None if self.armed == event.run_id else self.armed
            case RollbackStarted(run_id=None):
                assert event.deployment_id not in self.outside, "a deployment is rolled back twice outside runs"
                assert self.armed is None, "a rollback outside runs starts while a run is armed"
                self.outside[event.deployment_id] = event
            case RollbackFinished(run_id=None):
                self.outside_over[event.rollback_id] = event
            case RollbackStarted():
                assert event.run_id is not None
                assert event.run_id not in self.begun, "a second rollback starts"
                started = self.migrating.get(event.run_id)
                assert started is None or started.compatible, "it goes back over a migration that is not compatible"
                assert event.run_id not in self.stood_down, "a rollback starts after disarmed was answered"
                self.begun[event.run_id] = event
            case RollbackFinished():
                assert event.run_id is not None
                assert event.rollback_id == self.begun[event.run_id].rollback_id
                self.over[event.run_id] = event
                self.armed = None if self.armed == event.run_id else self.armed

    def _end(self, event: DeploymentFinished) -> None:
        run = event.run_id
        self.ends[run] = event
        if self.active == run:
            self.active = None
        if event.outcome is Outcome.SUCCEEDED:
            enough = sum(self.needed[run]) if run in self.changes else 0
            assert len(self.approvals[run]) >= enough, f"it succeeded, approved by {self.approvals[run]}"
            assert run in self.stood_down, "it succeeded before recovery had stood down"
            assert event.rollback is None
            assert run not in self.begun, "it succeeded, and was rolled back"
        if event.outcome is Outcome.BLOCKED:
            assert run not in self.applied, "it was blocked, and changed"
        if event.outcome is Outcome.ROLLED_BACK:
            assert self.over[run].result == "restored"
            assert event.rollback == self.over[run].rollback


def _version(command: ApplyChange) -> KnownVersion:
    return KnownVersion(images={name: image.partition("@")[2] for name, image in command.images.items()})
