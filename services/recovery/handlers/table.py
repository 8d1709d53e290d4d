"""Which handler answers each message, each timer, and each job that has failed for good."""

from collections.abc import Awaitable, Callable

from contracts.catalogue import Contracted
from contracts.drills import DrillFinished, DrillStarted
from contracts.health import HealthScored
from contracts.migration import CheckMigration, Migrate, MigrationFinished, MigrationStarted
from contracts.monitor import CriticalAlert, WarningAlert
from contracts.recovery import (
    ApplyChange,
    Arm,
    CaptureSnapshot,
    Disarm,
    RollBack,
    RollbackFinished,
    RollbackStarted,
    SnapshotCaptured,
    TargetArmed,
    TargetDisarmed,
)
from contracts.recreation import RecreationFinished, RecreationStarted
from contracts.scaling import ScalingDecided, ScalingFinished, ScalingStarted
from services._chassis.clock import Clock
from services._chassis.commands import becomes_job
from services._chassis.jobs import OnFailure
from services._chassis.policies import Policies
from services._chassis.service import Handler
from services._chassis.transition import Timer, Transition
from services.recovery.decisions.change import CHANGE
from services.recovery.decisions.consider import CONSIDER
from services.recovery.decisions.drill import DRILL
from services.recovery.decisions.migrate import MIGRATE
from services.recovery.decisions.raise_again import RAISE_AGAIN
from services.recovery.decisions.recreate import EXPIRES, RECREATE
from services.recovery.decisions.roll_back import ROLL_BACK
from services.recovery.decisions.scale import SCALE
from services.recovery.decisions.scale_by_itself import LOOK
from services.recovery.decisions.unscale import UNSCALE
from services.recovery.handlers.alert import AlertHandlers
from services.recovery.handlers.drill import DrillHandlers
from services.recovery.handlers.migration import MigrationHandlers
from services.recovery.handlers.recreation import RecreationHandlers
from services.recovery.handlers.run import RunHandlers
from services.recovery.handlers.scaling import ScalingHandlers
from services.recovery.jobs.check_migration import CHECK_MIGRATION

OnTimer = Callable[[Timer], Awaitable[Transition | None]]


class Handlers:
    """All handlers of recovery."""

    def __init__(self, clock: Clock, policies: Policies) -> None:
        self.run = RunHandlers(clock, policies)
        self.alert = AlertHandlers(clock, policies)
        self.scaling = ScalingHandlers(clock, policies)
        self.migration = MigrationHandlers(clock, policies)
        self.drill = DrillHandlers(clock, policies)
        self.recreation = RecreationHandlers(clock, policies)

    @property
    def messages(self) -> dict[Contracted, Handler]:
        """Return what is done with each message that recovery reads."""
        return {
            CaptureSnapshot: self.run.capture,
            Arm: self.run.arm,
            ApplyChange: self.run.change,
            CheckMigration: becomes_job(CHECK_MIGRATION),
            Migrate: self.migration.migrate,
            RollBack: self.run.roll_back,
            Disarm: self.run.disarm,
            CriticalAlert: self.alert.critical,
            HealthScored: self.drill.score,
            WarningAlert: self.scaling.warning,
            SnapshotCaptured: self.run.own_snapshot,
            TargetArmed: self.run.own_arming,
            TargetDisarmed: self.run.own_disarming,
            RollbackStarted: self.run.own_rollback_started,
            RollbackFinished: self.run.own_rollback_finished,
            ScalingStarted: self.scaling.own_started,
            ScalingDecided: self.scaling.own_decided,
            ScalingFinished: self.scaling.own_finished,
            MigrationStarted: self.migration.own_started,
            MigrationFinished: self.migration.own_finished,
            DrillStarted: self.drill.own_started,
            DrillFinished: self.drill.own_finished,
            RecreationStarted: self.recreation.own_started,
            RecreationFinished: self.recreation.own_finished,
        }

    @property
    def timers(self) -> dict[str, OnTimer]:
        """Return what is done when a timer of each kind is due."""
        return {
            "expire": self.run.expire,
            "overdue": self.run.overdue,
            "resume": self.run.resume,
            "consider": self.alert.consider,
            "helped": self.alert.helped,
            "look": self.scaling.look,
            "unscale": self.scaling.unscale,
            "moves": self.scaling.moves,
            "follow": self.migration.follow,
            "end_drill": self.drill.end,
            EXPIRES: self.recreation.expire,
        }

    @property
    def failures(self) -> dict[str, OnFailure]:
        """Return what follows where a job of each kind has failed for good."""
        return {
            CHANGE: self.run.change_failed,
            ROLL_BACK: self.run.rollback_failed,
            CONSIDER: self.alert.consider_failed,
            LOOK: self.scaling.look_failed,
            SCALE: self.scaling.scale_failed,
            UNSCALE: self.scaling.unscale_failed,
            RAISE_AGAIN: self.scaling.raise_again_failed,
            MIGRATE: self.migration.failed,
            DRILL: self.drill.failed,
            RECREATE: self.recreation.failed,
        }
