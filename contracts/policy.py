"""The policy of one service: everything that may differ from service to service, by sections.

These are effective values: what holds after the defaults, the environment and the policy file have been merged.
Commands carry the sections that they need (``policy_parts.py``), so that a run keeps the policy with which it began.
Each default stands once, with its source: here, in ``policy_rules.py`` and in ``policy_tests.py``; thresholds come from
``limits.py``.
"""

from typing import Annotated, Literal, TypeVar

from pydantic import Field, StringConstraints

from contracts import limits
from contracts.access import ROLES, CallerName, Role
from contracts.base import Contract, Target
from contracts.migration_asked import MigrationCommand
from contracts.policy_drills import Drills
from contracts.policy_elsewhere import Elsewhere
from contracts.policy_holds import Approval, Holds, Pause
from contracts.policy_rules import BUILT_IN_RULES, RulePolicy
from contracts.policy_section import (
    Digest,
    ExternalId,
    Family,
    HeaderName,
    KeyName,
    Path,
    Repository,
    RoleArn,
    RuleName,
    SecretName,
    Section,
    Url,
    default,
)
from contracts.policy_tests import Tests

MOST_SERVICES = 1000
"""How many services one installation may have; a policy file with more is refused."""


Part = TypeVar("Part", bound=Contract)
"""The type of a part of a policy (``policy_parts.py``)."""

DatabaseInstance = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,62}$")]
"""The identifier of an RDS instance."""


class Application(Section):
    """Where the application is reached, and where it reports its health."""

    url: Url | None = default(None, "the load balancer's own name and port")
    """What users call. Without it, the load balancer's own name and port, which has no valid certificate."""
    health_path: Path = default("/health", "requirements, Test Categories")
    """Path that answers with a status below 300 once the application has started."""
    ready_path: Path = default("/health/ready", "requirements, Remote Database Migration")
    """Path that reports ``database``, ``redis`` and ``migrations`` as JSON."""
    endpoints: tuple[Path, ...] = default(("/api/v1/",), "requirements, API Configuration", max_length=50)
    """Paths that users call; each should answer with a status below 500."""
    headers: dict[HeaderName, SecretName] = default({}, "no header besides the usual ones", max_length=20)
    """Headers of each request that Surefoot itself sends: header → name or ARN of the secret in AWS Secrets Manager, in
    the service's account and region, whose text is the header's value. A value never stands here."""


AlarmName = Annotated[str, StringConstraints(min_length=1, max_length=255)]
"""The name of an alarm in CloudWatch."""


class Monitoring(Section):
    """What is read from CloudWatch, how often, and which topic the alarms notify."""

    metrics_namespace: Annotated[str, StringConstraints(max_length=255, pattern=r"^[A-Za-z0-9_./#:-]+$")] = default(
        "CourtCase/Production", "requirements, Environment Variables"
    )
    """Where the application publishes ``DatabaseConnectionErrors``, with the dimensions ClusterName, ServiceName."""
    alarms_topic: Annotated[str, StringConstraints(pattern=r"^arn:aws[a-z-]*:sns:[^\s]+$", max_length=512)] | None = (
        default(None, "nobody is notified by CloudWatch")
    )
    """ARN of the SNS topic that the CloudWatch alarms notify."""
    alarms: tuple[AlarmName, ...] = default((), "those of the deployment configuration alone", max_length=50)
    """Alarms that exist already: one that begins to fire by the new version fails it as a broken critical rule does."""
    database: DatabaseInstance | None = default(None, "without one a deployment is blamed")
    """The RDS instance. While the instance itself has a fault, alerts on what users notice roll nothing back."""
    interval_seconds: Annotated[float, Field(ge=10, le=3600)] = default(60, "requirements, Monitoring Service")
    """Seconds between two evaluations; CloudWatch bills each by the metric."""
    close_interval_seconds: Annotated[float, Field(ge=10, le=3600)] = default(15, "Surefoot's own choice")
    """Seconds between two evaluations while a deployment is watched closely."""


class Worsening(Section):
    """How the new version is compared with the one before; what it proves counts like a critical rule that is broken.

    A comparison fails where the chance of so high values is smaller than ``alpha`` allows, and the rise is as large as
    said here.
    """

    enabled: bool = default(True, "Surefoot's own choice")
    """False: nothing is compared."""
    alpha: Annotated[float, Field(gt=0, le=0.2)] = default(0.01, "Surefoot's own choice")
    """How often the comparison of one metric may call noise a rise, all its looks together."""
    error_rate_points: Annotated[float, Field(gt=0, le=100)] | None = default(1, "Surefoot's own choice")
    """The least rise of the error rate that matters, in percentage points; off: it is not compared."""
    error_rate_factor: Annotated[float, Field(ge=1)] = default(1.5, "Surefoot's own choice")
    """The least ratio of the error rate to that of before that matters; both must hold."""
    response_time_factor: Annotated[float, Field(gt=1)] | None = default(1.5, "Surefoot's own choice")
    """How many times that of before the 95th percentile must be to matter; off: it is not compared."""
    response_time_seconds: Annotated[float, Field(ge=0)] = default(0.05, "Surefoot's own choice")
    """The least rise of the 95th percentile that matters, in seconds; both must hold."""
    cpu_points: Annotated[float, Field(gt=0, le=100)] | None = default(20, "Surefoot's own choice")
    """The least rise that matters, in points of the reserved CPU, beyond what more load of each task explains."""
    memory_points: Annotated[float, Field(gt=0, le=100)] | None = default(20, "Surefoot's own choice")
    """The least rise that matters, in points of the reserved memory; off: it is not compared."""
    throughput_percent: Annotated[float, Field(gt=0, le=100)] | None = default(90, "Surefoot's own choice")
    """The least fall of the requests a minute that matters, per cent; off: they are not compared."""


class Health(Section):
    """What still counts as good for the health score, and how often it is looked at."""

    interval_seconds: Annotated[float, Field(ge=5, le=3600)] = default(30, "requirements, Health Service")
    """Seconds between two continuous checks."""
    response_time_seconds: Annotated[float, Field(gt=0)] = default(
        limits.WARNING_RESPONSE_TIME, "requirements, Health Service"
    )
    """The highest 95th percentile, in seconds, that still counts as good."""
    cpu_percent: Annotated[float, Field(gt=0, le=100)] = default(limits.WARNING_CPU, "requirements, Alerting Rules")
    memory_percent: Annotated[float, Field(gt=0, le=100)] = default(
        limits.WARNING_MEMORY, "requirements, Alerting Rules"
    )
    error_rate_percent: Annotated[float, Field(ge=0, le=100)] = default(
        limits.WARNING_ERROR_RATE, "requirements, Alerting Rules"
    )


class Gates(Section):
    """What has to hold before a change is made."""

    minimum_health_score: Annotated[float, Field(ge=0, le=100)] = default(
        limits.MINIMUM_HEALTH_SCORE, "requirements, Phase 1"
    )
    image_platform: Literal["linux/amd64", "task-definition"] = default("linux/amd64", "requirements, Phase 1")
    """What an image must be built for: what its task definition runs on, which is linux/amd64 where that says nothing.

    Both values mean this; the setting is kept for the policies that have it.
    """
    unseen_images: Literal["block", "trust-digest"] = default("block", "Surefoot's own choice")
    """What becomes of an image that nobody can look up: it blocks, or the digest that is named for it is trusted."""
    unchecked_way_back: Literal["warn", "block"] = default("warn", "Surefoot's own choice")
    """What becomes of a part of the way back that cannot be checked. One that is known to be gone always blocks."""
    without_evidence: Literal["accept-idle", "accept", "fail"] = default("accept-idle", "Surefoot's own choice")
    """What becomes of a deployment of which nothing could be proven, since no check applies to the service.

    ``accept-idle``: it succeeds where the service wants no task, and fails elsewhere. Nothing is ever rolled back.
    """


class ChangeScope(Section):
    """What a change may bring that the live version does not have; a change to anything else is refused."""

    repositories: tuple[Repository, ...] = default((), "those of the live version alone", max_length=100)
    """Repositories from which images may come, besides those of the live version."""
    families: tuple[Family, ...] = default((), "that of the live version alone", max_length=100)
    """Families of task definitions that may be deployed, besides that of the live version."""
    roles: tuple[RoleArn, ...] = default((), "those of the live version alone", max_length=100)
    """ARNs of the roles that a task definition may have as task role or execution role, besides the live version's."""


class Timeouts(Section):
    deployment_minutes: Annotated[float, Field(gt=0, le=240)] = default(15, "requirements, Phase 2")
    """The longest that the service may take to become healthy. Left out: a rollout that goes on moving has as long as
    the service's own pace asks for."""
    validation_minutes: Annotated[float, Field(gt=0, le=120)] = default(10, "requirements, Orchestration Service")
    """The longest that post-deployment validation may take."""


class Baking(Section):
    minimum_minutes: Annotated[float, Field(ge=0, le=1440)] = default(0, "Surefoot's own choice")
    """The shortest that baking takes, however soon its evidence is there."""
    maximum_minutes: Annotated[float, Field(gt=0, le=1440)] = default(15, "Surefoot's own choice")
    """The longest that baking may wait for its evidence; it ends as soon as the evidence is there."""


class Optimization(Section):
    enabled: bool = default(True, "requirements, Orchestration Service")
    """False: runs have no optimisation analysis."""


class Recovery(Section):
    enabled: bool = default(True, "requirements, Orchestration Service")
    """False: nothing is rolled back by itself, whatever a request says."""
    triggers: tuple[RuleName, ...] | None = default(None, "every critical rule", max_length=100)
    """The rules whose critical alerts roll the service back by themselves. Gates do so in any case."""
    rollback_window: Annotated[float, Field(ge=0, le=120)] = default(60, "Surefoot's own choice, ADR 36")
    """Minutes after a deployment is rolled out, whoever made it, within which a critical alert rolls it back outside a
    run as well; afterwards people are called. 0: never, people are called in any case."""
    stack_in_progress: Literal["watch", "act"] = default("watch", "Surefoot's own choice, ADR 53")
    """What a rollback does where CloudFormation takes the service's stack back by itself: it lets it, for three minutes
    while the bad version is live, and acts then; or it acts at once."""
    retention_days: Annotated[float, Field(gt=0, le=3650)] = default(30, "requirements, Snapshot Management")
    """Older snapshots are deleted, except those that may still be needed."""
    keep: Annotated[int, Field(ge=1, le=100)] = default(10, "requirements, Snapshot Management")
    """How many snapshots of the service are kept."""
    scaling_by_itself: bool = default(True, "requirements, Recovery plans")
    """True: a service whose processor is exhausted outside a run is scaled for a time, within the same bounds (ADR 40).
    It is looked at when an alert of a rule about cpu or memory fires, a warning too."""
    scaling_factor: Annotated[float, Field(gt=1, le=10)] = default(2, "Surefoot's own choice")
    """An emergency scaling wants at most so many times the tasks that were wanted before."""
    scaling_minutes: Annotated[float, Field(ge=1, le=1440)] = default(60, "Surefoot's own choice")
    """After so many minutes what an emergency scaling has set is as before again; a request may name fewer or more."""
    scaling_reapply: Literal["never", "once"] = default(
        "never", "Surefoot's own choice: it contradicts nobody by itself"
    )
    """once: a count that an infrastructure tool sets back while an emergency scaling stands is raised again, once for
    each scaling; then people are called (ADR 40)."""
    scaling_above_maximum: bool = default(False, "Surefoot's own choice")
    """True: an emergency scaling may want more tasks than the autoscaler's maximum, and raises that for its time."""
    scaling_database_connections: Annotated[int, Field(ge=1)] | None = default(None, "not known, so that it only warns")
    """How many connections `monitoring.database` takes. More tasks need more of them: an emergency scaling that would
    need more than 80 % is refused. off: not known."""
    scaling_without_database: bool = default(False, "not known, so that recovery goes no further than half by itself")
    """True: more tasks exhaust no database, since there is none, or one that takes as many connections as they open.
    Otherwise an emergency scaling that begins by itself adds no more than half the tasks wherever it is not known how
    many connections the database takes and has; one by hand warns."""
    migration_command: MigrationCommand | None = default(None, "no migration, unless a request names one")
    """The command that migrates before each change, for every run of the service; a request may name its own, or none.
    off: none."""
    migration_container: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{0,255}$")] = default(
        "", "the one whose image changes, that serves, or the only one"
    )
    """The container that migrates, where a request names none."""
    migration_minutes: Annotated[float, Field(ge=1, le=1440)] = default(30, "Surefoot's own choice")
    """For so long a migration is waited for. It goes on afterwards, and nothing is deployed until a person decides."""
    migrations_compatible: bool = default(False, "Surefoot's own choice")
    """True: the version before always works, and starts, with the schema that a migration leaves, so that one can go
    back over it. A request may say so of its own migration."""
    migration_at_limit: Literal["leave", "stop"] = default("leave", "Surefoot's own choice: half of one may be done")
    """What becomes of a migration that takes longer: it goes on, or its task is stopped."""
    migration_on_alert: Literal["follow", "stop"] = default("follow", "Surefoot's own choice: half of one may be done")
    """What becomes of a migration while a critical alert of its service fires that began after its task: it is
    followed, or its task is stopped. A run does not go on to its change while such an alert stands, either way."""
    migration_success: Literal["application", "exit-code"] = default("application", "Surefoot's own choice")
    """What a migration's success is: exit code 0, where nothing that the application tells under
    `application.ready_path` speaks against it; or exit code 0 alone, for an application that tells it wrongly."""
    ecs_rollback_over_migration: Literal["block", "allow"] = default("block", "Surefoot's own choice, ADR 52")
    """What becomes of a run whose migration is not called compatible, where ECS's own circuit breaker or alarms would
    roll its deployment back: it is blocked before the migration, or runs, and ECS may go back over the migration."""
    migrates_at_start: bool = default(False, "what the task definition's command shows")
    """True: the image migrates when it starts, and ends where it does not know the database's revision. Then there is
    no way back over a migration, whoever calls it compatible."""


class Requests(Section):
    """Who may ask for deployments of the service, and act on them, over Kafka; and which goes first."""

    keys: tuple[KeyName, ...] | None = default(None, "every trusted key of CI", max_length=100)
    """Names of CI's signing keys, as `surefoot signing-keys create ci --name` gave them. A request without a signature
    is none of theirs."""
    approvers: tuple[KeyName, ...] | None = default(None, "every key, or none where `keys` names some", max_length=100)
    """Names of those of them that may also let gates pass by an override, approve and reject runs, release what is held
    after a rollback, and ask for less than the policy demands in `deployment_config`: another minimum_health_score, a
    shorter baking, no recovery."""
    on_conflict: Literal["queue", "refuse", "supersede"] = default("queue", "Surefoot's own choice")
    """What becomes of a request that does not say so itself while another run is active: it waits for its end, is
    refused, or takes the place of all that was asked for before; what these have changed is rolled back first."""


NOBODY_ELSE = "keys with a role of their own alone"


class Callers(Section):
    """Who may do what with the service over HTTP: callers by role. Each role includes those that stand before it."""

    viewers: tuple[CallerName, ...] = default((), NOBODY_ELSE, max_length=200)
    """May look at everything."""
    deployers: tuple[CallerName, ...] = default((), NOBODY_ELSE, max_length=200)
    """May ask for deployments, validations, snapshots, alarms and dashboards, too."""
    approvers: tuple[CallerName, ...] = default((), NOBODY_ELSE, max_length=200)
    """May let gates pass by an override, approve and reject runs, and release what is held after a rollback, too."""
    operators: tuple[CallerName, ...] = default((), NOBODY_ELSE, max_length=200)
    """May abort, pause and resume runs, and roll back, too."""
    admins: tuple[CallerName, ...] = default((), NOBODY_ELSE, max_length=200)
    """May do everything; of the defaults, reload the policy as well."""

    def by_role(self) -> tuple[tuple[Role, tuple[CallerName, ...]], ...]:
        """Return the callers of each role, the lowest role first."""
        return tuple((role, getattr(self, f"{role}s")) for role in ROLES)

    def role_of(self, name: str) -> Role | None:
        """Return the highest role of a caller; None where there is none."""
        return next((role for role, names in reversed(self.by_role()) if name in names), None)


class Access(Section):
    """How Surefoot acts in an account that is not its own."""

    role: RoleArn
    """ARN of the role that is assumed. It must belong to the account that it is listed for."""
    external_id: ExternalId | None = None
    """The external id that the role's trust policy demands, if it demands any."""
    session_name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_+=,.@-]{2,64}$")] = default(
        "surefoot", "Surefoot's own choice"
    )
    """What CloudTrail calls Surefoot's sessions; some trust policies demand a fixed one."""


class ServicePolicy(Section):
    """Everything that is set for one service."""

    target: Target
    digest: Digest = ""
    """Digest of the policy file that this was read from. Two policies are equal if all but the digest is."""
    application: Application = Application()
    monitoring: Monitoring = Monitoring()
    rules: tuple[RulePolicy, ...] = BUILT_IN_RULES
    """The rules that are not switched off; the built-in rules first."""
    comparison: Worsening = Worsening()
    health: Health = Health()
    gates: Gates = Gates()
    change: ChangeScope = ChangeScope()
    timeouts: Timeouts = Timeouts()
    baking: Baking = Baking()
    tests: Tests = Tests()
    optimization: Optimization = Optimization()
    recovery: Recovery = Recovery()
    drills: Drills = Drills()
    elsewhere: Elsewhere = Elsewhere()
    approval_before_change: Approval = Approval()
    approval_before_success: Approval = Approval()
    pause: Pause = Pause()
    holds: Holds = Holds()
    requests: Requests = Requests()
    access: Callers = Callers()

    def part(self, kind: type[Part]) -> Part:
        """Return the part of the policy that the commands to one service carry."""
        return kind.model_validate({name: getattr(self, name) for name in kind.model_fields})


SECTIONS: dict[str, type[Section]] = {
    name: field.annotation
    for name, field in ServicePolicy.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}
"""The sections of a policy whose fields are plain values; ``rules`` is a map of its own."""
