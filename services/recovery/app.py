"""The only place where recovery's objects are built."""

from functools import partial

from services._aws.existing import existing
from services._aws.secrets import Secrets
from services._chassis.aws import Aws
from services._chassis.clock import Clock
from services._chassis.operations import Operations
from services._chassis.policies import Policies
from services._chassis.service import Job, Platform, Service
from services._chassis.targets import Targets
from services._chassis.web import Web
from services.recovery.adapters.application import AGENT, HttpApplications
from services.recovery.adapters.bucket import Bucket
from services.recovery.adapters.bucket_check import BucketCheck
from services.recovery.adapters.discovery import AwsDiscovery
from services.recovery.adapters.ecs import AwsEcs
from services.recovery.adapters.images import AwsImages
from services.recovery.adapters.infrastructure import AwsInfrastructure
from services.recovery.adapters.movers import AwsMovers
from services.recovery.adapters.needs import AwsNeeds
from services.recovery.adapters.one_off import AwsOneOffTasks
from services.recovery.adapters.outlook import AwsOutlook
from services.recovery.adapters.scaling import AwsAutoscaling, AwsRoom
from services.recovery.adapters.snapshots import SignedSnapshots
from services.recovery.adapters.surroundings import AwsBalancers, AwsSurroundings
from services.recovery.api.asked import Asked
from services.recovery.api.drill import DrillEndpoints
from services.recovery.api.migration import MigrationEndpoints
from services.recovery.api.moves import MovesEndpoints
from services.recovery.api.recreation import RecreationEndpoints
from services.recovery.api.rollback import RollbackEndpoints
from services.recovery.api.router import PREFIX, Endpoints, create_router
from services.recovery.api.scaling import ScalingEndpoints
from services.recovery.api.snapshot import SnapshotEndpoints
from services.recovery.assess import Assess
from services.recovery.decisions.capture import CAPTURE, PURGE, TEND
from services.recovery.decisions.change import CHANGE
from services.recovery.decisions.consider import CONSIDER
from services.recovery.decisions.drill import DRILL
from services.recovery.decisions.migrate import MIGRATE
from services.recovery.decisions.moved import LOOK_MOVES
from services.recovery.decisions.raise_again import RAISE_AGAIN
from services.recovery.decisions.recreate import RECREATE
from services.recovery.decisions.roll_back import ROLL_BACK
from services.recovery.decisions.scale import SCALE
from services.recovery.decisions.scale_by_itself import LOOK
from services.recovery.decisions.unscale import UNSCALE
from services.recovery.decisions.watch import WATCH
from services.recovery.examine import DrillExaminer, ScalingExaminer
from services.recovery.handlers.table import Handlers
from services.recovery.inspect import Inspect
from services.recovery.jobs.capture import CaptureJob
from services.recovery.jobs.change import ChangeJob
from services.recovery.jobs.check_migration import CHECK_MIGRATION, CheckMigrationJob
from services.recovery.jobs.consider import ConsiderJob
from services.recovery.jobs.drill import DrillJob
from services.recovery.jobs.drill_recreate import RecreationDrill
from services.recovery.jobs.drill_scaling import ScalingDrill
from services.recovery.jobs.due_drills import DUE_DRILLS, DueDrillsJob
from services.recovery.jobs.look_exhausted import LookExhaustedJob
from services.recovery.jobs.look_moves import LookMovesJob, moves_rounds
from services.recovery.jobs.migrate import MigrateJob
from services.recovery.jobs.purge import PurgeJob
from services.recovery.jobs.raise_again import RaiseAgainJob
from services.recovery.jobs.read_log import ReadLog
from services.recovery.jobs.read_schema import ReadSchema
from services.recovery.jobs.recreate import RecreateJob
from services.recovery.jobs.roll_back import RollbackJob
from services.recovery.jobs.scale import ScaleJob
from services.recovery.jobs.tend import Housekeeping, TendJob
from services.recovery.jobs.unscale import UnscaleJob
from services.recovery.jobs.watch import WatchJob, watch_rounds
from services.recovery.prepare import MigrationPlanner
from services.recovery.recreate import Recreate
from services.recovery.settings import Settings
from services.recovery.take_turns import TakeTurns
from services.recovery.trace import Trace


def create_app(settings: Settings, platform: Platform) -> Service:
    """Build recovery on the chassis's store, clock and AWS."""
    store, clock, aws = platform.store, platform.clock, platform.aws
    snapshots = stored(settings, platform, aws)
    # what people ask for, a rollback above all, goes before the reads that are made all the time
    ahead = aws.ahead()
    endpoints = endpoints_of(platform, ahead, snapshots)
    handlers, web = Handlers(clock, platform.policies), Web(AGENT, platform.transport)
    housekeeping = Housekeeping(store, clock, BucketCheck(bucket_of(settings, aws)), platform.readiness)
    return Service(
        name="recovery",
        handlers=handlers.messages,
        jobs={**looking(platform, snapshots, web), **changing(settings, platform, ahead.apart(), web)},
        first_jobs=frozenset({CHANGE, CONSIDER, RAISE_AGAIN, ROLL_BACK, SCALE, UNSCALE}),
        failures=handlers.failures,
        timers=handlers.timers,
        router=create_router(endpoints, Targets(platform.policies, settings.cluster_name, settings.service_name)),
        closers=(web.close,),
        by_hand=tuple(f"{PREFIX}/{verb}/" for verb in ("rollback", "emergency-scale", "migrate", "drill", "recreate")),
        background={
            "recovery snapshots": housekeeping.run,
            "ways back": watch_rounds(store, clock).run,
            "movers": moves_rounds(store, clock).run,
        },
    )


def endpoints_of(platform: Platform, ahead: Aws, snapshots: SignedSnapshots) -> Endpoints:
    """Return what does the work of the routes. ``ahead``: AWS for what people ask for."""
    store, clock, policies, there = platform.store, platform.clock, platform.policies, partial(existing, ahead)
    ecs, operations = AwsEcs(ahead), Operations(store, clock, PREFIX)
    asked, scalings = Asked(store, operations), examiner(ahead, clock)
    inspect = Inspect(ecs, AwsSurroundings(ahead), snapshots, store, clock)
    assess = Assess(ecs, snapshots, AwsNeeds(ahead), AwsOutlook(ahead, clock), store, clock)
    drills = DrillExaminer(ecs, AwsImages(ahead), inspect, clock)
    return Endpoints(
        snapshots=SnapshotEndpoints(operations, policies, inspect, assess, there),
        rollbacks=RollbackEndpoints(asked, store, policies, inspect, assess, there),
        scaling=ScalingEndpoints(asked, policies, scalings, there),
        migration=MigrationEndpoints(
            asked, policies, planner(ahead, policies), TakeTurns(store, policies, clock), there
        ),
        drill=DrillEndpoints(asked, policies, drills, scalings, there),
        recreation=RecreationEndpoints(asked, Recreate(AwsInfrastructure(ahead), snapshots, store), policies),
        # whoever asks this has the time: its reads wait for the account's budget
        moves=MovesEndpoints(trace_of(platform), there, clock),
    )


def trace_of(platform: Platform) -> Trace:
    return Trace(AwsEcs(platform.aws), AwsMovers(platform.aws), platform.store, platform.clock)


def looking(platform: Platform, snapshots: SignedSnapshots, web: Web) -> dict[str, Job]:
    """Return the jobs that change no service."""
    store, clock, aws, policies = platform.store, platform.clock, platform.aws, platform.policies
    inspect = Inspect(AwsEcs(aws), AwsSurroundings(aws), snapshots, store, clock)
    assess = Assess(AwsEcs(aws), snapshots, AwsNeeds(aws), AwsOutlook(aws, clock), store, clock)
    recreate = Recreate(AwsInfrastructure(aws), snapshots, store)
    return {
        CAPTURE: CaptureJob(
            AwsEcs(aws), applications(platform, aws, web), AwsSurroundings(aws), snapshots, clock, policies, store
        ),
        CHECK_MIGRATION: CheckMigrationJob(AwsEcs(aws), planner(aws, policies), policies, store, clock),
        PURGE: PurgeJob(snapshots),
        LOOK_MOVES: LookMovesJob(trace_of(platform), AwsEcs(aws), snapshots, store, clock, policies),
        LOOK: LookExhaustedJob(examiner(aws, clock), policies, store, clock),
        TEND: TendJob(snapshots, store, clock, policies),
        DUE_DRILLS: DueDrillsJob(snapshots, store, clock, policies),
        WATCH: WatchJob(inspect, assess, snapshots, store, clock, policies, recreate),
    }


def changing(settings: Settings, platform: Platform, apart: Aws, web: Web) -> dict[str, Job]:
    """Return the jobs that change a service, which never wait for readers.

    ``apart``: AWS through threads, connections and retries of their own.
    """
    store, clock, policies, ecs = platform.store, platform.clock, platform.policies, AwsEcs(apart)
    images, snapshots, scaling = AwsImages(apart), stored(settings, platform, apart), AwsAutoscaling(apart)
    settle_seconds = clock.at(platform.straggler_window) - clock.at(0)
    inspect = Inspect(ecs, AwsSurroundings(apart), snapshots, store, clock)
    drills, balancers = DrillExaminer(ecs, images, inspect, clock), AwsBalancers(apart)
    scalings, tasks = ScalingDrill(ecs, balancers, examiner(apart, clock), clock), AwsOneOffTasks(apart)
    schema, log = ReadSchema(ecs, applications(platform, apart, web), policies, clock), ReadLog(ecs, tasks, clock)
    recreate, turns = Recreate(AwsInfrastructure(apart), snapshots, store), TakeTurns(store, policies, clock)
    planned = RecreationDrill(recreate, drills, clock)
    return {
        CHANGE: ChangeJob(ecs, images, policies, store, clock),
        CONSIDER: ConsiderJob(ecs, snapshots, policies, AwsNeeds(apart), store, clock),
        MIGRATE: MigrateJob(ecs, tasks, schema, log, planner(apart, policies), turns, policies, store, clock),
        ROLL_BACK: RollbackJob(
            ecs, balancers, images, AwsMovers(apart), snapshots, policies, store, clock, settle_seconds
        ),
        RECREATE: RecreateJob(recreate, ecs, balancers, AwsDiscovery(apart), store, clock),
        SCALE: ScaleJob(ecs, scaling, examiner(apart, clock), policies, store, clock),
        UNSCALE: UnscaleJob(ecs, scaling, store, clock, settle_seconds),
        RAISE_AGAIN: RaiseAgainJob(ecs, scaling, store, clock),
        DRILL: DrillJob(ecs, balancers, drills, scalings, planned, policies, store, clock, settle_seconds),
    }


def stored(settings: Settings, platform: Platform, aws: Aws) -> SignedSnapshots:
    return SignedSnapshots(bucket_of(settings, aws), platform.identity)


def examiner(aws: Aws, clock: Clock) -> ScalingExaminer:
    return ScalingExaminer(AwsEcs(aws), AwsAutoscaling(aws), AwsRoom(aws, clock), clock)


def applications(platform: Platform, aws: Aws, web: Web) -> HttpApplications:
    return HttpApplications(aws, web, Secrets(aws, platform.policies))


def planner(aws: Aws, policies: Policies) -> MigrationPlanner:
    return MigrationPlanner(AwsEcs(aws), AwsImages(aws), policies)


def bucket_of(settings: Settings, aws: Aws) -> Bucket:
    """Return the backup bucket. It belongs to this process's account unless the settings name another owner."""
    owner = settings.backup_bucket_owner or settings.aws_account
    return Bucket(aws, settings.backup_bucket, owner, settings.backup_kms_key)
