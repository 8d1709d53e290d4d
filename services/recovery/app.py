"""The only place where recovery's objects are built."""

from functools import partial

from contracts.monitor import CriticalAlert
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
from contracts.scaling import ScalingFinished, ScalingStarted
from services._aws.existing import existing
from services._chassis.aws import Aws
from services._chassis.service import Platform, Service
from services._chassis.targets import Targets
from services.recovery.adapters.bucket import Bucket
from services.recovery.adapters.bucket_check import BucketCheck
from services.recovery.adapters.ecs import AwsEcs
from services.recovery.adapters.images import AwsImages
from services.recovery.adapters.scaling import AwsAutoscaling, AwsRoom
from services.recovery.adapters.snapshots import SignedSnapshots
from services.recovery.adapters.surroundings import AwsBalancers, AwsSurroundings
from services.recovery.api import PREFIX, Endpoints, create_router
from services.recovery.decisions.capture import CAPTURE, PURGE, TEND
from services.recovery.decisions.change import CHANGE
from services.recovery.decisions.consider import CONSIDER
from services.recovery.decisions.roll_back import ROLL_BACK
from services.recovery.decisions.scale import SCALE
from services.recovery.decisions.unscale import UNSCALE
from services.recovery.decisions.watch import WATCH
from services.recovery.examine import ScalingExaminer
from services.recovery.handlers import Handlers
from services.recovery.inspect import Inspect
from services.recovery.jobs.capture import CaptureJob
from services.recovery.jobs.change import ChangeJob
from services.recovery.jobs.consider import ConsiderJob
from services.recovery.jobs.purge import PurgeJob
from services.recovery.jobs.roll_back import RollbackJob
from services.recovery.jobs.scale import ScaleJob
from services.recovery.jobs.tend import Housekeeping, TendJob
from services.recovery.jobs.unscale import UnscaleJob
from services.recovery.jobs.watch import Rounds, WatchJob
from services.recovery.settings import Settings


def create_app(settings: Settings, platform: Platform) -> Service:
    """Build recovery on the chassis's store, clock and AWS."""
    store, clock, aws = platform.store, platform.clock, platform.aws
    ecs = AwsEcs(aws)

    def stored(through: Aws) -> SignedSnapshots:
        return SignedSnapshots(bucket_of(settings, through), platform.identity)

    snapshots = stored(aws)
    # what people ask for, a rollback above all, goes before the reads that are made all the time
    ahead = aws.ahead()
    # jobs that change a service have threads, connections and retries of their own, and never wait for readers
    apart = ahead.apart()
    changing = AwsEcs(apart)
    handlers = Handlers(clock, platform.policies)
    settle_seconds = clock.at(platform.straggler_window) - clock.at(0)
    capture = CaptureJob(ecs, AwsSurroundings(aws), snapshots, clock, platform.policies, platform.store)
    inspect = Inspect(AwsEcs(ahead), AwsSurroundings(ahead), snapshots, store, clock)
    scaling = AwsAutoscaling(apart)

    def examiner(through: Aws) -> ScalingExaminer:
        return ScalingExaminer(AwsEcs(through), AwsAutoscaling(through), AwsRoom(through, clock), clock)

    endpoints = Endpoints(store, clock, platform.policies, inspect, partial(existing, ahead), examiner(ahead))
    quietly = Inspect(AwsEcs(aws), AwsSurroundings(aws), snapshots, store, clock)
    housekeeping = Housekeeping(store, clock, BucketCheck(bucket_of(settings, aws)), platform.readiness)
    targets = Targets(platform.policies, settings.cluster_name, settings.service_name)
    return Service(
        name="recovery",
        handlers={
            CaptureSnapshot: handlers.capture,
            Arm: handlers.arm,
            ApplyChange: handlers.change,
            RollBack: handlers.roll_back,
            Disarm: handlers.disarm,
            CriticalAlert: handlers.alert,
            SnapshotCaptured: handlers.own_snapshot,
            TargetArmed: handlers.own_arming,
            TargetDisarmed: handlers.own_disarming,
            RollbackStarted: handlers.own_rollback_started,
            RollbackFinished: handlers.own_rollback_finished,
            ScalingStarted: handlers.own_scaling_started,
            ScalingFinished: handlers.own_scaling_finished,
        },
        jobs={
            CAPTURE: capture,
            PURGE: PurgeJob(snapshots),
            TEND: TendJob(snapshots, store, clock, platform.policies),
            WATCH: WatchJob(quietly, snapshots, store, clock, platform.policies),
            CHANGE: ChangeJob(changing, AwsImages(apart), platform.policies, store, clock),
            CONSIDER: ConsiderJob(AwsEcs(apart), stored(apart), platform.policies, store, clock),
            ROLL_BACK: RollbackJob(
                changing,
                AwsBalancers(apart),
                AwsImages(apart),
                stored(apart),
                store,
                clock,
                settle_seconds,
            ),
            SCALE: ScaleJob(changing, scaling, examiner(apart), platform.policies, store, clock),
            UNSCALE: UnscaleJob(changing, scaling, store, clock, settle_seconds),
        },
        first_jobs=frozenset({CHANGE, CONSIDER, ROLL_BACK, SCALE, UNSCALE}),
        failures={
            CHANGE: handlers.change_failed,
            CONSIDER: handlers.consider_failed,
            ROLL_BACK: handlers.rollback_failed,
            SCALE: handlers.scale_failed,
            UNSCALE: handlers.unscale_failed,
        },
        timers={
            "expire": handlers.expire,
            "overdue": handlers.overdue,
            "consider": handlers.consider,
            "resume": handlers.resume,
            "unscale": handlers.unscale,
        },
        router=create_router(endpoints, targets),
        by_hand=(f"{PREFIX}/rollback/", f"{PREFIX}/emergency-scale/"),
        background={"recovery snapshots": housekeeping.run, "ways back": Rounds(store, clock).run},
    )


def bucket_of(settings: Settings, aws: Aws) -> Bucket:
    """Return the backup bucket. It belongs to this process's account unless the settings name another owner."""
    owner = settings.backup_bucket_owner or settings.aws_account
    return Bucket(aws, settings.backup_bucket, owner, settings.backup_kms_key)
